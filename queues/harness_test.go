package queues_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/queues"
)

// node is an engine on a real store in memory that can lose power.
type node struct {
	t      testing.TB
	fs     *pebblestore.Memory // nil: the real disk, in dir
	dir    string
	cfg    queues.Config
	store  *pebblestore.Store
	loop   *partition.Partition
	events *eventlog.Log
	*queues.Engine
	stop func()
}

// start opens a node; the test stops it at its end.
func start(t testing.TB, cfg queues.Config) *node {
	t.Helper()
	n := &node{t: t, fs: pebblestore.NewMemory(), cfg: cfg}
	n.cfg.Random = rand.NewChaCha8([32]byte{1})
	n.open()
	t.Cleanup(func() { n.stop() })
	return n
}

func (n *node) open() {
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
	n.Engine, err = queues.New(n.loop, n.store, n.events, n.cfg)
	require.NoError(n.t, err)
	n.loop.Add(n.Engine)
	n.loop.Add(n.events)
	ctx, cancel := context.WithCancel(context.Background())
	loopDone, engineDone := make(chan error, 1), make(chan error, 1)
	go func() { loopDone <- n.loop.Run(ctx) }()
	engineCtx, engineCancel := context.WithCancel(context.Background())
	go func() { engineDone <- n.Run(engineCtx) }()
	n.stop = func() {
		engineCancel()
		require.NoError(n.t, <-engineDone)
		cancel()
		require.NoError(n.t, <-loopDone)
		require.NoError(n.t, n.store.Close())
	}
}

// restart closes and opens the node; with keepPercent ≥ 0 the power fails
// instead, and so much of what was not synced is kept.
func (n *node) restart(keepPercent int) {
	n.t.Helper()
	if keepPercent >= 0 {
		n.fs = n.fs.PowerLoss(keepPercent, rand.New(rand.NewPCG(1, 2)))
	}
	n.stop()
	n.open()
}

func named(name string) turnout.QueueName {
	return turnout.QueueName{Scope: turnout.Scope{Account: "000000000000", Region: "us-east-1"}, Name: name}
}

func (n *node) create(name string, change func(*turnout.QueueAttributes)) turnout.QueueName {
	n.t.Helper()
	a := turnout.DefaultQueueAttributes()
	if change != nil {
		change(&a)
	}
	require.NoError(n.t, n.CreateQueue(n.t.Context(), named(name), turnout.QueueSettings{Attributes: a},
		func(turnout.QueueAttributes) error { return nil }))
	return named(name)
}

func fifo(a *turnout.QueueAttributes) {
	a.FIFO, a.ContentBasedDeduplication = true, true
}

func (n *node) send(q turnout.QueueName, bodies ...string) []turnout.SentMessage {
	n.t.Helper()
	msgs := make([]turnout.OutgoingMessage, len(bodies))
	for i, b := range bodies {
		msgs[i].Body = []byte(b)
	}
	return n.sendAll(q, msgs...)
}

// sendGroup sends to a FIFO queue, each body written as "group/body".
func (n *node) sendGroup(q turnout.QueueName, group string, bodies ...string) []turnout.SentMessage {
	n.t.Helper()
	msgs := make([]turnout.OutgoingMessage, len(bodies))
	for i, b := range bodies {
		msgs[i] = turnout.OutgoingMessage{Body: []byte(b), GroupID: group}
	}
	return n.sendAll(q, msgs...)
}

func (n *node) sendAll(q turnout.QueueName, msgs ...turnout.OutgoingMessage) []turnout.SentMessage {
	n.t.Helper()
	sent, err := n.Send(n.t.Context(), q, msgs)
	require.NoError(n.t, err)
	for _, s := range sent {
		require.NoError(n.t, s.Err)
	}
	return sent
}

func (n *node) receive(q turnout.QueueName, limit int) []turnout.ReceivedMessage {
	n.t.Helper()
	got, err := n.Receive(n.t.Context(), q, turnout.ReceiveOptions{Max: limit})
	require.NoError(n.t, err)
	return got
}

func (n *node) delete(q turnout.QueueName, msgs ...turnout.ReceivedMessage) {
	n.t.Helper()
	handles := make([]string, len(msgs))
	for i := range msgs {
		handles[i] = msgs[i].ReceiptHandle
	}
	errs, err := n.Delete(n.t.Context(), q, handles)
	require.NoError(n.t, err)
	for _, err := range errs {
		require.NoError(n.t, err)
	}
}

func (n *node) changeVisibility(q turnout.QueueName, m turnout.ReceivedMessage, timeout time.Duration) {
	n.t.Helper()
	errs, err := n.ChangeVisibility(n.t.Context(), q, []turnout.VisibilityChange{{ReceiptHandle: m.ReceiptHandle, Timeout: timeout}})
	require.NoError(n.t, err)
	require.NoError(n.t, errs[0])
}

func (n *node) depth(q turnout.QueueName) turnout.QueueDepth {
	n.t.Helper()
	info, err := n.Queue(n.t.Context(), q)
	require.NoError(n.t, err)
	return info.Depth
}

func bodies(msgs []turnout.ReceivedMessage) []string {
	all := make([]string, len(msgs))
	for i := range msgs {
		all[i] = string(msgs[i].Body)
	}
	return all
}

func requireCode(t testing.TB, code turnout.Code, err error) {
	t.Helper()
	var coded *turnout.Error
	require.ErrorAs(t, err, &coded)
	require.Equal(t, code, coded.Code, coded.Message)
}
