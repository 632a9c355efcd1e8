package schedules

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
)

// errChanged says that a rule changed while a tick was on its way.
var errChanged = errors.New("schedules: the rule changed meanwhile")

// hand gives a tick to Run.
func (s *Schedules) hand(t tick) {
	s.ready.mu.Lock()
	s.ready.ticks = append(s.ready.ticks, t)
	s.ready.mu.Unlock()
	s.signal()
}

func (s *Schedules) signal() {
	select {
	case s.ready.wake <- struct{}{}:
	default: // a token is there already
	}
}

// take returns the tick handed over first, and passes the token on if there are more.
func (s *Schedules) take() (t tick, ok bool) {
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if len(s.ready.ticks) == 0 {
		return tick{}, false
	}
	t = s.ready.ticks[0]
	if s.ready.ticks = s.ready.ticks[1:]; len(s.ready.ticks) > 0 {
		s.signal()
	} else {
		s.ready.ticks = nil
	}
	return t, true
}

// Run delivers the ticks that are due until ctx ends, and those under way then.
// The partition must run as long.
func (s *Schedules) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range s.cfg.FiringMax {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-s.ready.wake:
				}
				for t, ok := s.take(); ok && ctx.Err() == nil; t, ok = s.take() {
					s.fire(ctx, t)
				}
			}
		})
	}
	workers.Wait()
	return nil
}

// fire delivers a tick and settles it in the same batch.
func (s *Schedules) fire(ctx context.Context, t tick) {
	err := s.broker.Fire(ctx, t.rule, t.event(), func(tx *partition.Tx) error { return s.settle(tx, t) })
	if err == nil {
		s.stats.fired.Add(1)
		return
	}
	if errors.Is(err, errChanged) || ctx.Err() != nil {
		return // the change has put the rule where it belongs, and a restart begins from the store
	}
	s.giveBack(ctx, t, err)
}

// settle notes, on the loop and in the batch of its deliveries, that a tick has fired.
func (s *Schedules) settle(tx *partition.Tx, t tick) error {
	r := s.current(t)
	if r == nil {
		return errChanged
	}
	if late := tx.Now.Sub(t.at); late > time.Minute {
		s.cfg.Log.Info("a scheduled rule fires late", slog.String("rule", r.name.ARN()), slog.Time("tick", t.at), slog.Duration("late", late))
	}
	r.settled, r.failures = t.at, 0
	s.save(tx, r)
	s.await(r, time.Time{})
	return nil
}

// current returns the rule of a tick unless it has changed since the tick was handed over.
func (s *Schedules) current(t tick) *rule {
	r := s.rules[t.rule]
	if r == nil || !r.settled.Before(t.at) {
		return nil
	}
	return r
}

// giveBack puts the rule of a tick that could not be delivered back into the
// heap, to be looked at again soon: by then a newer tick may have taken its place.
func (s *Schedules) giveBack(ctx context.Context, t tick, failure error) {
	for {
		err := s.loop.Do(func(tx *partition.Tx) error {
			s.retry(tx, t, failure)
			return nil
		})
		if err == nil {
			return
		}
		// The loop is stopping, or has more to do than it can: wait and see.
		timer := time.NewTimer(retryMin)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// A failed delivery is tried again after retryMin, then twice as long each
// time up to retryMax. What makes it fail, such as a full disk, is rarely the
// rule's own doing, so more haste would only make matters worse.
const (
	retryMin = time.Second
	retryMax = 30 * time.Second
)

func (s *Schedules) retry(tx *partition.Tx, t tick, failure error) {
	r := s.current(t)
	if r == nil {
		return // it was deleted, or changed otherwise
	}
	s.stats.failed.Add(1)
	if r.failures == 0 {
		s.cfg.Log.Warn("a scheduled rule could not fire, it is tried again",
			slog.String("rule", r.name.ARN()), slog.Time("tick", t.at), slog.String("error", failure.Error()))
	}
	wait := min(retryMin<<min(r.failures, 10), retryMax)
	r.failures++
	s.await(r, tx.Now.Add(wait))
}

// scheduledEvent is the event that EventBridge makes at a tick.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
type scheduledEvent struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     struct{} `json:"detail"`
}

// event returns the text of a tick's event. Its id depends on the rule, the
// time since which it counts and the tick, so that one tick never has two.
func (t *tick) event() []byte {
	arn := t.rule.ARN()
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d", arn, t.anchor.Unix(), t.at.Unix()))
	text, err := json.Marshal(scheduledEvent{
		Version: "0", ID: turnout.UUID([16]byte(sum[:])), DetailType: "Scheduled Event", Source: "aws.events",
		Account: t.rule.Bus.Account, Time: t.at.UTC().Format(time.RFC3339), Region: t.rule.Bus.Region, Resources: []string{arn},
	})
	if err != nil {
		panic(err) // it holds nothing that JSON cannot
	}
	return text
}
