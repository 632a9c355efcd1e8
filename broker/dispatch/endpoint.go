package dispatch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks"
)

// endpoint is what the dispatcher knows of an endpoint.
//
// Deliveries go round: the runner takes messages from the lanes (on the loop),
// reads them and puts them into buffer; worker goroutines take them out as the
// gates allow, attempt them and put what came of it into done; the runner
// settles that (on the loop) in the same operation as it takes the next.
//
// Everything below mu is under it. It is held for decisions only.
type endpoint struct {
	d      *Dispatcher
	arn    string
	signal chan struct{} // capacity 1: a token tells the runner to look again
	inLine bool          // for a slot; under the slots' lock
	held   atomic.Int64  // deliveries in the queue engine's memory, as counted in stats.held

	mu       sync.Mutex
	lanes    []turnout.QueueName
	active   bool // it has a runner, or is about to
	look     bool // a lane has something that the last Take did not find
	stopping bool // no attempt may begin any more

	config  Endpoint
	unknown bool // there is no such endpoint

	gates
	hands
	memory
}

// gates are what an attempt must pass to begin.
type gates struct {
	health health
	conc   concurrency
	pace   pace
	budget budget
}

// hands are the deliveries that were taken, in the order in which they go on.
type hands struct {
	buffer  []*job // to be attempted
	running int    // being attempted
	done    []*job // to be settled
	ended   int    // attempts since the runner looked last
}

// memory is what is remembered of an endpoint's trouble.
type memory struct {
	last       *sinks.Failure // of the newest attempt that failed
	stored     state          // as on disk
	announce   string         // what is to be announced, see state
	disabledAt int64          // Unix ms, 0: it is not disabled
	reason     string
}

// job is a delivery that was taken.
type job struct {
	taken   queues.Taken
	route   *route
	eventID string
	event   []byte // the event's text, nil if the delivery has none
	body    []byte
	takenAt time.Time // when it came into the buffer

	// The attempt.
	round   uint32
	began   time.Time
	took    time.Duration
	result  sinks.Result
	attempt int // its number; 0 if there was none

	verdict
	letter  []byte // with actBury: what the dead-letter queue gets
	attrs   []turnout.MessageAttribute
	outcome Outcome           // once settled; 0 if it goes on as if nothing had been, or was not there any more
	queue   turnout.QueueName // with DeadLettered
}

func newEndpoint(d *Dispatcher, arn string) *endpoint {
	return &endpoint{
		d: d, arn: arn, signal: make(chan struct{}, 1),
		gates: newGates(d.loop.Now()),
	}
}

func newGates(now time.Time) gates {
	return gates{conc: newConcurrency(), budget: newBudget(now)}
}

func (ep *endpoint) addLane(lane turnout.QueueName) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if !slices.Contains(ep.lanes, lane) {
		ep.lanes = append(ep.lanes, lane)
	}
}

// wake tells ep that a lane has something to take, and has it run if it does not.
func (ep *endpoint) wake() {
	ep.mu.Lock()
	ep.look = true
	begin := !ep.active
	ep.active = true
	ep.mu.Unlock()
	if !begin {
		ep.poke()
		return
	}
	d := ep.d
	d.mu.Lock()
	d.begin = append(d.begin, ep)
	d.mu.Unlock()
	d.poke()
}

// poke has the runner look again; nil is nobody.
func (ep *endpoint) poke() {
	if ep == nil {
		return
	}
	select {
	case ep.signal <- struct{}{}:
	default: // a token is there already
	}
}

// next takes the next delivery to attempt out of the buffer if every gate
// allows it. The caller holds mu.
func (ep *endpoint) next(now time.Time, hasSlot bool) *job {
	if len(ep.buffer) == 0 || ep.stopping || ep.unknown {
		return nil
	}
	if most := ep.health.tick(now); most >= 0 && ep.running >= most {
		return nil
	}
	if ep.running >= ep.conc.limit {
		ep.conc.saturated = true
		return nil
	}
	ep.pace.set(now, ep.rate())
	if ep.pace.rate > 0 && ep.pace.wait(now) > 0 {
		return nil
	}
	if !hasSlot && !ep.d.slots.acquire(ep, ep.running) {
		return nil
	}
	ep.pace.take(now)
	j := ep.buffer[0]
	ep.buffer[0] = nil
	if ep.buffer = ep.buffer[1:]; len(ep.buffer) == 0 {
		ep.buffer = nil
	}
	ep.running++
	if ep.running == ep.conc.limit {
		ep.conc.saturated = true
	}
	j.round, j.began = ep.health.round, now
	return j
}

// rate returns how many attempts may begin in a second, 0 for no bound.
func (ep *endpoint) rate() float64 {
	rate, most := ep.health.pace(), float64(ep.config.PerSecondMax)
	if rate == 0 || most > 0 && most < rate {
		return most
	}
	return rate
}

