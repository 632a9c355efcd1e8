package partition

import (
	"sync/atomic"
	"time"
)

// Stats counts what a partition has done since it was made.
type Stats struct {
	Batches       uint64        // batches committed
	Ops           uint64        // operations answered by them
	Bytes         uint64        // bytes logged
	CommitSeconds float64       // time spent in Commit
	LastCommit    time.Duration // the newest batch's
	Shed          uint64        // operations refused because too many waited
	Pending       int           // operations waiting now
}

type stats struct {
	batches, ops, bytes, commitNanos, lastNanos, shed atomic.Uint64
}

func (s *stats) committed(ops, bytes int, took time.Duration) {
	s.batches.Add(1)
	s.ops.Add(uint64(ops))
	s.bytes.Add(uint64(bytes))
	s.commitNanos.Add(uint64(took))
	s.lastNanos.Store(uint64(took))
}

// Stats returns the counters.
func (p *Partition) Stats() Stats {
	p.mu.Lock()
	waiting := len(p.mu.pending)
	p.mu.Unlock()
	return Stats{
		Batches:       p.stats.batches.Load(),
		Ops:           p.stats.ops.Load(),
		Bytes:         p.stats.bytes.Load(),
		CommitSeconds: time.Duration(p.stats.commitNanos.Load()).Seconds(),
		LastCommit:    time.Duration(p.stats.lastNanos.Load()),
		Shed:          p.stats.shed.Load(),
		Pending:       waiting,
	}
}
