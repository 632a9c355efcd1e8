package broker_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
)

// BenchmarkPublish measures durable fan-out of a 1 KB event on the disk of the
// temporary directory: deliveries a second inside the engine, and what is
// logged for an event beside its body.
func BenchmarkPublish(b *testing.B) {
	for _, fanOut := range []int{1, 10, 100, 1000} {
		for _, publishers := range []int{1, 64} {
			b.Run(fmt.Sprintf("queues=%d/publishers=%d", fanOut, publishers), func(b *testing.B) {
				benchPublish(b, fanOut, publishers)
			})
		}
	}
}

func benchPublish(b *testing.B, fanOut, publishers int) {
	n := startOnDisk(b, broker.Config{})
	for i := range fanOut {
		name := fmt.Sprint("q", i)
		n.queue(name)
		n.rule(ruleNamed("default", name), `{"source":["test"]}`, toQueue(name))
	}
	detail := append([]byte(`{"text":"`), bytes.Repeat([]byte("x"), 1000)...)
	e := entry("default", string(append(detail, `"}`...)))
	n.publish(e)
	bodyBytes := len(n.peek("q0"))
	before := n.loop.Stats()
	b.SetParallelism(max(1, publishers/2))
	b.ReportAllocs()
	b.ResetTimer()
	var failed atomic.Pointer[error]
	run := func() {
		if _, err := n.Publish(context.Background(), []turnout.EventEntry{e}); err != nil {
			failed.Store(&err)
		}
	}
	if publishers == 1 {
		for b.Loop() {
			run()
		}
	} else {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				run()
			}
		})
	}
	b.StopTimer()
	require.Nil(b, failed.Load())
	after := n.loop.Stats()
	events := float64(b.N)
	b.ReportMetric(events*float64(fanOut)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric((float64(after.Bytes-before.Bytes)/events-float64(bodyBytes))/float64(fanOut), "overheadB/target")
	b.ReportMetric(events/float64(after.Batches-before.Batches), "events/batch")
}

// BenchmarkPutRuleOnABigBus measures PutRule as a caller sees it, durable, on a
// bus with 10,000 rules, one caller after another: the slowest must stay below 50 ms.
func BenchmarkPutRuleOnABigBus(b *testing.B) {
	n := startOnDisk(b, broker.Config{})
	put := func(i, version int) {
		_, err := n.PutRule(context.Background(), ruleNamed("default", fmt.Sprint(i)), func(r *turnout.Rule, _ bool) error {
			r.Pattern = fmt.Sprintf(`{"source":["s%d"],"detail":{"tenant":["t%d"],"amount":[{"numeric":[">",%d]}]}}`, i%10, i, version)
			return nil
		})
		require.NoError(b, err)
	}
	for i := range 10_000 {
		put(i, 0)
	}
	var slowest, total time.Duration
	i := 0
	for b.Loop() {
		began := time.Now()
		put(i%10_000, i)
		took := time.Since(began)
		slowest, total = max(slowest, took), total+took
		i++
	}
	b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
	b.ReportMetric(float64(n.Layers(busNamed("default"))), "layers")
}
