package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/queues"
)

// Receivers take what is published, on the partition's loop. An error of theirs
// means that nothing was added to the batch. Queues is required; a kind of
// target without a receiver is refused when it is put.
type Receivers struct {
	Queues   Queues
	Dispatch Dispatch
	Topics   Topics
	Archives Archives
	History  History // nil: no history is kept
}

// Queues takes deliveries to queues.
type Queues interface {
	Deliver(tx *partition.Tx, name turnout.QueueName, d queues.Delivery) error
	HasQueue(tx *partition.Tx, name turnout.QueueName) bool
}

// Dispatch takes deliveries to the outside: to API destinations and functions.
type Dispatch interface {
	Enqueue(tx *partition.Tx, d dispatch.Delivery) error
}

// Topics takes messages to topics. Prepare, which may be called on any
// goroutine, finds the subscriptions that get the message; it is CodeNotFound
// for a topic that does not exist.
type Topics interface {
	Prepare(topic turnout.TopicName, m turnout.TopicMessage, now time.Time) (TopicMessage, error)
}

// TopicMessage is a message that was prepared for a topic.
type TopicMessage interface {
	// Current reports, on the loop, whether preparing it now would find the same.
	Current() bool
	// Deliver puts it into the batch.
	Deliver(tx *partition.Tx) error
}

// Archives takes the events of archives. It is CodeNotFound for an archive that does not exist.
type Archives interface {
	Append(tx *partition.Tx, archive turnout.ArchiveName, at time.Time, eventID string, body []byte) error
}

// History keeps the recent events of every bus, and the numbers of the targets that each was delivered to.
type History interface {
	Append(tx *partition.Tx, bus turnout.BusName, eventID string, ref eventlog.Ref, sizeBytes int, targets []uint64)
	// Forget drops the history of a bus that is deleted.
	Forget(tx *partition.Tx, bus turnout.BusName)
}

// Config configures a Broker. The zero value of a field is its default.
type Config struct {
	// Random makes event ids. It must be safe for concurrent use, as
	// crypto/rand.Reader is. Required.
	Random io.Reader
	// Log takes what an operator should hear of. Default: nothing.
	Log *slog.Logger
	// StrictAWS brings back the quotas of EventBridge that only hurt: 100
	// buses an account and region, 300 rules a bus, 5 targets a rule.
	StrictAWS bool
	// BusesMax bounds the buses of an account and region. Default 10,000.
	BusesMax int
	// RulesMax bounds the rules of a bus. Default 100,000: about 100 MB of memory.
	RulesMax int
	// TargetsMax bounds the targets of a rule. Default 100.
	TargetsMax int
	// DeliveriesMax bounds the deliveries of one publish, which are decided in
	// one go and held in memory. Default 100,000.
	DeliveriesMax int
	// HopsMax bounds how many buses an event passes through after its first. Default 16.
	HopsMax int
}

func (c Config) withDefaults() Config {
	c.BusesMax = cmp.Or(c.BusesMax, 10_000)
	c.RulesMax = cmp.Or(c.RulesMax, 100_000)
	c.TargetsMax = cmp.Or(c.TargetsMax, 100)
	c.DeliveriesMax = cmp.Or(c.DeliveriesMax, 100_000)
	c.HopsMax = cmp.Or(c.HopsMax, 16)
	if c.StrictAWS {
		// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
		c.BusesMax, c.RulesMax, c.TargetsMax = min(c.BusesMax, 100), min(c.RulesMax, 300), min(c.TargetsMax, 5)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Broker publishes events and keeps the configuration of what happens to them.
//
// Its methods may be called from any goroutine. Work that takes time – reading
// JSON, matching, transforming, parsing and compiling patterns – runs on the
// caller's goroutine against a snapshot; the partition's loop only checks that
// the snapshot still holds and writes.
type Broker struct {
	cfg     Config
	loop    *partition.Partition
	events  *eventlog.Log
	to      Receivers
	catalog *catalog.Catalog

	ruleChanged func(tx *partition.Tx, name turnout.RuleName, r *turnout.Rule) // nil: nobody asked

	refuse       atomic.Bool
	publications sync.Pool // of *publication
	compactor    compactor
	stats        stats
	lost         lostLog
}

// New returns a broker with the configuration that s holds. The loop must not
// run yet, and events must be a part of it.
func New(loop *partition.Partition, s store.Reader, events *eventlog.Log, to Receivers, cfg Config) (*Broker, error) {
	if cfg.Random == nil {
		return nil, errors.New("broker: Config.Random is required")
	}
	c, err := catalog.Load(s, loop.Now())
	if err != nil {
		return nil, fmt.Errorf("load buses and rules: %w", err)
	}
	b := &Broker{cfg: cfg.withDefaults(), loop: loop, events: events, to: to, catalog: c}
	b.compactor.init()
	return b, nil
}

// Run does the broker's background work, which is to keep matching fast while
// rules change, until ctx ends.
func (b *Broker) Run(ctx context.Context) error {
	b.compactor.run(ctx, b)
	return nil
}

// RefusePublishes makes every publish fail with CodeStorageFull while on.
func (b *Broker) RefusePublishes(on bool) { b.refuse.Store(on) }

// Reset removes every bus, rule and target of every account and region. What
// is in queues stays there.
func (b *Broker) Reset(context.Context) error {
	return b.loop.Do(func(tx *partition.Tx) error {
		b.catalog.EachRule(func(r *catalog.Rule) { b.announce(tx, r.RuleName, r, nil) })
		b.catalog.Reset(tx)
		return nil
	})
}

// read runs f on the loop and returns when what it saw is durable. f should
// take pointers to what does not change and leave the work to the caller.
func (b *Broker) read(f func() error) error {
	return b.loop.Do(func(*partition.Tx) error { return f() })
}
