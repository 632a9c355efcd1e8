package pebblestore

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkCommit asks what a synced batch costs on the disk of the temporary
// directory: how many messages of 1 KiB become durable a second when so many
// share a sync, and how many bytes are written for each.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("messages=%d", size), func(b *testing.B) {
			s, err := Open(Config{Dir: b.TempDir()})
			require.NoError(b, err)
			rng := rand.New(rand.NewPCG(1, 1))
			body := make([]byte, 1024)
			for i := range body {
				body[i] = byte(rng.Uint32())
			}
			b.ReportAllocs()
			seq := uint64(0)
			key := make([]byte, 0, 16)
			for b.Loop() {
				batch := s.NewBatch()
				for range size {
					seq++
					key = appendNumber(key[:0], seq)
					batch.Set(key, body)
				}
				if err := s.Commit(batch); err != nil {
					b.Fatal(err)
				}
				_ = batch.Close()
			}
			b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "messages/s")
			m := s.Metrics()
			b.ReportMetric(float64(m.WALBytes)/float64(seq), "log-B/message")
			b.ReportMetric(float64(m.WALBytes+m.FlushedBytes+m.CompactedBytes)/float64(seq), "written-B/message")
			b.ReportMetric(m.Fsync.Seconds/float64(m.Fsync.Count)*1e6, "fsync-µs")
			require.NoError(b, s.Close())
		})
	}
}

// filled returns a store with 200,000 messages of 256 bytes, flushed.
func filled(b *testing.B) *Store {
	b.Helper()
	cfg := Config{Dir: b.TempDir(), MemTableBytes: 4 << 20}
	s, err := Open(cfg)
	require.NoError(b, err)
	body := make([]byte, 256)
	for i := range uint64(200) {
		batch := s.NewBatch()
		for j := range uint64(1000) {
			batch.Set(number(i*1000+j), body)
		}
		require.NoError(b, s.Commit(batch))
		require.NoError(b, batch.Close())
	}
	return s
}

// BenchmarkGet asks what reading one body back costs when its block is cached.
func BenchmarkGet(b *testing.B) {
	s := filled(b)
	rng := rand.New(rand.NewPCG(1, 1))
	key, dst := make([]byte, 0, 16), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		key = appendNumber(key[:0], rng.Uint64N(200_000))
		got, err := s.Get(dst, key)
		if err != nil || len(got) != 256 {
			b.Fatal(len(got), err)
		}
	}
	require.NoError(b, s.Close())
}

// BenchmarkScan asks what a refill costs: seek somewhere and read so many on.
func BenchmarkScan(b *testing.B) {
	s := filled(b)
	for _, length := range []uint64{1, 100, 8192} {
		b.Run(fmt.Sprintf("pairs=%d", length), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			lower, upper := make([]byte, 0, 16), make([]byte, 0, 16)
			b.ReportAllocs()
			total := 0
			for b.Loop() {
				from := rng.Uint64N(200_000 - length)
				lower, upper = appendNumber(lower[:0], from), appendNumber(upper[:0], from+length)
				pairs, failed := s.Scan(lower, upper)
				for range pairs {
					total++
				}
				if failed() != nil {
					b.Fatal(failed())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/pair")
		})
	}
	require.NoError(b, s.Close())
}

// BenchmarkOpen asks how long a restart takes with 50 MB of data.
func BenchmarkOpen(b *testing.B) {
	s := filled(b)
	dir := s.dir
	require.NoError(b, s.Close())
	for b.Loop() {
		s, err := Open(Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		require.NoError(b, s.Close())
		b.StartTimer()
	}
}