// work attempts j, and then whatever may be attempted next, with one slot.
func (ep *endpoint) work(ctx context.Context, j *job) {
	for j != nil {
		ep.attempt(ctx, j)
		ep.mu.Lock()
		ep.finished(ctx, j)
		again := ep.d.slots.keep(ep.running + 1)
		j = nil
		if again {
			if j = ep.next(ep.d.loop.Now(), true); j == nil {
				ep.d.slots.release()
			}
		}
		ep.mu.Unlock()
		ep.poke()
	}
}

// attempt has the sink carry j.
func (ep *endpoint) attempt(ctx context.Context, j *job) {
	ep.mu.Lock()
	config := ep.config
	ep.mu.Unlock()
	j.attempt = j.taken.Takes
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeoutOf(&config))
	defer cancel()
	j.result = config.Sink.Attempt(ctx, sinks.Delivery{
		ID: turnout.UUID(j.taken.ID), Endpoint: ep.arn, Attempt: j.attempt, Body: j.body,
		EventID: j.eventID, AcceptedAt: j.taken.SentAt,
		Parameters: j.route.parameters, TraceHeader: j.taken.TraceHeader,
	})
	j.took = time.Since(began)
}

// timeoutDefault is how long an attempt may take unless the endpoint says otherwise.
const timeoutDefault = 30 * time.Second

func timeoutOf(c *Endpoint) time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return timeoutDefault
}

// finished decides what becomes of j after its attempt. The caller holds mu.
func (ep *endpoint) finished(ctx context.Context, j *job) {
	d := ep.d
	ep.running--
	ep.ended++
	ep.done = append(ep.done, j)
	if ctx.Err() != nil && j.result.Failure != nil {
		// The server is stopping: nobody knows what would have come of it.
		j.verdict = verdict{act: actPostpone}
		return
	}
	now := d.loop.Now()
	bound(&j.result)
	what := classify(&j.result)
	wasOpen := ep.health.phase == phaseOpen
	ep.health.finished(what, j.round, now)
	ep.conc.finished(what, j.began, now)
	if again := j.attempt > 1; again && what == classGood {
		ep.budget.refund()
	} else if !again {
		ep.budget.first()
	}
	d.stats.attempted(&j.result, j.took)
	if j.result.Failure != nil {
		ep.last = j.result.Failure
	}
	j.verdict = decide(ep.limits(j), j.attempt, &j.result, now, d.cfg.Random())
	ep.disableIfHopeless(j, now)
	if !wasOpen && ep.health.phase == phaseOpen {
		d.stats.opened.Add(1)
	}
}

func (ep *endpoint) limits(j *job) limits {
	return limits{retriesMax: j.route.retriesMax, deadline: j.deadline(), backoff: ep.config.Backoff}
}

func (j *job) deadline() time.Time { return j.taken.SentAt.Add(j.route.ageMax) }

// textMax bounds what is kept of an error's message.
const textMax = 1 << 10

// bound cuts what a sink returned to the sizes that are kept.
func bound(r *sinks.Result) {
	if len(r.Excerpt) > sinks.ExcerptBytesMax {
		r.Excerpt = r.Excerpt[:sinks.ExcerptBytesMax]
	}
	if f := r.Failure; f != nil && len(f.Message) > textMax {
		r.Failure = new(*f)
		r.Failure.Message = strings.ToValidUTF8(f.Message[:textMax], "")
	}
}

// reset forgets everything that was learned about the endpoint, on the loop.
func (ep *endpoint) reset(tx *partition.Tx) {
	ep.d.stats.held.Add(-ep.held.Swap(0))
	ep.mu.Lock()
	round := ep.health.round
	ep.gates = newGates(tx.Now)
	ep.health.round = round + 1
	ep.memory = memory{stored: ep.stored}
	ep.mu.Unlock()
	ep.storeState(tx)
}

// configure asks for the endpoint's current configuration.
func (ep *endpoint) configure() {
	config, err := ep.d.endpoints.Endpoint(ep.arn)
	coded, ok := errors.AsType[*turnout.Error](err)
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.unknown = ok && coded.Code == turnout.CodeNotFound
	switch {
	case err == nil:
		ep.config = config
	case ep.unknown:
		ep.config.Sink, ep.config.PerSecondMax = unavailable{err}, 0
	default:
		ep.config.Sink = unavailable{err}
	}
}

// unavailable stands for the sink of an endpoint whose configuration cannot be had.
type unavailable struct{ err error }

// Attempt fails.
func (u unavailable) Attempt(context.Context, sinks.Delivery) sinks.Result {
	return sinks.Result{Failure: &sinks.Failure{Code: sinks.CodeInternalError, Message: "The endpoint's configuration is not available: " + u.err.Error()}}
}
