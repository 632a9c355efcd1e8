package topics

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/notification"
)

// Queues takes deliveries, on the partition's loop. An error means that
// nothing was added to the batch.
type Queues interface {
	Deliver(tx *partition.Tx, name turnout.QueueName, d queues.Delivery) error
}

// Dispatch takes deliveries to endpoints, on the partition's loop. An error
// means that nothing was added to the batch.
type Dispatch interface {
	Enqueue(tx *partition.Tx, x dispatch.Delivery) error
}

// Config configures Topics. The zero value of a field is its default.
type Config struct {
	// Random makes ids and secrets. It must be safe for concurrent use, as
	// crypto/rand.Reader is, which is the default.
	Random io.Reader
	// Log takes what an operator should hear of. Default: nothing.
	Log *slog.Logger
	// BaseURL returns how clients reach this server, such as
	// http://localhost:4566, for the links in messages. Required.
	BaseURL func() string
	// Client posts to http and https subscriptions. Required for those.
	Client notification.Client
	// Function returns the sink that invokes a function, for lambda
	// subscriptions; CodeNotFound if there is none for the ARN. Default: none.
	Function func(functionARN string) (sinks.Sink, error)
	// Signer signs messages. Default: a key that is made at first use and stored.
	Signer *notification.Signer
	// UnsignedQueues leaves the signature out of what goes to queues. It costs
	// about a millisecond of CPU for each message, more than everything else
	// together, and few consumers of a queue verify it.
	UnsignedQueues bool
	// StrictAWS brings back AWS's limit of 5 keys in a filter policy.
	StrictAWS bool
	// TokenLife is how long a confirmation token is good, a pending subscription
	// is kept, and a removed one can be restored or read. Default 48 h, as AWS's.
	TokenLife time.Duration
	// AttemptTimeout bounds one attempt at an http or https subscription. Default 15 s, as AWS's.
	AttemptTimeout time.Duration
	// TopicsMax bounds the topics of an account and region. Default 100,000.
	TopicsMax int
	// SubscriptionsMax bounds the subscriptions of a topic. Default 100,000:
	// about 100 MB of memory.
	SubscriptionsMax int
	// DeliveriesMax bounds the deliveries of one publish, which are decided in
	// one go and held in memory. Default 100,000.
	DeliveriesMax int
	// DeduplicationMax bounds the deduplication ids that a FIFO topic remembers
	// for five minutes. Default 1,048,576, about 80 bytes each.
	DeduplicationMax int
}

func (c Config) withDefaults() Config {
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.TokenLife = cmp.Or(c.TokenLife, 48*time.Hour)
	c.AttemptTimeout = cmp.Or(c.AttemptTimeout, 15*time.Second)
	c.TopicsMax = cmp.Or(c.TopicsMax, 100_000)
	c.SubscriptionsMax = cmp.Or(c.SubscriptionsMax, 100_000)
	c.DeliveriesMax = cmp.Or(c.DeliveriesMax, 100_000)
	c.DeduplicationMax = cmp.Or(c.DeduplicationMax, 1<<20)
	return c
}

// Topics is every topic of a partition, with its subscriptions.
//
// Its methods may be called from any goroutine, except Due, Tick, Flush and
// those of Prepared that say otherwise, which belong to the partition's loop.
//
// Each change of a topic or its subscriptions gives the topic a new View. What
// takes time – matching filter policies, signing, building notifications – is
// done against a View, outside the loop; the loop checks that it still is the
// current one, and if so the result is what doing it all there would have given.
//
// Topics and subscriptions are found by name in sync.Maps, which only the loop
// writes; what they hold is immutable but for topic, whose View is replaced
// and whose other fields are the loop's. A reader that answers somebody waits
// until what it saw is durable.
type Topics struct {
	cfg      Config
	loop     *partition.Partition
	store    store.Reader
	events   *eventlog.Log
	queues   Queues
	dispatch Dispatch

	byName sync.Map // turnout.TopicName → *topic
	byID   sync.Map // id of a subscription → *subscription, in whatever state
	owned           // by the loop

	secret  []byte // of confirmation tokens
	signing signing
	batches sync.Pool     // of *batch
	wake    chan struct{} // capacity 1: a token says that there may be a replay to do
	refuse  atomic.Bool
	stats   counters
	warned  atomic.Int64 // Unix s of the last warning about a lost message
}

// owned is what only the loop may touch.
type owned struct {
	nextID    uint32                   // the number of the next topic
	counts    map[turnout.Scope]int    // topics
	fading    map[string]*subscription // by id: those to be forgotten at a time
	ghosts    map[uint32]*ghost        // by topic
	fifos     map[uint32]*topic        // the FIFO topics
	unstored  []*topic                 // FIFO topics whose next sequence changed in this batch
	replays   map[string]*replay       // by subscription
	due       time.Time                // of Tick; zero is never
	newSecret bool                     // the secret of tokens is not stored yet
	key       []byte                   // scratch
	value     []byte                   // scratch
}

// ghost is a deleted topic, while its subscriptions can still be read.
type ghost struct {
	until         time.Time
	subscriptions []string // ids
}

// New returns the topics that s holds. The loop must not run yet, and the
// result and events must be parts of it.
func New(loop *partition.Partition, s store.Reader, events *eventlog.Log, q Queues, d Dispatch, cfg Config) (*Topics, error) {
	if cfg.BaseURL == nil {
		return nil, errors.New("topics: Config.BaseURL is required")
	}
	t := &Topics{
		cfg: cfg.withDefaults(), loop: loop, store: s, events: events, queues: q, dispatch: d,
		wake:    make(chan struct{}, 1),
		signing: newSigning(),
	}
	t.clear()
	t.signing.loaded.Store(cfg.Signer)
	if err := t.load(); err != nil {
		return nil, fmt.Errorf("load topics: %w", err)
	}
	return t, nil
}

