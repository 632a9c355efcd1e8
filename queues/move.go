package queues

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

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
// meanwhile has none and is left as it is, for move finds it gone. Events are
// read too and from here on kept with the message: a dead letter may stay for
// weeks, and its reference would keep the 4,096 events around it.
func (e *Engine) readTransfers(id uint32, transfers []transfer) error {
	for i := range transfers {
		r, err := e.readRecord(id, transfers[i].pos)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		r.event = 0
		transfers[i].record = r
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

// tasks are the message move tasks of all queues: by source queue, the oldest
// first, at most tasksKept each and of these at most one running.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
type tasks struct {
	bySource   map[uint32][]*task
	unfinished []*task    // found running by load
	start      chan *task // to runTasks; capacity tasksMax
}

// task is one message move task. Its fields belong to the loop.
type task struct {
	turnout.MoveTask
	SourceID uint32 // the source queue's incarnation
	key      []byte
}

const (
	tasksKept = 10 // as many as ListMessageMoveTasks shows
	tasksMax  = 64 // tasks running at once in the whole server
	moveBatch = 100
)

func (t *tasks) clear() {
	t.bySource = make(map[uint32][]*task)
	if t.start == nil {
		t.start = make(chan *task, tasksMax) // one slot for each task that may run
	}
}

func (t *tasks) sourceDeleted(id uint32) { delete(t.bySource, id) }

func (t *tasks) running() (n int) {
	for _, all := range t.bySource {
		if last := all[len(all)-1]; !last.ended() {
			n++
		}
	}
	return n
}

func (t *task) ended() bool {
	return t.Status != turnout.MoveRunning && t.Status != turnout.MoveCancelling
}

func errMoveNotFound(parameter string) error {
	return turnout.Errorf(turnout.CodeNotFound, "The resource that you specified for the %s parameter doesn't exist.", parameter)
}

// StartMoveTask begins to move the messages of a dead-letter queue. Errors, with
// AWS's texts: CodeNotFound (source or destination), CodeInvalidParameter (not a
// dead-letter queue, another task running), CodeThrottled (64 tasks run already).
func (e *Engine) StartMoveTask(_ context.Context, spec turnout.MoveTaskSpec) (turnout.MoveTask, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(e.cfg.Random, id); err != nil {
		return turnout.MoveTask{}, fmt.Errorf("make a task id: %w", err)
	}
	var started turnout.MoveTask
	err := e.loop.Do(func(tx *partition.Tx) error {
		source, err := e.checkMove(tx, &spec)
		if err != nil {
			return err
		}
		t := &task{SourceID: source.id, MoveTask: turnout.MoveTask{
			MoveTaskSpec: spec, ID: turnout.UUID([16]byte(id)), Status: turnout.MoveRunning,
			StartedAt: tx.Now, ToMove: source.depth().Visible,
		}}
		t.key = append(append6(appendQueueKey(nil, prefixTask, source.id), uint64(tx.Now.UnixMilli())), id...)
		all := append(e.tasks.bySource[source.id], t)
		if len(all) > tasksKept {
			tx.Batch.Delete(all[0].key)
			all = slices.Delete(all, 0, 1)
		}
		e.tasks.bySource[source.id] = all
		t.store(tx)
		started = t.MoveTask
		tx.OnDurable(func() { e.tasks.start <- t }) // never waits: running tasks are counted
		return nil
	})
	return started, err
}

func (e *Engine) checkMove(tx *partition.Tx, spec *turnout.MoveTaskSpec) (*queue, error) {
	source := e.byName[spec.Source]
	if source == nil {
		return nil, errMoveNotFound("SourceArn")
	}
	if spec.Destination != nil && e.byName[*spec.Destination] == nil {
		return nil, errMoveNotFound("DestinationArn")
	}
	e.touch(tx, source)
	arn := spec.Source.ARN()
	isDLQ := false
	for _, q := range e.byName {
		if r := q.attributes().Redrive; r != nil && r.DeadLetterTargetARN == arn {
			isDLQ = true
			break
		}
	}
	switch all := e.tasks.bySource[source.id]; {
	case !isDLQ:
		return nil, turnout.Errorf(turnout.CodeInvalidParameter, "Source queue must be configured as a Dead Letter Queue.")
	case len(all) > 0 && !all[len(all)-1].ended():
		return nil, turnout.Errorf(turnout.CodeInvalidParameter,
			"There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
	case spec.Destination != nil && (e.byName[*spec.Destination].fifo != nil) != (source.fifo != nil):
		return nil, turnout.Errorf(turnout.CodeInvalidParameter, "Source queue and destination queue must be of the same type.")
	case spec.Destination != nil && *spec.Destination == spec.Source:
		return nil, turnout.Errorf(turnout.CodeInvalidParameter, "Source queue arn and destination queue arn cannot be the same.")
	case e.tasks.running() >= tasksMax:
		return nil, turnout.Errorf(turnout.CodeThrottled, "%d message move tasks are running already.", tasksMax)
	}
	return source, nil
}

// CancelMoveTask stops a running task and returns how many messages it has moved.
func (e *Engine) CancelMoveTask(_ context.Context, source turnout.QueueName, id string) (moved int64, err error) {
	err = e.loop.Do(func(tx *partition.Tx) error {
		q := e.byName[source]
		if q == nil {
			return errMoveNotFound("SourceArn")
		}
		i := slices.IndexFunc(e.tasks.bySource[q.id], func(t *task) bool { return t.ID == id })
		if i < 0 {
			return turnout.Errorf(turnout.CodeNotFound, "Task does not exist.")
		}
		t := e.tasks.bySource[q.id][i]
		if t.Status != turnout.MoveRunning {
			return turnout.Errorf(turnout.CodeInvalidParameter, "Only active tasks can be cancelled.")
		}
		t.Status = turnout.MoveCancelling
		t.store(tx)
		moved = t.Moved
		return nil
	})
	return moved, err
}

// MoveTasks returns the tasks of a source queue, the newest first, at most ten.
func (e *Engine) MoveTasks(_ context.Context, source turnout.QueueName) ([]turnout.MoveTask, error) {
	var got []turnout.MoveTask
	err := e.loop.Do(func(*partition.Tx) error {
		q := e.byName[source]
		if q == nil {
			return errMoveNotFound("SourceArn")
		}
		for _, t := range slices.Backward(e.tasks.bySource[q.id]) {
			got = append(got, t.MoveTask)
		}
		return nil
	})
	return got, err
}

func (t *task) store(tx *partition.Tx) {
	value, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("queues: encode move task: %v", err)) // plain data cannot fail
	}
	tx.Batch.Set(t.key, value)
}

// loadTasks reads the stored tasks. Those that were running go on.
func (e *Engine) loadTasks() error {
	pairs, scanErr := e.store.Scan([]byte{prefixTask}, []byte{prefixTask + 1})
	for key, value := range pairs {
		t := &task{key: slices.Clone(key)}
		if err := json.Unmarshal(value, t); err != nil {
			return fmt.Errorf("move task %x: %w", key, err)
		}
		e.tasks.bySource[t.SourceID] = append(e.tasks.bySource[t.SourceID], t)
		if !t.ended() {
			e.tasks.unfinished = append(e.tasks.unfinished, t)
		}
	}
	return scanErr()
}

// runTasks runs every task that is started, or was running at the last stop.
func (e *Engine) runTasks(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, t := range e.tasks.unfinished {
		wg.Go(func() { e.runTask(ctx, t) })
	}
	for {
		select {
		case t := <-e.tasks.start:
			wg.Go(func() { e.runTask(ctx, t) })
		case <-ctx.Done():
			return
		}
	}
}

// runTask moves batch after batch until the source has nothing more to give,
// the task is cancelled or fails, or ctx ends; then it goes on after a restart.
func (e *Engine) runTask(ctx context.Context, t *task) {
	perSecond := t.PerSecondMax
	batch := moveBatch
	if perSecond > 0 {
		batch = min(batch, max(1, perSecond/10))
	}
	for {
		began := time.Now()
		n, done, err := e.moveSome(t, batch)
		if err != nil {
			e.cfg.Log.LogAttrs(ctx, slog.LevelError, "message move task stopped", slog.String("task_id", t.ID), slog.Any("error", err))
			return
		}
		if done {
			return
		}
		pause := time.Duration(0)
		switch {
		case n == 0: // the log is being read, or everything left is in flight elsewhere
			pause = 10 * time.Millisecond
		case perSecond > 0:
			pause = time.Duration(n)*time.Second/time.Duration(perSecond) - time.Since(began)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(pause, 0)):
		}
	}
}

