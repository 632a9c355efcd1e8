package topics

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/sinks/notification"
)

// Prepared is one message on its way to the subscriptions of a topic, as they
// were when it was prepared. It is used once, by one goroutine.
type Prepared struct {
	topics  *Topics
	topic   *topic
	view    *View
	id      [16]byte
	message turnout.TopicMessage // its DeduplicationID is the one that counts
	outer   notification.Message // what everybody gets of it

	receivers  []*subscription
	found      []int // scratch
	deliveries []delivery
	text       []byte // the notifications, one after another
	stored     []byte // the stored form of outer, if somebody needs it
	raw        []byte // the text for queues that take it as it is
	rawUsers   int

	// On the loop.
	rawRef, storedRef eventlog.Ref
	result            turnout.PublishedMessage
}

// delivery is the message on its way to one subscription.
type delivery struct {
	to        *subscription
	from, end int           // a queue's notification in Prepared.text
	retries   int           // of an external one
	ageMax    time.Duration // of an external one
}

// notificationBytes is about what a notification has beside the message.
const notificationBytes = 1 << 10

// How long deliveries through the dispatch engine are tried at most. AWS gives
// functions 23 days; 14 days is as long as a queue keeps anything.
const (
	httpAgeMax     = 24 * time.Hour
	functionAgeMax = 14 * 24 * time.Hour
)

// PublishTopic publishes messages to a topic and answers each. When it returns,
// every delivery of every message that was accepted is durable, or none of any
// is. A message may be refused for itself, by Err in its answer: a
// deduplication id for a standard topic, none for a FIFO topic whose
// deduplication is not by content, too many ids.
//
// The error is for the call, which then had no effect: CodeNotFound without the
// topic, CodeInvalidParameter for a message without a group in a FIFO topic,
// CodeStorageFull, CodeThrottled, CodeUnavailable, CodeLimitExceeded beyond
// Config.DeliveriesMax.
func (t *Topics) PublishTopic(ctx context.Context, name turnout.TopicName, ms []turnout.TopicMessage) ([]turnout.PublishedMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if t.refuse.Load() {
		return nil, turnout.Errorf(turnout.CodeStorageFull,
			"The server's disk is almost full and accepts no new messages. Receives and deletes still work; free some space or consume messages.")
	}
	b := t.newBatch()
	defer t.release(b)
	published := make([]turnout.PublishedMessage, len(ms))
	for try := 0; ; try++ {
		if try == staleMax { // the loop is going to sign, and could not wait for a key
			if _, err := t.signer(); err != nil {
				return nil, err
			}
		}
		p := t.find(name)
		if p == nil {
			return nil, t.absent(errTopicNotFound())
		}
		if err := b.prepare(t, p, ms, published); err != nil {
			return nil, err
		}
		err := t.loop.Do(func(tx *partition.Tx) error {
			if !p.isCurrent(b.view) {
				if try < staleMax {
					return errStale
				}
				// Subscriptions change faster than that: prepare on the loop.
				if err := b.prepare(t, p, ms, published); err != nil {
					return err
				}
			}
			b.deliver(tx, published)
			return nil
		})
		switch {
		case err == nil:
			return published, nil
		case !errors.Is(err, errStale):
			return nil, err
		}
		t.stats.rematches.Add(1)
	}
}

// isCurrent reports whether a View is the topic's, on the loop. That of a
// deleted topic is another.
func (p *topic) isCurrent(v *View) bool { return p.view.Load() == v }

// batch is one PublishTopic. Its memory is used again.
type batch struct {
	view     *View
	now      time.Time
	prepared []*Prepared // used[:n] of them by message; nil for one that is refused
	spare    []*Prepared
}

func (t *Topics) newBatch() *batch {
	b, ok := t.batches.Get().(*batch)
	if !ok {
		b = &batch{}
	}
	b.now = t.loop.Now()
	return b
}

