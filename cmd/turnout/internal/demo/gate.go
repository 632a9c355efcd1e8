package demo

import (
	"context"
	"sync"
)

// aheadMax is how many deliveries the publishers may be ahead of the consumers.
// A few times what the consumers can have in flight keeps them busy; without a
// bound, the time from publish to receive would only tell how long the queues got.
const aheadMax = 500

// gate holds up publishers that are too far ahead of the consumers.
type gate struct {
	mu    sync.Mutex
	moved sync.Cond
	ahead int // deliveries of what was published that are not settled
}

func newGate() *gate {
	g := &gate{}
	g.moved.L = &g.mu
	return g
}

// enter waits until n more deliveries are not too many, or ctx ends. A batch
// of whatever size may enter when nothing is ahead.
func (g *gate) enter(ctx context.Context, n int) error {
	stop := context.AfterFunc(ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.moved.Broadcast()
	})
	defer stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.ahead > 0 && g.ahead+n > aheadMax && ctx.Err() == nil {
		g.moved.Wait()
	}
	g.ahead += n
	return context.Cause(ctx)
}

// leave says that n deliveries are settled.
func (g *gate) leave(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ahead -= n
	g.moved.Broadcast()
}
