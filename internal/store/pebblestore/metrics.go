package pebblestore

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/seed567880c8/turnout/internal/store"
)

// Metrics is what a store can tell of itself. Counters count from Open.
type Metrics struct {
	WALBytes        uint64 // written to the write-ahead log
	WALFiles        int64  // live log files
	FlushedBytes    uint64 // written by flushes of the table in memory
	CompactedBytes  uint64 // written by compactions
	Compactions     int64  // compactions done
	CompactionDebt  uint64 // estimated bytes to compact until the tree is in shape
	L0Files         int64  // tables in level 0
	L0Sublevels     int32  // read amplification of level 0; writes stop at 24
	DiskBytes       uint64 // space that the database occupies
	MemTableBytes   uint64 // memory of tables not yet flushed
	CacheBytes      int64  // memory of cached blocks
	CacheHits       int64
	CacheMisses     int64
	Fsync           Latency       // of the write-ahead log
	WriteStalls     uint64        // times that writes had to wait for flush or compaction
	WriteStallTime  time.Duration // how long they waited in all, the running stall included
	SlowDiskOps     uint64        // reports of a write or sync that took more than a second
	BackgroundFails uint64        // flushes and compactions that failed and were tried again
}

// Metrics returns the state of the store. It takes the engine's lock for
// microseconds: call it for a scrape, not for a request.
func (s *Store) Metrics() Metrics {
	m := s.db.Metrics()
	var flushed, compacted uint64
	for i := range m.Levels {
		flushed += m.Levels[i].TableBytesFlushed
		compacted += m.Levels[i].TableBytesCompacted
	}
	stalled := time.Duration(s.events.stallNanos.Load())
	if began := s.events.stallBegan.Load(); began != 0 {
		stalled += max(0, time.Duration(time.Now().UnixNano()-began))
	}
	return Metrics{
		WALBytes:        m.WAL.BytesWritten,
		WALFiles:        m.WAL.Files,
		FlushedBytes:    flushed,
		CompactedBytes:  compacted,
		Compactions:     m.Compact.Count,
		CompactionDebt:  m.Compact.EstimatedDebt,
		L0Files:         m.Levels[0].TablesCount,
		L0Sublevels:     m.Levels[0].Sublevels,
		DiskBytes:       m.DiskSpaceUsage(),
		MemTableBytes:   m.MemTable.Size,
		CacheBytes:      m.BlockCache.Size,
		CacheHits:       m.BlockCache.Hits,
		CacheMisses:     m.BlockCache.Misses,
		Fsync:           s.sync.read(),
		WriteStalls:     s.events.stalls.Load(),
		WriteStallTime:  stalled,
		SlowDiskOps:     s.events.slowOps.Load(),
		BackgroundFails: s.events.backgroundErrors.Load(),
	}
}

// unlimited is what a file system reports that cannot tell its size, which is
// the one in memory: far more than anything asks for, and safe to add to.
const unlimited = 1 << 60

// Usage reports the space of the volume that holds the data directory.
func (s *Store) Usage() (store.Usage, error) {
	u, err := s.fs.GetDiskUsage(s.dir)
	switch {
	case errors.Is(err, vfs.ErrUnsupported):
		return store.Usage{FreeBytes: unlimited, TotalBytes: unlimited}, nil
	case err != nil:
		return store.Usage{}, fmt.Errorf("free space of %s: %w", s.dir, err)
	}
	return store.Usage{FreeBytes: u.AvailBytes, TotalBytes: u.TotalBytes}, nil
}

// Latency is a histogram of durations.
type Latency struct {
	Count   uint64
	Seconds float64 // their sum
	// Buckets counts, for each of LatencyBounds, the durations up to it.
	Buckets [len(latencyBounds)]uint64
}

// latencyBounds spans an fsync of a fast SSD and of a disk about to fail.
var latencyBounds = [...]time.Duration{
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 500 * time.Millisecond, time.Second, 10 * time.Second,
}

// LatencyBounds returns the upper bounds of a Latency's buckets, in seconds, ascending.
func LatencyBounds() []float64 {
	bounds := make([]float64, len(latencyBounds))
	for i, b := range latencyBounds {
		bounds[i] = b.Seconds()
	}
	return bounds
}

// latency gathers a Latency.
type latency struct {
	nanos   atomic.Int64
	buckets [len(latencyBounds) + 1]atomic.Uint64 // not cumulative; the last is beyond all bounds
}

func (l *latency) add(d time.Duration) {
	i, _ := slices.BinarySearch(latencyBounds[:], d)
	l.buckets[i].Add(1)
	l.nanos.Add(int64(d))
}

func (l *latency) read() Latency {
	out := Latency{Seconds: time.Duration(l.nanos.Load()).Seconds()}
	for i := range l.buckets {
		out.Count += l.buckets[i].Load()
		if i < len(out.Buckets) {
			out.Buckets[i] = out.Count
		}
	}
	return out
}
