package topics_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/broker/topics"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/notification"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// chance is deterministic randomness that goroutines may share.
type chance struct {
	mu  sync.Mutex
	rng *mathrand.ChaCha8
}

func (c *chance) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.Read(b)
}

// smallSigner makes a key that is too small for use, but soon made.
var smallSigner = sync.OnceValue(func() *notification.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	s, err := notification.SignerFor(key, rand.Reader, time.Unix(0, 0))
	if err != nil {
		panic(err)
	}
	return s
})

// world is what is outside: HTTP endpoints and functions. It keeps what they got.
type world struct {
	mu     sync.Mutex
	posts  []post
	events []string
	answer func(*webhook.Request) sinks.Result // nil: 200
}

type post struct {
	at time.Time
	*webhook.Request
}

func (w *world) Do(_ context.Context, r *webhook.Request) sinks.Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posts = append(w.posts, post{time.Now(), r})
	if w.answer == nil {
		return sinks.Result{Status: 200}
	}
	return w.answer(r)
}

// Attempt makes the world a function.
func (w *world) Attempt(_ context.Context, d sinks.Delivery) sinks.Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, string(d.Body))
	return sinks.Result{Status: 200}
}

// received returns what was posted, and forgets it.
func (w *world) received() []post {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.posts
	w.posts = nil
	return got
}

func failing(status int) func(*webhook.Request) sinks.Result {
	return func(*webhook.Request) sinks.Result {
		return sinks.Result{Status: status, Failure: &sinks.Failure{
			Code: sinks.CodeErrorFromTarget, Message: fmt.Sprint("status ", status), Permanent: status < 500,
		}}
	}
}

// node is topics with a queue engine and a dispatcher on a real store in memory
// that can lose power.
type node struct {
	t        testing.TB
	fs       *pebblestore.Memory // nil: the real disk, in dir
	dir      string
	cfg      topics.Config
	log      *bytes.Buffer
	world    *world
	store    *pebblestore.Store
	loop     *partition.Partition
	queues   *queues.Engine
	dispatch *dispatch.Dispatcher
	*topics.Topics
	stop func()
}

// Endpoint is asked by the dispatcher.
func (n *node) Endpoint(arn string) (dispatch.Endpoint, error) { return n.Topics.Endpoint(arn) }

// Enqueue is called by the topics.
func (n *node) Enqueue(tx *partition.Tx, x dispatch.Delivery) error { return n.dispatch.Enqueue(tx, x) }

// start opens a node; the test stops it at its end.
func start(t testing.TB, cfg topics.Config) *node {
	t.Helper()
	return startNode(&node{t: t, fs: pebblestore.NewMemory(), cfg: cfg})
}

func startNode(n *node) *node {
	n.t.Helper()
	n.log, n.world = &bytes.Buffer{}, &world{}
	n.cfg.Random = &chance{rng: mathrand.NewChaCha8([32]byte{1})}
	n.cfg.Log = slog.New(slog.NewTextHandler(n.log, nil))
	n.cfg.BaseURL = func() string { return "http://localhost:4566" }
	n.cfg.Client = n.world
	if n.cfg.Function == nil {
		n.cfg.Function = func(string) (sinks.Sink, error) { return n.world, nil }
	}
	n.cfg.Signer = smallSigner()
	n.open()
	n.t.Cleanup(func() { n.stop() })
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
	events, err := eventlog.Load(n.store)
	require.NoError(n.t, err)
	n.queues, err = queues.New(n.loop, n.store, events, queues.Config{Random: n.cfg.Random})
	require.NoError(n.t, err)
	n.dispatch, err = dispatch.New(n.loop, n.store, n.queues, n, dispatch.Config{Random: func() float64 { return 0.5 }})
	require.NoError(n.t, err)
	n.Topics, err = topics.New(n.loop, n.store, events, n.queues, n, n.cfg)
	require.NoError(n.t, err)
	n.loop.Add(n.Topics)
	n.loop.Add(n.dispatch)
	n.loop.Add(n.queues)
	n.loop.Add(events)
	ctx, cancel := context.WithCancel(context.Background())
	loopCtx, loopCancel := context.WithCancel(context.Background())
	var parts, loop sync.WaitGroup
	parts.Go(func() { _ = n.queues.Run(ctx) })
	parts.Go(func() { _ = n.dispatch.Run(ctx) })
	parts.Go(func() {
		if err := n.Run(ctx); err != nil {
			n.t.Errorf("run: %v", err)
		}
	})
	loop.Go(func() { _ = n.loop.Run(loopCtx) })
	n.stop = func() {
		cancel()
		parts.Wait()
		loopCancel()
		loop.Wait()
		require.NoError(n.t, n.store.Close())
	}
}

// restart stops the node and opens it again.
func (n *node) restart() {
	n.t.Helper()
	n.stop()
	n.open()
}

