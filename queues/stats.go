package queues

import (
	"sync/atomic"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
)

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

// Depths describes every queue, for metrics. It costs one operation on the loop.
func (e *Engine) Depths() (map[turnout.QueueName]turnout.QueueDepth, error) {
	depths := make(map[turnout.QueueName]turnout.QueueDepth)
	err := e.loop.Do(func(tx *partition.Tx) error {
		for name, q := range e.byName {
			e.touch(tx, q)
			depths[name] = q.depth()
		}
		return nil
	})
	return depths, err
}
