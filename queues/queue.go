package queues

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
)

// queue is one queue as the loop sees it.
//
// Its messages are a log in the store, ordered by position. Each message that
// is not gone is in exactly one of these places:
//
//   - received: it has a state record, and is in received; flights holds those
//     still invisible, order those visible again (or, in a FIFO queue, all);
//   - loaded: at or before loaded in the log, never received, held by order;
//   - stored: beyond loaded. If complete is true, only messages that are still
//     delayed are there.
//
// The counters follow: visible = count - in flight - delayed.
//
// The log is read forward only, by refill.go, from loaded on; nothing ever
// looks for the head by scanning over what was deleted. The ledger record
// holds where to begin after a restart.
type queue struct {
	engine   *Engine
	id       uint32 // the incarnation: a queue created again under its name gets another
	name     turnout.QueueName
	settings turnout.QueueSettings
	created  int64  // Unix s
	modified int64  // Unix s
	purged   int64  // Unix ms of the last purge
	version  uint32 // bumped by purge and delete: work begun before is void
	dropped  bool   // deleted
	internal bool   // of a part of the server, see Post
	watch    watch

	nextSeq  uint64
	count    int64 // messages not gone
	received map[uint64]*message
	flights  heap[*message] // in flight, by flightEnd
	order    order
	fifo     *fifoOrder     // order, when the queue is FIFO
	standard *standardOrder // order, when it is not
	log      logReader
	delayed  delays
	dedup    dedup
	attempts attempts
	waiters  waiters

	// stateFloor is at most the lowest sequence that has a state record; a
	// restart reads them from there. removedStates counts how many went since it was set.
	stateFloor    uint64
	removedStates int

	due           int64 // Unix ms of the next timer, or never
	timer         int   // place in the engine's timers
	dirty         bool  // in the engine's dirty list
	ledgerDirty   bool  // the ledger record must be written
	ledgerDelayed bool  // the stored ledger says that messages may be delayed
	// unrecorded are messages out of the window without a state record: being
	// moved, or given back by a failed move. The ledger's head must not pass them.
	unrecorded map[*message]struct{}
}

func newQueue(e *Engine, id uint32, name turnout.QueueName, settings turnout.QueueSettings) *queue {
	q := &queue{
		engine: e, id: id, name: name, settings: settings,
		nextSeq: 1, received: make(map[uint64]*message), unrecorded: make(map[*message]struct{}),
		due: never, timer: -1,
		internal: Internal(name.Scope), watch: watch{fresh: true, again: true, expired: true},
	}
	q.flights = newMessageHeap(q.endsEarlier)
	q.clearOrder()
	q.log.complete, q.log.next = true, never
	return q
}

func (q *queue) clearOrder() {
	if q.settings.Attributes.FIFO {
		q.fifo = newFIFOOrder()
		q.order = q.fifo
	} else {
		q.standard = newStandardOrder()
		q.order = q.standard
	}
}

func (q *queue) attributes() *turnout.QueueAttributes { return &q.settings.Attributes }

// lag is how far behind the present the log is read, in ms: a FIFO queue's
// delay holds for the messages it has already, so it is a distance, not a
// position; a standard queue's delay is part of each message's position.
func (q *queue) lag() int64 {
	if q.fifo == nil {
		return 0
	}
	return q.attributes().Delay.Milliseconds()
}

// expiresAt returns when a message that was sent at sentAt expires, both Unix ms.
func (q *queue) expiresAt(sentAt int64) int64 {
	return sentAt + q.attributes().Retention.Milliseconds()
}

func (q *queue) expired(m *message, now int64) bool { return q.expiresAt(m.sentAt) <= now }

// flightEnd returns when m leaves flight, Unix ms: it becomes visible or, but
// in an internal queue, expires.
func (q *queue) flightEnd(m *message) int64 {
	if q.internal {
		return m.visibleAt
	}
	return min(m.visibleAt, q.expiresAt(m.sentAt))
}

