package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks"
)

// Delivery is one event or message on its way to one endpoint.
type Delivery struct {
	// Endpoint is what to deliver to: the ARN of an API destination, of a
	// function, of a subscription.
	Endpoint string
	// EventID is the id under which Attempts finds the delivery: the event's, or
	// the message's for a topic. It holds no NUL.
	EventID string
	// Event is the body when it is stored once for all deliveries of an event or
	// message, EventBody its text. With a Body it is the event that the body was
	// made from, kept for the dead letter. 0 is none.
	Event     eventlog.Ref
	EventBody []byte
	// Body is the body otherwise: an input made for the target. Nil is the event.
	Body []byte
	// GroupID has the deliveries of one group to the endpoint go one after
	// another; "" is unordered.
	GroupID string
	// RuleARN, TargetARN and TargetID name the rule's target, "" for a topic.
	RuleARN, TargetARN, TargetID string
	// Parameters are the target's HttpParameters, JSON; nil is none.
	Parameters []byte
	// DeadLetters are tried in this order: the target's or subscription's, the bus's.
	DeadLetters []turnout.QueueName
	// RetriesMax bounds the attempts after the first: 0–185 for rules, more for topics.
	RetriesMax int
	// AgeMax bounds the time from now to the last attempt: 60 s–24 h for rules, at
	// most 14 d. 0 is 24 h.
	AgeMax time.Duration
	// TraceHeader is the X-Ray header, "" is none.
	TraceHeader string
}

const (
	turnoutAgeMax  = 24 * time.Hour      // AWS's default
	deliveryAgeMax = 14 * 24 * time.Hour // routes are kept for a little longer
)

// Endpoints knows the current configuration of everything that can be delivered to.
type Endpoints interface {
	// Endpoint returns the endpoint with the given ARN. It is asked from many
	// goroutines, shortly before attempts are made. CodeNotFound sends the
	// delivery to its dead-letter queue with NO_RESOURCE; after any other error it
	// is tried again later.
	Endpoint(arn string) (Endpoint, error)
}

// Endpoint is how to deliver to something.
type Endpoint struct {
	// Sink makes the attempts.
	Sink sinks.Sink
	// PerSecondMax bounds the attempts in any second; 0 is no bound.
	PerSecondMax int
	// Timeout ends an attempt. 0 is 30 s.
	Timeout time.Duration
	// Backoff returns how long to wait after the given attempt, which counts from
	// 1, has failed; random is in [0, 1). Nil is the default, see Backoff.
	Backoff func(attempt int, random float64) time.Duration
	// DeadLetter returns what a dead-letter queue gets. Nil is what AWS gives for
	// a rule: the event as published, with attributes that say what happened.
	DeadLetter func(sinks.Delivery) (body []byte, attributes []turnout.MessageAttribute)
}

// Config configures a Dispatcher. The zero value of a field is its default.
type Config struct {
	// Random returns numbers in [0, 1) and may be called from many goroutines.
	// Default: math/rand/v2.Float64.
	Random func() float64
	// Log takes what an operator should hear of. Default: nothing.
	Log *slog.Logger
	// Announce publishes an event of the server's own, such as "Endpoint
	// Disabled". It is tried again until it succeeds. Default: nobody hears of it.
	Announce func(context.Context, turnout.EventEntry) error
	// AttemptsMax bounds the attempts under way at once. Default 4,096: at 64 KiB
	// for a connection and its buffers, 256 MiB.
	AttemptsMax int
	// RecordsKept is how long attempts stay on record, at most 14 d. Default 24 h.
	RecordsKept time.Duration
	// RecordsBytesMax bounds the space of the record of attempts. Default 256 MiB.
	RecordsBytesMax int64
	// DisableAfter is how long an endpoint may fail without one success before it
	// is disabled. Default 5 d.
	DisableAfter time.Duration
}

func (c Config) withDefaults() Config {
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.AttemptsMax = cmp.Or(c.AttemptsMax, 4096)
	c.RecordsKept = min(cmp.Or(c.RecordsKept, 24*time.Hour), deliveryAgeMax)
	c.RecordsBytesMax = cmp.Or(c.RecordsBytesMax, 256<<20)
	c.DisableAfter = cmp.Or(c.DisableAfter, 5*24*time.Hour)
	return c
}

