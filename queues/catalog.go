package queues

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

// config is the stored form of a queue's configuration.
type config struct {
	Name     turnout.QueueName
	Settings turnout.QueueSettings
	Created  int64 // Unix s
	Modified int64 // Unix s
	// DedupScope is the deduplication scope the queue was created with, which
	// goes on to hold when the attribute changes (observed on SQS).
	DedupScope turnout.FIFOScope
}

func unixSeconds(s int64) time.Time { return time.Unix(s, 0).UTC() }

func cloneSettings(s turnout.QueueSettings) turnout.QueueSettings {
	s.Tags = maps.Clone(s.Tags)
	if r := s.Attributes.Redrive; r != nil {
		s.Attributes.Redrive = new(*r)
	}
	if r := s.Attributes.RedriveAllow; r != nil {
		s.Attributes.RedriveAllow = &turnout.RedriveAllowPolicy{Permission: r.Permission, SourceARNs: slices.Clone(r.SourceARNs)}
	}
	return s
}

// CreateQueue makes a queue. If one of that name exists it returns
// same(existing attributes): nil says that the call is idempotent. The errors
// of its own are those of an unusable redrive policy (CodeInvalidParameter)
// and, with StrictAWS, CodeQueueDeletedRecently.
func (e *Engine) CreateQueue(_ context.Context, name turnout.QueueName, s turnout.QueueSettings, same func(turnout.QueueAttributes) error) error {
	s = cloneSettings(s)
	return e.loop.Do(func(tx *partition.Tx) error {
		if q := e.byName[name]; q != nil {
			return same(cloneSettings(q.settings).Attributes)
		}
		now := tx.Now.UnixMilli()
		if at, ok := e.deleted[name]; ok && now-at < time.Minute.Milliseconds() {
			return turnout.Errorf(turnout.CodeQueueDeletedRecently,
				"You must wait 60 seconds after deleting a queue before you can create another with the same name.")
		}
		delete(e.deleted, name)
		if err := e.checkRedrive(name, &s.Attributes); err != nil {
			return err
		}
		e.create(tx, name, s)
		return nil
	})
}

// create makes a queue of a name that is free.
func (e *Engine) create(tx *partition.Tx, name turnout.QueueName, s turnout.QueueSettings) *queue {
	now := tx.Now.UnixMilli()
	q := newQueue(e, e.nextID, name, s)
	e.nextID++
	tx.Batch.Set([]byte{prefixEngine, 'i'}, binary.BigEndian.AppendUint32(nil, e.nextID))
	q.created, q.modified = now/1000, now/1000
	q.log.loaded = position{at: now}
	q.dedup.scope = s.Attributes.DeduplicationScope
	q.ledgerDirty = true
	e.add(q)
	e.touch(tx, q)
	q.store(tx)
	return q
}

// store writes the configuration of q.
func (q *queue) store(tx *partition.Tx) {
	value, err := json.Marshal(config{
		Name: q.name, Settings: q.settings, Created: q.created, Modified: q.modified, DedupScope: q.dedup.scope,
	})
	if err != nil {
		panic(fmt.Sprintf("queues: encode configuration: %v", err)) // plain data cannot fail
	}
	tx.Batch.Set(appendQueueKey(nil, prefixQueue, q.id), value)
}

// UpdateQueue changes the settings of a queue in one step: change gets a copy,
// and what it leaves is stored unless it returns an error, which is returned.
func (e *Engine) UpdateQueue(_ context.Context, name turnout.QueueName, change func(*turnout.QueueSettings) error) error {
	return e.onQueue(name, func(tx *partition.Tx, q *queue) error {
		s := cloneSettings(q.settings)
		if err := change(&s); err != nil {
			return err
		}
		s.Attributes.FIFO = q.settings.Attributes.FIFO // a queue's kind never changes
		if r, old := s.Attributes.Redrive, q.settings.Attributes.Redrive; r != nil && (old == nil || *r != *old) {
			if err := e.checkRedrive(name, &s.Attributes); err != nil {
				return err
			}
		}
		q.settings, q.modified = s, tx.Now.Unix()
		q.store(tx)
		q.reorderFlights()
		q.advance(tx) // a shorter delay or retention takes effect now
		q.serve(tx)
		return nil
	})
}

