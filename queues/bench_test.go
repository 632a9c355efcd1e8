package queues_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/queues"
)

// startDisk opens a node on a real disk with fsync, as in production.
func startDisk(b *testing.B) *node {
	b.Helper()
	n := &node{t: b, cfg: queues.Config{Random: rand.NewChaCha8([32]byte{1})}, dir: b.TempDir()}
	n.open()
	b.Cleanup(func() { n.stop() })
	return n
}

// run spreads b.N calls of f over so many goroutines.
func run(b *testing.B, workers int, f func(worker int)) {
	b.Helper()
	b.ReportAllocs()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for w := range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				f(w)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

// BenchmarkSend answers: how many durable sends of 1 KB a second does the engine take?
func BenchmarkSend(b *testing.B) {
	for _, producers := range []int{1, 64, 256, 1024} {
		b.Run(fmt.Sprintf("producers=%d", producers), func(b *testing.B) {
			n := startDisk(b)
			q := n.create("q", nil)
			body := make([]byte, 1024)
			run(b, producers, func(int) {
				_, err := n.Send(b.Context(), q, []turnout.OutgoingMessage{{Body: body}})
				require.NoError(b, err)
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
			b.ReportMetric(float64(n.loop.Stats().Ops)/float64(n.loop.Stats().Batches), "ops/batch")
		})
	}
}

// BenchmarkCycle answers: how many send → receive → delete cycles a second?
func BenchmarkCycle(b *testing.B) {
	for _, c := range []struct{ workers, batch int }{{1, 1}, {64, 1}, {256, 1}, {64, 10}} {
		b.Run(fmt.Sprintf("workers=%d/batch=%d", c.workers, c.batch), func(b *testing.B) {
			n := startDisk(b)
			q := n.create("q", nil)
			msgs := make([]turnout.OutgoingMessage, c.batch)
			for i := range msgs {
				msgs[i].Body = make([]byte, 1024)
			}
			run(b, c.workers, func(int) {
				_, err := n.Send(b.Context(), q, msgs)
				require.NoError(b, err)
				got, err := n.Receive(b.Context(), q, turnout.ReceiveOptions{Max: c.batch})
				require.NoError(b, err)
				handles := make([]string, len(got))
				for i := range got {
					handles[i] = got[i].ReceiptHandle
				}
				_, err = n.Delete(b.Context(), q, handles)
				require.NoError(b, err)
			})
			b.ReportMetric(float64(b.N*c.batch)/b.Elapsed().Seconds(), "cycles/s")
		})
	}
}

// BenchmarkFanOut answers: how many deliveries a second does one event to many
// queues make, and how many bytes does it write?
func BenchmarkFanOut(b *testing.B) {
	for _, targets := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("queues=%d", targets), func(b *testing.B) {
			n := startDisk(b)
			names := make([]turnout.QueueName, targets)
			for i := range names {
				names[i] = n.create(fmt.Sprint("q", i), nil)
			}
			body := make([]byte, 1024)
			before := n.loop.Stats()
			run(b, 64, func(int) {
				err := n.loop.Do(func(tx *partition.Tx) error {
					ref := n.events.Append(tx, body)
					for _, name := range names {
						if err := n.Deliver(tx, name, queues.Delivery{Event: ref, EventBody: body}); err != nil {
							return err
						}
					}
					return nil
				})
				require.NoError(b, err)
			})
			after := n.loop.Stats()
			b.ReportMetric(float64(b.N*targets)/b.Elapsed().Seconds(), "deliveries/s")
			b.ReportMetric((float64(after.Bytes-before.Bytes)/float64(b.N)-float64(len(body)))/float64(targets), "B/target")
		})
	}
}