// moveSome moves up to n messages and reports whether the task has ended.
func (e *Engine) moveSome(t *task, n int) (count int, done bool, err error) {
	var transfers []transfer
	var version uint32
	err = e.loop.Do(func(tx *partition.Tx) error {
		q := e.byID[t.SourceID]
		if done = q == nil || t.ended(); done {
			return nil
		}
		e.touch(tx, q)
		version = q.version
		if t.Status == turnout.MoveCancelling {
			done = true
			t.end(tx, turnout.MoveCancelled, "")
			return nil
		}
		transfers = q.takeForMove(tx, n)
		if len(transfers) == 0 && !q.moreStored() {
			done = true
			t.end(tx, turnout.MoveCompleted, "")
		}
		return nil
	})
	if err != nil || done || len(transfers) == 0 {
		return 0, done, err
	}
	readErr := e.readTransfers(t.SourceID, transfers)
	err = e.loop.Do(func(tx *partition.Tx) error {
		q := e.byID[t.SourceID]
		if q == nil || q.version != version {
			return nil
		}
		e.touch(tx, q)
		count, done = e.moveTransfers(tx, q, t, transfers, readErr)
		return nil
	})
	return count, done, err
}

// takeForMove makes up to n ready messages moving.
func (q *queue) takeForMove(tx *partition.Tx, n int) []transfer {
	var transfers []transfer
	q.order.take(n, func(m *message) verdict {
		if q.expired(m, tx.Now.UnixMilli()) {
			q.remove(tx, m)
			return dropped
		}
		m.state = moving
		if m.epoch == 0 {
			q.unrecorded[m] = struct{}{}
		}
		transfers = append(transfers, transfer{m: m, pos: m.pos})
		return taken
	})
	return transfers
}

func (e *Engine) moveTransfers(tx *partition.Tx, q *queue, t *task, transfers []transfer, readErr error) (count int, done bool) {
	for i := range transfers {
		one := &transfers[i]
		if done || readErr != nil {
			q.giveBackMoving(one.m)
			continue
		}
		to, err := e.destination(t, one)
		if err != nil {
			q.giveBackMoving(one.m)
			t.end(tx, turnout.MoveFailed, err.Error())
			done = true
			continue
		}
		if q.move(tx, to, one, "") {
			count++
			t.Moved++
		}
	}
	if !done {
		t.store(tx)
	}
	q.serve(tx)
	return count, done
}

func (e *Engine) destination(t *task, one *transfer) (*queue, error) {
	if t.Destination == nil {
		return e.source(one)
	}
	if q := e.byName[*t.Destination]; q != nil {
		return q, nil
	}
	return nil, errNoDestination
}

var errNoDestination = errors.New("AWS.SimpleQueueService.NonExistentQueue") // AWS's FailureReason

// end ends t and stores that.
func (t *task) end(tx *partition.Tx, status turnout.MoveTaskStatus, reason string) {
	t.Status, t.FailureReason = status, reason
	t.store(tx)
}
