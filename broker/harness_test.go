package broker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/queues"
)

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

// node is a broker and a queue engine on a real store in memory that can lose power.
type node struct {
	t       testing.TB
	fs      *pebblestore.Memory // nil: the real disk, in dir
	dir     string
	cfg     broker.Config
	log     *bytes.Buffer
	store   *pebblestore.Store
	loop    *partition.Partition
	events  *eventlog.Log
	queues  *queues.Engine
	history *history.Log
	*broker.Broker
	stop func()
}

// start opens a node; the test stops it at its end.
func start(t testing.TB, cfg broker.Config) *node {
	t.Helper()
	return startNode(&node{t: t, fs: pebblestore.NewMemory(), cfg: cfg})
}

// startOnDisk is start for benchmarks that pay for the sync.
func startOnDisk(t testing.TB, cfg broker.Config) *node {
	t.Helper()
	return startNode(&node{t: t, dir: t.TempDir(), cfg: cfg})
}

func startNode(n *node) *node {
	n.t.Helper()
	n.log = &bytes.Buffer{}
	n.cfg.Random = &chance{rng: rand.NewChaCha8([32]byte{1})}
	n.cfg.Log = slog.New(slog.NewTextHandler(n.log, nil))
	n.open()
	n.t.Cleanup(func() { n.stop() })
	return n
}

func (n *node) open() {
	n.t.Helper()
	n.openWith(func() {})
}

// openWith opens a node that is stopped; before runs when nothing runs yet.
func (n *node) openWith(before func()) {
	n.t.Helper()
	var err error
	if n.fs != nil {
		n.store, err = pebblestore.Open(pebblestore.Config{Dir: "data", FS: n.fs, MemTableBytes: 1 << 20, CacheBytes: 1 << 20})
	} else {
		n.store, err = pebblestore.Open(pebblestore.Config{Dir: n.dir})
	}
	require.NoError(n.t, err)
	n.loop = partition.New(n.store, partition.Config{})
	n.events, err = eventlog.Load(n.store)
	require.NoError(n.t, err)
	n.queues, err = queues.New(n.loop, n.store, n.events, queues.Config{Random: n.cfg.Random})
	require.NoError(n.t, err)
	n.history, err = history.Load(n.loop, n.store, n.events, history.Config{})
	require.NoError(n.t, err)
	n.Broker, err = broker.New(n.loop, n.store, n.events, broker.Receivers{Queues: n.queues, History: n.history}, n.cfg)
	require.NoError(n.t, err)
	n.loop.Add(n.queues)
	n.loop.Add(n.history)
	n.loop.Add(n.events)
	before()
	ctx, cancel := context.WithCancel(context.Background())
	loopCtx, loopCancel := context.WithCancel(context.Background())
	var parts, loop sync.WaitGroup
	parts.Go(func() { _ = n.queues.Run(ctx) })
	parts.Go(func() { _ = n.Broker.Run(ctx) })
	loop.Go(func() { _ = n.loop.Run(loopCtx) })
	n.stop = func() {
		cancel()
		parts.Wait()
		loopCancel()
		loop.Wait()
		require.NoError(n.t, n.store.Close())
	}
}

// crash loses power, with nothing kept that was not synced, and opens again.
func (n *node) crash() {
	n.t.Helper()
	n.fs = n.fs.PowerLoss(0, nil)
	n.stop()
	n.open()
}

var scope = turnout.Scope{Account: "000000000000", Region: "us-east-1"}

func queueNamed(name string) turnout.QueueName { return turnout.QueueName{Scope: scope, Name: name} }

func busNamed(name string) turnout.BusName { return turnout.BusName{Scope: scope, Name: name} }

func ruleNamed(bus, name string) turnout.RuleName {
	return turnout.RuleName{Bus: busNamed(bus), Name: name}
}

// queue creates queues with default attributes; a name that ends in .fifo is a FIFO queue's.
func (n *node) queue(names ...string) {
	n.t.Helper()
	for _, name := range names {
		a := turnout.DefaultQueueAttributes()
		a.FIFO = len(name) > 5 && name[len(name)-5:] == ".fifo"
		require.NoError(n.t, n.queues.CreateQueue(n.t.Context(), queueNamed(name), turnout.QueueSettings{Attributes: a},
			func(turnout.QueueAttributes) error { return nil }))
	}
}

