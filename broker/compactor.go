package broker

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/internal/partition"
)

// compactInline bounds the rules that a PutRule compiles before it answers, in
// addition to its own: about 10 ms. Larger merges are the compactor's.
const compactInline = 1024

// A bus that has not changed for mergeAfter, and mergeAfterRule for each of its
// rules, gets all of its rules compiled into one layer. Compiling takes about a
// hundredth of mergeAfterRule, so this costs one percent of a processor at most.
const (
	mergeAfter     = time.Second
	mergeAfterRule = time.Millisecond
)

// compactor keeps the layers of compiled rules few. Without it everything is
// right, and matching slower on buses that change.
type compactor struct {
	wake chan struct{} // capacity 1: a token says that there is something to do

	mu struct {
		sync.Mutex
		quiet map[turnout.BusName]time.Time // when to merge the buses that changed, if they do not change again
		large map[turnout.BusName]bool      // buses with a merge too large to do inline
	}
}

func (c *compactor) init() {
	c.wake = make(chan struct{}, 1)
	c.mu.quiet = make(map[turnout.BusName]time.Time)
	c.mu.large = make(map[turnout.BusName]bool)
}

// changed is called after the rules of a bus changed. It does the small merges
// that the bus deserves, so that a bus with few rules always is in one layer.
func (c *compactor) changed(b *Broker, bus turnout.BusName) {
	if todo := b.catalog.View(bus).Compaction(compactInline); todo != nil {
		b.compact(todo)
	}
	c.noticed(b, bus)
}

// noticed is changed for where nothing may block, such as OnDurable: all
// merges are left to run.
func (c *compactor) noticed(b *Broker, bus turnout.BusName) {
	view := b.catalog.View(bus)
	if view.LayerCount() < 2 {
		return
	}
	c.mu.Lock()
	c.mu.quiet[bus] = time.Now().Add(mergeAfter + time.Duration(view.RuleCount())*mergeAfterRule)
	if view.Compaction(math.MaxInt) != nil {
		c.mu.large[bus] = true
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default: // a token is there already
	}
}

// compact does a merge. When the loop refuses it, the next change tries again.
func (b *Broker) compact(todo *catalog.Compaction) {
	todo.Do()
	_ = b.loop.Do(func(*partition.Tx) error {
		b.catalog.Install(todo)
		return nil
	})
}

// run does what is due until ctx ends.
func (c *compactor) run(ctx context.Context, b *Broker) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		bus, merge, wait := c.next()
		if wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-c.wake:
			case <-timer.C:
			}
			continue
		}
		todo := b.catalog.View(bus).Compaction(math.MaxInt)
		if merge {
			todo = b.catalog.View(bus).Merge()
		}
		if todo != nil {
			b.compact(todo)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// next takes a bus with something to do, or returns how long there is nothing.
func (c *compactor) next() (bus turnout.BusName, merge bool, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for bus := range c.mu.large {
		delete(c.mu.large, bus)
		return bus, false, 0
	}
	wait = time.Hour // a bound only
	for bus, at := range c.mu.quiet {
		left := time.Until(at)
		if left <= 0 {
			delete(c.mu.quiet, bus)
			return bus, true, 0
		}
		wait = min(wait, left)
	}
	return turnout.BusName{}, false, wait
}
