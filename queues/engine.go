package queues

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

// Config configures an Engine. The zero value of a field is its default.
type Config struct {
	// Random makes the store's secret and task ids; crypto/rand.Reader in production. Required.
	Random io.Reader
	// Log takes what an operator should hear of. Default: nothing.
	Log *slog.Logger
	// InFlightMax bounds the messages of one queue that are received and not
	// deleted. Default 120,000, as in SQS; each costs about 150 bytes of memory.
	InFlightMax int
	// StrictAWS brings back the limits of SQS that only hurt: a name cannot be
	// used again for 60 seconds after its queue was deleted.
	StrictAWS bool
}

// Engine is every queue of a partition.
//
// All queue state belongs to the partition's loop. The methods may be called
// from any goroutine: they hand an operation to the loop, wait until its
// effects are durable, and read message bodies from the store themselves. Two
// kinds of background work, started by Run, read the store for the loop: refills of
// the windows, and message move tasks.
type Engine struct {
	cfg    Config
	loop   *partition.Partition
	store  store.Store
	events *eventlog.Log
	secret struct {
		names cipher.Block // message ids
		macs  sync.Pool    // of hash.Hash: HMAC for receipt handles, its key schedule done
	}

	// Owned by the loop.
	byName  map[turnout.QueueName]*queue
	byID    map[uint32]*queue
	nextID  uint32
	timers  heap[*queue]                // queues by due
	dirty   []*queue                    // touched by the batch being decided
	key     []byte                      // scratch
	value   []byte                      // scratch
	deleted map[turnout.QueueName]int64 // with StrictAWS: when names were freed, Unix ms
	tasks   tasks
	ready   func(*partition.Tx, turnout.QueueName) // see Watch; nil: nobody

	refuseSends atomic.Bool
	stopping    chan struct{} // closed by Drain: long polls answer at once
	drain       sync.Once
	refills     work
	failed      chan error // capacity 1: the first failure of the background work
	stats       stats
}

// New returns an engine that writes through loop, with what s holds loaded. The
// loop must not run yet; add the engine to it before the event log, whose
// flush counts what the engine's released.
func New(loop *partition.Partition, s store.Store, events *eventlog.Log, cfg Config) (*Engine, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.InFlightMax == 0 {
		cfg.InFlightMax = turnout.InFlightMax
	}
	e := &Engine{cfg: cfg, loop: loop, store: s, events: events, stopping: make(chan struct{}), failed: make(chan error, 1)}
	e.refills.init()
	e.clear()
	if err := e.load(); err != nil {
		return nil, fmt.Errorf("load queues: %w", err)
	}
	return e, nil
}

func (e *Engine) clear() {
	e.byName = make(map[turnout.QueueName]*queue)
	e.byID = make(map[uint32]*queue)
	e.timers = heap[*queue]{
		less:  func(a, b *queue) bool { return a.due < b.due },
		place: func(q *queue, i int) { q.timer = i },
	}
	e.dirty = nil
	e.deleted = make(map[turnout.QueueName]int64)
	e.tasks.clear()
}

// Run does the engine's background work until ctx ends, and returns nil, or
// until a queue's log cannot be read: then the storage is damaged, receivers
// would wait in vain, and the process must end.
func (e *Engine) Run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for range refillWorkers {
		wg.Go(func() { e.refillUntilStopped() })
	}
	wg.Go(func() { e.runTasks(ctx) })
	select {
	case <-ctx.Done():
	case err = <-e.failed:
	}
	cancel()
	e.refills.stop()
	wg.Wait()
	return err
}

func (e *Engine) fail(err error) {
	select {
	case e.failed <- err:
	default: // one is enough
	}
}

// Drain makes every long poll, waiting or to come, answer with what there is.
func (e *Engine) Drain() { e.drain.Do(func() { close(e.stopping) }) }

// RefuseSends makes every send fail with CodeStorageFull while on; receives,
// deletes and everything else go on.
func (e *Engine) RefuseSends(on bool) { e.refuseSends.Store(on) }

var errStorageFull = turnout.Errorf(turnout.CodeStorageFull,
	"The server's disk is almost full and accepts no new messages. Receives and deletes still work; free some space or consume messages.")

// Due returns when the next timer of a queue is due.
func (e *Engine) Due() time.Time {
	if e.timers.len() == 0 || e.timers.top().due == never {
		return time.Time{}
	}
	return time.UnixMilli(e.timers.top().due)
}

// Tick runs the timers that are due: visibility timeouts, delays, retention.
func (e *Engine) Tick(tx *partition.Tx) {
	now := tx.Now.UnixMilli()
	for e.timers.len() > 0 && e.timers.top().due <= now {
		q := e.timers.top()
		q.due = never // Flush sets it anew
		e.timers.fix(q.timer)
		e.touch(tx, q)
		q.serve(tx)
	}
}

// touch brings q up to tx.Now and has Flush look after it.
func (e *Engine) touch(tx *partition.Tx, q *queue) {
	if !q.dirty {
		q.dirty = true
		e.dirty = append(e.dirty, q)
	}
	q.advance(tx)
}