func (n *node) bus(names ...string) {
	n.t.Helper()
	for _, name := range names {
		_, err := n.CreateBus(n.t.Context(), turnout.Bus{BusName: busNamed(name)})
		require.NoError(n.t, err)
	}
}

// rule puts a rule with targets; a target without an id gets its ARN's last part.
func (n *node) rule(name turnout.RuleName, pattern string, targets ...turnout.Target) {
	n.t.Helper()
	_, err := n.PutRule(n.t.Context(), name, func(r *turnout.Rule, _ bool) error {
		r.Pattern, r.State = pattern, turnout.RuleEnabled
		return nil
	})
	require.NoError(n.t, err)
	for i := range targets {
		if targets[i].ID == "" {
			targets[i].ID = fmt.Sprint("t", i)
		}
	}
	errs, err := n.PutTargets(n.t.Context(), name, targets)
	require.NoError(n.t, err)
	for _, err := range errs {
		require.NoError(n.t, err)
	}
}

func toQueue(name string) turnout.Target { return turnout.Target{ARN: queueNamed(name).ARN()} }

func toBus(name string) turnout.Target { return turnout.Target{ARN: busNamed(name).ARN()} }

func entry(bus, detail string) turnout.EventEntry {
	return turnout.EventEntry{Bus: busNamed(bus), Source: "test", DetailType: "kind", Detail: []byte(detail), Resources: []string{}}
}

// publish publishes entries that must all be accepted and returns their ids.
func (n *node) publish(entries ...turnout.EventEntry) []string {
	n.t.Helper()
	published, err := n.Publish(n.t.Context(), entries)
	require.NoError(n.t, err)
	ids := make([]string, len(published))
	for i, p := range published {
		require.NoError(n.t, p.Err)
		ids[i] = p.ID
	}
	return ids
}

// take receives and deletes everything in a queue.
func (n *node) take(queue string) []turnout.ReceivedMessage {
	n.t.Helper()
	var all []turnout.ReceivedMessage
	for {
		got, err := n.queues.Receive(n.t.Context(), queueNamed(queue), turnout.ReceiveOptions{Max: 10})
		require.NoError(n.t, err)
		if len(got) == 0 {
			return all
		}
		all = append(all, got...)
		handles := make([]string, len(got))
		for i := range got {
			handles[i] = got[i].ReceiptHandle
		}
		errs, err := n.queues.Delete(n.t.Context(), queueNamed(queue), handles)
		require.NoError(n.t, err)
		for _, err := range errs {
			require.NoError(n.t, err)
		}
	}
}

// ids returns the ids of the events that messages are.
func ids(t testing.TB, messages []turnout.ReceivedMessage) []string {
	t.Helper()
	all := make([]string, len(messages))
	for i, m := range messages {
		var e struct{ ID string }
		require.NoError(t, json.Unmarshal(m.Body, &e), "%s", m.Body)
		all[i] = e.ID
	}
	slices.Sort(all)
	return all
}

// attributes returns the attributes of a message as name=value.
func attributes(m turnout.ReceivedMessage) map[string]string {
	all := make(map[string]string, len(m.Attributes))
	for _, a := range m.Attributes {
		all[a.Name] = string(a.Value)
	}
	return all
}

// bodies counts the event bodies in the store.
func (n *node) bodies() int {
	count := 0
	pairs, failed := n.store.Scan([]byte{'e'}, []byte{'e' + 1})
	for range pairs {
		count++
	}
	require.NoError(n.t, failed())
	return count
}

// peek returns the body of the only message in a queue.
func (n *node) peek(queue string) string {
	n.t.Helper()
	got, err := n.queues.Peek(n.t.Context(), queueNamed(queue), 10)
	require.NoError(n.t, err)
	require.Len(n.t, got, 1)
	return string(got[0].Body)
}

// cutAround returns what is before, between and after two texts.
func cutAround(s, left, right string) (before, between, after string) {
	before, s, _ = strings.Cut(s, left)
	between, after, _ = strings.Cut(s, right)
	return before, between, after
}