// Dispatcher delivers to endpoints.
//
// What waits is in the internal queues; the routes, the log of attempts and the
// states of endpoints in trouble are its own. All of these belong to the
// partition's loop. An endpoint's limits and what is being attempted belong to
// the endpoint, under its own lock, which is never held over an operation of
// the loop, a read or an attempt.
//
// There is one goroutine for each endpoint with work, and one for each attempt
// under way, AttemptsMax at most. An endpoint whose deliveries all wait for
// their next attempt has none.
type Dispatcher struct {
	cfg       Config
	loop      *partition.Partition
	store     store.Reader
	queues    *queues.Engine
	endpoints Endpoints

	// Owned by the loop.
	routes   routes
	attempts attemptLog
	note     []byte // scratch

	slots slots
	stats stats
	drops dropLog

	cancel atomic.Pointer[context.CancelCauseFunc] // ends Run

	mu     sync.Mutex
	known  map[string]*endpoint // by ARN
	begin  []*endpoint          // whose runner is to be started
	tell   []announcement       // to be announced
	signal chan struct{}        // capacity 1: a token says that begin or tell is not empty
}

// New returns a dispatcher with the state that s holds. The loop must not run
// yet; add the dispatcher to it before the queue engine's and the event log's
// flushes. Endpoints is not asked before Run.
func New(loop *partition.Partition, s store.Reader, q *queues.Engine, endpoints Endpoints, cfg Config) (*Dispatcher, error) {
	d := &Dispatcher{
		cfg: cfg.withDefaults(), loop: loop, store: s, queues: q, endpoints: endpoints,
		known: make(map[string]*endpoint), signal: make(chan struct{}, 1),
	}
	d.slots.max = d.cfg.AttemptsMax
	if err := d.routes.load(s); err != nil {
		return nil, fmt.Errorf("load the routes of deliveries: %w", err)
	}
	if err := d.attempts.load(s, d.cfg); err != nil {
		return nil, fmt.Errorf("load the record of attempts: %w", err)
	}
	if err := d.loadStates(); err != nil {
		return nil, fmt.Errorf("load the states of endpoints: %w", err)
	}
	q.Watch(d.ready)
	return d, nil
}

// Enqueue accepts a delivery in the batch of tx, on the partition's loop. The
// endpoint's runner hears of it when the batch is durable. The only error is
// CodeInvalidParameter, for a delivery without an endpoint or with a NUL in its event id.
func (d *Dispatcher) Enqueue(tx *partition.Tx, x Delivery) error {
	if x.Endpoint == "" || strings.IndexByte(x.EventID, 0) >= 0 {
		return turnout.Errorf(turnout.CodeInvalidParameter, "A delivery needs an endpoint, and an event id without NUL.")
	}
	r := d.routes.of(tx, &x)
	n := note{route: r.id, eventID: x.EventID}
	out := queues.Delivery{GroupID: x.GroupID, TraceHeader: x.TraceHeader}
	if x.Event != 0 {
		out.Event, n.body = x.Event, x.Body
	} else {
		out.Body = x.Body
	}
	d.note = n.appendTo(d.note[:0])
	out.Attributes = []turnout.MessageAttribute{{Value: d.note}}
	d.queues.Post(tx, r.lane, r.ageMax, out)
	d.stats.enqueued.Add(1)
	d.stats.waiting.Add(1)
	return nil
}

// ready is told by the loop that a lane has something to take.
func (d *Dispatcher) ready(tx *partition.Tx, lane turnout.QueueName) {
	if lane.Account != account {
		return
	}
	ep := d.endpoint(lane.Name)
	ep.addLane(lane)
	tx.OnDurable(ep.wake)
}

// endpoint returns what is known of an endpoint.
func (d *Dispatcher) endpoint(arn string) *endpoint {
	d.mu.Lock()
	defer d.mu.Unlock()
	ep := d.known[arn]
	if ep == nil {
		ep = newEndpoint(d, arn)
		d.known[arn] = ep
	}
	return ep
}

func (d *Dispatcher) poke() {
	select {
	case d.signal <- struct{}{}:
	default: // a token is there already
	}
}

// sweepEvery is how often what nobody needs any more is removed.
const sweepEvery = time.Hour

