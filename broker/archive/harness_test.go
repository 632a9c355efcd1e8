package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/broker/archive"
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

// node is a broker with queues, history and archives on a real store in memory
// that can lose power.
type node struct {
	t       testing.TB
	fs      *pebblestore.Memory // nil: the real disk, in dir
	dir     string
	cfg     archive.Config
	history history.Config
	buses   broker.Config
	chance  *chance
	log     *bytes.Buffer
	wrap    func(archive.Broker) archive.Broker // what archives see of the broker; nil: all of it

	store    *pebblestore.Store
	loop     *partition.Partition
	queues   *queues.Engine
	past     *history.Log
	broker   *broker.Broker
	archives *archive.Archives
	stop     func()
}

// start opens a node; the test stops it at its end.
func start(t testing.TB, cfg archive.Config) *node {
	t.Helper()
	return startNode(&node{t: t, fs: pebblestore.NewMemory(), cfg: cfg})
}

func startNode(n *node) *node {
	n.t.Helper()
	n.log = &bytes.Buffer{}
	n.chance = &chance{rng: rand.NewChaCha8([32]byte{1})}
	n.cfg.Log = slog.New(slog.NewTextHandler(n.log, nil))
	n.open()
	n.t.Cleanup(func() { n.stop() })
	return n
}

func (n *node) open() {
	n.t.Helper()
	var err error
	if n.fs != nil {
		n.store, err = pebblestore.Open(pebblestore.Config{Dir: "data", FS: n.fs, MemTableBytes: 4 << 20, CacheBytes: 4 << 20})
	} else {
		n.store, err = pebblestore.Open(pebblestore.Config{Dir: n.dir})
	}
	require.NoError(n.t, err)
	n.loop = partition.New(n.store, partition.Config{})
	events, err := eventlog.Load(n.store)
	require.NoError(n.t, err)
	n.queues, err = queues.New(n.loop, n.store, events, queues.Config{Random: n.chance})
	require.NoError(n.t, err)
	n.past, err = history.Load(n.loop, n.store, events, n.history)
	require.NoError(n.t, err)
	n.archives, err = archive.New(n.loop, n.store, n.past, n.cfg)
	require.NoError(n.t, err)
	n.buses.Random = n.chance
	n.broker, err = broker.New(n.loop, n.store, events,
		broker.Receivers{Queues: n.queues, Archives: n.archives, History: n.past}, n.buses)
	require.NoError(n.t, err)
	n.archives.Use(n.broker)
	if n.wrap != nil {
		n.archives.Use(n.wrap(n.broker))
	}
	for _, part := range []partition.Part{n.queues, n.past, n.archives, events} {
		n.loop.Add(part)
	}
	ctx, cancel := context.WithCancel(context.Background())
	loopCtx, loopCancel := context.WithCancel(context.Background())
	var parts, loop sync.WaitGroup
	parts.Go(func() { _ = n.queues.Run(ctx) })
	parts.Go(func() { _ = n.broker.Run(ctx) })
	parts.Go(func() { _ = n.archives.Run(ctx) })
	loop.Go(func() { _ = n.loop.Run(loopCtx) })
	n.stop = func() {
		cancel()
		parts.Wait()
		loopCancel()
		loop.Wait()
		require.NoError(n.t, n.store.Close())
	}
}

func (n *node) restart() {
	n.t.Helper()
	n.stop()
	n.open()
}

// crashTo stops the node and goes on with what a power loss had left.
func (n *node) crashTo(image *pebblestore.Memory) {
	n.t.Helper()
	n.stop()
	n.fs = image
	n.open()
}

var scope = turnout.Scope{Account: "000000000000", Region: "us-east-1"}

func queueNamed(name string) turnout.QueueName { return turnout.QueueName{Scope: scope, Name: name} }

func busNamed(name string) turnout.BusName { return turnout.BusName{Scope: scope, Name: name} }

func ruleNamed(name string) turnout.RuleName {
	return turnout.RuleName{Bus: busNamed("default"), Name: name}
}

func archiveNamed(name string) turnout.ArchiveName {
	return turnout.ArchiveName{Scope: scope, Name: name}
}

func replayNamed(name string) turnout.ReplayName { return turnout.ReplayName{Scope: scope, Name: name} }

// queue creates queues; a name that ends in .fifo is a FIFO queue's.
func (n *node) queue(names ...string) {
	n.t.Helper()
	for _, name := range names {
		a := turnout.DefaultQueueAttributes()
		a.FIFO = strings.HasSuffix(name, ".fifo")
		a.Retention = turnout.RetentionMax
		require.NoError(n.t, n.queues.CreateQueue(n.t.Context(), queueNamed(name), turnout.QueueSettings{Attributes: a},
			func(turnout.QueueAttributes) error { return nil }))
	}
}

