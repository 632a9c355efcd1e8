package queues

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
)

// Key layout. Every key of one queue starts with a prefix byte and the queue's
// id, big-endian, so that a queue is one range per prefix and goes away with a
// DeleteRange. Times and sequences take six bytes: milliseconds until the year
// 10889, and 2.8e14 messages a queue; the bytes saved are a quarter of what a
// reference to an event costs in the log.
//
//	q | id4                   configuration (JSON)
//	h | id4                   ledger: counters and watermarks
//	m | id4 | at6 | seq6      a message, in the order in which it becomes available
//	s | id4 | seq6            a message that was received: visibility, receive count
//	x | id4 | span4 | hash16  a deduplication id, by five-minute span
//	t | id4 | started6 | uuid16  a message move task of the source queue
//	k | name                  the engine's own: next queue id, secret
const (
	prefixQueue   = 'q'
	prefixLedger  = 'h'
	prefixMessage = 'm'
	prefixState   = 's'
	prefixDedup   = 'x'
	prefixTask    = 't'
	prefixEngine  = 'k'
)

// position is where a message stands in its queue: by the time at which it
// becomes available, then by the order in which messages were sent.
type position struct {
	at  int64  // Unix milliseconds
	seq uint64 // 1, 2, … within the queue; never reused
}

func (p position) before(o position) bool {
	return p.at < o.at || p.at == o.at && p.seq < o.seq
}

// next is the least position behind p.
func (p position) next() position { return position{at: p.at, seq: p.seq + 1} }

// previous is a position before p with none of a message between.
func (p position) previous() position {
	if p.seq == 0 {
		return position{at: p.at - 1, seq: 1<<48 - 1}
	}
	return position{at: p.at, seq: p.seq - 1}
}

const (
	messageKeyLen = 1 + 4 + 6 + 6
	stateKeyLen   = 1 + 4 + 6
)

func appendQueueKey(dst []byte, prefix byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, prefix), id)
}

func append6(dst []byte, v uint64) []byte {
	return append(dst, byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func read6(b []byte) uint64 {
	return uint64(b[0])<<40 | uint64(b[1])<<32 | uint64(b[2])<<24 | uint64(b[3])<<16 | uint64(b[4])<<8 | uint64(b[5])
}

func appendMessageKey(dst []byte, id uint32, p position) []byte {
	return append6(append6(appendQueueKey(dst, prefixMessage, id), uint64(p.at)), p.seq)
}

// parseMessageKey is the inverse of appendMessageKey; ok is false for any other key.
func parseMessageKey(key []byte) (id uint32, p position, ok bool) {
	if len(key) != messageKeyLen || key[0] != prefixMessage {
		return 0, position{}, false
	}
	p = position{at: int64(read6(key[5:])), seq: read6(key[11:])}
	return binary.BigEndian.Uint32(key[1:]), p, true
}

func appendStateKey(dst []byte, id uint32, seq uint64) []byte {
	return append6(appendQueueKey(dst, prefixState, id), seq)
}

// queueRange bounds every key of one queue under one prefix.
func queueRange(prefix byte, id uint32) (lower, upper []byte) {
	lower = appendQueueKey(nil, prefix, id)
	if id == 1<<32-1 {
		return lower, []byte{prefix + 1}
	}
	return lower, appendQueueKey(nil, prefix, id+1)
}

// record is the stored value of a message. Its position says when it became
// available and its sequence; the record holds the rest. What is usual costs
// nothing: an event delivered to a queue is a flag byte and a reference.
type record struct {
	event       eventlog.Ref // the body is this event, or 0 and body holds it
	body        []byte
	attributes  []turnout.MessageAttribute
	groupID     string
	dedupID     string
	traceHeader string
	senderID    string // "" is the queue's account
	sentAt      int64  // Unix ms; 0: the position's time
	moved       *moved // nil: still in the queue it was sent to
}

// moved is what a message keeps when it goes to another queue.
type moved struct {
	messageID [16]byte
	receives  uint32 // receives before the move; ApproximateReceiveCount goes on from here
	sourceARN string // the queue it was dead-lettered from, "" after it was moved back
}

const (
	flagEvent = 1 << iota
	flagAttributes
	flagGroup
	flagDedup
	flagTrace
	flagSender
	flagSentAt
	flagMoved
)

func (r *record) append(dst []byte) []byte {
	flags, at := byte(0), len(dst)
	dst = append(dst, 0)
	text := func(flag byte, s string) {
		if s != "" {
			flags |= flag
			dst = binary.AppendUvarint(dst, uint64(len(s)))
			dst = append(dst, s...)
		}
	}
	if r.sentAt != 0 {
		flags |= flagSentAt
		dst = binary.AppendUvarint(dst, uint64(r.sentAt))
	}
	if r.moved != nil {
		flags |= flagMoved
		dst = append(dst, r.moved.messageID[:]...)
		dst = binary.AppendUvarint(dst, uint64(r.moved.receives))
		dst = binary.AppendUvarint(dst, uint64(len(r.moved.sourceARN)))
		dst = append(dst, r.moved.sourceARN...)
	}
	text(flagGroup, r.groupID)
	text(flagDedup, r.dedupID)
	text(flagTrace, r.traceHeader)
	text(flagSender, r.senderID)
	if len(r.attributes) > 0 {
		flags |= flagAttributes
		dst = appendAttributes(dst, r.attributes)
	}
	if r.event != 0 {
		flags |= flagEvent
		dst = binary.AppendUvarint(dst, uint64(r.event))
	} else {
		dst = append(dst, r.body...) // last, so that it needs no length
	}
	dst[at] = flags
	return dst
}

func appendAttributes(dst []byte, attributes []turnout.MessageAttribute) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(attributes)))
	for _, a := range attributes {
		dst = binary.AppendUvarint(dst, uint64(len(a.Name)))
		dst = append(dst, a.Name...)
		dst = binary.AppendUvarint(dst, uint64(len(a.Type)))
		dst = append(dst, a.Type...)
		dst = binary.AppendUvarint(dst, uint64(len(a.Value)))
		dst = append(dst, a.Value...)
	}
	return dst
}

