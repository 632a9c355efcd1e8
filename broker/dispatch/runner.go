package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks"
)

const (
	lingers      = 5 * time.Second        // how long a runner without work stays
	bufferedFor  = 10 * time.Second       // how long a delivery waits in the buffer before it is given back
	visibleAfter = 30 * time.Second       // beyond the timeout: a crash delays what was under way by both
	aheadMax     = 512                    // deliveries buffered for a fast endpoint
	aheadFor     = 100 * time.Millisecond // of what a pace lets through
	expiredMax   = 256                    // expired deliveries taken at once
	unknownMax   = 256                    // deliveries taken at once for an endpoint that does not exist
	heldMax      = 16 << 10               // deliveries of one endpoint that wait for another attempt, before new ones wait
	heldAllMax   = 200_000                // of all endpoints, at about 200 bytes of memory each; beyond …
	heldFew      = 64                     // … each may hold so many
	loopRetry    = 50 * time.Millisecond
)

// runner works for one endpoint as long as there is something to do.
type runner struct {
	*endpoint
	workers sync.WaitGroup
	left    queues.Left // of all lanes, after the last Take
	turn    int         // which lane comes first
	ahead   int         // attempts that ended between the last two rounds
	again   bool        // a round is to follow at once
}

// run takes, attempts and settles until there has been no work for a while, or
// until ctx ends: then what is under way is cancelled, and given back.
func (ep *endpoint) run(ctx context.Context) {
	r := &runner{endpoint: ep, again: true}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		switch err := r.round(ctx); {
		case retryable(err):
			r.sleep(ctx, timer, loopRetry)
		case err != nil:
			<-ctx.Done() // the server is stopping, or about to
		default:
			wait, work := r.wait()
			if work {
				r.sleep(ctx, timer, wait)
			} else if r.lingered(ctx, timer) {
				return
			}
		}
	}
	r.stop(ctx)
}

// sleep waits until the runner is poked, which it reports, or the time is over.
func (r *runner) sleep(ctx context.Context, timer *time.Timer, wait time.Duration) (poked bool) {
	if wait == 0 {
		return true
	}
	timer.Reset(wait)
	select {
	case <-r.signal:
		return true
	case <-timer.C:
		return false
	case <-ctx.Done():
		return true
	}
}

// lingered waits for new work, and reports that there is none and the runner has ended.
func (r *runner) lingered(ctx context.Context, timer *time.Timer) bool {
	if r.sleep(ctx, timer, lingers) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.look || len(r.done) > 0 || r.running > 0 {
		return false
	}
	r.active = false
	return true
}

// retryable reports whether the loop refused an operation only because it was busy.
func retryable(err error) bool {
	coded, ok := errors.AsType[*turnout.Error](err)
	return ok && coded.Code == turnout.CodeThrottled
}

// round settles what was attempted, takes what may be attempted next, and begins.
func (r *runner) round(ctx context.Context) error {
	r.configure()
	p := r.plan()
	if !p.needed {
		r.begin(ctx)
		return nil
	}
	if err := r.d.bury(r.endpoint, p.settle); err != nil {
		r.giveUp(p)
		return r.d.failIfDamaged(err)
	}
	var taken []queues.Taken
	err := r.d.loop.Do(func(tx *partition.Tx) error {
		r.d.settle(tx, p.settle)
		r.storeState(tx)
		taken, r.left = r.take(tx, p)
		return nil
	})
	if err != nil {
		r.giveUp(p)
		return err
	}
	r.d.settled(p.settle)
	if err := r.accept(taken); err != nil {
		return r.d.failIfDamaged(err)
	}
	r.account()
	r.begin(ctx)
	return nil
}

// plan is what one operation on the loop is to do.
type plan struct {
	needed bool
	settle []*job
	lanes  []turnout.QueueName
	take   queues.Take // of all lanes together
	closed bool        // the endpoint is not called now
}

// plan decides what to do next.
func (r *runner) plan() plan {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.d.loop.Now()
	most := r.health.tick(now)
	r.giveBack(most == 0 || r.unknown, now)
	p := plan{settle: r.done, lanes: r.lanes, closed: most == 0}
	r.done, r.ahead, r.ended = nil, r.ended, 0
	p.take = queues.Take{Max: r.want(most, now), ExpiredMax: expiredMax, HeldMax: heldMax, Visibility: timeoutOf(&r.config) + visibleAfter}
	if r.d.stats.held.Load() > heldAllMax {
		p.take.HeldMax = heldFew
	}
	p.take.AgainMax = min(r.budget.available(now), p.take.Max)
	if most == 1 || r.unknown || r.left.Held >= p.take.HeldMax {
		p.take.AgainMax = p.take.Max // a probe costs nothing; and what is full must be emptied
	}
	p.needed = len(p.settle) > 0 || r.look || r.again || r.stateChanged(now) || p.take.Max > 0 && r.takeable(p.take) || r.left.Expired
	r.look, r.again = false, false
	return p
}

