package notification

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/seed567880c8/turnout"
)

// Kind is what a message is for; AWS shows it as Type.
type Kind byte

// The kinds.
const (
	Notification Kind = iota + 1
	SubscriptionConfirmation
	UnsubscribeConfirmation
)

// String returns AWS's name of the kind.
func (k Kind) String() string {
	switch k {
	case Notification:
		return "Notification"
	case SubscriptionConfirmation:
		return "SubscriptionConfirmation"
	case UnsubscribeConfirmation:
		return "UnsubscribeConfirmation"
	}
	return fmt.Sprintf("Kind(%d)", byte(k))
}

// Message is what a topic sends, before anything that depends on who gets it.
// It is stored in this form, once for all who get it.
type Message struct {
	Kind            Kind
	ID              string // MessageId, a UUID
	Sequence        uint64 // of a FIFO topic, > 0; 0 is none
	TopicARN        string
	Subject         *string
	At              time.Time // millisecond precision
	Bodies          []Body    // the first is for every protocol without one of its own
	Attributes      []turnout.MessageAttribute
	GroupID         string
	DeduplicationID string
	TraceHeader     string
	Token           string // of a confirmation
	BaseURL         string // of a confirmation: the beginning of its link

	// SignatureVersion is 1 or 2, and 0 for messages without a signature.
	SignatureVersion byte
}

// Body is a message's text for one protocol.
type Body struct {
	Protocol  string // sqs, http …; that of the first does not matter
	Text      string
	Signature []byte // over the text and the rest of the message; nil is none
}

// Body returns the body for a protocol.
func (m *Message) Body(protocol string) *Body {
	for i := len(m.Bodies) - 1; i > 0; i-- {
		if m.Bodies[i].Protocol == protocol {
			return &m.Bodies[i]
		}
	}
	return &m.Bodies[0]
}

// The stored form: a version byte, the kind, the signature's version, the
// sequence in eight bytes, and then the other fields in order. Texts have their
// length in front, as a uvarint; so do lists. A subject has its length plus
// one, 0 being none.
const (
	messageVersion   = 1
	storedSequenceAt = 3
	storedHeadBytes  = storedSequenceAt + 8
)

// SetStoredSequence puts another sequence into the stored form of a message.
func SetStoredSequence(stored []byte, n uint64) {
	binary.BigEndian.PutUint64(stored[storedSequenceAt:], n)
}

// Append appends the stored form of the message, which must have a body.
func (m *Message) Append(dst []byte) []byte {
	dst = append(dst, messageVersion, byte(m.Kind), m.SignatureVersion)
	dst = binary.BigEndian.AppendUint64(dst, m.Sequence)
	dst = appendText(dst, m.ID)
	dst = binary.AppendVarint(dst, m.At.UnixMilli())
	dst = appendText(dst, m.TopicARN)
	if m.Subject == nil {
		dst = append(dst, 0)
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(*m.Subject))+1)
		dst = append(dst, *m.Subject...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(m.Bodies)))
	for i := range m.Bodies {
		b := &m.Bodies[i]
		dst = appendText(dst, b.Protocol)
		dst = appendText(dst, b.Text)
		dst = appendText(dst, string(b.Signature))
	}
	dst = binary.AppendUvarint(dst, uint64(len(m.Attributes)))
	for i := range m.Attributes {
		a := &m.Attributes[i]
		dst = appendText(dst, a.Name)
		dst = appendText(dst, a.Type)
		dst = appendText(dst, string(a.Value))
	}
	dst = appendText(dst, m.GroupID)
	dst = appendText(dst, m.DeduplicationID)
	dst = appendText(dst, m.TraceHeader)
	dst = appendText(dst, m.Token)
	return appendText(dst, m.BaseURL)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// ErrMessage means that bytes are not the stored form of a message.
var ErrMessage = errors.New("notification: not a stored message")

// Parse reads the stored form. The error is ErrMessage, with the reason.
func Parse(stored []byte) (*Message, error) {
	if len(stored) < storedHeadBytes || stored[0] != messageVersion {
		return nil, fmt.Errorf("%w: unknown version", ErrMessage)
	}
	m := &Message{Kind: Kind(stored[1]), SignatureVersion: stored[2]}
	if m.Kind < Notification || m.Kind > UnsubscribeConfirmation || m.SignatureVersion > 2 {
		return nil, fmt.Errorf("%w: unknown kind", ErrMessage)
	}
	m.Sequence = binary.BigEndian.Uint64(stored[storedSequenceAt:])
	r := reader{b: stored[storedHeadBytes:]}
	m.ID = r.text()
	m.At = time.UnixMilli(r.signed()).UTC()
	m.TopicARN = r.text()
	if n := r.number(); n > 0 {
		m.Subject = new(string(r.bytes(n - 1)))
	}
	for range r.count() {
		m.Bodies = append(m.Bodies, Body{Protocol: r.text(), Text: r.text(), Signature: r.optional()})
	}
	for range r.count() {
		m.Attributes = append(m.Attributes, turnout.MessageAttribute{Name: r.text(), Type: r.text(), Value: []byte(r.text())})
	}
	m.GroupID, m.DeduplicationID, m.TraceHeader, m.Token, m.BaseURL = r.text(), r.text(), r.text(), r.text(), r.text()
	switch {
	case r.bad || len(r.b) != 0:
		return nil, fmt.Errorf("%w: it is cut off or has something behind its end", ErrMessage)
	case len(m.Bodies) == 0:
		return nil, fmt.Errorf("%w: it has no body", ErrMessage)
	}
	return m, nil
}

// reader takes a stored form apart. After something that is not there it is
// bad and gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || size > 1 && r.b[size-1] == 0 { // only the shortest form is written
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) signed() int64 {
	n := r.number()
	return int64(n>>1) ^ -int64(n&1)
}

// count reads the length of a list, each element of which takes at least three bytes.
func (r *reader) count() int {
	n := r.number()
	if n > uint64(len(r.b))/3 {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes(r.number())) }

// optional reads bytes, none as nil.
func (r *reader) optional() []byte {
	if s := r.text(); s != "" {
		return []byte(s)
	}
	return nil
}
