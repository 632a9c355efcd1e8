package dispatch

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/sinks"
)

// Outcome is what became of a delivery after an attempt.
type Outcome uint8

// The outcomes. Each delivery ends with one of the last three.
const (
	// Retried means that another attempt will be made at RetryAt.
	Retried Outcome = iota + 1
	// Delivered means that the endpoint took the delivery.
	Delivered
	// DeadLettered means that it went to the queue DeadLetterQueue.
	DeadLettered
	// Dropped means that no dead-letter queue took it.
	Dropped
)

// String returns a word for an outcome.
func (o Outcome) String() string {
	switch o {
	case Retried:
		return "retried"
	case Delivered:
		return "delivered"
	case DeadLettered:
		return "dead-lettered"
	case Dropped:
		return "dropped"
	}
	return "unknown"
}

// AttemptRecord is what is kept of an attempt. A delivery that ends without
// one, because it became too old or its endpoint is gone, has a record too,
// with the number of the attempt before, or 0.
type AttemptRecord struct {
	At              time.Time // when it was settled, millisecond precision
	EventID         string
	DeliveryID      string // the same in all attempts of a delivery
	Endpoint        string
	RuleARN         string
	TargetARN       string
	TargetID        string
	Attempt         int // from 1
	Outcome         Outcome
	RetryAt         time.Time         // with Retried
	DeadLetterQueue turnout.QueueName // with DeadLettered
	Latency         time.Duration     // of the attempt, microsecond precision
	Status          int               // HTTP status of the answer, 0 without one
	ErrorCode       string            // AWS's error code, "" after a success
	ErrorMessage    string            // at most 1 KiB
	Excerpt         []byte            // the beginning of the answer, at most 1 KiB
}

// attemptLog is the record of attempts.
//
// It is cut into segments: one lasts an hour, or until it holds an eighth of
// what is allowed. Within a segment attempts are ordered by event, so what
// happened to an event is one seek a segment, a few dozen in all; and what is
// too old, or too much, goes as whole segments by DeleteRange. It belongs to the loop.
type attemptLog struct {
	kept     time.Duration
	bytesMax int64
	segments []segment // the oldest first; the last one is written to
	bytes    int64     // of all
	dirty    bool      // the last one's record must be stored
	key      []byte    // scratch
	value    []byte    // scratch
}

type segment struct {
	id    uint32
	began int64 // Unix ms
	bytes int64
}

const (
	segmentLasts = time.Hour
	segmentParts = 8 // of bytesMax
)

func appendSegmentKey(dst []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, prefixDispatch, kindSegment), id)
}

func appendAttemptKey(dst []byte, segment uint32, eventID string) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, prefixAttempt), segment)
	return append(append(dst, eventID...), 0)
}

func (l *attemptLog) load(s store.Reader, cfg Config) error {
	l.kept, l.bytesMax = cfg.RecordsKept, cfg.RecordsBytesMax
	pairs, failed := s.Scan([]byte{prefixDispatch, kindSegment}, []byte{prefixDispatch, kindSegment + 1})
	for key, value := range pairs {
		if len(key) != 6 || len(value) != 12 {
			return fmt.Errorf("%w: segment key %x", errRecord, key)
		}
		one := segment{id: binary.BigEndian.Uint32(key[2:]), began: int64(read6(value)), bytes: int64(read6(value[6:]))}
		l.segments = append(l.segments, one)
		l.bytes += one.bytes
	}
	return failed()
}

// append stores an attempt in tx's batch; its route says what it was about.
func (l *attemptLog) append(tx *partition.Tx, r *AttemptRecord, routeID uint64, delivery [16]byte) {
	s := l.current(tx)
	l.key = appendAttemptKey(l.key[:0], s.id, r.EventID)
	l.key = append6(l.key, uint64(tx.Now.UnixMilli()))
	l.key = append(l.key, delivery[:8]...)
	l.key = binary.BigEndian.AppendUint16(l.key, uint16(r.Attempt))
	l.value = r.appendTo(l.value[:0], routeID, delivery)
	tx.Batch.Set(l.key, l.value)
	size := int64(len(l.key) + len(l.value))
	s.bytes += size
	l.bytes += size
	l.dirty = true
}