// takeable reports whether the lanes were left with something that t would take.
func (r *runner) takeable(t queues.Take) bool {
	return r.left.Fresh > 0 && r.left.Held < t.HeldMax || r.left.Again > 0 && t.AgainMax > 0
}

// want returns how many deliveries to take. The caller holds mu.
func (r *runner) want(most int, now time.Time) int {
	under := r.running + len(r.buffer)
	switch {
	case r.unknown:
		return unknownMax
	case most >= 0:
		return max(most-under, 0)
	}
	n := max(r.conc.limit-under, 0)
	if under < r.conc.limit+2*r.ahead { // a fast endpoint is through with its share before the loop has answered
		n = max(n, min(r.conc.limit+min(2*r.ahead, aheadMax)-under, aheadMax))
	}
	if r.pace.set(now, r.rate()); r.pace.rate > 0 {
		soon := max(r.pace.within(now, aheadFor), 1)
		if n = min(n, soon-len(r.buffer)); n <= soon/2 && len(r.buffer) > 0 {
			n = 0 // a few at a time would be an operation on the loop for each
		}
	}
	return max(n, 0)
}

// giveBack moves to done what is not to be attempted soon: everything in the
// buffer while the endpoint is not called, and what has waited too long, lest
// it becomes visible while it is still held. The caller holds mu.
func (r *runner) giveBack(all bool, now time.Time) {
	if len(r.buffer) == 0 || !all && now.Sub(r.buffer[0].takenAt) < bufferedFor {
		return
	}
	for _, j := range r.buffer {
		if j.taken.Takes > 1 {
			r.budget.refund()
		}
		j.verdict = verdict{act: actPostpone}
	}
	r.done = append(r.done, r.buffer...)
	r.buffer = nil
}

// giveUp puts back what could not be settled, to be tried again.
func (r *runner) giveUp(p plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = append(p.settle, r.done...)
	r.look = true
}

// take takes from the lanes in turn, on the loop.
func (r *runner) take(tx *partition.Tx, p plan) (taken []queues.Taken, left queues.Left) {
	want := p.take
	r.turn++
	for i := range p.lanes {
		lane := p.lanes[(i+r.turn)%len(p.lanes)]
		t := want
		if lane.Region == laneFIFO && !p.closed {
			t.ExpiredMax = 0 // what is at the front may be young: it is attempted in its turn
		}
		from := len(taken)
		var l queues.Left
		taken, l = r.d.queues.Take(tx, lane, t, taken)
		for _, m := range taken[from:] {
			switch {
			case m.Uncounted:
				want.ExpiredMax--
			case m.Takes > 1:
				want.AgainMax--
				want.Max--
			default:
				want.Max--
			}
		}
		left.Messages += l.Messages
		left.Held += l.Held
		left.Fresh += l.Fresh
		left.Again += l.Again
		left.Expired = left.Expired || l.Expired && t.ExpiredMax > 0
	}
	return taken, left
}

// account notes how many deliveries of this endpoint are in memory, and
// whether its backlog is gone.
func (r *runner) account() {
	held := int64(r.left.Held)
	r.d.stats.held.Add(held - r.held.Swap(held))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left.Messages <= held && r.left.Again+len(r.buffer) == 0 {
		r.health.caughtUp()
	}
}

// accept reads what was taken and puts it into the buffer, or into done if
// there is nothing to attempt.
func (r *runner) accept(taken []queues.Taken) error {
	jobs := make([]job, len(taken))
	var ready, done []*job
	now := r.d.loop.Now()
	for i := range taken {
		j := &jobs[i]
		j.taken, j.takenAt = taken[i], now
		ok, err := r.d.read(j)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		switch {
		case r.isUnknown():
			j.result.Failure = &sinks.Failure{Code: sinks.CodeNoResource, Message: "The target does not exist: " + r.arn, Permanent: true}
			j.verdict = verdict{act: actBury}
		case !now.Before(j.deadline()):
			j.verdict = verdict{act: actBury, exhausted: exhaustedAge}
		case j.taken.Uncounted: // its lane holds younger ones too
			j.verdict = verdict{act: actReturn, after: min(j.deadline().Sub(now), r.untilCalled(now))}
		default:
			ready = append(ready, j)
			continue
		}
		done = append(done, j)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range ready {
		if j.taken.Takes > 1 {
			r.budget.spend()
		}
	}
	r.buffer = append(r.buffer, ready...)
	r.done = append(r.done, done...)
	return nil
}

func (r *runner) isUnknown() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unknown
}

