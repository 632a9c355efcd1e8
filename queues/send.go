package queues

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
)

// outgoing is a message on its way through the loop.
type outgoing struct {
	record
	delay    *time.Duration
	repeated bool // it is no duplicate, whatever its deduplication id

	// What became of it.
	queue uint32
	seq   uint64
	fifo  bool
	err   error
}

// Send puts messages into a queue, all in one batch. Each gets an answer of
// its own: one that is refused (too large, no message group in a FIFO queue …)
// does not keep the others out. The error is for the call: CodeQueueNotFound,
// CodeStorageFull, CodeThrottled, CodeUnavailable.
func (e *Engine) Send(_ context.Context, name turnout.QueueName, msgs []turnout.OutgoingMessage) ([]turnout.SentMessage, error) {
	if e.refuseSends.Load() {
		return nil, errStorageFull
	}
	out := make([]outgoing, len(msgs))
	for i := range msgs {
		prepare(&out[i], &msgs[i], name)
	}
	err := e.onQueue(name, func(tx *partition.Tx, q *queue) error {
		for i := range out {
			q.send(tx, &out[i])
		}
		q.serve(tx)
		return nil
	})
	if err != nil {
		return nil, err
	}
	sent := make([]turnout.SentMessage, len(out))
	for i := range out {
		sent[i] = e.sentMessage(&out[i])
	}
	return sent, nil
}

// prepare does on the caller's goroutine what the loop should not.
func prepare(o *outgoing, m *turnout.OutgoingMessage, name turnout.QueueName) {
	o.body, o.attributes, o.delay = m.Body, m.Attributes, m.Delay
	o.groupID, o.dedupID, o.traceHeader = m.GroupID, m.DeduplicationID, m.TraceHeader
	if m.SenderID != name.Account {
		o.senderID = m.SenderID
	}
	if o.dedupID == "" && strings.HasSuffix(name.Name, ".fifo") {
		o.contentHash()
	}
}

// contentHash sets the deduplication id that content-based deduplication uses,
// marked until the loop knows whether the queue does: the SHA-256 of the body, not of the attributes.
func (o *outgoing) contentHash() {
	sum := sha256.Sum256(o.body)
	o.dedupID = unconfirmed + hex.EncodeToString(sum[:])
}

// unconfirmed marks a deduplication id that was derived, not given. No id that
// a caller gives can begin with it: a NUL is not among the characters allowed.
const unconfirmed = "\x00"

func (e *Engine) sentMessage(o *outgoing) turnout.SentMessage {
	if o.err != nil {
		return turnout.SentMessage{Err: o.err}
	}
	s := turnout.SentMessage{MessageID: turnout.UUID(e.messageID(o.queue, o.seq))}
	if o.fifo {
		s.SequenceNumber = sequenceNumber(o.seq)
	}
	return s
}

// sequenceNumber renders seq as the 20 digits that SQS shows.
func sequenceNumber(seq uint64) string {
	const first = 10_000_000_000_000_000_000
	return strconv.FormatUint(first+seq, 10)
}

// send decides one message: refused, a duplicate, or stored.
func (q *queue) send(tx *partition.Tx, o *outgoing) {
	now := tx.Now.UnixMilli()
	o.queue, o.fifo = q.id, q.fifo != nil
	if o.err = q.check(o); o.err != nil {
		return
	}
	var key dedupKey
	if o.fifo {
		q.turnDedup(tx, now)
		key = q.dedup.keyOf(o.groupID, o.dedupID)
		if once, ok := q.dedup.find(key, now); ok && !o.repeated {
			o.seq = once.seq
			q.engine.stats.duplicates.Add(1)
			return
		}
		if q.dedup.full(q.attributes()) {
			o.err = turnout.Errorf(turnout.CodeThrottled, "The queue has too many deduplication ids of the last five minutes; retry with backoff.")
			return
		}
	}
	delay := q.attributes().Delay
	if o.delay != nil && *o.delay > 0 {
		delay = *o.delay
	}
	if o.fifo {
		delay = 0 // the queue's delay is its lag, for all of its messages
	}
	o.seq = q.append(tx, &o.record, delay, true)
	if o.fifo {
		q.remember(tx, key, sentOnce{at: now, seq: o.seq})
	}
	q.engine.stats.sent.Add(1)
}

