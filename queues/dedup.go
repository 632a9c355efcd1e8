package queues

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
)

// dedup remembers the deduplication ids of a FIFO queue for five minutes from
// the send, also when the message was deleted since.
//
// Ids are kept as the first 16 bytes of a SHA-256, by spans of five minutes:
// the present one and the one before hold every id that can still count, and a
// span is forgotten whole, in memory and with a DeleteRange.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
type dedup struct {
	scope    turnout.FIFOScope
	span     int64 // the present span: Unix ms / spanMillis
	now, old map[dedupKey]sentOnce
	stored   int64 // the earliest span that may have records, 0 for none
}

type dedupKey [16]byte

// sentOnce is the message that an id was first sent with.
type sentOnce struct {
	at  int64 // Unix ms of the send
	seq uint64
}

const spanMillis = int64(turnout.DeduplicationWindow / 1e6)

// dedupMax bounds the ids of one span, at about 50 bytes each. It is 3,495
// sends a second for five minutes without a pause, above the 3,000 that SQS
// gives a FIFO queue; high throughput gets four times as much, above which sends are shed.
const dedupMax = 1 << 20

func (d *dedup) keyOf(groupID, id string) (k dedupKey) {
	h := sha256.New()
	if d.scope == turnout.PerMessageGroup {
		h.Write([]byte(groupID))
		h.Write([]byte{0})
	}
	h.Write([]byte(id))
	var sum [sha256.Size]byte
	copy(k[:], h.Sum(sum[:0]))
	return k
}

// find returns the message that was sent with k in the last five minutes.
func (d *dedup) find(k dedupKey, now int64) (sentOnce, bool) {
	s, ok := d.now[k]
	if !ok {
		s, ok = d.old[k]
	}
	return s, ok && now-s.at < turnout.DeduplicationWindow.Milliseconds()
}

// full reports whether no more ids can be taken in this span.
func (d *dedup) full(a *turnout.QueueAttributes) bool {
	limit := dedupMax
	if a.ThroughputLimit == turnout.PerMessageGroup {
		limit *= 4
	}
	return len(d.now) >= limit
}

// turnDedup begins a new span if now is in one, and forgets those that cannot
// count any more, also when they were stored before a restart.
func (q *queue) turnDedup(tx *partition.Tx, now int64) {
	d := &q.dedup
	span := now / spanMillis
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
	tx.Batch.DeleteRange(appendSpanKey(nil, q.id, d.stored), appendSpanKey(nil, q.id, span-1))
	switch {
	case d.old != nil:
		d.stored = span - 1
	case d.now != nil:
		d.stored = span
	default:
		d.stored = 0
	}
}

// remember stores that k was sent now as seq.
func (q *queue) remember(tx *partition.Tx, k dedupKey, s sentOnce) {
	d := &q.dedup
	if d.now == nil {
		d.now = make(map[dedupKey]sentOnce)
	}
	if d.stored == 0 {
		d.stored = d.span
	}
	d.now[k] = s
	e := q.engine
	e.key = append(appendSpanKey(e.key[:0], q.id, d.span), k[:]...)
	e.value = append6(append6(e.value[:0], uint64(s.at)), s.seq)
	tx.Batch.Set(e.key, e.value)
}

// due returns when a span that has records can be forgotten, Unix ms.
func (d *dedup) due() int64 {
	if d.stored == 0 {
		return never
	}
	return (d.stored + 2) * spanMillis
}

func appendSpanKey(dst []byte, id uint32, span int64) []byte {
	return binary.BigEndian.AppendUint32(appendQueueKey(dst, prefixDedup, id), uint32(span))
}

// restoreDedup reads the ids that can still count.
func (q *queue) restoreDedup() error {
	if q.fifo == nil {
		return nil
	}
	d := &q.dedup
	d.span = q.engine.loop.Now().UnixMilli() / spanMillis
	lower, upper := queueRange(prefixDedup, q.id)
	pairs, scanErr := q.engine.store.Scan(lower, upper)
	for key, value := range pairs {
		if len(key) != 5+4+16 || len(value) != 12 {
			return fmt.Errorf("%w: deduplication key %x", errRecord, key)
		}
		span := int64(binary.BigEndian.Uint32(key[5:]))
		if d.stored == 0 {
			d.stored = span
		}
		s := sentOnce{at: int64(read6(value)), seq: read6(value[6:])}
		m := &d.now
		if span < d.span {
			m = &d.old
		}
		if *m == nil {
			*m = make(map[dedupKey]sentOnce)
		}
		if span >= d.span-1 {
			(*m)[dedupKey(key[9:])] = s
		}
	}
	return scanErr()
}
