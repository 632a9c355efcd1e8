package archive

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/internal/partition"
)

// Run runs every replay that is started, or was under way at the last stop,
// until ctx ends. Those that are not finished then go on at the next start.
func (a *Archives) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	for _, r := range a.unfinished {
		workers.Go(func() { a.work(ctx, r) })
	}
	for {
		select {
		case r := <-a.started:
			workers.Go(func() { a.work(ctx, r) })
		case <-ctx.Done():
			return nil
		}
	}
}

// worker carries one replay. Each replay has one, so its events go in order.
type worker struct {
	archives *Archives
	replay   *replay
	rules    []turnout.RuleName
	source   source
	pacer    pacer
	next     position
	limit    int  // events in one batch
	pending  done // done and not recorded yet
	backoff  time.Duration
	flying   *flight // the batch that syncs while the next one is prepared

	bodies [][]byte // scratch
}

const (
	limitFirst    = 100  // events in the first batch: their fan-out is not known yet
	deliveriesMax = 2000 // aimed at in one batch, so that it holds the loop for milliseconds
	backoffMin    = 50 * time.Millisecond
	backoffMax    = 10 * time.Second
)

// work carries a replay to its end, or until ctx ends.
func (a *Archives) work(ctx context.Context, r *replay) {
	rules, err := filter(&r.ReplaySpec)
	if err != nil {
		a.endLogged(ctx, r, err.Error(), &done{})
		return
	}
	w := &worker{
		archives: a, replay: r, rules: rules, source: a.source(r), next: r.next, limit: limitFirst,
		pacer: pacer{perSecond: r.PerSecondMax, lapse: r.TimeLapse},
	}
	for !w.isFixed() && w.wait(ctx, time.Millisecond) {
	}
	stop, reason := w.run(ctx)
	w.land()
	if stop {
		a.endLogged(ctx, r, reason, &w.pending)
	}
}

// run replays until the replay has ended, which is stop, or ctx has. While one
// passage is delivered the next one is read.
func (w *worker) run(ctx context.Context) (stop bool, reason string) {
	now, ahead := &passage{}, &passage{}
	if !w.read(ctx, now, w.next) {
		return ctx.Err() == nil, ""
	}
	for {
		var reading sync.WaitGroup
		ok := true
		if !now.end {
			next := now.events[len(now.events)-1].next
			reading.Go(func() { ok = w.read(ctx, ahead, next) })
		}
		stop, reason := w.replayAll(ctx, now)
		reading.Wait()
		if stop || !ok || ctx.Err() != nil {
			return ctx.Err() == nil, reason
		}
		now, ahead = ahead, now
	}
}

// read reads a passage. When the store fails it tries again; false says that
// the replay should not go on.
func (w *worker) read(ctx context.Context, p *passage, from position) bool {
	backoff := backoffMin
	for {
		err := w.source.read(w.archives.store, p, from)
		if err == nil {
			return true
		}
		w.archives.cfg.Log.LogAttrs(ctx, slog.LevelError, "replay cannot read its source and tries again",
			slog.String("replay", w.replay.ARN()), slog.Any("error", err))
		if !w.wait(ctx, backoff) {
			return false
		}
		backoff = min(2*backoff, backoffMax)
	}
}

// isFixed reports whether the millisecond in which the replay was started is
// over and all that was published in it is stored.
func (w *worker) isFixed() bool {
	started := w.replay.StartedAt
	over := false
	err := w.archives.loop.Do(func(tx *partition.Tx) error {
		over = tx.Now.After(started)
		return nil
	})
	return over || err != nil
}

func (a *Archives) endLogged(ctx context.Context, r *replay, reason string, d *done) {
	if err := a.end(r, reason, d); err != nil {
		a.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "the end of a replay is not recorded: it ends again after a restart",
			slog.String("replay", r.ARN()), slog.Any("error", err))
	}
}

// replayAll replays the events of p. stop says that the replay has ended, with
// a reason if it failed.
func (w *worker) replayAll(ctx context.Context, p *passage) (stop bool, reason string) {
	for i := 0; i < len(p.events); {
		if ctx.Err() != nil {
			return false, ""
		}
		n, wait := w.pacer.allow(time.Now(), min(w.limit, len(p.events)-i), func(k int) int64 { return p.events[i+k].at })
		if n == 0 {
			if !w.wait(ctx, wait) {
				return ctx.Err() == nil, ""
			}
			continue
		}
		began := time.Now()
		err := w.inject(ctx, p, i, n)
		if err == nil {
			i += n
			w.pacer.replayed(n)
			w.backoff = 0
			w.wait(ctx, yield(w.archives.loop.Stats().Pending, time.Since(began)))
			continue
		}
		if stop, reason := w.failed(ctx, err); stop {
			return true, reason
		}
	}
	return p.end, ""
}

