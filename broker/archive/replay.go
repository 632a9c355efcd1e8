package archive

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/internal/partition"
)

// replay is one replay. Its spec, archive and the channel woken never change;
// the rest belongs to the loop.
//
// A replay reads the events that were published up to the millisecond in which
// it was started: a To beyond that does not make it wait for more. So what it
// covers is fixed from the start, and what is published while it runs, or what
// other replays deliver, is never part of it.
//
// Progress and deliveries are in one batch, written by Inject: after a crash
// it goes on behind the last event whose deliveries are stored.
type replay struct {
	turnout.Replay
	archive uint32   // the archive's number; 0 for the history
	next    position // of the event to replay next

	woken chan struct{} // closed when a worker that waits should look again
	awake bool          // woken is closed
	gone  bool          // by a reset
}

const (
	runningMax  = 32                  // replays under way at once in the whole server, each with a few MB
	keptMax     = 10_000              // replays that have ended, of one account and region
	recordsKept = 90 * 24 * time.Hour // as AWS keeps them
	goneReason  = "The archive was deleted."
)

func newReplay(spec turnout.ReplaySpec) *replay {
	return &replay{Replay: turnout.Replay{ReplaySpec: spec}, woken: make(chan struct{})}
}

func (r *replay) ended() bool {
	switch r.State {
	case turnout.ReplayCompleted, turnout.ReplayCancelled, turnout.ReplayFailed:
		return true
	default:
		return false
	}
}

// expiry returns when the record of a replay goes; the zero time while it runs.
func (r *replay) expiry() time.Time {
	if !r.ended() {
		return time.Time{}
	}
	return r.EndedAt.Add(recordsKept)
}

// wake makes the worker look again.
func (r *replay) wake() {
	if !r.awake {
		r.awake = true
		close(r.woken)
	}
}

// source returns what a replay reads.
func (a *Archives) source(r *replay) source {
	until := min(unixMilliUp(r.To), r.StartedAt.UnixMilli()+1)
	return source{archive: r.archive, bus: r.Bus, history: a.history, until: until, delivered: r.SkipDelivered}
}

// unixMilliUp rounds up: an event's time is whole milliseconds.
func unixMilliUp(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.Sub(time.UnixMilli(ms)) > 0 {
		ms++
	}
	return ms
}

func errReplayNotFound(name turnout.ReplayName) error {
	return turnout.Errorf(turnout.CodeNotFound, "Replay %s does not exist.", name.Name)
}

// StartReplay starts a replay; when it returns, the replay is durable and goes
// on by itself, across restarts. Events go in the order of their publish, one
// after another, as fast as pacing and live traffic allow. To is exclusive,
// and no event published after the millisecond of the start is part of it.
//
// It is CodeValidation, with AWS's text where there is one, for a source that
// does not exist, one of another bus, times that do not follow one another and
// the settings beyond AWS; CodeNotFound for the bus or a rule, CodeQueueNotFound
// for the queue, CodeAlreadyExists for a name that is taken, CodeLimitExceeded beyond Config.ReplaysMax.
func (a *Archives) StartReplay(ctx context.Context, spec turnout.ReplaySpec) (turnout.Replay, error) {
	if !validName(spec.Name) {
		return turnout.Replay{}, turnout.Errorf(turnout.CodeValidation, "Parameter ReplayName is not valid.")
	}
	if err := a.checkReplay(ctx, &spec); err != nil {
		return turnout.Replay{}, err
	}
	spec.From, spec.To = spec.From.UTC(), spec.To.UTC()
	r := newReplay(spec)
	var started turnout.Replay
	err := a.loop.Do(func(tx *partition.Tx) error {
		if a.replays[spec.ReplayName] != nil {
			return turnout.Errorf(turnout.CodeAlreadyExists, "Replay %s already exists.", spec.Name)
		}
		number, err := a.findSource(&spec)
		if err != nil {
			return err
		}
		if err := a.admit(tx, spec.Scope); err != nil {
			return err
		}
		r.archive, r.next = number, position{At: unixMilliUp(spec.From)}
		r.State, r.StartedAt = turnout.ReplayStarting, tx.Now
		a.replays[spec.ReplayName] = r
		tx.Batch.Set(replayKey(spec.ReplayName), r.encode())
		a.stats.running.Add(1)
		started = r.Replay
		tx.OnDurable(func() { a.started <- r }) // never waits: running replays are counted
		return nil
	})
	return started, err
}