func (q *queue) endsEarlier(a, b *message) bool { return q.flightEnd(a) < q.flightEnd(b) }

// reorderFlights restores the order of the flights after the retention changed.
func (q *queue) reorderFlights() {
	all := q.flights.items
	q.flights = newMessageHeap(q.endsEarlier)
	for _, m := range all {
		q.flights.push(m)
	}
}

// moreStored reports whether the store may hold messages that could be handed
// out now but are not in memory yet.
func (q *queue) moreStored() bool {
	return q.log.reading || !q.log.complete && q.order.wants() > 0 || q.standard != nil && !q.standard.aside.empty()
}

// advance does everything that has become due by tx.Now.
func (q *queue) advance(tx *partition.Tx) {
	now := tx.Now.UnixMilli()
	for q.flights.len() > 0 && q.flightEnd(q.flights.top()) <= now {
		m := q.flights.top()
		if q.expired(m, now) && !q.internal {
			q.remove(tx, m)
			q.engine.stats.expired.Add(1)
			continue
		}
		q.flights.pop()
		q.ended(m, m.visibleAt)
		q.giveBack(m)
	}
	q.delayed.prune(now - q.lag())
	if q.log.next <= now-q.lag() {
		q.log.complete = false
	}
	if q.internal {
		return // what is too old is handed out as such, see Take
	}
	if q.fifo != nil {
		q.turnDedup(tx, now)
	}
	for m := q.order.oldest(); m != nil && m.state != moving && q.expired(m, now); m = q.order.oldest() {
		q.remove(tx, m)
		q.engine.stats.expired.Add(1)
	}
}

// giveBack makes m, which has left flight or was to be moved, visible again.
func (q *queue) giveBack(m *message) {
	m.state = ready
	q.order.giveBack(m)
}

// ended accounts for m leaving flight at the given time.
func (q *queue) ended(m *message, at int64) {
	if q.standard != nil {
		q.standard.fair.ended(m.tenant, at, at-m.receivedAt)
	}
}

// remove deletes m, wherever it is.
func (q *queue) remove(tx *partition.Tx, m *message) {
	if m.state == inFlight {
		if m.index >= 0 {
			q.flights.remove(int(m.index))
		}
		q.ended(m, tx.Now.UnixMilli())
	}
	q.order.remove(m)
	m.state = gone
	e := q.engine
	e.key = appendMessageKey(e.key[:0], q.id, m.pos)
	tx.Batch.Delete(e.key)
	if m.epoch > 0 {
		e.key = appendStateKey(e.key[:0], q.id, m.pos.seq)
		tx.Batch.Delete(e.key)
		delete(q.received, m.pos.seq)
		q.removedStates++
	} else {
		delete(q.unrecorded, m)
	}
	if m.event != 0 {
		e.events.Release(tx, q.id, m.event)
	}
	if q.standard != nil {
		q.standard.fair.release(m.tenant)
		q.standard.aside.forget(m.pos)
	}
	q.log.forget(m.pos)
	q.count--
	q.ledgerDirty = true
}

// flightsLen counts messages in flight.
func (q *queue) flightsLen() int64 { return int64(q.flights.len()) }

func (q *queue) depth() turnout.QueueDepth {
	d := turnout.QueueDepth{InFlight: q.flightsLen(), Delayed: q.delayed.total}
	d.Visible = max(q.count-d.InFlight-d.Delayed, 0)
	return d
}

// nextDue returns when the queue's next timer is due, in Unix ms.
func (q *queue) nextDue() int64 {
	due := never
	if q.flights.len() > 0 {
		due = q.flightEnd(q.flights.top())
	}
	if q.log.next != never && !q.log.reading {
		due = min(due, q.log.next+q.lag())
	}
	if q.standard != nil && !q.standard.aside.empty() && !q.standard.aside.reading {
		due = min(due, q.expiresAt(q.standard.aside.from.at))
	}
	return min(due, q.nextExpiry(), q.dedup.due())
}

