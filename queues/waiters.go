package queues

import (
	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
)

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
