package history_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

// BenchmarkAppend answers: what does the history add to each published event,
// in time on the loop, in garbage, and in bytes logged beside the body?
func BenchmarkAppend(b *testing.B) {
	for _, perBatch := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batch=%d", perBatch), func(b *testing.B) {
			h := newHarness(b, history.Config{})
			defer h.close()
			ids := make([]string, 1<<12)
			for i := range ids {
				ids[i] = turnout.UUID([16]byte{byte(i), byte(i >> 8)})
			}
			bus, targets := busNamed("default"), []uint64{17}
			tx := &partition.Tx{Now: h.now, Batch: h.store.NewBatch()}
			var ref eventlog.Ref
			for range eventlog.SegmentEvents / 2 {
				ref = h.events.Append(tx, nil)
				h.events.Retain(tx, 1, ref)
			}
			logged, n := 0, 0
			require.NoError(b, tx.Batch.Close())
			tx.Batch = h.store.NewBatch()
			b.ReportAllocs()
			for b.Loop() {
				h.log.Append(tx, bus, ids[n%len(ids)], ref-eventlog.Ref(n%100), 1000, targets)
				if n++; n%perBatch == 0 {
					h.log.Flush(tx)
					tx.Now = tx.Now.Add(time.Millisecond)
				}
				if n%1000 == 0 {
					b.StopTimer()
					logged += tx.Batch.Len()
					require.NoError(b, tx.Batch.Close())
					tx.Batch = h.store.NewBatch()
					b.StartTimer()
				}
			}
			b.ReportMetric(float64(logged+tx.Batch.Len())/float64(n), "loggedB/event")
		})
	}
}

// BenchmarkRead answers: how many events a second does a bus's history yield, bodies included?
func BenchmarkRead(b *testing.B) {
	h := newHarness(b, history.Config{})
	defer h.close()
	const events = 100_000
	bus := busNamed("default")
	var last event
	for range events / 100 {
		h.batch(func(tx *partition.Tx) {
			for range 100 {
				last = h.publish(tx, 900, []uint64{1}, bus)
			}
		})
		h.now = h.now.Add(10 * time.Millisecond)
	}
	b.Run("entries", func(b *testing.B) {
		n, body := 0, []byte(nil)
		for b.Loop() {
			h.snapshot(func(s store.Snapshot) {
				entries, failed := h.log.Entries(s, bus, history.Position{}, forever)
				for e := range entries {
					var err error
					body, err = eventlog.Get(s, body[:0], e.Ref)
					require.NoError(b, err)
					n++
				}
				require.NoError(b, failed())
			})
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("find", func(b *testing.B) {
		for b.Loop() {
			require.Len(b, h.find(last.id), 1)
		}
		b.ReportMetric(float64(h.log.Stats().Chunks), "chunks")
	})
}
