package dispatch

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/seed567880c8/turnout"
)

// Key layout, beside the internal queues:
//
//	d r | id8                      a route: day of its last use, then what deliveries share
//	d e | arn                      the state of an endpoint that is in trouble (JSON)
//	d s | segment4                 a segment of the attempt log: begin, bytes
//	a | segment4 | event id, NUL, at6 delivery8 attempt2    an attempt
const (
	prefixDispatch = 'd'
	prefixAttempt  = 'a'

	kindRoute    = 'r'
	kindEndpoint = 'e'
	kindSegment  = 's'
)

var errRecord = errors.New("dispatch: malformed record")

// route is what the deliveries of one target share. It is stored once, and a
// waiting delivery refers to it by number.
type route struct {
	id          uint64
	endpoint    string
	ruleARN     string
	targetARN   string
	targetID    string
	parameters  []byte
	deadLetters []turnout.QueueName
	retriesMax  int
	ageMax      time.Duration
	fifo        bool

	lane turnout.QueueName // the internal queue; follows from the rest
	day  uint32            // of the last use, days since 1970; only the loop looks
}

// appendTo encodes what makes up r, but neither its number nor its day.
func (r *route) appendTo(dst []byte) []byte {
	fifo := uint64(0)
	if r.fifo {
		fifo = 1
	}
	dst = binary.AppendUvarint(dst, fifo)
	dst = binary.AppendUvarint(dst, uint64(r.retriesMax))
	dst = binary.AppendUvarint(dst, uint64(r.ageMax.Milliseconds()))
	for _, s := range [...]string{r.endpoint, r.ruleARN, r.targetARN, r.targetID} {
		dst = appendText(dst, s)
	}
	dst = appendText(dst, string(r.parameters))
	dst = binary.AppendUvarint(dst, uint64(len(r.deadLetters)))
	for _, q := range r.deadLetters {
		dst = appendText(appendText(appendText(dst, q.Account), q.Region), q.Name)
	}
	return dst
}

func parseRoute(b []byte) (*route, error) {
	d := decoder{b: b}
	r := &route{fifo: d.uvarint() == 1, retriesMax: int(d.uvarint()), ageMax: time.Duration(d.uvarint()) * time.Millisecond}
	r.endpoint, r.ruleARN, r.targetARN, r.targetID = d.text(), d.text(), d.text(), d.text()
	if p := d.bytes(d.uvarint()); len(p) > 0 {
		r.parameters = append([]byte(nil), p...)
	}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		r.deadLetters = append(r.deadLetters, turnout.QueueName{Scope: turnout.Scope{Account: d.text(), Region: d.text()}, Name: d.text()})
	}
	if d.bad || len(d.b) != 0 {
		return nil, fmt.Errorf("%w: route of %d bytes", errRecord, len(b))
	}
	r.lane = laneOf(r.endpoint, r.ageMax, r.fifo)
	return r, nil
}

// note is what a waiting delivery holds beside its event: the number of its
// route, the event's id, and the body if that is not the event.
type note struct {
	route   uint64
	eventID string
	body    []byte // nil: the message's own body or event
}

const (
	noteUUID = 1 << iota // the event id is a UUID in its usual form, stored in 16 bytes
	noteBody
)

func (n *note) appendTo(dst []byte) []byte {
	flags, at := byte(0), len(dst)
	dst = append(dst, 0)
	dst = binary.AppendUvarint(dst, n.route)
	if id, ok := parseUUID(n.eventID); ok {
		flags |= noteUUID
		dst = append(dst, id[:]...)
	} else {
		dst = appendText(dst, n.eventID)
	}
	if n.body != nil {
		flags |= noteBody
		dst = append(dst, n.body...) // last, so that it needs no length
	}
	dst[at] = flags
	return dst
}

// parseNote decodes b; the body points into it.
func parseNote(b []byte) (note, error) {
	d := decoder{b: b}
	flags := d.byte()
	n := note{route: d.uvarint()}
	if flags&noteUUID != 0 {
		if id := d.bytes(16); len(id) == 16 {
			n.eventID = turnout.UUID([16]byte(id))
		}
	} else {
		n.eventID = d.text()
	}
	if flags&noteBody != 0 {
		n.body, d.b = d.b, nil
		if n.body == nil {
			n.body = []byte{}
		}
	}
	if d.bad || len(d.b) != 0 || flags > noteUUID|noteBody {
		return note{}, fmt.Errorf("%w: delivery of %d bytes", errRecord, len(b))
	}
	return n, nil
}

// parseUUID reads the only text that turnout.UUID writes for 16 bytes.
func parseUUID(s string) (id [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	var digits [32]byte
	copy(digits[:], s[:8])
	copy(digits[8:], s[9:13])
	copy(digits[12:], s[14:18])
	copy(digits[16:], s[19:23])
	copy(digits[20:], s[24:])
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return id, false
	}
	var text [36]byte // upper-case digits, or another version, would come back differently
	return id, string(turnout.AppendUUID(text[:0], id)) == s
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func append6(dst []byte, v uint64) []byte {
	return append(dst, byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func read6(b []byte) uint64 {
	return uint64(b[0])<<40 | uint64(b[1])<<32 | uint64(b[2])<<24 | uint64(b[3])<<16 | uint64(b[4])<<8 | uint64(b[5])
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
