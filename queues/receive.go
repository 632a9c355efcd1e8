package queues

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

// receive is one ReceiveMessage on its way through the loop.
type receive struct {
	options turnout.ReceiveOptions
	answer  chan struct{} // capacity 1: a token when got, exhausted or err is set and durable

	// Owned by the loop until the token is there.
	waiter  waiter
	queue   uint32
	version uint32
	name    turnout.QueueName
	got     []handed
	dead    []*message // received too often: the receiver moves them to the dead-letter queue
	err     error
}

// handed is a message as it was when it was handed out.
type handed struct {
	pos      position
	sentAt   int64
	firstAt  int64
	receives uint32
	epoch    uint32
}

// Receive hands out up to o.Max messages, invisible to others until their
// visibility timeout ends. With a wait it answers as soon as there is one.
// A message that was received too often goes to the dead-letter queue instead;
// when Receive returns it is there.
//
// Errors: CodeQueueNotFound, CodeOverLimit (standard queues, too many in
// flight), CodeUnavailable. A canceled ctx ends the wait without messages.
func (e *Engine) Receive(ctx context.Context, name turnout.QueueName, o turnout.ReceiveOptions) ([]turnout.ReceivedMessage, error) {
	began := time.Now()
	for {
		r := &receive{options: o, name: name, answer: make(chan struct{}, 1)}
		wait, err := e.begin(r)
		if err != nil {
			return nil, err
		}
		select {
		case <-r.answer:
		default:
			e.await(ctx, r, wait-time.Since(began))
		}
		if r.err != nil {
			return nil, r.err
		}
		if len(r.dead) > 0 {
			if err := e.moveDead(r); err != nil {
				return nil, err
			}
			if len(r.got) == 0 {
				continue // there may be others behind what was dead
			}
		}
		return e.read(r)
	}
}

// begin runs r on the loop. If no token is in r.answer when it returns, r waits
// in its queue, at most for the duration returned.
func (e *Engine) begin(r *receive) (wait time.Duration, err error) {
	err = e.onQueue(r.name, func(tx *partition.Tx, q *queue) error {
		wait = q.attributes().ReceiveWait
		if r.options.Wait != nil {
			wait = *r.options.Wait
		}
		r.queue, r.version = q.id, q.version
		q.engine.stats.receives.Add(1)
		if r.options.AttemptID != "" && q.repeat(tx, r) {
			r.finish()
			return nil
		}
		if q.waiters.len == 0 { // while others wait there is nothing to hand out
			q.receive(tx, r)
		}
		if r.answered() {
			r.finish() // nobody else knows of r: the caller hears of it when Do returns
			return nil
		}
		if wait <= 0 && !q.moreStored() {
			r.finish()
			return nil
		}
		r.waiter.urgent = wait <= 0 // until the log was looked at
		q.waiters.push(r)
		return nil
	})
	return wait, err
}

func (r *receive) answered() bool { return len(r.got)+len(r.dead) > 0 || r.err != nil }

func (r *receive) finish() { r.answer <- struct{}{} }

// await waits until r is answered. When the wait is over, the caller is gone or
// the engine drains, it takes r out of its queue; r may be answered all the same.
func (e *Engine) await(ctx context.Context, r *receive, wait time.Duration) {
	if r.waiter.urgent { // set before r was shared
		<-r.answer
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-r.answer:
		return
	case <-timer.C:
	case <-ctx.Done():
	case <-e.stopping:
	}
	err := e.loop.Do(func(*partition.Tx) error {
		if q := e.byID[r.queue]; q != nil && r.waiter.queued {
			q.waiters.remove(r)
		}
		return nil
	})
	select {
	case <-r.answer: // answered before it was taken out
	default:
		r.err = err
	}
}

