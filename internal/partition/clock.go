package partition

import (
	"sync"
	"time"
)

// clock gives the partition's time: the wall clock, cut to milliseconds, that
// never goes back. When the wall clock is set back, time goes on from where it
// was at the pace of the monotonic clock, so timers neither fire early nor
// stall. Guarded by mu because parts may ask before the loop runs.
type clock struct {
	mu   sync.Mutex
	last time.Time // what was given last, without a monotonic reading
	read time.Time // when, with a monotonic reading
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := time.Now()
	wall := t.Round(0).UTC()
	if !c.read.IsZero() && wall.Before(c.last) {
		wall = c.last.Add(t.Sub(c.read))
	}
	c.last, c.read = wall, t
	return wall.Truncate(time.Millisecond)
}

// notBefore makes t the earliest time to give.
func (c *clock) notBefore(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t = t.UTC(); c.last.Before(t) {
		c.last, c.read = t, time.Now()
	}
}
