package partition

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/store"
)

// Op is one operation. It runs on the partition's loop, must not block, and
// must decide before it writes: an Op that returns an error has added nothing
// to the batch and changed no state.
type Op func(tx *Tx) error

// Part is state that lives on the loop, such as the queues or the catalog.
// The loop calls it; nothing else may while the partition runs.
type Part interface {
	// Due returns when Tick wants to run next; the zero time is never.
	Due() time.Time
	// Tick does what has become due at tx.Now: timers, expiry.
	Tick(tx *Tx)
	// Flush adds what is written once for each batch, such as counters, just before the batch commits.
	Flush(tx *Tx)
}

// Config bounds a partition. The zero value of a field is its default.
type Config struct {
	// PendingMax bounds the operations that wait for the loop; beyond it Do
	// answers CodeThrottled. Default 16,384: more than the requests that a
	// server admits at once, so only a stalled disk reaches it.
	PendingMax int
	// BatchBytesMax ends a batch that has grown to this size. Default 4 MiB:
	// the size at which an append is bound by bandwidth, not by the sync.
	BatchBytesMax int
	// BatchOpsMax ends a batch after so many operations. Default 4,096.
	BatchOpsMax int
}

func (c Config) withDefaults() Config {
	if c.PendingMax == 0 {
		c.PendingMax = 16 << 10
	}
	if c.BatchBytesMax == 0 {
		c.BatchBytesMax = 4 << 20
	}
	if c.BatchOpsMax == 0 {
		c.BatchOpsMax = 4096
	}
	return c
}

// Partition orders every change of the buses and queues it holds.
//
// Two goroutines work for it. The decider owns all state of the parts: it runs
// operations and builds a batch. The committer owns the store's Commit: it
// syncs one batch while the decider gathers the next, then runs the batch's
// completions. So an operation sees the effects of every earlier one in
// memory, and no caller hears of an effect before it is durable.
//
// More batches in flight were measured and gave no consistent gain.
type Partition struct {
	cfg   Config
	store store.Store
	clock clock
	parts []Part

	mu struct {
		sync.Mutex
		pending []pending
		closed  bool
	}
	wake chan struct{} // capacity 1: a token says that pending is not empty

	stats stats
}

type pending struct {
	op   Op
	done chan<- error // capacity 1: the committer never waits for a caller
}

// New returns a partition that writes to s. Add its parts, then Run it.
func New(s store.Store, cfg Config) *Partition {
	return &Partition{cfg: cfg.withDefaults(), store: s, wake: make(chan struct{}, 1)}
}

// Add registers a part. Ticks and flushes run in the order of registration.
// It must not be called once Run has begun.
func (p *Partition) Add(part Part) { p.parts = append(p.parts, part) }

// Now returns the partition's time, for parts that load their state before Run.
func (p *Partition) Now() time.Time { return p.clock.now() }

// NotBefore makes the partition's time begin no earlier than t, so that it
// does not go back across a restart. It must not be called once Run has begun.
func (p *Partition) NotBefore(t time.Time) { p.clock.notBefore(t) }

// Do runs op on the loop and returns when its effects are durable, or with
// op's error when everything that op saw is durable. Once op is accepted Do
// waits for it whatever happens to the caller: its effect may already stand.
func (p *Partition) Do(op Op) error {
	done := make(chan error, 1)
	if err := p.submit(pending{op: op, done: done}); err != nil {
		return err
	}
	return <-done
}

func (p *Partition) submit(op pending) error {
	p.mu.Lock()
	switch {
	case p.mu.closed:
		p.mu.Unlock()
		return turnout.Errorf(turnout.CodeUnavailable, "The server is stopping.")
	case len(p.mu.pending) >= p.cfg.PendingMax:
		p.mu.Unlock()
		p.stats.shed.Add(1)
		return turnout.Errorf(turnout.CodeThrottled, "The server is overloaded: too many operations are waiting. Retry with backoff.")
	}
	p.mu.pending = append(p.mu.pending, op)
	p.mu.Unlock()
	p.signal()
	return nil
}

