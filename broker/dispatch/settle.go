package dispatch

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks"
)

// bury makes the letters of the jobs that go to a dead-letter queue, off the loop.
func (d *Dispatcher) bury(ep *endpoint, jobs []*job) error {
	var segments []uint32
	for _, j := range jobs {
		if j.act != actBury || j.attrs != nil {
			continue
		}
		if j.result.Failure == nil { // too old: it ended without an attempt
			if segments == nil && j.made() > 0 {
				var err error
				if segments, err = d.segments(); err != nil {
					return err
				}
			}
			failure, err := d.lastFailure(segments, j.eventID, j.taken.ID)
			if err != nil {
				return err
			}
			j.result.Failure = ep.whyTooOld(failure)
		}
		ep.write(j)
	}
	return nil
}

// made returns how many attempts at j there were.
func (j *job) made() int {
	if j.attempt == 0 && !j.taken.Uncounted {
		return j.taken.Takes - 1
	}
	return j.taken.Takes
}

// whyTooOld words the end of a delivery whose time ran out, of whose last
// attempt failure is known, or nil.
func (ep *endpoint) whyTooOld(failure *sinks.Failure) *sinks.Failure {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	last := failure
	if last == nil {
		last = ep.last
	}
	if last == nil {
		last = &sinks.Failure{Code: sinks.CodeUnknown, Message: "The endpoint could not be called in time."}
	}
	why := sinks.Failure{Code: last.Code, Message: last.Message, Permanent: true}
	switch {
	case ep.health.disable:
		why.Message = fmt.Sprintf("The endpoint is disabled since %s: %s", time.UnixMilli(ep.disabledAt).UTC().Format(time.RFC3339), ep.reason)
	case failure == nil && ep.health.phase != phaseActive:
		why.Message = "The endpoint was not called because it keeps failing. Its last error: " + last.Message
	}
	return &why
}

// write makes the letter of j.
func (ep *endpoint) write(j *job) {
	ep.mu.Lock()
	custom := ep.config.DeadLetter
	ep.mu.Unlock()
	j.attrs = j.attributes()
	switch {
	case custom != nil:
		var attrs []turnout.MessageAttribute
		j.letter, attrs = custom(j.delivery())
		j.attrs = append(slices.Clip(attrs), j.attrs...)
	case j.event != nil:
		j.letter = j.event
	default:
		j.letter = j.body
	}
}

// delivery is what the sink got, or would have got, in the last attempt.
func (j *job) delivery() sinks.Delivery {
	return sinks.Delivery{
		ID: turnout.UUID(j.taken.ID), Endpoint: j.route.endpoint, Attempt: j.made(), Body: j.body,
		EventID: j.eventID, AcceptedAt: j.taken.SentAt,
		Parameters: j.route.parameters, TraceHeader: j.taken.TraceHeader,
	}
}

// attributes says why j is a dead letter, in AWS's words.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func (j *job) attributes() []turnout.MessageAttribute {
	all := make([]turnout.MessageAttribute, 0, 6)
	add := func(name, value string) {
		if value != "" {
			all = append(all, turnout.MessageAttribute{Name: name, Type: "String", Value: []byte(value)})
		}
	}
	if j.route.ruleARN != "" {
		add("RULE_ARN", j.route.ruleARN)
		add("TARGET_ARN", j.route.targetARN)
	}
	add("ERROR_CODE", j.result.Failure.Code)
	add("ERROR_MESSAGE", plain(j.result.Failure.Message))
	add("EXHAUSTED_RETRY_CONDITION", j.exhausted)
	add("RETRY_ATTEMPTS", strconv.Itoa(max(j.made()-1, 0)))
	return all
}

