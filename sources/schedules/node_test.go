package schedules_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sources/schedules"
)

var _ schedules.Broker = (*broker.Broker)(nil)

// node is schedules with a broker and queues, run as a server runs them. It
// belongs into a bubble.
type node struct {
	t         *testing.T
	fs        *pebblestore.Memory
	random    *chance
	log       *bytes.Buffer
	broker    *broker.Broker
	queues    *queues.Engine
	schedules *schedules.Schedules
	stop      func()
}

// chance is deterministic randomness that goroutines may share.
type chance struct {
	mu  sync.Mutex
	rng *rand.ChaCha8
}

func (c *chance) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.Read(b)
}

func startNode(t *testing.T) *node {
	n := &node{t: t, fs: pebblestore.NewMemory(), random: &chance{rng: rand.NewChaCha8([32]byte{})}, log: &bytes.Buffer{}}
	n.open()
	return n
}

func (n *node) open() {
	n.t.Helper()
	s, err := pebblestore.Open(pebblestore.Config{Dir: "data", FS: n.fs, MemTableBytes: 1 << 20, CacheBytes: 1 << 20})
	require.NoError(n.t, err)
	loop := partition.New(s, partition.Config{})
	log, err := eventlog.Load(s)
	require.NoError(n.t, err)
	n.queues, err = queues.New(loop, s, log, queues.Config{Random: n.random})
	require.NoError(n.t, err)
	n.broker, err = broker.New(loop, s, log, broker.Receivers{Queues: n.queues}, broker.Config{Random: n.random})
	require.NoError(n.t, err)
	n.schedules, err = schedules.New(loop, s, n.broker, schedules.Config{Log: slog.New(slog.NewTextHandler(n.log, nil))})
	require.NoError(n.t, err)
	for _, part := range []partition.Part{n.queues, n.schedules, log} {
		loop.Add(part)
	}
	ctx, cancel := context.WithCancel(context.Background())
	loopCtx, loopCancel := context.WithCancel(context.Background())
	var parts, writer sync.WaitGroup
	for _, run := range []func(context.Context) error{n.queues.Run, n.broker.Run, n.schedules.Run} {
		parts.Go(func() { _ = run(ctx) })
	}
	writer.Go(func() { _ = loop.Run(loopCtx) })
	n.stop = func() {
		cancel()
		parts.Wait()
		loopCancel()
		writer.Wait()
		require.NoError(n.t, s.Close())
	}
}

// crash loses power, with nothing kept that was not synced, and opens again.
func (n *node) crash() {
	n.fs = n.fs.PowerLoss(0, nil)
	n.stop()
	n.open()
}

func (n *node) queue(name string) {
	require.NoError(n.t, n.queues.CreateQueue(n.t.Context(), turnout.QueueName{Scope: scope, Name: name},
		turnout.QueueSettings{Attributes: turnout.DefaultQueueAttributes()}, func(turnout.QueueAttributes) error { return nil }))
}

func (n *node) rule(name, schedule string, state turnout.RuleState, targets ...turnout.Target) {
	_, err := n.broker.PutRule(n.t.Context(), named(name), func(r *turnout.Rule, _ bool) error {
		r.Schedule, r.State = schedule, state
		return nil
	})
	require.NoError(n.t, err)
	errs, err := n.broker.PutTargets(n.t.Context(), named(name), targets)
	require.NoError(n.t, err)
	for _, err := range errs {
		require.NoError(n.t, err)
	}
}

func toQueue(name string) turnout.Target {
	return turnout.Target{ID: name, ARN: turnout.QueueName{Scope: scope, Name: name}.ARN()}
}

// take receives and deletes everything in a queue.
func (n *node) take(name string) []string {
	queue := turnout.QueueName{Scope: scope, Name: name}
	var all []string
	for {
		got, err := n.queues.Receive(n.t.Context(), queue, turnout.ReceiveOptions{Max: 10})
		require.NoError(n.t, err)
		if len(got) == 0 {
			return all
		}
		for _, m := range got {
			all = append(all, string(m.Body))
			_, err := n.queues.Delete(n.t.Context(), queue, []string{m.ReceiptHandle})
			require.NoError(n.t, err)
		}
	}
}

// times returns when the events of a queue were due, and takes them out.
func (n *node) times(queue string) map[time.Time]int {
	all := map[time.Time]int{}
	for _, text := range n.take(queue) {
		var e struct {
			Time      time.Time
			Resources []string
		}
		require.NoError(n.t, json.Unmarshal([]byte(text), &e))
		require.Equal(n.t, []string{named(queue).ARN()}, e.Resources)
		all[e.Time]++
	}
	return all
}