// flight is a batch of deliveries on its way.
type flight struct {
	events  int
	decided chan struct{} // closed when the loop has decided it: nothing of a passage is used any more, and only the disk can fail
	landed  chan struct{} // closed when out and err are set
	out     broker.Injected
	err     error
}

// inject delivers n events of p from i on. It returns when the loop has decided
// it, or with an error: while that batch syncs, the next one is matched. It
// comes behind it because it is begun afterwards.
func (w *worker) inject(ctx context.Context, p *passage, i, n int) error {
	w.bodies = w.bodies[:0]
	for k := range n {
		w.bodies = append(w.bodies, p.body(i+k))
	}
	last := &p.events[i+n-1]
	d := w.pending
	d.events, d.next, d.last = int64(n), last.next, last.at
	a, r := w.archives, w.replay
	f := &flight{events: n, decided: make(chan struct{}), landed: make(chan struct{})}
	in := broker.Injection{
		Bus: r.Bus, Events: w.bodies, ReplayName: r.Name,
		Rules: w.rules, TargetID: r.TargetID, Queue: r.Queue,
		Then: func(tx *partition.Tx) error {
			if err := a.advance(tx, r, &d); err != nil {
				return err
			}
			close(f.decided)
			return nil
		},
	}
	if r.SkipDelivered {
		in.Skip = func(event int, target uint64) bool { return slices.Contains(p.events[i+event].targets, target) }
	}
	go func() {
		defer close(f.landed)
		f.out, f.err = a.broker.Inject(ctx, in)
	}()
	select {
	case <-f.decided:
	case <-f.landed:
		if f.err != nil {
			return f.err
		}
	}
	w.pending = done{}
	w.land()
	w.flying = f
	return nil
}

// land waits for the batch on its way, if there is one, and counts it.
func (w *worker) land() {
	f := w.flying
	if f == nil {
		return
	}
	w.flying = nil
	<-f.landed
	if f.err != nil {
		return // the disk failed: the process ends
	}
	a := w.archives
	w.pending.delivered += int64(f.out.Deliveries)
	w.pending.skipped += int64(f.out.Skipped)
	w.limit = limitFor(f.events, f.out.Deliveries, a.loop.Stats().Pending)
	a.stats.events.Add(uint64(f.events))
	a.stats.delivers.Add(uint64(f.out.Deliveries))
}

// limitFor returns how many events make up the next batch if n led to so many
// deliveries: fewer while others wait, who then wait less.
func limitFor(n, deliveries, waiting int) int {
	limit := min(passageEventsMax, deliveriesMax*n/max(deliveries, n))
	if waiting >= busy {
		limit /= 4
	}
	return max(1, limit)
}

// failed decides what an error of Inject means: that the replay has ended, or
// that it tries again after a while.
func (w *worker) failed(ctx context.Context, err error) (stop bool, reason string) {
	if errors.Is(err, errStopped) {
		return true, ""
	}
	e, ok := errors.AsType[*turnout.Error](err)
	switch {
	case !ok && ctx.Err() != nil:
		return false, ""
	case !ok || e.Code == turnout.CodeInternal:
		w.archives.cfg.Log.LogAttrs(ctx, slog.LevelError, "replay cannot deliver and tries again",
			slog.String("replay", w.replay.ARN()), slog.Any("error", err))
	case e.Code == turnout.CodeLimitExceeded && w.limit > 1:
		w.limit /= 2
		return false, ""
	case e.Code == turnout.CodeThrottled || e.Code == turnout.CodeUnavailable || e.Code == turnout.CodeStorageFull:
	default:
		return true, e.Message
	}
	return !w.wait(ctx, w.nextBackoff()) && ctx.Err() == nil, ""
}

func (w *worker) nextBackoff() time.Duration {
	w.backoff = min(max(2*w.backoff, backoffMin), backoffMax)
	return w.backoff
}

// wait reports false if the replay should not go on: ctx ended, or it was cancelled.
func (w *worker) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.replay.woken:
		return false
	case <-ctx.Done():
		return false
	}
}