// receive hands messages of q to r, as many as it asks for and there are.
func (q *queue) receive(tx *partition.Tx, r *receive) {
	now := tx.Now.UnixMilli()
	r.queue, r.version = q.id, q.version
	limit := q.engine.cfg.InFlightMax
	n := min(r.options.Max, limit-q.flights.len())
	if n <= 0 {
		if q.fifo == nil { // a FIFO queue answers empty
			r.err = turnout.Errorf(turnout.CodeOverLimit,
				"The maximum number of in flight messages is reached: %d. Delete messages, or let them become visible again.", limit)
		}
		return
	}
	visibility := q.attributes().VisibilityTimeout
	if r.options.Visibility != nil {
		visibility = *r.options.Visibility
	}
	dlq := q.deadLetterQueue()
	q.order.take(n, func(m *message) verdict {
		switch {
		case q.expired(m, now):
			q.remove(tx, m)
			q.engine.stats.expired.Add(1)
			return dropped
		case dlq != nil && int(m.epoch) >= q.attributes().Redrive.MaxReceiveCount:
			m.state = moving
			r.dead = append(r.dead, m)
			return skipped
		}
		m.receives++
		q.engine.stats.received.Add(1)
		q.handOut(tx, m, visibility)
		r.got = append(r.got, handed{pos: m.pos, sentAt: m.sentAt, firstAt: m.firstAt, receives: m.receives, epoch: m.epoch})
		return taken
	})
	if r.options.AttemptID != "" && len(r.got) > 0 {
		q.attempts.add(r.options.AttemptID, r.got, now)
	}
	if visibility <= 0 && len(r.got) > 0 {
		q.advance(tx) // visible again at once
	}
}

// handOut puts m in flight and stores that.
func (q *queue) handOut(tx *partition.Tx, m *message, visibility time.Duration) {
	now := tx.Now.UnixMilli()
	if m.firstAt == 0 {
		m.firstAt = now
	}
	m.state = inFlight
	m.receivedAt = now
	m.epoch++
	if m.epoch == 1 {
		q.received[m.pos.seq] = m
		delete(q.unrecorded, m)
		q.stateFloor = min(q.stateFloor, m.pos.seq)
		q.ledgerDirty = true // the head moves on
	}
	if q.standard != nil {
		q.standard.fair.received(m.tenant, now)
	}
	m.visibleAt = now + visibility.Milliseconds()
	q.flights.push(m)
	q.storeState(tx, m)
}

func (q *queue) storeState(tx *partition.Tx, m *message) {
	s := stateRecord{
		at: m.pos.at, visibleAt: m.visibleAt, receivedAt: m.receivedAt, firstAt: m.firstAt,
		receives: m.receives, epoch: m.epoch, sentAt: m.sentAt, event: m.event,
	}
	switch {
	case m.group != nil:
		s.group = m.group.id
	case m.tenant != nil:
		s.group = m.tenant.id
	}
	e := q.engine
	e.key = appendStateKey(e.key[:0], q.id, m.pos.seq)
	e.value = s.append(e.value[:0])
	tx.Batch.Set(e.key, e.value)
}

// serve answers waiting receives while there is something to hand out.
func (q *queue) serve(tx *partition.Tx) {
	if q.internal {
		q.wake(tx)
		return
	}
	for r := q.waiters.first; r != nil; {
		q.receive(tx, r)
		if !r.answered() {
			break // what one waiter cannot have, none can
		}
		next := r.waiter.next
		q.waiters.remove(r)
		tx.OnDurable(r.finish)
		r = next
	}
	q.settleUrgent(tx)
}

// settleUrgent answers the receives that waited only for the log to be read, once it was.
func (q *queue) settleUrgent(tx *partition.Tx) {
	if q.waiters.urgent == 0 || q.moreStored() {
		return
	}
	for r := q.waiters.first; r != nil; {
		next := r.waiter.next
		if r.waiter.urgent {
			q.waiters.remove(r)
			tx.OnDurable(r.finish)
		}
		r = next
	}
}

