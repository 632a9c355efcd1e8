package topics

import (
	"log/slog"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks/notification"
)

// Deliver does the loop's part: it puts the message into every queue and hands
// it to the dispatch engine for every other subscription, in the batch of tx. A
// FIFO topic's message gets its sequence; a duplicate goes nowhere, and its
// answer is that of the first. What a queue cannot take becomes a dead letter.
//
// The only error is CodeThrottled, for a FIFO topic with too many deduplication
// ids; then nothing was done.
func (p *Prepared) Deliver(tx *partition.Tx) error {
	t := p.topics
	p.result = turnout.PublishedMessage{MessageID: p.outer.ID}
	if p.topic.fifo != nil {
		once, duplicate, err := t.assign(tx, p)
		if err != nil {
			return err
		}
		p.result = turnout.PublishedMessage{MessageID: turnout.UUID(once.id), SequenceNumber: notification.SequenceNumber(once.seq)}
		if duplicate {
			t.stats.duplicates.Add(1)
			return nil
		}
		p.number(once.seq)
		if p.view.archives() {
			t.keep(tx, p.topic, position{at: once.at, seq: once.seq}, p.stored)
		}
	}
	for i := range p.deliveries {
		d := &p.deliveries[i]
		if d.to.external() {
			p.toEndpoint(tx, d)
		} else {
			p.toQueue(tx, d)
		}
	}
	t.stats.published.Add(1)
	t.stats.filtered.Add(uint64(len(p.view.receivers) - len(p.receivers)))
	return nil
}

// number fills in the sequence number.
func (p *Prepared) number(seq uint64) {
	p.outer.Sequence = seq
	if len(p.stored) > 0 {
		notification.SetStoredSequence(p.stored, seq)
	}
	for i := range p.deliveries {
		if d := &p.deliveries[i]; d.end > d.from {
			notification.SetSequence(p.text[d.from:d.end], seq)
		}
	}
}

func (p *Prepared) toQueue(tx *partition.Tx, d *delivery) {
	out := p.outgoing()
	switch {
	case d.end > d.from:
		out.Body = p.text[d.from:d.end]
	case p.rawUsers == 1: // kept by the queue itself
		out.Body = p.raw
		out.Attributes = p.message.Attributes
	default:
		if p.rawRef == 0 {
			p.rawRef = p.topics.events.Append(tx, p.raw)
		}
		out.Event, out.EventBody = p.rawRef, p.raw
		out.Attributes = p.message.Attributes
	}
	p.topics.enqueue(tx, d.to, out)
}

// outgoing returns what every queue gets.
func (p *Prepared) outgoing() queues.Delivery {
	return queues.Delivery{
		GroupID:              p.message.GroupID,
		DeduplicationID:      p.message.DeduplicationID,
		DeduplicationIDGiven: true,
		TraceHeader:          p.message.TraceHeader,
	}
}

// enqueue puts a delivery into a subscription's queue, or else into its
// dead-letter queue: an error of a queue is the client's, so it is not tried
// again, as with AWS.
// https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
func (t *Topics) enqueue(tx *partition.Tx, to *subscription, out queues.Delivery) {
	err := t.queues.Deliver(tx, to.queue, out)
	if err == nil {
		t.stats.toQueues.Add(1)
		return
	}
	t.deadLetter(tx, to, out, err)
}

func (t *Topics) deadLetter(tx *partition.Tx, to *subscription, out queues.Delivery, cause error) {
	for _, queue := range to.deadLetters {
		if t.queues.Deliver(tx, queue, out) == nil {
			t.stats.deadLettered.Add(1)
			return
		}
	}
	t.stats.lost.Add(1)
	tx.OnDurable(func() {
		t.warn("message not delivered, and there is no dead-letter queue that takes it", cause, slog.String("subscription", to.arn))
	})
}

// warn logs a problem, at most one a second: there may be one for every message.
func (t *Topics) warn(message string, cause error, more ...slog.Attr) {
	now := t.loop.Now().Unix()
	if last := t.warned.Load(); last == now || !t.warned.CompareAndSwap(last, now) {
		return
	}
	args := []any{slog.String("error", cause.Error())}
	for _, a := range more {
		args = append(args, a)
	}
	t.cfg.Log.Warn(message, args...) //nolint:sloglint // the callers give constants
}

func (p *Prepared) toEndpoint(tx *partition.Tx, d *delivery) {
	t := p.topics
	if p.storedRef == 0 {
		p.storedRef = t.events.Append(tx, p.stored)
	}
	x := dispatch.Delivery{
		Endpoint: d.to.arn, EventID: p.outer.ID, Event: p.storedRef, EventBody: p.stored,
		DeadLetters: d.to.deadLetters, RetriesMax: d.retries, AgeMax: d.ageMax, TraceHeader: p.message.TraceHeader,
	}
	if p.topic.fifo != nil {
		x.GroupID = p.message.GroupID
	}
	t.offer(tx, d.to, x)
}

// offer hands a delivery to the dispatch engine.
func (t *Topics) offer(tx *partition.Tx, to *subscription, x dispatch.Delivery) {
	if err := t.dispatch.Enqueue(tx, x); err != nil {
		t.stats.lost.Add(1)
		tx.OnDurable(func() { t.warn("message not handed to the dispatch engine", err, slog.String("subscription", to.arn)) })
		return
	}
	t.stats.toEndpoints.Add(1)
}