// untilCalled returns how long it takes until the endpoint may be called again.
func (r *runner) untilCalled(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.health.phase == phaseOpen {
		return max(r.health.until.Sub(now), time.Millisecond)
	}
	return time.Second
}

// read loads a delivery. It reports false if there is no such delivery any more.
func (d *Dispatcher) read(j *job) (ok bool, err error) {
	err = d.queues.Load(&j.taken)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a delivery: %w", err)
	}
	if len(j.taken.Attributes) != 1 {
		return false, fmt.Errorf("%w: a delivery has %d attributes", errRecord, len(j.taken.Attributes))
	}
	n, err := parseNote(j.taken.Attributes[0].Value)
	if err != nil {
		return false, err
	}
	if j.route = d.routes.get(n.route); j.route == nil {
		return false, fmt.Errorf("%w: route %d of a delivery is missing", errRecord, n.route)
	}
	j.eventID, j.body = n.eventID, n.body
	if j.taken.Event != 0 {
		j.event, err = eventlog.Get(d.store, nil, j.taken.Event)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil // removed, and its event with it
		}
		if err != nil {
			return false, fmt.Errorf("read the event of a delivery: %w", err)
		}
	}
	switch {
	case j.body != nil:
	case j.taken.Event != 0:
		j.body = j.event
	default:
		j.body = j.taken.Body
	}
	return true, nil
}

// begin starts workers for what may be attempted now.
func (r *runner) begin(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.d.loop.Now()
	for j := r.next(now, false); j != nil; j = r.next(now, false) {
		r.workers.Go(func() { r.work(ctx, j) })
	}
	r.d.slots.pass(r.endpoint)
}

// wait returns how long there is nothing to do unless the runner is woken, 0
// being not at all; work is false if there is none.
func (r *runner) wait() (wait time.Duration, work bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.d.loop.Now()
	switch {
	case len(r.done) > 0 || r.look || r.left.Expired:
		return 0, true
	case r.running+len(r.buffer) == 0 && r.left.Idle() && !r.health.recovering:
		return 0, false
	case r.health.phase == phaseOpen:
		return atLeast(min(time.Hour, r.health.until.Sub(now))), true
	}
	return atLeast(r.untilAllowed(now)), true
}

// untilAllowed returns how long the limits leave nothing to be done. The caller holds mu.
func (r *runner) untilAllowed(now time.Time) time.Duration {
	wait := lingers
	paced := r.pace.rate > 0
	if len(r.buffer) > 0 {
		wait = min(wait, bufferedFor)
		if paced && r.running < r.conc.limit {
			wait = min(wait, r.pace.wait(now))
		}
	} else if paced && r.left.Fresh+r.left.Again > 0 {
		wait = min(wait, r.pace.wait(now))
	}
	if r.left.Again > 0 && r.budget.available(now) == 0 {
		wait = min(wait, r.budget.wait(now))
	}
	return wait
}

// atLeast rounds up to the precision of the partition's clock.
func atLeast(d time.Duration) time.Duration {
	return max(d+time.Millisecond-1, time.Millisecond).Truncate(time.Millisecond)
}

// stop waits for the attempts, which ctx has cancelled, and settles them: what
// is known to be done is done, everything else is visible again at once.
func (r *runner) stop(ctx context.Context) {
	r.mu.Lock()
	r.stopping = true
	r.mu.Unlock()
	r.workers.Wait()
	r.mu.Lock()
	r.giveBack(true, r.d.loop.Now())
	jobs := r.done
	r.done = nil
	r.mu.Unlock()
	if len(jobs) == 0 {
		return
	}
	err := r.d.bury(r.endpoint, jobs)
	if err == nil {
		err = r.d.loop.Do(func(tx *partition.Tx) error {
			r.d.settle(tx, jobs)
			r.storeState(tx)
			return nil
		})
	}
	if err != nil { // they come back when their visibility ends
		r.d.cfg.Log.LogAttrs(context.WithoutCancel(ctx), slog.LevelWarn, "attempts of an endpoint are repeated after the restart",
			slog.String("endpoint", r.arn), slog.Int("attempts", len(jobs)), slog.Any("error", err))
		return
	}
	r.d.settled(jobs)
}