// read fetches the bodies of what r was handed. A message that was deleted,
// purged or expired in the meantime is left out.
func (e *Engine) read(r *receive) ([]turnout.ReceivedMessage, error) {
	messages := make([]turnout.ReceivedMessage, 0, len(r.got))
	for i := range r.got {
		h := &r.got[i]
		rec, err := e.readRecord(r.queue, h.pos)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read message %d of %s: %w", h.pos.seq, r.name.ARN(), err)
		}
		m := e.receivedMessage(r.name, r.queue, h.pos, &rec)
		m.ReceiptHandle = e.encodeHandle(handle{queue: r.queue, seq: h.pos.seq, epoch: h.epoch})
		m.SentAt = time.UnixMilli(h.sentAt).UTC()
		m.FirstReceivedAt = time.UnixMilli(h.firstAt).UTC()
		m.ReceiveCount = int(h.receives)
		messages = append(messages, m)
	}
	return messages, nil
}

// readRecord reads a message with its body, wherever that is stored.
func (e *Engine) readRecord(id uint32, pos position) (record, error) {
	var key [messageKeyLen]byte
	b, err := e.store.Get(nil, appendMessageKey(key[:0], id, pos))
	if err != nil {
		return record{}, err
	}
	r, err := parseRecord(b)
	if err != nil || r.event == 0 {
		return r, err
	}
	r.body, err = eventlog.Get(e.store, nil, r.event)
	if errors.Is(err, store.ErrNotFound) {
		// The message may have been deleted between the two reads, and its event
		// with it. If it is still there its event must be.
		if _, again := e.store.Get(nil, key[:]); again == nil {
			return record{}, fmt.Errorf("%w: event %d is missing", errRecord, r.event)
		}
	}
	return r, err
}

// receivedMessage says of a message what does not depend on the receive.
func (e *Engine) receivedMessage(name turnout.QueueName, id uint32, pos position, r *record) turnout.ReceivedMessage {
	m := turnout.ReceivedMessage{
		Body: r.body, Attributes: r.attributes, SenderID: r.senderID, TraceHeader: r.traceHeader,
		GroupID: r.groupID, DeduplicationID: r.dedupID,
	}
	if m.SenderID == "" {
		m.SenderID = name.Account
	}
	if r.moved != nil {
		m.MessageID = turnout.UUID(r.moved.messageID)
		m.DeadLetterSourceARN = r.moved.sourceARN
	} else {
		m.MessageID = turnout.UUID(e.messageID(id, pos.seq))
	}
	if r.dedupID != "" { // FIFO messages always have one
		m.SequenceNumber = sequenceNumber(pos.seq)
	}
	return m
}

// waiter is a receive's place among the waiting ones.
type waiter struct {
	next, prev *receive
	queued     bool
	urgent     bool // waits only until the log was read
}

// waiters are the receives that wait for messages of one queue, first come
// first served. Each message that becomes visible looks at the first of them
// only, so what a message costs does not grow with their number.
type waiters struct {
	first, last *receive
	len         int
	urgent      int
}

func (w *waiters) push(r *receive) {
	r.waiter.queued, r.waiter.prev, r.waiter.next = true, w.last, nil
	if w.last != nil {
		w.last.waiter.next = r
	} else {
		w.first = r
	}
	w.last = r
	w.count(r, 1)
}

func (w *waiters) remove(r *receive) {
	if r.waiter.prev != nil {
		r.waiter.prev.waiter.next = r.waiter.next
	} else {
		w.first = r.waiter.next
	}
	if r.waiter.next != nil {
		r.waiter.next.waiter.prev = r.waiter.prev
	} else {
		w.last = r.waiter.prev
	}
	r.waiter.queued, r.waiter.next, r.waiter.prev = false, nil, nil
	w.count(r, -1)
}

func (w *waiters) count(r *receive, n int) {
	w.len += n
	if r.waiter.urgent {
		w.urgent += n
	}
}

// failAll answers every waiting receive with err.
func (w *waiters) failAll(tx *partition.Tx, err error) {
	for r := w.first; r != nil; {
		next := r.waiter.next
		w.remove(r)
		r.err = err
		tx.OnDurable(r.finish)
		r = next
	}
}