// Run delivers until ctx ends, and then returns nil once the attempts under way
// have been cancelled and given back; or until something of what is stored
// cannot be read: then the storage is damaged and the process must end.
func (d *Dispatcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.cancel.Store(&cancel)
	var work sync.WaitGroup
	if err := d.count(); err != nil {
		return err
	}
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for ctx.Err() == nil {
		d.mu.Lock()
		begin, tell := d.begin, d.tell
		d.begin, d.tell = nil, nil
		d.mu.Unlock()
		for _, ep := range begin {
			work.Go(func() { ep.run(ctx) })
		}
		for _, a := range tell {
			work.Go(func() { d.publish(ctx, a) })
		}
		select {
		case <-d.signal:
		case <-sweep.C:
			d.sweep()
		case <-ctx.Done():
		}
	}
	work.Wait()
	if damage, ok := errors.AsType[damageError](context.Cause(ctx)); ok {
		return damage
	}
	return nil
}

// count counts what waits, which also has the runners started of all endpoints
// that have something to attempt.
func (d *Dispatcher) count() error {
	return d.loop.Do(func(tx *partition.Tx) error {
		waiting := int64(0)
		for name, n := range d.queues.InternalQueues(tx) {
			if name.Account == account {
				waiting += n
			}
		}
		d.stats.waiting.Store(waiting)
		return nil
	})
}

// sweep removes the lanes of endpoints that are gone, once they are empty, and
// routes that nothing refers to. Errors mean that the loop is busy or ending: the next sweep will do.
func (d *Dispatcher) sweep() {
	var empty []turnout.QueueName
	err := d.loop.Do(func(tx *partition.Tx) error {
		d.routes.sweep(tx)
		for name, n := range d.queues.InternalQueues(tx) {
			if name.Account == account && n == 0 {
				empty = append(empty, name)
			}
		}
		return nil
	})
	if err != nil {
		return
	}
	for _, lane := range empty {
		_, err := d.endpoints.Endpoint(lane.Name)
		if coded, ok := errors.AsType[*turnout.Error](err); !ok || coded.Code != turnout.CodeNotFound {
			continue
		}
		_ = d.loop.Do(func(tx *partition.Tx) error {
			if d.queues.DropIfEmpty(tx, lane) {
				d.forget(tx, lane)
			}
			return nil
		})
	}
}

// forget drops what is known of an endpoint that lost a lane, if that was its last.
func (d *Dispatcher) forget(tx *partition.Tx, lane turnout.QueueName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ep := d.known[lane.Name]
	if ep == nil {
		return
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.lanes = slices.DeleteFunc(slices.Clone(ep.lanes), func(l turnout.QueueName) bool { return l == lane })
	if len(ep.lanes) > 0 || ep.active {
		return
	}
	delete(d.known, ep.arn)
	if ep.stored != (state{}) {
		tx.Batch.Delete(stateKey(ep.arn))
	}
}

// Reset forgets the record of attempts and the states of all endpoints. The
// deliveries themselves go with the queue engine's Reset, which should come first.
func (d *Dispatcher) Reset(context.Context) error {
	return d.loop.Do(func(tx *partition.Tx) error {
		d.attempts.reset(tx)
		d.stats.recordsBytes.Store(0)
		waiting := int64(0)
		for name, n := range d.queues.InternalQueues(tx) {
			if name.Account == account {
				waiting += n
			}
		}
		d.stats.waiting.Store(waiting)
		for _, ep := range d.all() {
			ep.reset(tx)
		}
		return nil
	})
}

// damageError is the cause with which Run ends when something cannot be read.
type damageError struct{ error }

func (e damageError) Unwrap() error { return e.error }

// failIfDamaged ends Run with err unless the loop has merely refused an operation, and returns err.
func (d *Dispatcher) failIfDamaged(err error) error {
	if _, refused := errors.AsType[*turnout.Error](err); !refused {
		(*d.cancel.Load())(damageError{err})
	}
	return err
}

// Due returns when the next segment of the attempt log is to go.
func (d *Dispatcher) Due() time.Time { return d.attempts.due() }

// Tick removes what is no longer to be kept of the attempt log.
func (d *Dispatcher) Tick(tx *partition.Tx) { d.attempts.expire(tx) }

// Flush stores how far the attempt log has grown.
func (d *Dispatcher) Flush(tx *partition.Tx) {
	d.attempts.flush(tx)
	d.stats.recordsBytes.Store(d.attempts.bytes)
}

var _ partition.Part = (*Dispatcher)(nil)
