package queues

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/seed567880c8/turnout"
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