// attempts are the receives of a FIFO queue that gave a ReceiveRequestAttemptId:
// within five minutes the same id gets the same messages and handles again,
// unless one of them has been deleted, received anew or has become visible.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
type attempts struct {
	byID map[string]attempt
}

type attempt struct {
	got []handed
	at  int64 // Unix ms
}

// attemptsMax bounds the attempts remembered for a queue. They are not stored:
// after a restart a repeated attempt is a new one.
const attemptsMax = 10_000

func (a *attempts) add(id string, got []handed, now int64) {
	if a.byID == nil {
		a.byID = make(map[string]attempt)
	}
	if len(a.byID) >= attemptsMax {
		for id, old := range a.byID {
			if now-old.at >= turnout.DeduplicationWindow.Milliseconds() {
				delete(a.byID, id)
			}
		}
	}
	if len(a.byID) < attemptsMax {
		a.byID[id] = attempt{got: got, at: now}
	}
}

// repeat answers r with the messages of an earlier receive with its attempt id,
// their visibility timeouts begun anew. It reports false if there is none or
// its messages are no longer as they were.
func (q *queue) repeat(tx *partition.Tx, r *receive) bool {
	now := tx.Now.UnixMilli()
	old, ok := q.attempts.byID[r.options.AttemptID]
	if !ok {
		return false
	}
	fits := q.fifo != nil && now-old.at < turnout.DeduplicationWindow.Milliseconds()
	for i := 0; fits && i < len(old.got); i++ {
		m := q.received[old.got[i].pos.seq]
		fits = m != nil && m.state == inFlight && m.epoch == old.got[i].epoch
	}
	if !fits {
		delete(q.attempts.byID, r.options.AttemptID)
		return false
	}
	visibility := q.attributes().VisibilityTimeout
	if r.options.Visibility != nil {
		visibility = *r.options.Visibility
	}
	r.queue, r.version, r.got = q.id, q.version, old.got
	for i := range old.got {
		m := q.received[old.got[i].pos.seq]
		m.visibleAt = now + visibility.Milliseconds()
		q.flights.fix(int(m.index))
		q.storeState(tx, m)
	}
	return true
}

// Peek returns up to limit messages of a queue in log order, in flight and
// delayed ones too, without receiving them: for people and tests that look. The
// messages have no receipt handle; ReceiveCount is 0 for one never received.
func (e *Engine) Peek(_ context.Context, name turnout.QueueName, limit int) ([]turnout.ReceivedMessage, error) {
	var id uint32
	var from position
	received := make(map[uint64]stateRecord)
	err := e.onQueue(name, func(_ *partition.Tx, q *queue) error {
		id, from = q.id, q.ledger().head
		for seq, m := range q.received {
			received[seq] = stateRecord{receives: m.receives, firstAt: m.firstAt}
			if m.pos.before(from) {
				from = m.pos
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	view := e.store.Snapshot()
	defer view.Close() //nolint:errcheck // a read-only view has nothing to lose
	_, upper := queueRange(prefixMessage, id)
	pairs, scanErr := view.Scan(appendMessageKey(nil, id, from), upper)
	var messages []turnout.ReceivedMessage
	for key, value := range pairs {
		if len(messages) == limit {
			break
		}
		_, pos, _ := parseMessageKey(key)
		rec, err := parseRecord(append([]byte(nil), value...))
		if err == nil && rec.event != 0 {
			rec.body, err = eventlog.Get(view, nil, rec.event)
		}
		if err != nil {
			return nil, err
		}
		m := e.receivedMessage(name, id, pos, &rec)
		m.SentAt = time.UnixMilli(rec.sentAt).UTC()
		if rec.sentAt == 0 {
			m.SentAt = time.UnixMilli(pos.at).UTC()
		}
		if s, ok := received[pos.seq]; ok {
			m.ReceiveCount, m.FirstReceivedAt = int(s.receives), time.UnixMilli(s.firstAt).UTC()
		}
		messages = append(messages, m)
	}
	return messages, scanErr()
}