func (p *Partition) signal() {
	select {
	case p.wake <- struct{}{}:
	default: // a token is there already
	}
}

// take hands over what is pending, and spare as the next buffer.
func (p *Partition) take(spare []pending) []pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.mu.pending
	p.mu.pending = spare[:0]
	return got
}

// Run decides and commits until ctx ends, then commits what was accepted and
// returns nil. It returns the first commit error: after one, memory is ahead
// of the disk and the process must end.
func (p *Partition) Run(ctx context.Context) error {
	commits := make(chan *Tx) // unbuffered: one batch syncs, one waits, none queues
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var committer sync.WaitGroup
	committer.Go(func() { p.commitAll(commits, fail) })
	p.decide(ctx, commits)
	close(commits)
	committer.Wait()
	p.refusePending()
	if failure, ok := errors.AsType[commitError](context.Cause(ctx)); ok {
		return failure
	}
	return nil
}

// commitError is the cause with which a failed commit ends the decider.
type commitError struct{ error }

func (e commitError) Unwrap() error { return e.error }

// decide is the decider's loop. It ends when ctx does and nothing is pending,
// or at once after a failed commit.
func (p *Partition) decide(ctx context.Context, commits chan<- *Tx) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	// work is what is left of spent, the buffer that was taken; when it is done
	// the buffer becomes spare, the next one to gather operations.
	var work, spent, spare []pending
	for {
		if len(work) == 0 {
			work = p.take(spare)
			spent, spare = work, nil
		}
		if len(work) == 0 && !p.due() {
			spare = spent
			if ctx.Err() != nil && p.close() {
				return
			}
			p.sleep(ctx, timer)
			continue
		}
		tx := p.newTx()
		for _, part := range p.parts {
			if d := part.Due(); !d.IsZero() && !d.After(tx.Now) {
				part.Tick(tx)
			}
		}
		n := tx.run(work, p.cfg)
		for _, part := range p.parts {
			part.Flush(tx)
		}
		if work = work[n:]; len(work) == 0 {
			spare = spent[:0] // run has cleared what it took
		}
		commits <- tx // the committer takes every batch, also after a failure
	}
}

// due reports whether a part has something to do now.
func (p *Partition) due() bool {
	next := p.nextDue()
	return !next.IsZero() && !next.After(p.clock.now())
}

func (p *Partition) nextDue() time.Time {
	var next time.Time
	for _, part := range p.parts {
		if d := part.Due(); !d.IsZero() && (next.IsZero() || d.Before(next)) {
			next = d
		}
	}
	return next
}

// sleep waits for an operation, the next timer or the end of ctx.
func (p *Partition) sleep(ctx context.Context, timer *time.Timer) {
	wait := time.Hour // a bound only: the loop looks again and sleeps on
	if next := p.nextDue(); !next.IsZero() {
		wait = min(wait, next.Sub(p.clock.now()))
	}
	timer.Reset(max(wait, 0))
	select {
	case <-p.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// close refuses new operations; it reports false when one slipped in before.
func (p *Partition) close() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.closed = len(p.mu.pending) == 0
	return p.mu.closed
}

// refusePending answers what was accepted but can no longer be decided, after a failure.
func (p *Partition) refusePending() {
	p.mu.Lock()
	p.mu.closed = true
	left := p.mu.pending
	p.mu.pending = nil
	p.mu.Unlock()
	for _, op := range left {
		op.done <- turnout.Errorf(turnout.CodeUnavailable, "The server is stopping.")
	}
}

// commitAll is the committer's loop. After a failure it commits nothing more,
// and answers every operation with it.
func (p *Partition) commitAll(commits <-chan *Tx, fail context.CancelCauseFunc) {
	var failure error
	for tx := range commits {
		if failure == nil {
			if err := tx.commit(); err != nil {
				failure = commitError{err}
				fail(failure)
			}
		}
		tx.finish(failure)
	}
}