// Every tick of an hour is in the queue exactly once, although the power
// fails all the time: between ticks, at them and while they are delivered.
func TestEveryTickIsDeliveredOnceWhateverHappens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t)
		names := []string{"minutes", "rate"}
		for _, name := range append(names, "input") {
			n.queue(name)
		}
		began := time.Now()
		n.rule("minutes", "cron(* * * * ? *)", turnout.RuleEnabled, toQueue("minutes"))
		n.rule("rate", "rate(7 minutes)", turnout.RuleEnabled, toQueue("rate"))
		constant := toQueue("input")
		constant.Input = new(`{"do":"it"}`)
		n.rule("input", "cron(0/30 * * * ? *)", turnout.RuleEnabled, constant)
		n.rule("no targets", "cron(* * * * ? *)", turnout.RuleEnabled)
		n.rule("off", "cron(* * * * ? *)", turnout.RuleDisabled, toQueue("minutes"))
		for i := range 60 {
			tick := began.Add(time.Duration(i+1) * time.Minute)
			if i%3 == 0 {
				time.Sleep(time.Until(tick)) // and crash with whatever has been done of it
			} else {
				time.Sleep(time.Until(tick) + time.Duration(i)*time.Millisecond)
			}
			if i%4 == 0 {
				synctest.Wait()
			}
			n.crash()
		}
		synctest.Wait()
		minutes := n.times("minutes")
		for i := range 60 {
			require.Equal(t, 1, minutes[began.Add(time.Duration(i+1)*time.Minute).UTC()], "minute %d", i+1)
		}
		require.Len(t, minutes, 60)
		rate := n.times("rate")
		for i := range 60 / 7 {
			require.Equal(t, 1, rate[began.Add(time.Duration(i+1)*7*time.Minute).UTC()], "rate %d", i+1)
		}
		require.Len(t, rate, 60/7)
		require.Equal(t, []string{`{"do":"it"}`, `{"do":"it"}`}, n.take("input"))
		n.stop()
	})
}

func TestChangesThroughTheBroker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t)
		n.queue("r")
		n.rule("r", "rate(1 minute)", turnout.RuleEnabled, toQueue("r"))
		time.Sleep(150 * time.Second)
		require.Len(t, n.times("r"), 2)
		n.rule("r", "rate(1 minute)", turnout.RuleDisabled)
		time.Sleep(5 * time.Minute)
		require.Empty(t, n.times("r"))
		n.rule("r", "rate(1 minute)", turnout.RuleEnabled)
		time.Sleep(5 * time.Minute)
		require.Len(t, n.times("r"), 5)
		n.rule("r", "", turnout.RuleEnabled)
		time.Sleep(5 * time.Minute)
		require.Empty(t, n.times("r"), "a rule that lost its schedule")
		n.rule("r", "rate(1 minute)", turnout.RuleEnabled)
		require.NoError(t, n.broker.Reset(t.Context()))
		time.Sleep(5 * time.Minute)
		require.Empty(t, n.times("r"))
		require.Zero(t, n.schedules.Stats().Rules)
		n.stop()
	})
}

func TestAFullDiskDelaysAndSkips(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t)
		n.queue("minutes")
		n.queue("hours")
		n.rule("minutes", "rate(1 minute)", turnout.RuleEnabled, toQueue("minutes"))
		n.rule("hours", "rate(1 hour)", turnout.RuleEnabled, toQueue("hours"))
		began := time.Now().UTC()
		n.broker.RefusePublishes(true)
		time.Sleep(80 * time.Minute)
		n.broker.RefusePublishes(false)
		time.Sleep(35 * time.Second)
		require.Equal(t, map[time.Time]int{began.Add(80 * time.Minute): 1}, n.times("minutes"), "of all that were missed only the newest fires")
		require.Empty(t, n.times("hours"), "what is too late does not fire")
		stats := n.schedules.Stats()
		require.EqualValues(t, 1, stats.Fired)
		require.EqualValues(t, 1, stats.Skipped)
		require.Positive(t, stats.Failed)
		require.Equal(t, 3, bytes.Count(n.log.Bytes(), []byte("\n")), "a log that is not flooded:\n%s", n.log)
		time.Sleep(time.Minute)
		require.Len(t, n.times("minutes"), 1)
		n.stop()
	})
}

// What does a tick cost, when a thousand rules are due in the same minute?
func BenchmarkFire(b *testing.B) {
	h := newHarness(b, schedules.Config{})
	defer h.close()
	for i := range 1000 {
		h.put(fmt.Sprint("r", i), "cron(* * * * ? *)", on)
	}
	b.ReportAllocs()
	for b.Loop() {
		h.now = h.Due()
		h.wake()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/tick")
}
