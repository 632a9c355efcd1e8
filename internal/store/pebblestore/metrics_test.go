package pebblestore

import (
	"bytes"
	"log/slog"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

func TestMetrics(t *testing.T) {
	t.Parallel()

	const commits = 50
	s := mustOpen(t, Config{Dir: "data", FS: NewMemory(), MemTableBytes: 64 << 10})
	before := s.Metrics()
	for i := range uint64(commits) {
		set(t, s, string(number(i)), string(make([]byte, 4096)))
	}
	m := s.Metrics()
	require.GreaterOrEqual(t, m.WALBytes-before.WALBytes, uint64(commits*4096), "every commit is logged")
	require.GreaterOrEqual(t, m.Fsync.Count-before.Fsync.Count, uint64(commits), "and synced")
	require.Positive(t, m.Fsync.Seconds)
	require.True(t, slices.IsSorted(m.Fsync.Buckets[:]), "buckets are cumulative")
	require.LessOrEqual(t, m.Fsync.Buckets[len(m.Fsync.Buckets)-1], m.Fsync.Count)
	require.Positive(t, m.MemTableBytes)
	require.Positive(t, m.DiskBytes)
	require.Zero(t, m.WriteStalls)
	require.Zero(t, m.BackgroundFails)
	require.NoError(t, s.Close())
}

func TestLatencyBuckets(t *testing.T) {
	t.Parallel()

	bounds := LatencyBounds()
	require.True(t, slices.IsSorted(bounds))
	require.InDelta(t, 0.0001, bounds[0], 1e-9, "bounds are in seconds")
	var l latency
	l.add(100 * time.Microsecond)
	l.add(101 * time.Microsecond)
	l.add(time.Hour)
	got := l.read()
	require.Equal(t, uint64(3), got.Count)
	require.Equal(t, uint64(1), got.Buckets[0], "a bound is in its bucket")
	require.Equal(t, uint64(2), got.Buckets[1])
	require.Equal(t, uint64(2), got.Buckets[len(got.Buckets)-1], "what is beyond all bounds counts only in the total")
	require.InDelta(t, 3600.000201, got.Seconds, 1e-6)
}

func TestEventsAreLoggedAndCounted(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		e := &events{log: slog.New(slog.NewTextHandler(&out, nil))}
		for range 5 {
			e.backgroundError(syscall.ENOSPC)
			e.diskSlow(vfs.DiskSlowInfo{Path: "000002.log", OpType: vfs.OpTypeSync, Duration: time.Second})
		}
		require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("no space left on device")), "one line a second, however often it fails")
		require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("disk is slow")))
		time.Sleep(time.Second)
		e.backgroundError(syscall.ENOSPC)
		require.Equal(t, 2, bytes.Count(out.Bytes(), []byte("no space left on device")))
		require.Equal(t, uint64(6), e.backgroundErrors.Load(), "the counters have them all")
		require.Equal(t, uint64(5), e.slowOps.Load())

		e.stallBegin(pebble.WriteStallBeginInfo{Reason: "memtable count limit reached"})
		time.Sleep(3 * time.Second)
		e.stallEnd()
		require.Contains(t, out.String(), "memtable count limit reached")
		require.Equal(t, 3*time.Second, time.Duration(e.stallNanos.Load()))
		require.Equal(t, uint64(1), e.stalls.Load())
	})
}

func TestFailedFlushIsReportedAndRetried(t *testing.T) {
	t.Parallel()

	var broken atomic.Bool
	failed := make(chan struct{}, 1000)
	fsys := errorfs.Wrap(NewMemory(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpCreate && bytes.HasSuffix([]byte(op.Path), []byte(".sst")) {
			select {
			case failed <- struct{}{}:
			default:
			}
			return syscall.ENOSPC
		}
		return nil
	}))
	s := mustOpen(t, Config{Dir: "data", FS: fsys, MemTableBytes: 256 << 10})
	broken.Store(true)
	value := string(make([]byte, 100<<10))
	for i := range uint64(5) {
		set(t, s, string(number(i)), value)
	}
	<-failed
	<-failed
	require.Positive(t, s.Metrics().BackgroundFails, "an operator can see it")
	broken.Store(false)
	for i := range uint64(20) {
		set(t, s, string(number(i)), value)
	}
	require.NoError(t, s.Close(), "and nothing is lost once there is room again")
}

func TestIdleStoreCostsNoVirtualTime(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, Config{Dir: "data", FS: NewMemory()})
		time.Sleep(10 * 365 * 24 * time.Hour) // a store that ticks would take minutes
		set(t, s, "still", "there")
		require.NoError(t, s.Close())
	})
}