// check refuses what this queue cannot take, and settles the deduplication id.
func (q *queue) check(o *outgoing) error {
	a := q.attributes()
	if size := o.size(); size > a.MessageSizeMaxBytes {
		return turnout.Errorf(turnout.CodeInvalidParameter,
			"One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", a.MessageSizeMaxBytes)
	}
	derived := strings.HasPrefix(o.dedupID, unconfirmed)
	if q.fifo == nil {
		if derived {
			o.dedupID = ""
		}
		if o.dedupID != "" {
			return turnout.Errorf(turnout.CodeInvalidParameter,
				"Value %s for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type.", o.dedupID)
		}
		return nil
	}
	switch {
	case derived && !a.ContentBasedDeduplication:
		return turnout.Errorf(turnout.CodeInvalidParameter,
			"The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	case o.groupID == "":
		return turnout.Errorf(turnout.CodeMissingParameter, "The request must contain the parameter MessageGroupId.")
	case o.delay != nil && *o.delay > 0:
		return turnout.Errorf(turnout.CodeInvalidParameter,
			"Value %d for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.",
			int64(o.delay.Seconds()))
	}
	o.dedupID = strings.TrimPrefix(o.dedupID, unconfirmed)
	return nil
}

// size is what SQS counts against the maximum: the body, and each attribute's name, type and value.
func (o *outgoing) size() int {
	n := len(o.body)
	for _, a := range o.attributes {
		n += len(a.Name) + len(a.Type) + len(a.Value)
	}
	return n
}

// append stores a message at the end of the log and returns its sequence.
func (q *queue) append(tx *partition.Tx, r *record, delay time.Duration, sent bool) uint64 {
	now := tx.Now.UnixMilli()
	pos := position{at: now + delay.Milliseconds(), seq: q.nextSeq}
	q.nextSeq++
	sentAt := r.sentAt
	if sentAt == 0 {
		sentAt = now
		if delay > 0 {
			r.sentAt = now
		}
	}
	e := q.engine
	e.key = appendMessageKey(e.key[:0], q.id, pos)
	e.value = r.append(e.value[:0])
	tx.Batch.Set(e.key, e.value)
	if r.event != 0 {
		e.events.Retain(tx, q.id, r.event)
	}
	in := readMessage{pos: pos, sentAt: sentAt, event: r.event, group: r.groupID}
	if r.moved != nil {
		in.receives = r.moved.receives
	}
	q.count++
	q.admit(&in, now)
	if sent && q.standard != nil {
		q.standard.fair.sent(r.groupID, now)
	}
	if q.delayed.total > 0 || q.ledgerDelayed {
		q.ledgerDirty = true
	}
	return pos.seq
}

// Delivery is what a rule puts into a queue.
type Delivery struct {
	Event           eventlog.Ref // the body, when it is an event as it was published; stored once for all queues
	Body            []byte       // the body otherwise
	Attributes      []turnout.MessageAttribute
	GroupID         string // FIFO: required
	DeduplicationID string // FIFO: used unless the queue's deduplication is by content
	TraceHeader     string
	SenderID        string // "" is the queue's account

	// DeduplicationIDGiven says that a publisher gave DeduplicationID: it is used
	// also when the queue's deduplication is by content, as that of a send is.
	DeduplicationIDGiven bool
	// Repeated has a FIFO queue take the message although it may have had it
	// before: a replay.
	Repeated bool

	// EventBody is the event's text, needed for its size and, with content-based
	// deduplication, its hash; it is not stored again.
	EventBody []byte
}

// HasQueue reports whether there is a queue called name. It runs on the loop,
// for parts that must know before they write.
func (e *Engine) HasQueue(_ *partition.Tx, name turnout.QueueName) bool { return e.byName[name] != nil }

// Deliver puts a delivery into the queue called name, in the batch of tx. It
// is for parts of the same partition and runs on its loop. An error means that
// the batch is as it was: CodeQueueNotFound, CodeInvalidParameter (too large),
// CodeMissingParameter (no message group for a FIFO queue).
func (e *Engine) Deliver(tx *partition.Tx, name turnout.QueueName, d Delivery) error {
	q, err := e.find(tx, name)
	if err != nil {
		return err
	}
	o := outgoing{record: record{
		event: d.Event, body: d.Body, attributes: d.Attributes,
		groupID: d.GroupID, traceHeader: d.TraceHeader, senderID: d.SenderID,
	}}
	if d.Event != 0 {
		o.body = d.EventBody
	}
	if q.fifo != nil {
		o.dedupID, o.repeated = d.DeduplicationID, d.Repeated
		if o.dedupID == "" || q.attributes().ContentBasedDeduplication && !d.DeduplicationIDGiven {
			o.contentHash()
		}
	}
	q.send(tx, &o)
	if o.err != nil {
		return fmt.Errorf("deliver to %s: %w", name.ARN(), o.err)
	}
	q.serve(tx)
	return nil
}

// Internal reports whether a scope is one that no API can name: it holds the
// queues that a part of the server keeps its own waiting work in.
//
// An internal queue differs from others in that it takes messages of any size
// and repeats (Post), hands them out on the loop without receipt handles (Take),
// and never removes a message by itself: one that is older than its retention is
// handed out as expired. Its receives, sends and deletes count in no statistics.
func Internal(s turnout.Scope) bool { return strings.HasPrefix(s.Account, "~") }

// Post puts d into the internal queue called name, in the batch of tx, and makes
// the queue when there is none: FIFO if d has a group id, with the given
// retention otherwise. It runs on the partition's loop and cannot fail. Of a FIFO
// queue, which holds messages of different ages, the retention becomes the
// shortest that was ever given.
func (e *Engine) Post(tx *partition.Tx, name turnout.QueueName, retention time.Duration, d Delivery) {
	q := e.byName[name]
	if q == nil {
		q = e.create(tx, name, turnout.QueueSettings{Attributes: turnout.QueueAttributes{Retention: retention, FIFO: d.GroupID != ""}})
	}
	e.touch(tx, q)
	if q.attributes().Retention > retention {
		q.settings.Attributes.Retention = retention
		q.store(tx)
	}
	r := record{
		event: d.Event, body: d.Body, attributes: d.Attributes,
		groupID: d.GroupID, traceHeader: d.TraceHeader, senderID: d.SenderID,
	}
	q.append(tx, &r, 0, true)
	q.wake(tx)
}

// Watch has f called on the loop when an internal queue has something to hand
// out that the last Take from it did not find: once, until the next Take. Each
// internal queue begins watched. Watch must be called before the loop runs.
func (e *Engine) Watch(f func(tx *partition.Tx, name turnout.QueueName)) { e.ready = f }

// watch says what of an internal queue its reader waits for.
type watch struct {
	fresh   bool // messages never handed out
	again   bool // messages that are visible again
	expired bool // messages older than the retention
}

// wake tells the reader of an internal queue what it waits for.
func (q *queue) wake(tx *partition.Tx) {
	if !q.internal || q.engine.ready == nil || q.watch == (watch{}) {
		return
	}
	w, fresh, again := q.watch, 0, 0
	if q.standard != nil {
		fresh, again = q.standard.window.len(), q.standard.returned.len()
	} else if q.fifo.line.first != nil {
		fresh, again = 1, 1 // which of the two makes no difference to its reader
	}
	if w.fresh && fresh > 0 || w.again && again > 0 || w.expired && q.oldestExpired(tx) != nil {
		q.watch = watch{}
		q.engine.ready(tx, q.name)
	}
}

// oldestExpired returns the oldest message of an internal queue if it may be
// handed out and is expired.
func (q *queue) oldestExpired(tx *partition.Tx) *message {
	m := q.order.oldest()
	if m == nil || m.state != ready || !q.expired(m, tx.Now.UnixMilli()) {
		return nil
	}
	return m
}