// crash loses power, with nothing kept that was not synced, and opens again.
func (n *node) crash() {
	n.t.Helper()
	fs := n.fs.PowerLoss(0, nil)
	n.stop()
	n.fs = fs
	n.open()
}

var scope = turnout.Scope{Account: "000000000000", Region: "us-east-1"}

func queueNamed(name string) turnout.QueueName { return turnout.QueueName{Scope: scope, Name: name} }

func topicNamed(name string) turnout.TopicName { return turnout.TopicName{Scope: scope, Name: name} }

// queue creates queues with default attributes; a name that ends in .fifo is a FIFO queue's.
func (n *node) queue(names ...string) {
	n.t.Helper()
	for _, name := range names {
		a := turnout.DefaultQueueAttributes()
		a.FIFO = strings.HasSuffix(name, ".fifo")
		n.queueWith(name, a)
	}
}

func (n *node) queueWith(name string, a turnout.QueueAttributes) {
	n.t.Helper()
	require.NoError(n.t, n.queues.CreateQueue(n.t.Context(), queueNamed(name), turnout.QueueSettings{Attributes: a},
		func(turnout.QueueAttributes) error { return nil }))
}

// topic creates a topic; a name that ends in .fifo is a FIFO topic's.
func (n *node) topic(name string, change ...func(*turnout.TopicAttributes)) turnout.TopicName {
	n.t.Helper()
	var s turnout.TopicSettings
	s.Attributes.FIFO = strings.HasSuffix(name, ".fifo")
	for _, f := range change {
		f(&s.Attributes)
	}
	require.NoError(n.t, n.CreateTopic(n.t.Context(), topicNamed(name), s, exists))
	return topicNamed(name)
}

func exists(turnout.TopicSettings) error { return nil }

// subscribe subscribes an endpoint: a queue by its name, a URL or a function's ARN.
func (n *node) subscribe(topic, endpoint string, change ...func(*turnout.SubscriptionAttributes)) turnout.Subscription {
	n.t.Helper()
	s, err := n.trySubscribe(topic, endpoint, change...)
	require.NoError(n.t, err)
	return s
}

func (n *node) trySubscribe(topic, endpoint string, change ...func(*turnout.SubscriptionAttributes)) (turnout.Subscription, error) {
	s := turnout.Subscription{Owner: scope.Account}
	s.Topic = topicNamed(topic)
	switch {
	case strings.HasPrefix(endpoint, "http"):
		s.Protocol, s.Endpoint = endpoint[:strings.IndexByte(endpoint, ':')], endpoint
	case strings.HasPrefix(endpoint, "arn:aws:lambda:"):
		s.Protocol, s.Endpoint = "lambda", endpoint
	default:
		s.Protocol, s.Endpoint = "sqs", queueNamed(endpoint).ARN()
	}
	for _, f := range change {
		f(&s.Attributes)
	}
	return n.Subscribe(n.t.Context(), s, func(turnout.Subscription) error { return nil })
}

func raw(a *turnout.SubscriptionAttributes) { a.RawMessageDelivery = true }

func filter(policy string) func(*turnout.SubscriptionAttributes) {
	return func(a *turnout.SubscriptionAttributes) { a.FilterPolicy = policy }
}

func deadLetters(queue string) func(*turnout.SubscriptionAttributes) {
	return func(a *turnout.SubscriptionAttributes) {
		a.RedrivePolicy = fmt.Sprintf(`{"deadLetterTargetArn":%q}`, queueNamed(queue).ARN())
	}
}

func message(text string) turnout.TopicMessage {
	return turnout.TopicMessage{Bodies: map[string]string{"default": text}}
}

func text(name, value string) turnout.MessageAttribute {
	return turnout.MessageAttribute{Name: name, Type: "String", Value: []byte(value)}
}

// publish publishes messages that must all be accepted.
func (n *node) publish(topic string, ms ...turnout.TopicMessage) []turnout.PublishedMessage {
	n.t.Helper()
	published, err := n.PublishTopic(n.t.Context(), topicNamed(topic), ms)
	require.NoError(n.t, err)
	for _, p := range published {
		require.NoError(n.t, p.Err)
	}
	return published
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

// bodies returns the bodies of everything in a queue, and deletes it.
func (n *node) bodies(queue string) []string {
	n.t.Helper()
	got := n.take(queue)
	all := make([]string, len(got))
	for i := range got {
		all[i] = string(got[i].Body)
	}
	return all
}

func (n *node) inLoop(f func() error) error {
	return n.loop.Do(func(*partition.Tx) error { return f() })
}

func (n *node) deliver(p *topics.Prepared) error {
	return n.loop.Do(func(tx *partition.Tx) error { return p.Deliver(tx) })
}