// checkRedrive refuses a redrive policy that names no fitting dead-letter queue.
func (e *Engine) checkRedrive(name turnout.QueueName, a *turnout.QueueAttributes) error {
	if a.Redrive == nil {
		return nil
	}
	refuse := func(reason string) error {
		return turnout.Errorf(turnout.CodeInvalidParameter,
			`Value {"deadLetterTargetArn":"%s","maxReceiveCount":%d} for parameter RedrivePolicy is invalid. Reason: %s`,
			a.Redrive.DeadLetterTargetARN, a.Redrive.MaxReceiveCount, reason)
	}
	target, ok := turnout.ParseQueueARN(a.Redrive.DeadLetterTargetARN)
	if !ok {
		return refuse("Invalid value for deadLetterTargetArn.")
	}
	if target.Scope != name.Scope {
		return refuse("Dead-letter queue must be in the same account and region as the source.")
	}
	dlq := e.byName[target]
	switch {
	case dlq == nil && target == name, dlq != nil && dlq.name == name:
		return refuse("A queue can not be its own dead-letter queue.")
	case dlq == nil:
		return refuse("Dead letter target does not exist.")
	case dlq.attributes().FIFO != a.FIFO:
		return refuse("Dead-letter queue must be same type of queue as the source.")
	case !dlq.allowsRedriveFrom(name):
		return refuse("Queue is not permitted to be used as a dead-letter queue by the source queue: its RedriveAllowPolicy denies it.")
	}
	return nil
}

func (q *queue) allowsRedriveFrom(source turnout.QueueName) bool {
	allow := q.attributes().RedriveAllow
	switch {
	case allow == nil || allow.Permission == turnout.RedriveAllowAll:
		return true
	case allow.Permission == turnout.RedriveByQueue:
		return slices.Contains(allow.SourceARNs, source.ARN())
	}
	return false
}

// deadLetterQueue returns where q's messages go after too many receives, nil
// if nowhere: a queue whose dead-letter queue was deleted keeps its messages.
func (q *queue) deadLetterQueue() *queue {
	r := q.attributes().Redrive
	if r == nil {
		return nil
	}
	name, ok := turnout.ParseQueueARN(r.DeadLetterTargetARN)
	if !ok {
		return nil
	}
	return q.engine.byName[name]
}

// DeleteQueue deletes a queue and its messages. The name can be used again at
// once; receipt handles and messages of the old queue never come back.
func (e *Engine) DeleteQueue(_ context.Context, name turnout.QueueName) error {
	return e.onQueue(name, func(tx *partition.Tx, q *queue) error {
		q.drop(tx)
		if now := tx.Now.UnixMilli(); e.cfg.StrictAWS {
			maps.DeleteFunc(e.deleted, func(_ turnout.QueueName, at int64) bool { return now-at >= time.Minute.Milliseconds() })
			e.deleted[name] = now
		}
		q.waiters.failAll(tx, errQueueNotFound)
		return nil
	})
}

// drop removes q and everything it holds.
func (q *queue) drop(tx *partition.Tx) {
	e := q.engine
	q.empty(tx)
	q.dropped = true
	tx.Batch.Delete(appendQueueKey(nil, prefixQueue, q.id))
	tx.Batch.Delete(appendQueueKey(nil, prefixLedger, q.id))
	tx.Batch.DeleteRange(queueRange(prefixTask, q.id))
	e.tasks.sourceDeleted(q.id)
	delete(e.byName, q.name)
	delete(e.byID, q.id)
	e.timers.remove(q.timer)
	e.stats.queues.Add(-1)
}