// nextExpiry returns when the oldest message that is not in flight expires, in Unix ms.
func (q *queue) nextExpiry() int64 {
	m := q.order.oldest()
	switch {
	case q.internal:
		if q.watch.expired && m != nil && m.state == ready {
			return q.expiresAt(m.sentAt)
		}
	case m != nil && m.state != moving:
		return q.expiresAt(m.sentAt)
	case m == nil && !q.log.complete && !q.log.reading:
		// Nothing is loaded: look when what was read last would expire.
		return q.expiresAt(q.log.loaded.at)
	}
	return never
}

// info describes the queue.
func (q *queue) info() turnout.QueueInfo {
	return turnout.QueueInfo{
		QueueName:     q.name,
		QueueSettings: cloneSettings(q.settings),
		CreatedAt:     unixSeconds(q.created),
		ModifiedAt:    unixSeconds(q.modified),
		Depth:         q.depth(),
	}
}

// ledger is what a queue stores beside its messages, once for each batch that
// receives or removes some. A batch that only sends needs none: sequences are
// dense, so what was sent since can be read off the last message.
type ledger struct {
	nextSeq    uint64
	count      int64
	head       position // no message without a state record is before it
	stateFloor uint64
	lastAt     int64 // position time of the newest message that was not delayed
	purged     int64
	delayed    bool // messages may be delayed, so the last one need not be the newest
}

func (q *queue) ledger() ledger {
	head, ok := q.order.floor()
	if !ok || q.log.loaded.before(head) {
		head = q.log.loaded.next()
	}
	for m := range q.unrecorded {
		if m.pos.before(head) {
			head = m.pos
		}
	}
	if q.removedStates > 256+4*len(q.received) {
		q.removedStates, q.stateFloor = 0, q.nextSeq
		for seq := range q.received {
			q.stateFloor = min(q.stateFloor, seq)
		}
	}
	return ledger{
		nextSeq: q.nextSeq, count: q.count, head: head, stateFloor: q.stateFloor,
		lastAt: q.log.lastAt, purged: q.purged, delayed: q.delayed.total > 0,
	}
}

func (l ledger) append(dst []byte) []byte {
	flags := uint64(0)
	if l.delayed {
		flags = 1
	}
	for _, v := range []uint64{
		flags, l.nextSeq, uint64(l.count), uint64(l.head.at), l.head.seq,
		l.stateFloor, uint64(l.lastAt), uint64(l.purged),
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}

func parseLedger(b []byte) (ledger, error) {
	d := decoder{b: b}
	l := ledger{delayed: d.uvarint() == 1, nextSeq: d.uvarint(), count: int64(d.uvarint())}
	l.head = position{at: int64(d.uvarint()), seq: d.uvarint()}
	l.stateFloor, l.lastAt, l.purged = d.uvarint(), int64(d.uvarint()), int64(d.uvarint())
	if d.bad || len(d.b) != 0 {
		return ledger{}, fmt.Errorf("%w: ledger of %d bytes", errRecord, len(b))
	}
	return l, nil
}

// delays counts the delayed messages of a queue by the time at which they
// become available, to a tenth of a second: at most 9,000 counters.
type delays struct {
	total int64
	until []delayCount // by time
}

type delayCount struct {
	at    int64 // Unix ms, a multiple of delayStep; the messages are available by then
	count int64
}

const delayStep = 100

func (d *delays) add(at int64) {
	at = (at + delayStep - 1) / delayStep * delayStep
	i, found := slices.BinarySearchFunc(d.until, at, func(c delayCount, at int64) int { return int(c.at - at) })
	if !found {
		d.until = slices.Insert(d.until, i, delayCount{at: at})
	}
	d.until[i].count++
	d.total++
}

func (d *delays) prune(now int64) {
	n := 0
	for ; n < len(d.until) && d.until[n].at <= now; n++ {
		d.total -= d.until[n].count
	}
	d.until = slices.Delete(d.until, 0, n)
}