var errRecord = errors.New("queues: malformed message record")

// parseRecord decodes b. The byte slices of the result point into b.
func parseRecord(b []byte) (record, error) {
	d := decoder{b: b}
	flags := d.byte()
	var r record
	if flags&flagSentAt != 0 {
		r.sentAt = int64(d.uvarint())
	}
	if flags&flagMoved != 0 {
		r.moved = &moved{}
		copy(r.moved.messageID[:], d.bytes(16))
		r.moved.receives = uint32(d.uvarint())
		r.moved.sourceARN = d.text()
	}
	if flags&flagGroup != 0 {
		r.groupID = d.text()
	}
	if flags&flagDedup != 0 {
		r.dedupID = d.text()
	}
	if flags&flagTrace != 0 {
		r.traceHeader = d.text()
	}
	if flags&flagSender != 0 {
		r.senderID = d.text()
	}
	if flags&flagAttributes != 0 {
		r.attributes = d.attributes()
	}
	if flags&flagEvent != 0 {
		r.event = eventlog.Ref(d.uvarint())
		if len(d.b) != 0 || r.event == 0 {
			d.bad = true
		}
	} else {
		r.body = d.b
	}
	if d.bad {
		return record{}, fmt.Errorf("%w: %d bytes, flags %08b", errRecord, len(b), flags)
	}
	return r, nil
}

// decoder reads a stored value; bad is set, and stays set, at the first fault.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) byte() byte {
	if b := d.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	got := d.b[:n:n]
	d.b = d.b[n:]
	return got
}

func (d *decoder) text() string { return string(d.bytes(d.uvarint())) }

func (d *decoder) attributes() []turnout.MessageAttribute {
	n := d.uvarint()
	if n > uint64(len(d.b)) { // each takes three bytes at least
		d.bad = true
		return nil
	}
	all := make([]turnout.MessageAttribute, n)
	for i := range all {
		all[i] = turnout.MessageAttribute{Name: d.text(), Type: d.text(), Value: d.bytes(d.uvarint())}
	}
	return all
}

// stateRecord is the stored value of a message that was received at least once.
type stateRecord struct {
	at         int64  // the message's position
	visibleAt  int64  // Unix ms; in flight until then
	receivedAt int64  // Unix ms of the newest receive
	firstAt    int64  // Unix ms of the first receive
	receives   uint32 // in this queue and those before it
	epoch      uint32 // receives in this queue: which receipt handle is the newest
	sentAt     int64
	event      eventlog.Ref
	group      string
}

func (s *stateRecord) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(s.at))
	dst = binary.AppendUvarint(dst, uint64(s.visibleAt))
	dst = binary.AppendUvarint(dst, uint64(s.visibleAt-s.receivedAt))
	dst = binary.AppendUvarint(dst, uint64(s.receivedAt-s.firstAt))
	dst = binary.AppendUvarint(dst, uint64(s.receives))
	dst = binary.AppendUvarint(dst, uint64(s.epoch))
	dst = binary.AppendUvarint(dst, uint64(s.at-s.sentAt))
	dst = binary.AppendUvarint(dst, uint64(s.event))
	return append(dst, s.group...)
}

func parseState(b []byte) (stateRecord, error) {
	d := decoder{b: b}
	s := stateRecord{at: int64(d.uvarint()), visibleAt: int64(d.uvarint())}
	s.receivedAt = s.visibleAt - int64(d.uvarint())
	s.firstAt = s.receivedAt - int64(d.uvarint())
	s.receives = uint32(d.uvarint())
	s.epoch = uint32(d.uvarint())
	s.sentAt = s.at - int64(d.uvarint())
	s.event = eventlog.Ref(d.uvarint())
	s.group = string(d.b)
	if d.bad {
		return stateRecord{}, fmt.Errorf("%w: state of %d bytes", errRecord, len(b))
	}
	return s, nil
}
