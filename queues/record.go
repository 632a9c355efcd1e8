package queues

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
)

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