// admit bounds the replays under way and those that are kept.
func (a *Archives) admit(tx *partition.Tx, scope turnout.Scope) error {
	all, here, kept := 0, 0, 0
	var oldest *replay
	for name, r := range a.replays {
		switch {
		case !r.ended():
			all++
			if name.Scope == scope {
				here++
			}
		case name.Scope == scope:
			if kept++; oldest == nil || r.EndedAt.Before(oldest.EndedAt) {
				oldest = r
			}
		}
	}
	switch {
	case here >= a.cfg.ReplaysMax:
		return errLimit()
	case all >= runningMax:
		return turnout.Errorf(turnout.CodeThrottled, "%d replays are under way already.", runningMax)
	case kept >= keptMax:
		delete(a.replays, oldest.ReplayName)
		tx.Batch.Delete(replayKey(oldest.ReplayName))
	}
	return nil
}

// findSource checks the source of a replay and returns its number, 0 for the history.
func (a *Archives) findSource(spec *turnout.ReplaySpec) (number uint32, err error) {
	bus, isBus := turnout.ParseBusARN(spec.SourceARN)
	if !isBus {
		name, ok := turnout.ParseArchiveARN(spec.SourceARN)
		if !ok {
			return 0, turnout.Errorf(turnout.CodeValidation, "Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN.")
		}
		one := a.archives[name]
		if one == nil || name.Scope != spec.Scope {
			return 0, turnout.Errorf(turnout.CodeValidation, "Parameter EventSourceArn is not valid. Reason: Archive %s does not exist.", name.Name)
		}
		bus, number = one.Bus, one.number
	}
	if bus != spec.Bus {
		return 0, turnout.Errorf(turnout.CodeValidation, "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
	}
	return number, nil
}

// checkReplay checks what can be checked outside the loop.
func (a *Archives) checkReplay(ctx context.Context, spec *turnout.ReplaySpec) error {
	switch {
	case !spec.From.Before(spec.To):
		return turnout.Errorf(turnout.CodeValidation, "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.")
	case spec.From.UnixMilli() < 0 || spec.To.UnixMilli() >= 1<<47:
		return turnout.Errorf(turnout.CodeValidation, "Parameter EventStartTime is not valid. Reason: The times must be between the years 1970 and 6400.")
	case spec.TargetID != "" && len(spec.FilterARNs) != 1:
		return turnout.Errorf(turnout.CodeValidation, "Parameter TargetId is not valid. Reason: It needs exactly one rule in Destination.FilterArns.")
	case spec.Queue != nil && len(spec.FilterARNs) > 0:
		return turnout.Errorf(turnout.CodeValidation, "Parameter Queue is not valid. Reason: Destination.FilterArns must be empty.")
	}
	if err := checkPace(spec); err != nil {
		return err
	}
	if _, err := a.broker.Bus(ctx, spec.Bus); err != nil {
		return err
	}
	if err := a.checkQueue(ctx, spec); err != nil {
		return err
	}
	return a.checkFilter(ctx, spec)
}

const timeLapseMax = 1_000_000

func checkPace(spec *turnout.ReplaySpec) error {
	if spec.PerSecondMax < 0 {
		return turnout.Errorf(turnout.CodeValidation, "Parameter PerSecondMax is not valid. Reason: Must not be negative.")
	}
	if l := spec.TimeLapse; l != 0 && !(l >= 1.0/timeLapseMax && l <= timeLapseMax) { // a NaN is neither
		return turnout.Errorf(turnout.CodeValidation, "Parameter TimeLapse is not valid. Reason: Must be 0, or between 1/%d and %d.", timeLapseMax, timeLapseMax)
	}
	return nil
}

// checkQueue injects nothing into the queue, which tells whether it exists.
func (a *Archives) checkQueue(ctx context.Context, spec *turnout.ReplaySpec) error {
	if spec.Queue == nil {
		return nil
	}
	_, err := a.broker.Inject(ctx, broker.Injection{Bus: spec.Bus, Queue: spec.Queue, ReplayName: spec.Name})
	if e, ok := errors.AsType[*turnout.Error](err); ok && e.Code == turnout.CodeStorageFull {
		return nil // the replay will wait
	}
	return err
}

func (a *Archives) checkFilter(ctx context.Context, spec *turnout.ReplaySpec) error {
	rules, err := filter(spec)
	if err != nil {
		return err
	}
	for _, name := range rules {
		if _, err := a.broker.Rule(ctx, name); err != nil {
			return err
		}
	}
	if spec.TargetID == "" {
		return nil
	}
	targets, err := a.broker.Targets(ctx, rules[0])
	if err == nil && !slices.ContainsFunc(targets, func(t turnout.Target) bool { return t.ID == spec.TargetID }) {
		err = turnout.Errorf(turnout.CodeValidation, "Parameter TargetId is not valid. Reason: Rule %s has no target %s.", rules[0].Name, spec.TargetID)
	}
	return err
}

// filter returns the rules that get events, nil for all.
func filter(spec *turnout.ReplaySpec) ([]turnout.RuleName, error) {
	var rules []turnout.RuleName
	for _, arn := range spec.FilterARNs {
		name, ok := turnout.ParseRuleARN(arn)
		if !ok || name.Bus != spec.Bus {
			return nil, turnout.Errorf(turnout.CodeValidation,
				"Parameter Destination.FilterArns is not valid. Reason: %s is not the ARN of a rule on EventBus %s.", arn, spec.Bus.Name)
		}
		rules = append(rules, name)
	}
	return rules, nil
}

// CancelReplay stops a replay: what it has delivered stays. It is CodeNotFound,
// or CodeConflict for one that has ended or is being cancelled.
func (a *Archives) CancelReplay(_ context.Context, name turnout.ReplayName) (cancelled turnout.Replay, err error) {
	err = a.loop.Do(func(tx *partition.Tx) error {
		r := a.replays[name]
		switch {
		case r == nil:
			return errReplayNotFound(name)
		case r.ended() || r.State == turnout.ReplayCancelling:
			return turnout.Errorf(turnout.CodeConflict, "Replay %s is not in a valid state for this operation.", name.Name)
		}
		r.State = turnout.ReplayCancelling
		tx.Batch.Set(replayKey(name), r.encode())
		cancelled = r.Replay
		r.wake()
		return nil
	})
	return cancelled, err
}

// Replay describes a replay, or is CodeNotFound. Delivered and Skipped may lack
// what the newest two batches of a replay under way did, and for ever after a crash.
func (a *Archives) Replay(_ context.Context, name turnout.ReplayName) (found turnout.Replay, err error) {
	err = a.loop.Do(func(*partition.Tx) error {
		r := a.replays[name]
		if r == nil {
			return errReplayNotFound(name)
		}
		found = r.Replay
		return nil
	})
	return found, err
}

// Replays returns the replays of a scope in the order of their names: those
// under way, and those that ended in the last 90 days.
func (a *Archives) Replays(_ context.Context, scope turnout.Scope) ([]turnout.Replay, error) {
	var all []turnout.Replay
	err := a.loop.Do(func(*partition.Tx) error {
		for name, r := range a.replays {
			if name.Scope == scope {
				all = append(all, r.Replay)
			}
		}
		return nil
	})
	slices.SortFunc(all, func(a, b turnout.Replay) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// errStopped says that a replay is to stop: it is being cancelled, or gone.
var errStopped = errors.New("archive: the replay is to stop")

// done is what a worker has done since it last told the loop.
type done struct {
	events             int64
	next               position
	last               int64 // Unix ms of the last event
	delivered, skipped int64
}

// advance records progress in the batch of the deliveries. It is errStopped, or
// a *turnout.Error if the source is gone.
func (a *Archives) advance(tx *partition.Tx, r *replay, d *done) error {
	switch {
	case r.gone || r.State == turnout.ReplayCancelling:
		return errStopped
	case !a.hasSource(r):
		return turnout.Errorf(turnout.CodeNotFound, "%s", goneReason)
	}
	r.State = turnout.ReplayRunning
	r.add(d)
	tx.Batch.Set(replayKey(r.ReplayName), r.encode())
	return nil
}

func (r *replay) add(d *done) {
	r.Delivered += d.delivered
	r.Skipped += d.skipped
	if d.events > 0 {
		r.Events += d.events
		r.next = d.next
		r.LastEvent = time.UnixMilli(d.last).UTC()
	}
}

// hasSource reports whether the archive of a replay is still there.
func (a *Archives) hasSource(r *replay) bool {
	if r.archive == 0 {
		return true
	}
	name, _ := turnout.ParseArchiveARN(r.SourceARN)
	one := a.archives[name]
	return one != nil && one.number == r.archive
}

// end ends a replay: cancelled if it is being cancelled, failed with a reason
// if there is one, completed otherwise. d is what was not recorded yet.
func (a *Archives) end(r *replay, reason string, d *done) error {
	return a.loop.Do(func(tx *partition.Tx) error {
		if r.gone || r.ended() {
			return nil
		}
		count := &a.stats.completed
		switch {
		case r.State == turnout.ReplayCancelling:
			r.State, count = turnout.ReplayCancelled, &a.stats.cancelled
		case reason == "" && !a.hasSource(r):
			r.State, r.StateReason, count = turnout.ReplayFailed, goneReason, &a.stats.failed
		case reason != "":
			r.State, r.StateReason, count = turnout.ReplayFailed, reason, &a.stats.failed
		default:
			r.State = turnout.ReplayCompleted
		}
		count.Add(1)
		a.stats.running.Add(-1)
		r.EndedAt = tx.Now
		r.add(d)
		a.due = earlier(a.due, r.expiry())
		tx.Batch.Set(replayKey(r.ReplayName), r.encode())
		return nil
	})
}