// empty removes every message of q and what is remembered of earlier ones.
func (q *queue) empty(tx *partition.Tx) {
	for _, prefix := range []byte{prefixMessage, prefixState, prefixDedup} {
		tx.Batch.DeleteRange(queueRange(prefix, q.id))
	}
	q.engine.events.ReleaseAll(tx, q.id)
	now := tx.Now.UnixMilli()
	for _, m := range q.received {
		m.state = gone
	}
	for m := range q.unrecorded {
		m.state = gone
	}
	q.version++
	q.count = 0
	q.received = make(map[uint64]*message)
	clear(q.unrecorded)
	q.flights = newMessageHeap(q.endsEarlier)
	q.clearOrder()
	q.delayed = delays{}
	q.dedup = dedup{scope: q.dedup.scope}
	q.attempts = attempts{}
	q.log = logReader{loaded: position{at: now, seq: q.nextSeq - 1}, complete: true, next: never, lastAt: q.log.lastAt}
	q.stateFloor, q.removedStates = q.nextSeq, 0
	q.ledgerDirty = true
}

// PurgeQueue removes every message of a queue, in flight and delayed ones too,
// and forgets its deduplication ids. A second purge within 60 seconds is refused
// with CodePurgeInProgress, as SQS does.
func (e *Engine) PurgeQueue(_ context.Context, name turnout.QueueName) error {
	return e.onQueue(name, func(tx *partition.Tx, q *queue) error {
		now := tx.Now.UnixMilli()
		if q.purged != 0 && now-q.purged < turnout.PurgeInterval.Milliseconds() {
			return turnout.Errorf(turnout.CodePurgeInProgress,
				"Only one PurgeQueue operation on %s is allowed every 60 seconds.", name.Name)
		}
		q.purged = now
		e.stats.purged.Add(uint64(q.count))
		q.empty(tx)
		q.settleUrgent(tx)
		return nil
	})
}

// Queue describes a queue as it is now.
func (e *Engine) Queue(_ context.Context, name turnout.QueueName) (info turnout.QueueInfo, err error) {
	err = e.onQueue(name, func(_ *partition.Tx, q *queue) error {
		info = q.info()
		return nil
	})
	return info, err
}

// Queues returns the names of a scope that begin with prefix, sorted.
func (e *Engine) Queues(_ context.Context, scope turnout.Scope, prefix string) ([]turnout.QueueName, error) {
	return e.names(func(q *queue) bool {
		return q.name.Scope == scope && strings.HasPrefix(q.name.Name, prefix)
	})
}

// DeadLetterSources returns the queues that name this one as their dead-letter queue, sorted.
func (e *Engine) DeadLetterSources(_ context.Context, name turnout.QueueName) ([]turnout.QueueName, error) {
	if err := e.onQueue(name, func(*partition.Tx, *queue) error { return nil }); err != nil {
		return nil, err
	}
	arn := name.ARN()
	return e.names(func(q *queue) bool {
		r := q.attributes().Redrive
		return r != nil && r.DeadLetterTargetARN == arn
	})
}

func (e *Engine) names(want func(*queue) bool) ([]turnout.QueueName, error) {
	var names []turnout.QueueName
	err := e.loop.Do(func(*partition.Tx) error {
		for _, q := range e.byName {
			if want(q) {
				names = append(names, q.name)
			}
		}
		return nil
	})
	slices.SortFunc(names, func(a, b turnout.QueueName) int { return strings.Compare(a.Name, b.Name) })
	return names, err
}

// Reset deletes every queue of every scope. Queue ids go on, so that nothing
// of before can be mistaken for what comes after.
func (e *Engine) Reset(context.Context) error {
	return e.loop.Do(func(tx *partition.Tx) error {
		for _, q := range e.byName {
			q.dropped = true
			q.version++
			e.events.ReleaseAll(tx, q.id)
			q.waiters.failAll(tx, errQueueNotFound)
			e.stats.queues.Add(-1)
		}
		for _, prefix := range []byte{prefixQueue, prefixLedger, prefixMessage, prefixState, prefixDedup, prefixTask} {
			tx.Batch.DeleteRange([]byte{prefix}, []byte{prefix + 1})
		}
		e.clear()
		return nil
	})
}