// current returns the segment to write to.
func (l *attemptLog) current(tx *partition.Tx) *segment {
	now := tx.Now.UnixMilli()
	if n := len(l.segments); n > 0 {
		s := &l.segments[n-1]
		if now-s.began < segmentLasts.Milliseconds() && s.bytes < l.bytesMax/segmentParts {
			return s
		}
		l.flush(tx)
	}
	id := uint32(1)
	if n := len(l.segments); n > 0 {
		id = l.segments[n-1].id + 1
	}
	l.segments = append(l.segments, segment{id: id, began: now})
	l.dirty = true
	for len(l.segments) > 1 && l.bytes > l.bytesMax-l.bytesMax/segmentParts {
		l.removeOldest(tx)
	}
	return &l.segments[len(l.segments)-1]
}

func (l *attemptLog) removeOldest(tx *partition.Tx) {
	s := l.segments[0]
	tx.Batch.DeleteRange(appendAttemptKey(nil, s.id, "")[:5], appendAttemptKey(nil, s.id+1, "")[:5])
	tx.Batch.Delete(appendSegmentKey(nil, s.id))
	l.bytes -= s.bytes
	l.segments = slices.Delete(l.segments, 0, 1)
}

// ends returns when the oldest segment is to go, Unix ms: kept for as long as
// its newest attempt is to be.
func (l *attemptLog) ends() int64 {
	s := l.segments[0]
	end := s.began + segmentLasts.Milliseconds()
	if len(l.segments) > 1 {
		end = min(end, l.segments[1].began)
	}
	return end + l.kept.Milliseconds()
}

func (l *attemptLog) due() time.Time {
	if len(l.segments) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(l.ends())
}

func (l *attemptLog) expire(tx *partition.Tx) {
	for len(l.segments) > 0 && l.ends() <= tx.Now.UnixMilli() {
		if len(l.segments) == 1 { // its number must not be used again while a reader is at it
			l.segments = append(l.segments, segment{id: l.segments[0].id + 1, began: tx.Now.UnixMilli()})
			l.dirty = true
		}
		l.removeOldest(tx)
		if s := l.segments[0]; len(l.segments) == 1 && s.bytes == 0 {
			break // an empty one may stay, as the next to write to
		}
	}
}

func (l *attemptLog) flush(tx *partition.Tx) {
	if !l.dirty {
		return
	}
	l.dirty = false
	s := l.segments[len(l.segments)-1]
	l.value = append6(append6(l.value[:0], uint64(s.began)), uint64(s.bytes))
	tx.Batch.Set(appendSegmentKey(nil, s.id), l.value)
}

func (l *attemptLog) reset(tx *partition.Tx) {
	for len(l.segments) > 0 {
		l.removeOldest(tx)
	}
	l.dirty = false
}

func (r *AttemptRecord) appendTo(dst []byte, routeID uint64, delivery [16]byte) []byte {
	dst = append(dst, byte(r.Outcome))
	dst = append(dst, delivery[:]...)
	for _, v := range [...]uint64{routeID, uint64(r.Attempt), uint64(r.Latency.Microseconds()), uint64(max(r.Status, 0))} {
		dst = binary.AppendUvarint(dst, v)
	}
	switch r.Outcome {
	case Retried:
		dst = binary.AppendUvarint(dst, uint64(r.RetryAt.UnixMilli()))
	case DeadLettered:
		q := r.DeadLetterQueue
		dst = appendText(appendText(appendText(dst, q.Account), q.Region), q.Name)
	case Delivered, Dropped:
	}
	dst = appendText(appendText(dst, r.ErrorCode), r.ErrorMessage)
	return append(dst, r.Excerpt...)
}