// clear makes the loop's state that of no topic.
func (t *Topics) clear() {
	t.counts = make(map[turnout.Scope]int)
	t.fading = make(map[string]*subscription)
	t.ghosts = make(map[uint32]*ghost)
	t.fifos = make(map[uint32]*topic)
	t.replays = make(map[string]*replay)
	t.unstored = nil
	t.due = time.Time{}
}

// Run does the background work, which is replays of archived messages, until
// ctx ends.
func (t *Topics) Run(ctx context.Context) error { return t.runReplays(ctx) }

// RefusePublishes makes every publish fail with CodeStorageFull while on.
func (t *Topics) RefusePublishes(on bool) { t.refuse.Store(on) }

// Reset removes every topic and subscription of every account and region. The
// signing key stays.
func (t *Topics) Reset(context.Context) error {
	return t.loop.Do(func(tx *partition.Tx) error {
		for _, kind := range []byte{kindArchived, kindDedup, kindGhost, kindSequence, kindReplay, kindSubscription, kindTopic} {
			tx.Batch.DeleteRange([]byte{prefix, kind}, []byte{prefix, kind + 1})
		}
		t.byName.Range(func(_, value any) bool {
			value.(*topic).close()
			return true
		})
		t.byName.Clear()
		t.byID.Clear()
		t.clear()
		t.stats.topics.Store(0)
		t.stats.subscriptions.Store(0)
		return nil
	})
}

// settled returns when everything that a caller has seen so far is durable.
func (t *Topics) settled() error { return t.loop.Do(func(*partition.Tx) error { return nil }) }

// newUUID returns 16 random bytes for an id.
func (t *Topics) newUUID() (id [16]byte, err error) {
	if _, err := io.ReadFull(t.cfg.Random, id[:]); err != nil {
		return id, fmt.Errorf("make an id: %w", err)
	}
	return id, nil
}

// Due returns when Tick wants to run.
func (t *Topics) Due() time.Time { return t.due }

// dueAt makes Tick run at a time, or within a minute of it, so that many things
// that end at about the same time cost one Tick.
func (t *Topics) dueAt(at time.Time) {
	at = at.Truncate(time.Minute).Add(time.Minute)
	if t.due.IsZero() || at.Before(t.due) {
		t.due = at
	}
}

// Tick forgets what has had its time: pending subscriptions, removed ones,
// deduplication ids, archived messages.
func (t *Topics) Tick(tx *partition.Tx) {
	t.due = time.Time{}
	for id, s := range t.fading {
		if s.until.After(tx.Now) {
			t.dueAt(s.until)
			continue
		}
		t.forget(tx, id, s)
	}
	for number, g := range t.ghosts {
		if g.until.After(tx.Now) {
			t.dueAt(g.until)
			continue
		}
		for _, id := range g.subscriptions {
			t.byID.Delete(id)
		}
		tx.Batch.DeleteRange(topicRange(kindSubscription, number))
		tx.Batch.Delete(appendTopicKey(nil, kindGhost, number))
		delete(t.ghosts, number)
	}
	for _, p := range t.fifos {
		t.expire(tx, p)
	}
}

// Flush writes the next sequence of each topic that has given out any. The
// secret of tokens is in the first batch, before any token.
func (t *Topics) Flush(tx *partition.Tx) {
	if t.newSecret {
		t.newSecret = false
		tx.Batch.Set(plainKey(kindSecret), t.secret)
	}
	for _, p := range t.unstored {
		p.fifo.unstored = false
		if p.view.Load().gone {
			continue
		}
		t.key = appendTopicKey(t.key[:0], kindSequence, p.id)
		t.value = appendSequence(t.value[:0], p.fifo.next)
		tx.Batch.Set(t.key, t.value)
	}
	t.unstored = t.unstored[:0]
}

var _ partition.Part = (*Topics)(nil)

// Stats counts what topics have done since they were loaded.
type Stats struct {
	Topics        int64
	Subscriptions int64 // confirmed or pending

	Published    uint64 // messages accepted
	Duplicates   uint64 // publishes answered with an earlier message (FIFO)
	ToQueues     uint64 // deliveries into queues
	ToEndpoints  uint64 // deliveries handed to the dispatch engine
	Filtered     uint64 // subscriptions that a filter policy kept a message from
	DeadLettered uint64 // deliveries that went to a dead-letter queue instead
	Lost         uint64 // deliveries that failed and had no dead-letter queue that would take them
	Replayed     uint64 // archived messages delivered again
	Rematches    uint64 // publishes prepared again because subscriptions changed meanwhile
}

type counters struct {
	topics, subscriptions                                                                           atomic.Int64
	published, duplicates, toQueues, toEndpoints, filtered, deadLettered, lost, replayed, rematches atomic.Uint64
}

// Stats may be called from any goroutine.
func (t *Topics) Stats() Stats {
	c := &t.stats
	return Stats{
		Topics: c.topics.Load(), Subscriptions: c.subscriptions.Load(),
		Published: c.published.Load(), Duplicates: c.duplicates.Load(),
		ToQueues: c.toQueues.Load(), ToEndpoints: c.toEndpoints.Load(), Filtered: c.filtered.Load(),
		DeadLettered: c.deadLettered.Load(), Lost: c.lost.Load(), Replayed: c.replayed.Load(), Rematches: c.rematches.Load(),
	}
}