// loadQueue makes a queue from its stored configuration, ledger, states and
// deduplication ids. Its backlog stays where it is.
func (e *Engine) loadQueue(key, value []byte) (*queue, error) {
	var c config
	if len(key) != 5 {
		return nil, fmt.Errorf("%w: queue key %x", errRecord, key)
	}
	if err := json.Unmarshal(value, &c); err != nil {
		return nil, fmt.Errorf("configuration of queue %x: %w", key[1:], err)
	}
	id := binary.BigEndian.Uint32(key[1:])
	q := newQueue(e, id, c.Name, c.Settings)
	q.created, q.modified, q.dedup.scope = c.Created, c.Modified, c.DedupScope
	b, err := e.store.Get(nil, appendQueueKey(nil, prefixLedger, id))
	if err != nil {
		return nil, fmt.Errorf("ledger of queue %s: %w", c.Name.ARN(), err)
	}
	l, err := parseLedger(b)
	if err != nil {
		return nil, fmt.Errorf("ledger of queue %s: %w", c.Name.ARN(), err)
	}
	if err := q.restore(l); err != nil {
		return nil, fmt.Errorf("restore queue %s: %w", c.Name.ARN(), err)
	}
	return q, nil
}

// restore sets q as l and the store say.
func (q *queue) restore(l ledger) error {
	e := q.engine
	q.nextSeq, q.count, q.stateFloor, q.purged, q.ledgerDelayed = l.nextSeq, l.count, l.stateFloor, l.purged, l.delayed
	q.log = logReader{loaded: l.head.previous(), next: never, lastAt: l.lastAt}
	lower, upper := queueRange(prefixMessage, q.id)
	key, _, err := e.store.Last(lower, upper)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	default:
		_, last, ok := parseMessageKey(key)
		if !ok {
			return fmt.Errorf("%w: message key %x", errRecord, key)
		}
		if !l.delayed && last.seq >= q.nextSeq { // sent since the ledger was written
			q.count += int64(last.seq + 1 - q.nextSeq)
			q.nextSeq = last.seq + 1
			q.log.lastAt = last.at
		}
	}
	e.loop.NotBefore(time.UnixMilli(q.log.lastAt))
	if err := q.restoreStates(); err != nil {
		return err
	}
	if err := q.restoreDelays(l); err != nil {
		return err
	}
	q.log.complete = q.count == int64(len(q.received))
	if q.log.complete {
		q.log.loaded = position{at: q.log.lastAt, seq: q.nextSeq - 1}
		for _, seq := range slices.Sorted(maps.Keys(q.received)) {
			q.order.pass(q.received[seq])
		}
	}
	return q.restoreDedup()
}

// restoreStates reads the messages that were received and not deleted.
func (q *queue) restoreStates() error {
	now := q.engine.loop.Now().UnixMilli()
	_, upper := queueRange(prefixState, q.id)
	pairs, scanErr := q.engine.store.Scan(appendStateKey(nil, q.id, q.stateFloor), upper)
	for key, value := range pairs {
		s, err := parseState(value)
		if err != nil {
			return err
		}
		if len(key) != stateKeyLen {
			return fmt.Errorf("%w: state key %x", errRecord, key)
		}
		pos := position{at: s.at, seq: read6(key[5:])}
		m := q.message(&readMessage{pos: pos, sentAt: s.sentAt, event: s.event, group: s.group, receives: s.receives})
		m.visibleAt, m.receivedAt, m.firstAt, m.epoch = s.visibleAt, s.receivedAt, s.firstAt, s.epoch
		q.received[pos.seq] = m
		if m.visibleAt > now {
			m.state = inFlight
			q.flights.push(m)
			if q.standard != nil {
				q.standard.fair.received(m.tenant, now)
			}
		}
		q.order.restore(m)
	}
	return scanErr()
}

// restoreDelays counts the messages that are still delayed.
func (q *queue) restoreDelays(l ledger) error {
	if !l.delayed && q.lag() == 0 {
		return nil
	}
	_, upper := queueRange(prefixMessage, q.id)
	from := position{at: q.engine.loop.Now().UnixMilli() - q.lag() + 1}
	pairs, scanErr := q.engine.store.Scan(appendMessageKey(nil, q.id, from), upper)
	for key := range pairs {
		if _, pos, ok := parseMessageKey(key); ok {
			q.delayed.add(pos.at)
		}
	}
	return scanErr()
}
