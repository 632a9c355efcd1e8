package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks"
)

// sinkFunc is the outside world: what an endpoint does with an attempt.
type sinkFunc func(ctx context.Context, d sinks.Delivery) sinks.Result

func (f sinkFunc) Attempt(ctx context.Context, d sinks.Delivery) sinks.Result { return f(ctx, d) }

// attempt is one that an endpoint saw.
type attempt struct {
	sinks.Delivery
	at time.Time
}

// outside is every endpoint there is, and what they saw.
type outside struct {
	mu        sync.Mutex
	endpoints map[string]dispatch.Endpoint
	attempts  []attempt
	announced []turnout.EventEntry
}

func (o *outside) Endpoint(arn string) (dispatch.Endpoint, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, ok := o.endpoints[arn]
	if !ok {
		return dispatch.Endpoint{}, turnout.Errorf(turnout.CodeNotFound, "no such endpoint")
	}
	return e, nil
}

// add makes an endpoint that does what f says; f may be nil for one that succeeds at once.
func (o *outside) add(arn string, f sinkFunc, change func(*dispatch.Endpoint)) {
	e := dispatch.Endpoint{Sink: sinkFunc(func(ctx context.Context, d sinks.Delivery) sinks.Result {
		o.mu.Lock()
		o.attempts = append(o.attempts, attempt{d, time.Now()})
		o.mu.Unlock()
		if f == nil {
			return sinks.Result{Status: 200}
		}
		return f(ctx, d)
	})}
	if change != nil {
		change(&e)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.endpoints[arn] = e
}

func (o *outside) remove(arn string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.endpoints, arn)
}

// seen returns the attempts at an endpoint, "" for all, in order.
func (o *outside) seen(arn string) (all []attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.attempts {
		if arn == "" || a.Endpoint == arn {
			all = append(all, a)
		}
	}
	return all
}

func (o *outside) announce(_ context.Context, e turnout.EventEntry) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.announced = append(o.announced, e)
	return nil
}

// node is a dispatcher on a real store that can lose power.
type node struct {
	t      testing.TB
	fs     *pebblestore.Memory // nil: the real disk, in dir
	dir    string
	cfg    dispatch.Config
	out    *outside
	log    *bytes.Buffer
	store  *pebblestore.Store
	loop   *partition.Partition
	events *eventlog.Log
	queues *queues.Engine
	*dispatch.Dispatcher
	stop func()
}

// start opens a node; the test stops it at its end.
func start(t testing.TB, cfg dispatch.Config) *node {
	t.Helper()
	return startNode(&node{t: t, fs: pebblestore.NewMemory(), cfg: cfg})
}

func startNode(n *node) *node {
	n.t.Helper()
	n.log = &bytes.Buffer{}
	n.out = &outside{endpoints: make(map[string]dispatch.Endpoint)}
	random := &chance{rng: rand.New(rand.NewPCG(1, 2))}
	if n.cfg.Random == nil {
		n.cfg.Random = random.float
	}
	n.cfg.Log = slog.New(slog.NewTextHandler(n.log, nil))
	n.cfg.Announce = n.out.announce
	n.open()
	n.t.Cleanup(func() { n.stop() })
	return n
}

// chance is deterministic randomness that goroutines may share.
type chance struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (c *chance) float() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.Float64()
}

func (n *node) open() {
	n.t.Helper()
	var err error
	if n.fs != nil {
		n.store, err = pebblestore.Open(pebblestore.Config{Dir: "data", FS: n.fs, MemTableBytes: 1 << 20, CacheBytes: 32 << 20})
	} else {
		n.store, err = pebblestore.Open(pebblestore.Config{Dir: n.dir})
	}
	require.NoError(n.t, err)
	n.loop = partition.New(n.store, partition.Config{})
	n.events, err = eventlog.Load(n.store)
	require.NoError(n.t, err)
	n.queues, err = queues.New(n.loop, n.store, n.events, queues.Config{Random: rand.NewChaCha8([32]byte{1})})
	require.NoError(n.t, err)
	n.Dispatcher, err = dispatch.New(n.loop, n.store, n.queues, n.out, n.cfg)
	require.NoError(n.t, err)
	n.loop.Add(n.Dispatcher)
	n.loop.Add(n.queues)
	n.loop.Add(n.events)
	ctx, cancel := context.WithCancel(context.Background())
	loopCtx, loopCancel := context.WithCancel(context.Background())
	done, loopDone := make(chan error, 2), make(chan error, 1)
	go func() { done <- n.queues.Run(ctx) }()
	go func() { done <- n.Dispatcher.Run(ctx) }()
	go func() { loopDone <- n.loop.Run(loopCtx) }()
	n.stop = func() {
		cancel()
		require.NoError(n.t, <-done)
		require.NoError(n.t, <-done)
		loopCancel()
		require.NoError(n.t, <-loopDone)
		require.NoError(n.t, n.store.Close())
	}
}