// parseAttempt decodes a stored attempt, and returns the number of its route.
func parseAttempt(key, value []byte) (r AttemptRecord, routeID uint64, err error) {
	const tail = 1 + 6 + 8 + 2
	d := decoder{b: value}
	r.Outcome = Outcome(d.byte())
	if id := d.bytes(16); len(id) == 16 {
		r.DeliveryID = turnout.UUID([16]byte(id))
	}
	routeID, r.Attempt = d.uvarint(), int(d.uvarint())
	r.Latency, r.Status = time.Duration(d.uvarint())*time.Microsecond, int(d.uvarint())
	switch r.Outcome {
	case Retried:
		r.RetryAt = time.UnixMilli(int64(d.uvarint())).UTC()
	case DeadLettered:
		r.DeadLetterQueue = turnout.QueueName{Scope: turnout.Scope{Account: d.text(), Region: d.text()}, Name: d.text()}
	case Delivered, Dropped:
	default:
		d.bad = true
	}
	r.ErrorCode, r.ErrorMessage = d.text(), d.text()
	r.Excerpt = slices.Clone(d.b)
	if d.bad || len(key) < 5+tail || key[0] != prefixAttempt || key[len(key)-tail] != 0 {
		return AttemptRecord{}, 0, fmt.Errorf("%w: attempt of %d bytes", errRecord, len(value))
	}
	r.EventID = string(key[5 : len(key)-tail])
	r.At = time.UnixMilli(int64(read6(key[len(key)-tail+1:]))).UTC()
	return r, routeID, nil
}

// describe adds what the route of an attempt says.
func (r *AttemptRecord) describe(from *route) {
	if from != nil {
		r.Endpoint, r.RuleARN, r.TargetARN, r.TargetID = from.endpoint, from.ruleARN, from.targetARN, from.targetID
	}
}

// Attempts returns what is on record of the attempts to deliver an event, or a
// topic's message, to all endpoints that it went to, in order of time. It sees
// every attempt settled before the call.
func (d *Dispatcher) Attempts(ctx context.Context, eventID string) ([]AttemptRecord, error) {
	segments, err := d.segments()
	if err != nil {
		return nil, err
	}
	var all []AttemptRecord
	for _, id := range segments {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if all, err = d.attemptsIn(all, id, eventID, nil); err != nil {
			return nil, fmt.Errorf("read the attempts of event %s: %w", eventID, err)
		}
	}
	return all, nil
}

// segments returns the numbers of the segments there are, the oldest first.
func (d *Dispatcher) segments() ([]uint32, error) {
	var ids []uint32
	err := d.loop.Do(func(*partition.Tx) error {
		for _, s := range d.attempts.segments {
			ids = append(ids, s.id)
		}
		return nil
	})
	return ids, err
}

// attemptsIn appends the attempts of an event that one segment holds, all or
// those of one delivery only.
func (d *Dispatcher) attemptsIn(dst []AttemptRecord, segment uint32, eventID string, only *[16]byte) ([]AttemptRecord, error) {
	lower := appendAttemptKey(nil, segment, eventID)
	upper := slices.Clone(lower)
	upper[len(upper)-1] = 1
	pairs, failed := d.store.Scan(lower, upper)
	for key, value := range pairs {
		if only != nil && (len(key) < 10 || !bytes.Equal(key[len(key)-10:len(key)-2], only[:8])) {
			continue
		}
		r, routeID, err := parseAttempt(key, value)
		if err != nil {
			return dst, err
		}
		r.describe(d.routes.get(routeID))
		dst = append(dst, r)
	}
	return dst, failed()
}

// lastFailure returns why the newest attempt at a delivery failed, nil if that
// is not on record.
func (d *Dispatcher) lastFailure(segments []uint32, eventID string, delivery [16]byte) (*sinks.Failure, error) {
	for _, id := range slices.Backward(segments) {
		all, err := d.attemptsIn(nil, id, eventID, &delivery)
		if err != nil {
			return nil, err
		}
		for i := len(all) - 1; i >= 0; i-- {
			if r := &all[i]; r.ErrorCode != "" {
				return &sinks.Failure{Code: r.ErrorCode, Message: r.ErrorMessage}, nil
			}
		}
	}
	return nil, nil
}
