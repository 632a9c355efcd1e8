package dispatch_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/sinks"
)

// BenchmarkDeliver answers: how many deliveries a second go from the batch that
// accepts them through a sink that does nothing to the batch that settles them,
// on a disk with fsync, and what do they allocate?
func BenchmarkDeliver(b *testing.B) {
	for _, c := range []struct{ endpoints, perBatch int }{{1, 100}, {10, 100}, {100, 100}, {1000, 1000}} {
		b.Run(fmt.Sprintf("endpoints=%d", c.endpoints), func(b *testing.B) {
			n, delivered := benchNode(b, c.endpoints)
			body := make([]byte, 1024)
			b.ReportAllocs()
			before := n.loop.Stats()
			b.ResetTimer()
			var next atomic.Int64
			var producers sync.WaitGroup
			for range 32 {
				producers.Go(func() {
					for {
						from := int(next.Add(int64(c.perBatch))) - c.perBatch
						if from >= b.N {
							return
						}
						for int64(from)-delivered.Load() > 50_000 { // a backlog, but one in memory
							time.Sleep(100 * time.Microsecond)
						}
						enqueueBatch(b, n, c.endpoints, min(c.perBatch, b.N-from), from, body)
					}
				})
			}
			producers.Wait()
			finish(b, n, delivered)
			after := n.loop.Stats()
			b.ReportMetric(float64(after.Bytes-before.Bytes)/float64(b.N), "B-logged/delivery")
			b.ReportMetric(float64(b.N)/float64(after.Batches-before.Batches), "deliveries/batch")
		})
	}
}

// BenchmarkDrain answers: how fast does a backlog go out that waits already?
func BenchmarkDrain(b *testing.B) {
	for _, endpoints := range []int{1, 100} {
		b.Run(fmt.Sprintf("endpoints=%d", endpoints), func(b *testing.B) {
			n, delivered := benchNode(b, endpoints)
			var hold atomic.Bool
			hold.Store(true)
			for i := range endpoints {
				n.out.add(arnOf(i), nil, func(e *dispatch.Endpoint) {
					e.Sink = sinkFunc(func(context.Context, sinks.Delivery) sinks.Result {
						for hold.Load() {
							runtime.Gosched()
							time.Sleep(time.Millisecond)
						}
						delivered.Add(1)
						return sinks.Result{Status: 200}
					})
				})
			}
			body := make([]byte, 1024)
			for sent := 0; sent < b.N; {
				sent += enqueueBatch(b, n, endpoints, min(1000, b.N-sent), sent, body)
			}
			b.ReportAllocs()
			b.ResetTimer()
			hold.Store(false)
			finish(b, n, delivered)
		})
	}
}

func benchNode(b *testing.B, endpoints int) (*node, *atomic.Int64) {
	b.Helper()
	n := startNode(&node{t: b, dir: b.TempDir()})
	delivered := &atomic.Int64{}
	for i := range endpoints {
		n.out.add(arnOf(i), nil, func(e *dispatch.Endpoint) {
			e.Sink = sinkFunc(func(context.Context, sinks.Delivery) sinks.Result {
				delivered.Add(1)
				return sinks.Result{Status: 200}
			})
		})
	}
	return n, delivered
}

// enqueueBatch enqueues one event to each of count endpoints, in one batch.
func enqueueBatch(b *testing.B, n *node, endpoints, count, from int, body []byte) int {
	b.Helper()
	id := fmt.Sprintf("0188d1b4-0000-4000-8000-%012x", from)
	require.NoError(b, n.loop.Do(func(tx *partition.Tx) error {
		ref := n.events.Append(tx, body)
		for i := range count {
			err := n.Enqueue(tx, dispatch.Delivery{
				Endpoint: arnOf((from + i) % endpoints), EventID: id, Event: ref, EventBody: body,
				RuleARN: "arn:aws:events:us-east-1:000000000000:rule/orders", TargetARN: arnOf(0), TargetID: "t", RetriesMax: 185,
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	return count
}

// finish waits until everything is settled.
func finish(b *testing.B, n *node, delivered *atomic.Int64) {
	b.Helper()
	for n.Stats().Waiting > 0 {
		time.Sleep(100 * time.Microsecond)
	}
	b.StopTimer()
	require.EqualValues(b, b.N, delivered.Load(), "each is delivered once")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}