// rule puts a rule on the default bus with queues as targets, whose ids are their names.
func (n *node) rule(name, pattern string, queues ...string) {
	n.t.Helper()
	_, err := n.broker.PutRule(n.t.Context(), ruleNamed(name), func(r *turnout.Rule, _ bool) error {
		r.Pattern, r.State = pattern, turnout.RuleEnabled
		return nil
	})
	require.NoError(n.t, err)
	targets := make([]turnout.Target, len(queues))
	for i, q := range queues {
		targets[i] = turnout.Target{ID: q, ARN: queueNamed(q).ARN()}
	}
	errs, err := n.broker.PutTargets(n.t.Context(), ruleNamed(name), targets)
	require.NoError(n.t, err)
	for _, err := range errs {
		require.NoError(n.t, err)
	}
}

// archive creates an archive of the default bus.
func (n *node) archive(name, pattern string, retention time.Duration) {
	n.t.Helper()
	_, err := n.archives.CreateArchive(n.t.Context(), turnout.Archive{
		ArchiveName: archiveNamed(name), Bus: busNamed("default"), Pattern: pattern, Retention: retention,
	})
	require.NoError(n.t, err)
}

// publish publishes events with detail.n of each number, in one request.
func (n *node) publish(numbers ...int) {
	n.t.Helper()
	entries := make([]turnout.EventEntry, len(numbers))
	for i, number := range numbers {
		entries[i] = turnout.EventEntry{
			Bus: busNamed("default"), Source: "test", DetailType: "kind", Resources: []string{},
			Detail: fmt.Appendf(nil, `{"n":%d,"even":%t}`, number, number%2 == 0),
		}
	}
	published, err := n.broker.Publish(n.t.Context(), entries)
	require.NoError(n.t, err)
	for _, p := range published {
		require.NoError(n.t, p.Err)
	}
}

// event is an event as a queue got it.
type event struct {
	ID         string
	ReplayName string `json:"replay-name"`
	Detail     struct{ N int }
}

// take receives and deletes everything in a queue, in order.
func (n *node) take(queue string) []event {
	n.t.Helper()
	all := []event{}
	for {
		got, err := n.queues.Receive(n.t.Context(), queueNamed(queue), turnout.ReceiveOptions{Max: 10})
		require.NoError(n.t, err)
		if len(got) == 0 {
			return all
		}
		handles := make([]string, len(got))
		for i := range got {
			var e event
			require.NoError(n.t, json.Unmarshal(got[i].Body, &e), "%s", got[i].Body)
			all = append(all, e)
			handles[i] = got[i].ReceiptHandle
		}
		errs, err := n.queues.Delete(n.t.Context(), queueNamed(queue), handles)
		require.NoError(n.t, err)
		for _, err := range errs {
			require.NoError(n.t, err)
		}
	}
}

func numbers(events []event) []int {
	all := make([]int, len(events))
	for i, e := range events {
		all[i] = e.Detail.N
	}
	return all
}

// span returns from, …, to-1.
func span(from, to int) []int {
	all := []int{}
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// replayOf is a replay of everything that there was.
func replayOf(name, sourceARN string) turnout.ReplaySpec {
	return turnout.ReplaySpec{
		ReplayName: replayNamed(name), SourceARN: sourceARN, Bus: busNamed("default"),
		From: time.Unix(0, 0), To: time.Now().AddDate(100, 0, 0),
	}
}

func (n *node) startReplay(spec turnout.ReplaySpec) {
	n.t.Helper()
	r, err := n.archives.StartReplay(n.t.Context(), spec)
	require.NoError(n.t, err)
	require.Equal(n.t, turnout.ReplayStarting, r.State)
}

func (n *node) state(name string) turnout.Replay {
	n.t.Helper()
	r, err := n.archives.Replay(n.t.Context(), replayNamed(name))
	require.NoError(n.t, err)
	return r
}

// finish waits, in a bubble, until a replay has ended, and returns it.
func (n *node) finish(name string) turnout.Replay {
	n.t.Helper()
	for {
		synctest.Wait()
		switch r := n.state(name); r.State {
		case turnout.ReplayCompleted, turnout.ReplayFailed, turnout.ReplayCancelled:
			return r
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (n *node) run(spec turnout.ReplaySpec) turnout.Replay {
	n.t.Helper()
	n.startReplay(spec)
	r := n.finish(spec.Name)
	require.Equal(n.t, turnout.ReplayCompleted, r.State, r.StateReason)
	return r
}

func (n *node) info(name string) turnout.ArchiveInfo {
	n.t.Helper()
	info, err := n.archives.Archive(n.t.Context(), archiveNamed(name))
	require.NoError(n.t, err)
	return info
}

// recount counts the events of all archives in the store.
func (n *node) recount() (events, size int64) {
	pairs, failed := n.store.Scan([]byte("re"), []byte("rf"))
	for _, body := range pairs {
		events++
		size += int64(len(body))
	}
	require.NoError(n.t, failed())
	return events, size
}

// refused requires an error of a code with a message.
func refused(t testing.TB, err error, code turnout.Code, message string) {
	t.Helper()
	var e *turnout.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code)
	require.Equal(t, message, e.Message)
}
