package queues

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
)

// Delete deletes messages by receipt handle, all in one batch, and answers for
// each: nil if it is gone. As in SQS, a standard queue takes any handle it ever
// gave for a message, a FIFO queue only the newest and only while it holds
// (CodeInvalidParameter afterwards). CodeReceiptHandleInvalid is for a handle
// that is not this queue's. The error is for the call: CodeQueueNotFound, CodeUnavailable.
func (e *Engine) Delete(_ context.Context, name turnout.QueueName, receiptHandles []string) ([]error, error) {
	return e.withHandles(name, receiptHandles, func(tx *partition.Tx, q *queue, _ int, h handle, text string) error {
		m := q.received[h.seq]
		if m == nil {
			return nil // deleted before
		}
		if q.fifo != nil && (m.state != inFlight || m.epoch != h.epoch) {
			return turnout.Errorf(turnout.CodeInvalidParameter,
				"Value %s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", text)
		}
		q.remove(tx, m)
		e.stats.deleted.Add(1)
		return nil
	})
}

// ChangeVisibility makes messages stay invisible until the given time from now,
// all in one batch, and answers for each. A timeout of 0 makes a message
// visible at once. CodeInvalidParameter is for a message that is gone, or would
// be invisible for more than twelve hours from its receive.
func (e *Engine) ChangeVisibility(_ context.Context, name turnout.QueueName, changes []turnout.VisibilityChange) ([]error, error) {
	handles := make([]string, len(changes))
	for i := range changes {
		handles[i] = changes[i].ReceiptHandle
	}
	return e.withHandles(name, handles, func(tx *partition.Tx, q *queue, i int, h handle, text string) error {
		m := q.received[h.seq]
		stale := m != nil && q.fifo != nil && (m.state != inFlight || m.epoch != h.epoch)
		if m == nil || stale || m.state == moving {
			return turnout.Errorf(turnout.CodeInvalidParameter,
				"Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", text)
		}
		return q.changeVisibility(tx, m, changes[i].Timeout)
	})
}

func (q *queue) changeVisibility(tx *partition.Tx, m *message, timeout time.Duration) error {
	now := tx.Now.UnixMilli()
	visibleAt := now + timeout.Milliseconds()
	if visibleAt-m.receivedAt > turnout.VisibilityTimeoutMax.Milliseconds() {
		return turnout.Errorf(turnout.CodeInvalidParameter,
			"Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [%d seconds]",
			int64(timeout.Seconds()), int64(turnout.VisibilityTimeoutMax.Seconds()))
	}
	if m.state == ready { // its timeout had ended: it goes in flight again
		if timeout <= 0 {
			return nil
		}
		q.order.remove(m)
		m.state = inFlight
		m.visibleAt = visibleAt
		q.flights.push(m)
		if q.standard != nil {
			q.standard.fair.received(m.tenant, now)
		}
	}
	m.visibleAt = visibleAt
	q.flights.fix(int(m.index))
	q.storeState(tx, m)
	return nil
}

