package broker

import (
	"errors"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks"
)

// deliver hands every delivery to its receiver, on the loop. What a receiver
// cannot take becomes a dead letter; an error is only that of an injection.
func (p *publication) deliver(tx *partition.Tx) error {
	if p.injection != nil {
		if err := p.injection.begin(tx, p.broker.to.Queues); err != nil { // first: nothing below fails
			return err
		}
	}
	for i := range p.deliveries {
		d := &p.deliveries[i]
		if d.failed == nil {
			err := p.receive(tx, d)
			if err == nil {
				p.tally.to[d.target.Kind]++
				continue
			}
			d.failed = failureOf(err)
		}
		p.deadLetter(tx, d)
	}
	p.remember(tx)
	return nil
}

// receive hands a delivery to its receiver.
func (p *publication) receive(tx *partition.Tx, d *delivery) error {
	to := &p.broker.to
	e := &p.events[d.event]
	switch d.target.Kind {
	case catalog.ToTopic:
		return d.topic.Deliver(tx)
	case catalog.ToEndpoint:
		return to.Dispatch.Enqueue(tx, p.outbound(tx, d))
	case catalog.ToArchive:
		return to.Archives.Append(tx, d.target.Archive, tx.Now, e.id, p.body(e))
	default:
		return to.Queues.Deliver(tx, d.target.Queue, p.outgoing(tx, d))
	}
}

// outgoing returns what a queue gets.
func (p *publication) outgoing(tx *partition.Tx, d *delivery) queues.Delivery {
	out := queues.Delivery{
		GroupID:         d.group,
		DeduplicationID: d.dedup,
		TraceHeader:     p.events[d.event].entry.TraceHeader,
	}
	if d.transformed {
		out.Body = p.text[d.from:d.to]
		return out
	}
	out.Event, out.EventBody = p.ref(tx, d.event), p.body(&p.events[d.event])
	return out
}

// outbound returns what the dispatch engine gets.
func (p *publication) outbound(tx *partition.Tx, d *delivery) dispatch.Delivery {
	e := &p.events[d.event]
	out := dispatch.Delivery{
		Endpoint:    d.target.ARN,
		EventID:     e.id,
		Event:       p.ref(tx, d.event),
		EventBody:   p.body(e),
		GroupID:     d.group,
		RuleARN:     d.rule.ARN,
		TargetARN:   d.target.ARN,
		TargetID:    d.target.ID,
		Parameters:  d.target.Parameters,
		RetriesMax:  d.target.RetriesMax(),
		AgeMax:      d.target.EventAgeMax(),
		TraceHeader: e.entry.TraceHeader,
	}
	if d.transformed {
		out.Body = p.text[d.from:d.to]
	}
	for _, queue := range d.deadLetterQueues() {
		if queue.Name != "" {
			out.DeadLetters = append(out.DeadLetters, queue)
		}
	}
	return out
}

// deadLetterQueues are where a delivery goes that cannot be made: its target's
// dead-letter queue, then the bus's. A name is empty if there is none.
func (d *delivery) deadLetterQueues() [2]turnout.QueueName {
	return [...]turnout.QueueName{d.target.DeadLetter, d.bus.DeadLetter}
}

// remember keeps the events in the history of the buses that they came by.
func (p *publication) remember(tx *partition.Tx) {
	if p.broker.to.History == nil || p.injection != nil && p.injection.ReplayName != "" {
		return
	}
	for i := range p.visits {
		v := &p.visits[i]
		p.numbers = p.numbers[:0]
		for j := range p.deliveries {
			if d := &p.deliveries[j]; d.visit == i && d.failed == nil && d.target.Kind != catalog.ToArchive {
				p.numbers = append(p.numbers, d.target.Number)
			}
		}
		e := &p.events[v.event]
		p.broker.to.History.Append(tx, v.bus, e.id, p.ref(tx, v.event), e.to-e.from, p.numbers)
	}
}

// ref stores an event's body when the first delivery needs it.
func (p *publication) ref(tx *partition.Tx, ev int) eventlog.Ref {
	e := &p.events[ev]
	if e.ref == 0 {
		e.ref = p.broker.events.Append(tx, p.body(e))
	}
	return e.ref
}

// deadLetter puts a delivery that failed into the dead-letter queue of its
// target or else of the bus, as the event that was published. Without one, or
// if that fails too, it is counted and reported.
func (p *publication) deadLetter(tx *partition.Tx, d *delivery) {
	out := queues.Delivery{
		Attributes: []turnout.MessageAttribute{
			text("RULE_ARN", d.rule.ARN),
			text("TARGET_ARN", d.target.ARN),
			text("ERROR_CODE", d.failed.code),
			text("ERROR_MESSAGE", d.failed.message),
			text("RETRY_ATTEMPTS", "0"),
		},
		TraceHeader: p.events[d.event].entry.TraceHeader,
	}
	for _, queue := range d.deadLetterQueues() {
		if queue.Name == "" {
			continue
		}
		out.Event, out.EventBody = p.ref(tx, d.event), p.body(&p.events[d.event])
		if p.broker.to.Queues.Deliver(tx, queue, out) == nil {
			p.tally.deadLettered++
			return
		}
	}
	p.tally.lost++
	p.lost = append(p.lost, *d)
}

func text(name, value string) turnout.MessageAttribute {
	return turnout.MessageAttribute{Name: name, Type: "String", Value: []byte(value)}
}

// failureOf words an error of a queue for a dead letter.
func failureOf(err error) *failure {
	e, ok := errors.AsType[*turnout.Error](err)
	if !ok {
		return &failure{sinks.CodeInternalError, "The queue could not take the message."}
	}
	var code string
	switch e.Code {
	case turnout.CodeQueueNotFound, turnout.CodeNotFound:
		code = sinks.CodeNoResource
	case turnout.CodeInvalidParameter, turnout.CodeMissingParameter, turnout.CodeInvalidMessageContents:
		code = sinks.CodeInvalidParameter
	case turnout.CodeThrottled, turnout.CodeOverLimit:
		code = sinks.CodeThrottling
	default:
		code = sinks.CodeInternalError
	}
	return &failure{code, e.Message}
}
