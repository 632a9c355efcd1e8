package broker

import (
	"errors"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/queues"
)

// deliver puts every delivery into its queue, on the loop. From here on
// nothing fails: what a queue cannot take becomes a dead letter.
func (p *publication) deliver(tx *partition.Tx) {
	for i := range p.deliveries {
		d := &p.deliveries[i]
		if d.failed == nil {
			out := p.outgoing(tx, d)
			if err := p.broker.queues.Deliver(tx, d.target.Queue, out); err == nil {
				p.tally.toQueue++
				continue
			} else {
				d.failed = failureOf(err)
			}
		}
		p.deadLetter(tx, d)
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
	for _, queue := range [...]turnout.QueueName{d.target.DeadLetter, d.bus.DeadLetter} {
		if queue.Name == "" {
			continue
		}
		out.Event, out.EventBody = p.ref(tx, d.event), p.body(&p.events[d.event])
		if p.broker.queues.Deliver(tx, queue, out) == nil {
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
		return &failure{failedInternal, "The queue could not take the message."}
	}
	var code string
	switch e.Code {
	case turnout.CodeQueueNotFound:
		code = failedNoResource
	case turnout.CodeInvalidParameter, turnout.CodeMissingParameter, turnout.CodeInvalidMessageContents:
		code = failedParameter
	case turnout.CodeThrottled, turnout.CodeOverLimit:
		code = failedThrottled
	default:
		code = failedInternal
	}
	return &failure{code, e.Message}
}