// plain replaces what a message attribute may not hold: what is not XML 1.0.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// settle does with each job what was decided, on the loop, and records it.
func (d *Dispatcher) settle(tx *partition.Tx, jobs []*job) {
	for _, j := range jobs {
		if !d.queues.Holds(tx, j.taken.Receipt) {
			d.stats.overtaken.Add(1) // removed by a reset, or taken again since because the attempt took too long
			continue
		}
		switch j.act {
		case actDone:
			d.queues.Remove(tx, j.taken.Receipt)
			j.outcome = Delivered
		case actReturn:
			d.queues.Return(tx, j.taken.Receipt, j.after, false)
			if j.attempt > 0 {
				j.outcome = Retried
			}
		case actPostpone:
			d.queues.Return(tx, j.taken.Receipt, 0, true)
		case actBury:
			j.outcome = Dropped
			d.deadLetter(tx, j)
			d.queues.Remove(tx, j.taken.Receipt)
		}
		if j.outcome != 0 {
			d.record(tx, j)
		}
	}
}

// deadLetter puts the letter of j into the first dead-letter queue that takes it.
// The event goes with it: a dead letter may stay for weeks, and a reference
// would keep the 4,096 events around it.
func (d *Dispatcher) deadLetter(tx *partition.Tx, j *job) {
	out := queues.Delivery{
		Body: j.letter, Attributes: j.attrs, TraceHeader: j.taken.TraceHeader,
		GroupID: j.taken.GroupID, DeduplicationID: turnout.UUID(j.taken.ID),
	}
	for _, queue := range j.route.deadLetters {
		err := d.queues.Deliver(tx, queue, out)
		if coded, ok := errors.AsType[*turnout.Error](err); ok && coded.Code == turnout.CodeInvalidParameter {
			// Too large with attributes. Better a dead letter that does not say why than none.
			bare := out
			bare.Attributes = nil
			err = d.queues.Deliver(tx, queue, bare)
		}
		if err == nil {
			j.outcome, j.queue = DeadLettered, queue
			return
		}
	}
}

// record keeps what came of j.
func (d *Dispatcher) record(tx *partition.Tx, j *job) {
	r := AttemptRecord{
		EventID: j.eventID, Attempt: j.made(), Outcome: j.outcome, Latency: j.took,
		Status: j.result.Status, Excerpt: j.result.Excerpt, DeadLetterQueue: j.queue,
	}
	if j.outcome == Retried {
		r.RetryAt = tx.Now.Add(j.after)
	}
	if f := j.result.Failure; f != nil {
		r.ErrorCode, r.ErrorMessage = f.Code, f.Message
	}
	d.attempts.append(tx, &r, j.route.id, j.taken.ID)
}

// settled counts what has become durable, and reports what was lost.
func (d *Dispatcher) settled(jobs []*job) {
	s := &d.stats
	for _, j := range jobs {
		switch j.outcome {
		case Delivered:
			s.delivered.Add(1)
		case DeadLettered:
			s.deadLettered.Add(1)
		case Dropped:
			s.dropped.Add(1)
			d.drops.report(d.loop.Now(), d.cfg.Log, j)
		case Retried:
			s.retried.Add(1)
			continue
		default:
			continue
		}
		s.waiting.Add(-1)
	}
}

// dropLog reports dropped deliveries, at most one line every dropEvery.
type dropLog struct {
	next     atomic.Int64  // Unix ms: no line before
	unlogged atomic.Uint64 // drops since the last line
}

const dropEvery = time.Second

func (l *dropLog) report(now time.Time, log *slog.Logger, j *job) {
	at, next := now.UnixMilli(), l.next.Load()
	if at < next || !l.next.CompareAndSwap(next, at+dropEvery.Milliseconds()) {
		l.unlogged.Add(1)
		return
	}
	log.Warn("delivery failed and has no dead-letter queue that takes it",
		slog.String("event_id", j.eventID),
		slog.String("endpoint", j.route.endpoint),
		slog.String("rule", j.route.ruleARN),
		slog.String("error_code", j.result.Failure.Code),
		slog.String("error", j.result.Failure.Message),
		slog.Uint64("others_not_logged", l.unlogged.Swap(0)),
	)
}