// restart closes and opens the node.
func (n *node) restart() {
	n.t.Helper()
	n.stop()
	n.open()
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

func arnOf(i int) string {
	return turnout.APIDestinationARN(turnout.APIDestinationName{Scope: scope, Name: fmt.Sprint("d", i)}, "id")
}

func (n *node) queue(names ...string) {
	n.t.Helper()
	for _, name := range names {
		require.NoError(n.t, n.queues.CreateQueue(n.t.Context(), queueNamed(name), turnout.QueueSettings{Attributes: turnout.DefaultQueueAttributes()},
			func(turnout.QueueAttributes) error { return nil }))
	}
}

// enqueue enqueues deliveries in one batch; what a delivery lacks gets a default.
func (n *node) enqueue(all ...dispatch.Delivery) {
	n.t.Helper()
	require.NoError(n.t, n.tryEnqueue(all...))
}

func (n *node) tryEnqueue(all ...dispatch.Delivery) error {
	return n.loop.Do(func(tx *partition.Tx) error {
		for _, x := range all {
			if x.Endpoint == "" {
				x.Endpoint = arnOf(0)
			}
			if x.RetriesMax == 0 {
				x.RetriesMax = 185
			} else if x.RetriesMax < 0 {
				x.RetriesMax = 0
			}
			if x.RuleARN == "" {
				x.RuleARN, x.TargetARN, x.TargetID = "arn:rule", x.Endpoint, "t"
			}
			if x.Event == 0 && x.EventBody != nil {
				x.Event = n.events.Append(tx, x.EventBody)
			}
			if err := n.Enqueue(tx, x); err != nil {
				return err
			}
		}
		return nil
	})
}

// shared enqueues deliveries of one event, whose body is stored once.
func (n *node) shared(body []byte, all []dispatch.Delivery) {
	n.t.Helper()
	require.NoError(n.t, n.loop.Do(func(tx *partition.Tx) error {
		ref := n.events.Append(tx, body)
		for _, x := range all {
			x.Event = ref
			if err := n.Enqueue(tx, x); err != nil {
				return err
			}
		}
		return nil
	}))
}

// many enqueues events with the given numbers, in batches.
func (n *node) many(from, to int) {
	n.t.Helper()
	for from < to {
		batch := make([]dispatch.Delivery, 0, 500)
		for ; from < to && len(batch) < cap(batch); from++ {
			batch = append(batch, event(fmt.Sprint("e", from)))
		}
		n.enqueue(batch...)
	}
}

// event is a delivery of an event as it is.
func event(id string) dispatch.Delivery {
	return dispatch.Delivery{EventID: id, EventBody: []byte(`{"id":"` + id + `"}`)}
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
		_, err = n.queues.Delete(n.t.Context(), queueNamed(queue), handles)
		require.NoError(n.t, err)
	}
}

// attributes returns the attributes of a message by name.
func attributes(m turnout.ReceivedMessage) map[string]string {
	all := make(map[string]string, len(m.Attributes))
	for _, a := range m.Attributes {
		all[a.Name] = string(a.Value)
	}
	return all
}

func (n *node) records(eventID string) []dispatch.AttemptRecord {
	n.t.Helper()
	all, err := n.Attempts(n.t.Context(), eventID)
	require.NoError(n.t, err)
	return all
}

func (n *node) state(arn string) dispatch.EndpointState {
	n.t.Helper()
	all, err := n.EndpointStates(n.t.Context())
	require.NoError(n.t, err)
	for _, s := range all {
		if s.Endpoint == arn {
			return s
		}
	}
	return dispatch.EndpointState{}
}

func failed(code string, permanent bool) sinks.Result {
	status := 503
	if permanent {
		status = 403
	}
	return sinks.Result{Status: status, Failure: &sinks.Failure{Code: code, Message: "it failed", Permanent: permanent}}
}

// hang waits for the attempt's end.
func hang(ctx context.Context, _ sinks.Delivery) sinks.Result {
	<-ctx.Done()
	return sinks.Result{Failure: &sinks.Failure{Code: sinks.CodeTimeout, Message: "no answer"}}
}
