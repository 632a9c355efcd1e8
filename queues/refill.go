package queues

import (
	"fmt"
	"sync"

	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

// refillWorkers read the logs of queues for the loop. A few are enough: a read
// is a millisecond or two, and a queue has one at a time.
const refillWorkers = 4

// logReader is how far a queue's log was read into memory.
//
// While a read is under way the loop goes on: what is sent meanwhile waits in
// late, so that a queue whose consumers keep up returns to memory only.
type logReader struct {
	loaded   position // everything at or before it was loaded (or is gone)
	complete bool     // beyond loaded there are only delayed messages
	next     int64    // position time of the first of these, Unix ms, or never
	lastAt   int64    // position time of the newest message that was not delayed

	reading  bool
	late     []readMessage       // sent since the read began, in order, none left out …
	lateFull bool                // … until this is true
	removed  map[uint64]struct{} // deleted since, though beyond loaded
}

// forget notes that the message at pos was removed, lest a read that began
// before brings it back.
func (l *logReader) forget(pos position) {
	if l.reading && l.loaded.before(pos) {
		if l.removed == nil {
			l.removed = make(map[uint64]struct{})
		}
		l.removed[pos.seq] = struct{}{}
	}
}

// admit places a message that was just sent: into the window if everything
// before it is there, otherwise it stays on disk until a refill.
func (q *queue) admit(r *readMessage, now int64) {
	l := &q.log
	if r.pos.at > now-q.lag() {
		q.delayed.add(r.pos.at)
		l.next = min(l.next, r.pos.at)
		return
	}
	l.lastAt = r.pos.at
	switch {
	case l.reading:
		l.lateFull = l.lateFull || len(l.late) >= windowMax
		if !l.lateFull {
			l.late = append(l.late, *r)
		}
	case l.complete && q.standard != nil && q.standard.setsAside(r.group, r.pos):
		l.loaded = r.pos
	case l.complete && q.order.room():
		l.loaded = r.pos
		q.order.add(q.message(r))
	default:
		l.complete = false
	}
}

// readJob asks for the messages behind from, up to and with to.
type readJob struct {
	queue    uint32
	version  uint32
	aside    bool     // a second reading, of what was set aside
	from, to position // behind from, up to and with to
	limit    int
}

// readResult is what a readJob found.
type readResult struct {
	messages  []readMessage
	exhausted bool  // there is nothing more up to to
	next      int64 // when exhausted: position time of the first message behind to that was there when the read began, or never
}

// readMessage is a message of the log, without what only a receive needs.
type readMessage struct {
	pos      position
	sentAt   int64
	event    eventlog.Ref
	group    string
	receives uint32
}

// refillIfLow begins a read if the window runs low and the log holds more. It
// starts once the batch being decided is durable, so that the read sees it.
func (q *queue) refillIfLow(tx *partition.Tx) {
	l := &q.log
	if l.complete || l.reading {
		return
	}
	limit := q.order.wants()
	if limit <= 0 {
		return
	}
	l.reading, l.late, l.lateFull, l.next = true, nil, false, never
	to := position{at: tx.Now.UnixMilli() - q.lag(), seq: q.nextSeq - 1}
	job := readJob{queue: q.id, version: q.version, from: l.loaded, to: to, limit: limit}
	tx.OnDurable(func() { q.engine.refills.add(job) })
}

// refilled takes in what a read found.
func (e *Engine) refilled(tx *partition.Tx, job readJob, got readResult) {
	q := e.byID[job.queue]
	if q == nil || q.version != job.version {
		return
	}
	if job.aside {
		q.readAside(job, got)
	} else {
		q.readLog(tx, job, got)
	}
	e.touch(tx, q)
	q.serve(tx)
}

// readLog takes in the next part of the log.
func (q *queue) readLog(tx *partition.Tx, job readJob, got readResult) {
	l := &q.log
	for i := range got.messages {
		r := &got.messages[i]
		l.loaded = r.pos
		if m := q.received[r.pos.seq]; m != nil {
			q.order.pass(m)
			continue
		}
		if _, ok := l.removed[r.pos.seq]; ok {
			continue
		}
		if q.standard == nil || !q.standard.setsAside(r.group, r.pos) {
			q.order.add(q.message(r))
		}
	}
	if got.exhausted {
		if l.loaded.before(job.to) {
			l.loaded = job.to
		}
		l.next = min(l.next, got.next)
		// Late messages may join only if no delayed one belongs before them.
		l.complete = l.next > tx.Now.UnixMilli()-q.lag()
		for i := 0; l.complete && i < len(l.late); i++ {
			l.loaded = l.late[i].pos
			q.order.add(q.message(&l.late[i]))
		}
		l.complete = l.complete && !l.lateFull
	}
	l.reading, l.late, l.removed = false, nil, nil
}

// message makes the in-memory form of a message that was never received here.
func (q *queue) message(r *readMessage) *message {
	m := &message{pos: r.pos, sentAt: r.sentAt, event: r.event, receives: r.receives, index: -1}
	if q.fifo != nil {
		m.group = q.fifo.groupOf(r.group)
		return m
	}
	m.tenant = q.standard.fair.hold(r.group, r.sentAt)
	return m
}

// read runs a job against the store.
func read(r store.Reader, job readJob) (readResult, error) {
	got := readResult{next: never}
	lower := appendMessageKey(nil, job.queue, job.from.next())
	_, upper := queueRange(prefixMessage, job.queue)
	pairs, scanErr := r.Scan(lower, upper)
	got.exhausted = true
	since := 0 // messages sent since the read began: the loop knows them
	for key, value := range pairs {
		_, pos, ok := parseMessageKey(key)
		if !ok {
			return got, fmt.Errorf("%w: message key %x", errRecord, key)
		}
		if job.to.before(pos) {
			if !job.aside && pos.seq > job.to.seq && since < windowMax {
				since++
				continue
			}
			got.next = pos.at
			break
		}
		if len(got.messages) == job.limit {
			got.exhausted = false
			break
		}
		m, err := readMessageOf(pos, value)
		if err != nil {
			return got, err
		}
		got.messages = append(got.messages, m)
	}
	return got, scanErr()
}

func readMessageOf(pos position, value []byte) (readMessage, error) {
	r, err := parseRecord(value)
	if err != nil {
		return readMessage{}, err
	}
	m := readMessage{pos: pos, sentAt: r.sentAt, event: r.event, group: r.groupID}
	if m.sentAt == 0 {
		m.sentAt = pos.at
	}
	if r.moved != nil {
		m.receives = r.moved.receives
	}
	return m, nil
}

func (e *Engine) refillUntilStopped() {
	for {
		job, ok := e.refills.take()
		if !ok {
			return
		}
		got, err := read(e.store, job)
		if err != nil {
			e.fail(fmt.Errorf("read the log of queue %d: %w", job.queue, err))
			return
		}
		// An error means that the loop has ended, and with it the need for a refill.
		_ = e.loop.Do(func(tx *partition.Tx) error {
			e.refilled(tx, job, got)
			return nil
		})
	}
}

// work is a list of jobs between the committer, which must not wait, and the
// workers. It is bounded by the number of queues: each has one job at a time.
type work struct {
	mu      sync.Mutex
	more    *sync.Cond
	jobs    []readJob
	stopped bool
}

func (w *work) init() { w.more = sync.NewCond(&w.mu) }

func (w *work) add(job readJob) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs = append(w.jobs, job)
	w.more.Signal()
}

func (w *work) take() (readJob, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.jobs) == 0 && !w.stopped {
		w.more.Wait()
	}
	if w.stopped {
		return readJob{}, false
	}
	job := w.jobs[0]
	w.jobs = w.jobs[1:]
	return job, true
}

func (w *work) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.more.Broadcast()
}
