package partition

import (
	"sync"
	"time"
)

// clock gives the partition's time, in milliseconds: at the pace of the
// monotonic clock, and forward to the wall clock whenever that is ahead. So a
// wall clock that is set back, or flaps, neither turns time back nor stalls or
// fires a timer; one that is set forward is followed. Guarded by mu because
// parts may ask before the loop runs.
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
	if !c.read.IsZero() {
		if paced := c.last.Add(t.Sub(c.read)); wall.Before(paced) {
			wall = paced
		}
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
