package topics

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
)

// fifo is what a FIFO topic has beside subscriptions: the sequence of its
// messages, the ids of the last five minutes, and its archive. It belongs to
// the loop.
type fifo struct {
	next     uint64 // the sequence of the next message, ≥ 1
	unstored bool   // next has changed in this batch
	dedup    dedup
	archive  archive
}

func newFIFO(now time.Time) *fifo {
	return &fifo{next: 1, dedup: dedup{span: now.UnixMilli() / spanMillis}}
}

// dedup remembers the deduplication ids of a FIFO topic for five minutes from
// the publish.
//
// Ids are kept as the first 16 bytes of a SHA-256, by spans of five minutes:
// the present one and the one before hold every id that can still count, and a
// span is forgotten whole, in memory and with a DeleteRange.
//
// https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html
type dedup struct {
	span     int64 // the present span: Unix ms / spanMillis
	now, old map[dedupKey]publishedOnce
	stored   int64 // the earliest span that may have records, 0 for none
}

type dedupKey [16]byte

// publishedOnce is the message that an id was first published with.
type publishedOnce struct {
	at  int64 // Unix ms of the publish
	seq uint64
	id  [16]byte
}

const spanMillis = int64(turnout.DeduplicationWindow / time.Millisecond)

// keyOf returns the key of an id, in the scope that the topic's FifoThroughputScope says.
func keyOf(a *turnout.TopicAttributes, group, id string) (k dedupKey) {
	h := sha256.New()
	if a.FIFOThroughputScope == perGroup {
		h.Write([]byte(group))
		h.Write([]byte{0})
	}
	h.Write([]byte(id))
	var sum [sha256.Size]byte
	copy(k[:], h.Sum(sum[:0]))
	return k
}

// perGroup is the FifoThroughputScope that deduplicates in each message group.
const perGroup = "MessageGroup"

// contentID returns the deduplication id that content-based deduplication
// gives a message: the SHA-256 of its text. When protocols have texts of their
// own, these count too.
func contentID(bodies map[string]string) string {
	h := sha256.New()
	h.Write([]byte(bodies[defaultBody]))
	if len(bodies) > 1 {
		for _, protocol := range slices.Sorted(maps.Keys(bodies)) {
			_, _ = fmt.Fprintf(h, "\x00%s\x00%s", protocol, bodies[protocol])
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// find returns the message that was published with k in the last five minutes.
func (d *dedup) find(k dedupKey, now int64) (publishedOnce, bool) {
	p, ok := d.now[k]
	if !ok {
		p, ok = d.old[k]
	}
	return p, ok && now-p.at < turnout.DeduplicationWindow.Milliseconds()
}

// turn begins a new span if now is in one, and forgets those that cannot count
// any more.
func (t *Topics) turn(tx *partition.Tx, p *topic) {
	d := &p.fifo.dedup
	span := tx.Now.UnixMilli() / spanMillis
	if span != d.span {
		d.old = nil
		if span == d.span+1 {
			d.old = d.now
		}
		d.now, d.span = nil, span
	}
	if d.stored == 0 || d.stored >= span-1 {
		return
	}
	tx.Batch.DeleteRange(appendDedupKey(nil, p.id, d.stored), appendDedupKey(nil, p.id, span-1))
	switch {
	case d.old != nil:
		d.stored = span - 1
	case d.now != nil:
		d.stored = span
	default:
		d.stored = 0
	}
}

// remember stores that k was published.
func (t *Topics) remember(tx *partition.Tx, p *topic, k dedupKey, once publishedOnce) {
	d := &p.fifo.dedup
	if d.now == nil {
		d.now = make(map[dedupKey]publishedOnce)
	}
	if d.stored == 0 {
		d.stored = d.span
		t.dueAt(time.UnixMilli((d.span + 2) * spanMillis))
	}
	d.now[k] = once
	t.key = append(appendDedupKey(t.key[:0], p.id, d.span), k[:]...)
	t.value = appendSequence(append6(t.value[:0], once.at), once.seq)
	t.value = append(t.value, once.id[:]...)
	tx.Batch.Set(t.key, t.value)
}

const dedupValueBytes = 6 + 8 + 16

// loadDedup takes a stored id.
func (d *dedup) load(key, value []byte) error {
	if len(key) != 4+16 || len(value) != dedupValueBytes {
		return fmt.Errorf("topics: a deduplication id of the key %x has an unknown form", key)
	}
	span := int64(binary.BigEndian.Uint32(key))
	if d.stored == 0 {
		d.stored = span // keys come sorted
	}
	if span < d.span-1 {
		return nil
	}
	m := &d.now
	if span < d.span {
		m = &d.old
	}
	if *m == nil {
		*m = make(map[dedupKey]publishedOnce)
	}
	(*m)[dedupKey(key[4:])] = publishedOnce{at: read6(value), seq: binary.BigEndian.Uint64(value[6:]), id: [16]byte(value[14:])}
	return nil
}

// assign gives a message its sequence, or finds that it is a duplicate of once.
func (t *Topics) assign(tx *partition.Tx, p *Prepared) (once publishedOnce, duplicate bool, err error) {
	f := p.topic.fifo
	t.turn(tx, p.topic)
	now := tx.Now.UnixMilli()
	key := keyOf(&p.view.settings.Attributes, p.message.GroupID, p.message.DeduplicationID)
	if once, ok := f.dedup.find(key, now); ok {
		return once, true, nil
	}
	if len(f.dedup.now) >= t.cfg.DeduplicationMax {
		return once, false, turnout.Errorf(turnout.CodeThrottled, "The topic has too many deduplication ids of the last five minutes; retry with backoff.")
	}
	once = publishedOnce{at: now, seq: f.next, id: p.id}
	f.next++
	if !f.unstored {
		f.unstored = true
		t.unstored = append(t.unstored, p.topic)
	}
	t.remember(tx, p.topic, key, once)
	return once, false, nil
}

func appendSequence(dst []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(dst, n) }

// expire forgets what has had its time of a FIFO topic.
func (t *Topics) expire(tx *partition.Tx, p *topic) {
	t.turn(tx, p)
	d := &p.fifo.dedup
	if d.stored != 0 {
		t.dueAt(time.UnixMilli((d.stored + 2) * spanMillis))
	}
	t.prune(tx, p)
}