// prepare prepares all messages against the View that is current now.
func (b *batch) prepare(t *Topics, p *topic, ms []turnout.TopicMessage, published []turnout.PublishedMessage) error {
	b.view = p.view.Load()
	if b.view.gone {
		return errTopicNotFound()
	}
	total := 0
	for i := range ms {
		if len(b.prepared) <= i {
			b.prepared = append(b.prepared, b.take())
		}
		one := b.prepared[i]
		err := one.prepare(t, b.view, &ms[i], b.now)
		if published[i].Err = err; err == nil {
			total += len(one.deliveries)
			continue
		}
		if e, ok := errors.AsType[*refusal](err); ok {
			published[i].Err = e.err
			continue
		}
		return err
	}
	if total > t.cfg.DeliveriesMax {
		return turnout.Errorf(turnout.CodeLimitExceeded,
			"The messages have too many receivers: at most %d deliveries can be made by one request.", t.cfg.DeliveriesMax)
	}
	return nil
}

func (b *batch) take() *Prepared {
	if n := len(b.spare); n > 0 {
		p := b.spare[n-1]
		b.spare = b.spare[:n-1]
		return p
	}
	return &Prepared{}
}

// deliver does the loop's part of all messages.
func (b *batch) deliver(tx *partition.Tx, published []turnout.PublishedMessage) {
	for i := range published {
		if published[i].Err != nil {
			continue
		}
		if err := b.prepared[i].Deliver(tx); err != nil {
			published[i].Err = err
			continue
		}
		published[i] = b.prepared[i].result
	}
}

// keepTextMax bounds the memory that a publish keeps for the next one.
const keepTextMax = 256 << 10

func (t *Topics) release(b *batch) {
	kept := 0
	for _, p := range b.prepared {
		if kept += cap(p.text) + cap(p.stored) + cap(p.raw) + 64*cap(p.deliveries); kept > keepTextMax {
			continue
		}
		p.reset()
		b.spare = append(b.spare, p)
	}
	clear(b.prepared)
	b.view, b.prepared = nil, b.prepared[:0]
	t.batches.Put(b)
}

func (p *Prepared) reset() {
	clear(p.receivers)
	clear(p.deliveries)
	*p = Prepared{
		receivers: p.receivers[:0], found: p.found[:0], deliveries: p.deliveries[:0],
		text: p.text[:0], stored: p.stored[:0], raw: p.raw[:0],
		outer: notification.Message{Bodies: p.outer.Bodies[:0]},
	}
}

// refusal is an error that concerns one message only.
type refusal struct{ err *turnout.Error }

func (r *refusal) Error() string { return r.err.Error() }

// Prepare matches a message against the subscriptions of a topic and builds
// what they get of it, outside the loop. It is CodeNotFound without the topic,
// and CodeInvalidParameter for a message that the topic cannot take.
func (t *Topics) Prepare(name turnout.TopicName, m turnout.TopicMessage, now time.Time) (*Prepared, error) {
	topic := t.find(name)
	if topic == nil {
		return nil, errTopicNotFound()
	}
	v := topic.view.Load()
	if v.gone {
		return nil, errTopicNotFound()
	}
	p := &Prepared{}
	if err := p.prepare(t, v, &m, now); err != nil {
		if e, ok := errors.AsType[*refusal](err); ok {
			return nil, e.err
		}
		return nil, err
	}
	return p, nil
}

// Current reports whether preparing the message again would give the same. It
// belongs to the loop.
func (p *Prepared) Current() bool { return p.topic.isCurrent(p.view) }

// Deliveries returns how many subscriptions get the message.
func (p *Prepared) Deliveries() int { return len(p.deliveries) }

// Published returns the answer to the message, once it was delivered.
func (p *Prepared) Published() turnout.PublishedMessage { return p.result }

// prepare does everything that need not be done on the loop. When it is
// repeated for the same message, against another View, the message keeps its id.
func (p *Prepared) prepare(t *Topics, v *View, m *turnout.TopicMessage, now time.Time) error {
	if p.id == ([16]byte{}) {
		id, err := t.newUUID()
		if err != nil {
			return err
		}
		p.id = id
		p.outer.ID = turnout.UUID(id)
	}
	p.topics, p.topic, p.view, p.message = t, v.topic, v, *m
	if err := p.check(); err != nil {
		return err
	}
	p.describe(now)
	p.receivers, p.found = v.match(p.receivers[:0], p.found, &p.message)
	p.deliveries, p.text, p.stored, p.raw, p.rawUsers = p.deliveries[:0], p.text[:0], p.stored[:0], p.raw[:0], 0
	external := false
	for _, s := range p.receivers {
		if err := p.address(s); err != nil {
			return err
		}
		external = external || s.external()
	}
	if p.rawUsers > 0 {
		p.raw = append(p.raw, p.outer.Body("sqs").Text...)
	}
	if external || v.archives() {
		p.stored = p.outer.Append(p.stored)
	}
	return nil
}

