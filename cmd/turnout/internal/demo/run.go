package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/awsclient"
)

// stalledAfter ends a run in which nothing more arrives.
const stalledAfter = 15 * time.Second

// Config says what to run against.
type Config struct {
	Clients *awsclient.Clients
	// EventsMax cuts the input for a short run; 0 is all of it. Events are
	// left out evenly, so that every kind remains.
	EventsMax int
	// Progress, when set, hears several times a second how many of the
	// expected deliveries have been made.
	Progress func(done, expected int)
}

// run is one run of the demo.
type run struct {
	clients  *awsclient.Clients
	events   []*event
	expected *expectation
	tallies  []*tally
	faults   faults

	began       time.Time
	publishedAt []atomic.Int64 // by event number: when its request began, nanoseconds after began
	published   atomic.Int64
	settled     atomic.Int64 // deliveries received and deleted
	lastSettled atomic.Int64 // when, nanoseconds after began
	gate        *gate
	complete    chan struct{} // closed when every expected delivery has been made
}

// Run creates the bus, rules and queues, publishes and consumes, and reports.
// The error is not nil if the demo could not be run to its end; differences
// between what happened and what should have are in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	events, err := loadInput()
	if err != nil {
		return nil, err
	}
	events = thin(events, cfg.EventsMax)
	qs, rs := queues(), rules()
	r := &run{
		clients:     cfg.Clients,
		events:      events,
		expected:    expect(events, qs, rs),
		publishedAt: make([]atomic.Int64, len(events)),
		gate:        newGate(),
		complete:    make(chan struct{}),
	}
	addresses, err := setUp(ctx, cfg.Clients, qs, rs)
	if err != nil {
		return nil, err
	}
	for _, q := range qs {
		r.tallies = append(r.tallies, r.newTally(q, addresses[q.name], rs))
	}
	r.began = time.Now()
	publishTook, err := r.flow(ctx, cfg.Progress)
	if err != nil {
		return nil, err
	}
	for _, t := range r.tallies {
		if err := r.leftOver(ctx, t); err != nil {
			return nil, err
		}
	}
	return r.report(rs, publishTook), nil
}

// thin keeps at most limit events, evenly spread, and numbers them anew.
func thin(events []*event, limit int) []*event {
	if limit <= 0 || limit >= len(events) {
		return events
	}
	kept := make([]*event, 0, limit)
	for i := range limit {
		e := *events[i*len(events)/limit]
		e.n = i
		kept = append(kept, &e)
	}
	return kept
}

func (r *run) newTally(q *queue, at address, rs []*rule) *tally {
	t := &tally{queue: q, at: at, seen: map[string][]bool{}, receives: map[int]int{}, last: map[string]int{}}
	for _, rule := range rs {
		// A dead-letter queue gets the messages of the rules of its source.
		if rule.queue == q.name || q.name == deadQueue && rule.queue == incidentsQueue {
			t.seen[rule.name] = make([]bool, len(r.events))
			t.rule = rule.name
		}
	}
	return t
}

// flow publishes and consumes at the same time. It returns how long the
// publishing took; consuming ends with the last delivery, or when nothing has
// arrived for stalledAfter.
func (r *run) flow(ctx context.Context, progress func(done, expected int)) (publishTook time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.publish(ctx); err != nil {
			cancel(err)
		}
		publishTook = time.Since(r.began)
	})
	for _, t := range r.tallies {
		for range t.queue.workers {
			wg.Go(func() {
				if err := r.consume(ctx, t); err != nil {
					cancel(err)
				}
			})
		}
	}
	r.watch(ctx, cancel, progress)
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, errStalled) {
		return 0, err
	}
	return publishTook, nil
}

var errStalled = fmt.Errorf("nothing arrived for %s", stalledAfter)

// watch tells the progress until everything has arrived, ctx ends, or nothing moves.
func (r *run) watch(ctx context.Context, cancel context.CancelCauseFunc, progress func(done, expected int)) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	moved, before := time.Now(), int64(0)
	for {
		done := r.settled.Load()
		if progress != nil {
			progress(int(done), r.expected.total)
		}
		if now := done + r.published.Load(); now != before {
			moved, before = time.Now(), now
		} else if time.Since(moved) > stalledAfter {
			cancel(errStalled)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.complete:
			if progress != nil {
				progress(r.expected.total, r.expected.total)
			}
			return
		case <-tick.C:
		}
	}
}

// delivered counts n more deliveries.
func (r *run) delivered(n int) {
	r.lastSettled.Store(int64(time.Since(r.began)))
	r.gate.leave(n)
	total := int64(r.expected.total)
	if now := r.settled.Add(int64(n)); now >= total && now-int64(n) < total {
		close(r.complete)
	}
}

// percentile returns the value that p (0–1) of the sorted durations do not exceed.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

func sortedCopy(ds []time.Duration) []time.Duration {
	ds = slices.Clone(ds)
	slices.Sort(ds)
	return ds
}