// withHandles runs op for each handle in one operation on the loop. Handles are
// checked before, on the caller's goroutine.
func (e *Engine) withHandles(name turnout.QueueName, texts []string,
	op func(tx *partition.Tx, q *queue, i int, h handle, text string) error,
) ([]error, error) {
	errs := make([]error, len(texts))
	handles := make([]handle, len(texts))
	for i, text := range texts {
		handles[i], errs[i] = e.decodeHandle(text)
	}
	err := e.onQueue(name, func(tx *partition.Tx, q *queue) error {
		for i, text := range texts {
			switch {
			case errs[i] != nil:
			case handles[i].queue != q.id:
				errs[i] = errHandleInvalid(text)
			default:
				errs[i] = op(tx, q, i, handles[i], text)
			}
		}
		q.advance(tx)
		q.serve(tx)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return errs, nil
}

// handle is what a receipt handle says: which incarnation of which queue,
// which message, and which of its receives. Outside it is base64 of a version
// byte, these fields and an HMAC over them, so that nobody can make or alter
// one, and a handle of a deleted queue fits no queue that took its name.
type handle struct {
	queue uint32
	seq   uint64
	epoch uint32
}

const (
	handleVersion = 1
	handleFields  = 1 + 4 + 6 + 4
	handleMAC     = 16 // of HMAC-SHA256: 128 bits cannot be guessed
	handleLen     = handleFields + handleMAC
)

func (e *Engine) encodeHandle(h handle) string {
	b := make([]byte, 0, handleFields+32)
	b = append(b, handleVersion)
	b = binary.BigEndian.AppendUint32(b, h.queue)
	b = append6(b, h.seq)
	b = binary.BigEndian.AppendUint32(b, h.epoch)
	b = e.mac(b, b)
	return base64.StdEncoding.EncodeToString(b[:handleLen])
}

// decodeHandle returns what s says, or CodeReceiptHandleInvalid.
func (e *Engine) decodeHandle(s string) (handle, error) {
	var buf [handleLen + 2]byte // base64 may announce up to two bytes more than it gives
	if base64.StdEncoding.DecodedLen(len(s)) > len(buf) {
		return handle{}, errHandleInvalid(s)
	}
	n, err := base64.StdEncoding.Decode(buf[:], []byte(s))
	if err != nil || n != handleLen || buf[0] != handleVersion {
		return handle{}, errHandleInvalid(s)
	}
	var sum [32]byte
	if !hmac.Equal(e.mac(sum[:0], buf[:handleFields])[:handleMAC], buf[handleFields:handleLen]) {
		return handle{}, errHandleInvalid(s)
	}
	return handle{
		queue: binary.BigEndian.Uint32(buf[1:]),
		seq:   read6(buf[5:]),
		epoch: binary.BigEndian.Uint32(buf[11:]),
	}, nil
}

func errHandleInvalid(s string) error {
	return turnout.Errorf(turnout.CodeReceiptHandleInvalid, `The input receipt handle "%s" is not a valid receipt handle.`, s)
}

// Receipt names a message of an internal queue and one time that it was taken.
type Receipt struct{ h handle }

// Taken is a message of an internal queue that was handed to its reader.
type Taken struct {
	Receipt Receipt
	ID      [16]byte // the message's id, unique for ever
	SentAt  time.Time
	// Takes counts how often the message was taken, this time included unless it
	// is Uncounted, and without the times that it was returned uncounted.
	Takes     int
	Uncounted bool // it was taken only because it is older than the queue's retention

	// Set by Load.
	Event       eventlog.Ref // the body, or 0
	Body        []byte       // the body, if Event is 0
	Attributes  []turnout.MessageAttribute
	GroupID     string
	TraceHeader string

	pos position
}

// Take asks for messages of an internal queue.
type Take struct {
	Max        int           // messages
	AgainMax   int           // of these, so many that were taken before
	ExpiredMax int           // expired messages, beside Max
	HeldMax    int           // none that was never taken while so many are taken and not settled; bounds memory
	Visibility time.Duration // how long they stay invisible to others
}

// Left says what a Take left in its queue.
type Left struct {
	Messages int64 // not settled, taken or not
	Held     int   // of these, taken before and not deleted
	Fresh    int   // ready, never taken, in memory
	Again    int   // ready, taken before
	Expired  bool  // there are more expired ones to take
}

// Idle reports whether nothing more can be taken now. When there is, the
// function given to Watch is called.
func (l Left) Idle() bool { return l.Fresh+l.Again == 0 && !l.Expired }

// Take appends messages of an internal queue to dst, on the loop, and makes
// them invisible. The lowest position comes first; of a FIFO queue, one message
// of each group, and none while another of its group is taken. A message of a
// FIFO queue that was taken before and is beyond AgainMax is made invisible for
// a second instead. The messages may be loaded when the batch is durable. A queue that
// does not exist is empty.
func (e *Engine) Take(tx *partition.Tx, name turnout.QueueName, t Take, dst []Taken) ([]Taken, Left) {
	q := e.byName[name]
	if q == nil {
		return dst, Left{}
	}
	e.touch(tx, q)
	q.watch = watch{}
	for m := q.oldestExpired(tx); m != nil && t.ExpiredMax > 0; m = q.oldestExpired(tx) {
		t.ExpiredMax--
		dst = append(dst, q.hand(tx, m, t.Visibility, true))
	}
	if q.standard != nil {
		dst = q.takeStandard(tx, t, dst)
	} else {
		dst = q.takeFIFO(tx, t, dst)
	}
	left := Left{Messages: q.count, Held: len(q.received), Expired: q.oldestExpired(tx) != nil}
	if q.standard != nil {
		left.Fresh, left.Again = q.standard.window.len(), q.standard.returned.len()
	} else if q.fifo.line.first != nil {
		left.Fresh = 1
	}
	q.watch = watch{fresh: left.Fresh == 0, again: left.Again == 0, expired: !left.Expired}
	return dst, left
}

func (q *queue) takeStandard(tx *partition.Tx, t Take, dst []Taken) []Taken {
	s := q.standard
	for ; t.Max > 0; t.Max-- {
		again := t.AgainMax > 0 && s.returned.len() > 0
		fresh := s.window.len() > 0 && len(q.received) < t.HeldMax
		switch {
		case again && (!fresh || s.returned.top().pos.before(s.window.at(0).pos)):
			t.AgainMax--
			dst = append(dst, q.hand(tx, s.returned.top(), t.Visibility, false))
		case fresh:
			dst = append(dst, q.hand(tx, s.window.at(0), t.Visibility, false))
		default:
			return dst
		}
	}
	return dst
}

func (q *queue) takeFIFO(tx *partition.Tx, t Take, dst []Taken) []Taken {
	var next *group
	for g := q.fifo.line.first; g != nil && t.Max > 0; g = next {
		next = g.next
		m := g.messages.at(0)
		switch again := m.receives > 0; {
		case again && t.AgainMax == 0:
			q.hand(tx, m, time.Second, true)
		case !again && len(q.received) >= t.HeldMax:
		default:
			if again {
				t.AgainMax--
			}
			t.Max--
			dst = append(dst, q.hand(tx, m, t.Visibility, false))
		}
	}
	return dst
}

// hand hands out m, which is ready; uncounted, it is as if it had not been.
func (q *queue) hand(tx *partition.Tx, m *message, visibility time.Duration, uncounted bool) Taken {
	if q.standard != nil {
		q.standard.remove(m)
	}
	if !uncounted {
		m.receives++
	}
	q.handOut(tx, m, visibility)
	if q.fifo != nil {
		q.fifo.flying++
		q.fifo.settle(m.group)
	}
	return Taken{
		Receipt: Receipt{handle{queue: q.id, seq: m.pos.seq, epoch: m.epoch}},
		ID:      q.engine.messageID(q.id, m.pos.seq),
		SentAt:  time.UnixMilli(m.sentAt).UTC(), Takes: int(m.receives),
		Uncounted: uncounted, Event: m.event, pos: m.pos,
	}
}

// Load reads what t holds from the store. It may be called from any goroutine,
// once the batch of the Take is durable. It returns store.ErrNotFound if the
// message was removed since.
func (e *Engine) Load(t *Taken) error {
	var key [messageKeyLen]byte
	b, err := e.store.Get(nil, appendMessageKey(key[:0], t.Receipt.h.queue, t.pos))
	if err != nil {
		return err
	}
	r, err := parseRecord(b)
	if err != nil {
		return err
	}
	t.Body, t.Attributes, t.GroupID, t.TraceHeader = r.body, r.attributes, r.groupID, r.traceHeader
	return nil
}

// held returns the queue and the message that r names if it was neither
// removed nor taken again since.
func (e *Engine) held(tx *partition.Tx, r Receipt) (*queue, *message) {
	q := e.byID[r.h.queue]
	if q == nil {
		return nil, nil
	}
	m := q.received[r.h.seq]
	if m == nil || m.epoch != r.h.epoch {
		return nil, nil
	}
	e.touch(tx, q)
	if m.state == gone {
		return nil, nil
	}
	return q, m
}

// Holds reports, on the loop, whether a message that was taken is still there
// and was not taken again since.
func (e *Engine) Holds(tx *partition.Tx, r Receipt) bool {
	_, m := e.held(tx, r)
	return m != nil
}

// Remove deletes a message that was taken, in the batch of tx. It reports false
// if it was removed or taken again since; then nothing is done.
func (e *Engine) Remove(tx *partition.Tx, r Receipt) bool {
	q, m := e.held(tx, r)
	if m == nil {
		return false
	}
	q.remove(tx, m)
	q.wake(tx)
	return true
}

// Return makes a message that was taken visible again after a time; uncounted,
// it is as if this take of it had not been. It reports false as Remove does.
func (e *Engine) Return(tx *partition.Tx, r Receipt, after time.Duration, uncounted bool) bool {
	q, m := e.held(tx, r)
	if m == nil || m.state != inFlight {
		return false // visible again already
	}
	if uncounted && m.receives > 0 {
		m.receives--
	}
	m.visibleAt = tx.Now.UnixMilli() + max(after, 0).Milliseconds()
	q.flights.fix(int(m.index))
	q.storeState(tx, m)
	q.advance(tx)
	q.wake(tx)
	return true
}

// InternalQueues returns how many messages each internal queue holds. It runs on
// the loop, and brings every one of them up to tx.Now: what they have to hand
// out is told to the function given to Watch.
func (e *Engine) InternalQueues(tx *partition.Tx) map[turnout.QueueName]int64 {
	all := make(map[turnout.QueueName]int64)
	for name, q := range e.byName {
		if q.internal {
			e.touch(tx, q)
			q.wake(tx)
			all[name] = q.count
		}
	}
	return all
}

// DropIfEmpty removes an internal queue that holds nothing, on the loop, and
// reports whether it did.
func (e *Engine) DropIfEmpty(tx *partition.Tx, name turnout.QueueName) bool {
	q := e.byName[name]
	if q == nil || !q.internal || q.count > 0 {
		return false
	}
	q.drop(tx)
	return true
}
