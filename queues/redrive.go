package queues

import (
	"errors"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

// A message moves between queues in two steps, because the loop does not read
// bodies. On the loop it becomes moving: neither handed out nor, until the
// second step, anything else than where it was on disk. Then a goroutine that
// is not the loop reads its record and hands both to move, which takes it out
// of one queue and puts it into the other in one batch. A crash in between
// leaves the message in the first queue.

// transfer is one message between the two steps.
type transfer struct {
	m      *message
	pos    position // copied: only the loop may look into m
	record record
}

// moveDead sends what r found to have been received too often to the dead-letter queue.
func (e *Engine) moveDead(r *receive) error {
	transfers := make([]transfer, len(r.dead))
	for i, m := range r.dead {
		transfers[i].m, transfers[i].pos = m, m.pos // a position never changes
	}
	readErr := e.readTransfers(r.queue, transfers)
	return errors.Join(readErr, e.loop.Do(func(tx *partition.Tx) error {
		q := e.byID[r.queue]
		if q == nil || q.version != r.version {
			return nil
		}
		e.touch(tx, q)
		dlq := q.deadLetterQueue()
		for i := range transfers {
			t := &transfers[i]
			if readErr != nil || dlq == nil || dlq.fifo != nil != (q.fifo != nil) {
				q.giveBackMoving(t.m)
				continue
			}
			if q.move(tx, dlq, t, q.name.ARN()) {
				e.stats.deadLettered.Add(1)
			}
		}
		q.serve(tx)
		return nil
	}))
}

// readTransfers reads the records of messages on their way; what was deleted
// meanwhile has none and is left as it is, for move finds it gone.
func (e *Engine) readTransfers(id uint32, transfers []transfer) error {
	var key [messageKeyLen]byte
	for i := range transfers {
		b, err := e.store.Get(nil, appendMessageKey(key[:0], id, transfers[i].pos))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if transfers[i].record, err = parseRecord(b); err != nil {
			return err
		}
	}
	return nil
}

func (q *queue) giveBackMoving(m *message) {
	if m.state == moving {
		q.giveBack(m)
	}
}

// move takes t out of q and appends it to the queue to, keeping its id, body,
// attributes and receive count. It reports false if the message was gone.
//
// A standard queue's message keeps its time of sending, so its retention goes
// on; a FIFO queue's begins anew.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
func (q *queue) move(tx *partition.Tx, to *queue, t *transfer, sourceARN string) bool {
	m := t.m
	if m.state != moving {
		return false
	}
	r := t.record
	id := q.engine.messageID(q.id, m.pos.seq)
	if r.moved != nil {
		id = r.moved.messageID
	}
	r.moved = &moved{messageID: id, receives: m.receives, sourceARN: sourceARN}
	r.sentAt = m.sentAt
	if to.fifo != nil {
		r.sentAt = 0
	}
	if to != q {
		q.engine.touch(tx, to)
	}
	to.append(tx, &r, 0, false)
	q.remove(tx, m)
	to.serve(tx)
	return true
}

// errNoSource is why a move without a destination fails for a message that
// was sent to the dead-letter queue directly (AWS's FailureReason).
var errNoSource = errors.New("CouldNotDetermineMessageSource")

// source returns the queue that t's message was dead-lettered from.
func (e *Engine) source(t *transfer) (*queue, error) {
	if t.record.moved == nil || t.record.moved.sourceARN == "" {
		return nil, errNoSource
	}
	name, ok := turnout.ParseQueueARN(t.record.moved.sourceARN)
	if q := e.byName[name]; ok && q != nil {
		return q, nil
	}
	return nil, errNoDestination
}