// textBytesMax bounds the notifications that one message makes, which are held
// in memory until they are stored.
const textBytesMax = 256 << 20

// address prepares the delivery to one subscription.
func (p *Prepared) address(s *subscription) error {
	t, body := p.topics, p.outer.Body(s.Protocol)
	d := delivery{to: s}
	raw := s.Attributes.RawMessageDelivery && s.Protocol != "lambda"
	if !raw && (s.external() || !t.cfg.UnsignedQueues) {
		if err := p.sign(body); err != nil {
			return err
		}
	}
	switch {
	case s.external():
		d.retries, d.ageMax = s.policy(p.view).Retry.Retries, httpAgeMax
		if !s.overHTTP() {
			d.ageMax = functionAgeMax
		}
	case raw:
		p.rawUsers++
	default:
		size := len(body.Text) + notificationBytes
		if cap(p.text)-len(p.text) < size {
			p.text = slices.Grow(p.text, min((len(p.receivers)-len(p.deliveries))*size, 4*(len(p.text)+size)))
		}
		to := t.receiver(s.arn)
		d.from = len(p.text)
		p.text = notification.AppendNotification(p.text, &p.outer, body, &to)
		if d.end = len(p.text); d.end > textBytesMax {
			return turnout.Errorf(turnout.CodeLimitExceeded,
				"The message makes too many notifications: at most %d bytes can be delivered at once. Raw delivery needs none.", textBytesMax)
		}
	}
	p.deliveries = append(p.deliveries, d)
	return nil
}

// archives reports whether the topic keeps its messages.
func (v *View) archives() bool { return v.settings.Attributes.ArchivePolicy != "" }

// check refuses what the topic cannot take, and settles the deduplication id.
func (p *Prepared) check() error {
	a, m := &p.view.settings.Attributes, &p.message
	if !a.FIFO {
		if m.DeduplicationID != "" {
			return &refusal{invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")}
		}
		return nil
	}
	if m.GroupID == "" {
		return invalid("The MessageGroupId parameter is required for FIFO topics")
	}
	if m.DeduplicationID == "" {
		if !a.ContentBasedDeduplication {
			return &refusal{invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")}
		}
		m.DeduplicationID = contentID(m.Bodies)
	}
	return nil
}

// describe fills in what everybody gets.
func (p *Prepared) describe(now time.Time) {
	m, o := &p.message, &p.outer
	if o.TopicARN != "" && o.SignatureVersion == p.view.signatures() {
		return // as before, signatures included
	}
	o.Kind, o.TopicARN, o.Subject, o.At = notification.Notification, p.view.arn, m.Subject, now
	o.Attributes, o.GroupID, o.DeduplicationID, o.TraceHeader = m.Attributes, m.GroupID, m.DeduplicationID, m.TraceHeader
	o.SignatureVersion = p.view.signatures()
	if p.topic.fifo != nil {
		o.Sequence = 1 // until the loop knows
	}
	o.Bodies = append(o.Bodies[:0], notification.Body{Protocol: defaultBody, Text: m.Bodies[defaultBody]})
	if len(m.Bodies) > 1 {
		for _, protocol := range slices.Sorted(maps.Keys(m.Bodies)) {
			switch protocol {
			case "sqs", "http", "https", "lambda":
				o.Bodies = append(o.Bodies, notification.Body{Protocol: protocol, Text: m.Bodies[protocol]})
			}
		}
	}
}

// signatures returns the version of signatures, 0 for none: AWS does not sign
// the messages of FIFO topics.
func (v *View) signatures() byte {
	if v.settings.Attributes.FIFO {
		return 0
	}
	return v.signatureVersion()
}

// sign signs a body once.
func (p *Prepared) sign(b *notification.Body) error {
	if p.outer.SignatureVersion == 0 || len(b.Signature) > 0 {
		return nil
	}
	return p.topics.sign(&p.outer, b)
}