// Flush stores the ledgers that changed and sets timers.
func (e *Engine) Flush(tx *partition.Tx) {
	for _, q := range e.dirty {
		q.dirty = false
		if q.dropped {
			continue
		}
		if q.standard != nil && !q.log.complete {
			q.standard.trim()
		}
		q.refillIfLow(tx)
		q.readAsideIfWanted(tx)
		if q.ledgerDirty {
			q.ledgerDirty = false
			q.ledgerDelayed = q.delayed.total > 0
			e.key = appendQueueKey(e.key[:0], prefixLedger, q.id)
			e.value = q.ledger().append(e.value[:0])
			tx.Batch.Set(e.key, e.value)
		}
		if due := q.nextDue(); due != q.due {
			q.due = due
			e.timers.fix(q.timer)
		}
	}
	e.dirty = e.dirty[:0]
}

// find returns the queue with the given name, brought up to tx.Now.
func (e *Engine) find(tx *partition.Tx, name turnout.QueueName) (*queue, error) {
	q := e.byName[name]
	if q == nil {
		return nil, errQueueNotFound
	}
	e.touch(tx, q)
	return q, nil
}

var errQueueNotFound = turnout.Errorf(turnout.CodeQueueNotFound, "The specified queue does not exist.")

// onQueue runs op on the loop with the queue called name.
func (e *Engine) onQueue(name turnout.QueueName, op func(*partition.Tx, *queue) error) error {
	return e.loop.Do(func(tx *partition.Tx) error {
		q, err := e.find(tx, name)
		if err != nil {
			return err
		}
		return op(tx, q)
	})
}

// load reads the engine's state. It reads configurations, ledgers and the
// states of messages that were received, never the backlog.
func (e *Engine) load() error {
	if err := e.loadSecret(); err != nil {
		return err
	}
	id, err := e.store.Get(nil, []byte{prefixEngine, 'i'})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	e.nextID = 1
	if len(id) == 4 {
		e.nextID = binary.BigEndian.Uint32(id)
	}
	pairs, scanErr := e.store.Scan([]byte{prefixQueue}, []byte{prefixQueue + 1})
	for key, value := range pairs {
		q, err := e.loadQueue(key, value)
		if err != nil {
			return err
		}
		e.add(q)
	}
	if err := scanErr(); err != nil {
		return err
	}
	return e.loadTasks()
}

func (e *Engine) add(q *queue) {
	e.byName[q.name] = q
	e.byID[q.id] = q
	e.timers.push(q)
	e.stats.queues.Add(1)
}

// loadSecret reads or makes the 48 bytes that message ids and receipt handles
// are derived from. They live as long as the data directory.
func (e *Engine) loadSecret() error {
	key := []byte{prefixEngine, 's'}
	secret, err := e.store.Get(nil, key)
	if errors.Is(err, store.ErrNotFound) {
		secret = make([]byte, 16+sha256.Size)
		if _, err := io.ReadFull(e.cfg.Random, secret); err != nil {
			return fmt.Errorf("make a secret: %w", err)
		}
		b := e.store.NewBatch()
		b.Set(key, secret)
		err = errors.Join(e.store.Commit(b), b.Close())
	}
	if err != nil {
		return err
	}
	if len(secret) != 16+sha256.Size {
		return fmt.Errorf("stored secret has %d bytes, not %d", len(secret), 16+sha256.Size)
	}
	e.secret.names, err = aes.NewCipher(secret[:16])
	e.secret.macs.New = func() any { return hmac.New(sha256.New, secret[16:]) }
	return err
}

// messageID returns the id of the message that was sent to queue id with the
// given sequence: a UUID that needs no storage, unique because a block cipher
// is a permutation, and telling nothing of the sequence.
func (e *Engine) messageID(id uint32, seq uint64) (u [16]byte) {
	binary.BigEndian.PutUint32(u[:], id)
	binary.BigEndian.PutUint64(u[8:], seq)
	e.secret.names.Encrypt(u[:], u[:])
	return u
}

func (e *Engine) mac(dst, data []byte) []byte {
	h := e.secret.macs.Get().(hash.Hash)
	defer e.secret.macs.Put(h)
	h.Reset()
	h.Write(data)
	return h.Sum(dst)
}

// Stats counts what the engine has done since it was made.
type Stats struct {
	Queues       int64  // queues that exist
	Sent         uint64 // messages stored by sends and deliveries
	Duplicates   uint64 // sends answered with an earlier message (deduplication)
	Receives     uint64 // receive calls
	Received     uint64 // messages handed out
	Deleted      uint64 // messages deleted by receipt handle
	Expired      uint64 // messages removed because their retention ended
	Purged       uint64 // messages removed by purges
	DeadLettered uint64 // messages moved to a dead-letter queue
}

type stats struct {
	queues                                                                       atomic.Int64
	sent, duplicates, receives, received, deleted, expired, purged, deadLettered atomic.Uint64
}

// Stats may be called from any goroutine.
func (e *Engine) Stats() Stats {
	s := &e.stats
	return Stats{
		Queues: s.queues.Load(), Sent: s.sent.Load(), Duplicates: s.duplicates.Load(),
		Receives: s.receives.Load(), Received: s.received.Load(), Deleted: s.deleted.Load(),
		Expired: s.expired.Load(), Purged: s.purged.Load(), DeadLettered: s.deadLettered.Load(),
	}
}

// Depths describes every queue but the internal ones, for metrics. It costs one operation on the loop.
func (e *Engine) Depths() (map[turnout.QueueName]turnout.QueueDepth, error) {
	depths := make(map[turnout.QueueName]turnout.QueueDepth)
	err := e.loop.Do(func(tx *partition.Tx) error {
		for name, q := range e.byName {
			if q.internal {
				continue
			}
			e.touch(tx, q)
			depths[name] = q.depth()
		}
		return nil
	})
	return depths, err
}
