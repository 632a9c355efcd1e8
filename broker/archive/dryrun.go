package archive

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/internal/partition"
)

// DryRun says what a replay would do.
type DryRun struct {
	// Events that would be replayed; Complete is false if counting stopped at
	// Config.DryRunEventsMax.
	Events   int64
	Complete bool
	// Targets are those that would get events, by rule and id. With a Queue it is one, without a rule.
	Targets []DryRunTarget
	// Samples are the first events that would be delivered, as they were
	// published, at most ten; with those that would go nowhere only if there are no others.
	Samples [][]byte
}

// DryRunTarget says what a target of a rule would get.
type DryRunTarget struct {
	Rule       turnout.RuleName
	TargetID   string
	Deliveries int64
	Skipped    int64 // left out because of SkipDelivered
}

const samplesMax = 10

// DryRun reads and matches the events of a replay as it would begin now, and
// delivers nothing. A target that is another bus counts as one delivery; what
// that bus's rules would do with it is not looked at. The errors are
// StartReplay's, except that the name may be taken and no limit counts.
func (a *Archives) DryRun(ctx context.Context, spec turnout.ReplaySpec) (DryRun, error) {
	if err := a.checkReplay(ctx, &spec); err != nil {
		return DryRun{}, err
	}
	r := newReplay(spec)
	err := a.loop.Do(func(tx *partition.Tx) (err error) {
		r.StartedAt = tx.Now
		r.archive, err = a.findSource(&spec)
		return err
	})
	if err != nil {
		return DryRun{}, err
	}
	c := counter{archives: a, replay: r, counts: make(map[uint64]*DryRunTarget)}
	if c.rules, err = filter(&spec); err != nil {
		return DryRun{}, err
	}
	if err := c.run(ctx); err != nil {
		return DryRun{}, err
	}
	return c.result(), nil
}

// counter carries a dry run.
type counter struct {
	archives *Archives
	replay   *replay
	rules    []turnout.RuleName
	found    DryRun
	counts   map[uint64]*DryRunTarget // by target number
	idle     [][]byte                 // samples of what goes nowhere

	// What Inject offers, once for each event and target however often it matches again.
	mu      sync.Mutex
	offered map[offer]struct{}
}

type offer struct {
	event  int
	target uint64
}

func (c *counter) run(ctx context.Context) error {
	src := c.archives.source(c.replay)
	var p passage
	next := position{At: unixMilliUp(c.replay.From)}
	for c.found.Events < int64(c.archives.cfg.DryRunEventsMax) {
		if err := src.read(c.archives.store, &p, next); err != nil {
			return fmt.Errorf("read the source of a replay: %w", err)
		}
		for i := 0; i < len(p.events); i += limitFirst {
			if err := c.count(ctx, &p, i, min(i+limitFirst, len(p.events))); err != nil {
				return err
			}
		}
		if p.end {
			c.found.Complete = true
			return nil
		}
		next = p.events[len(p.events)-1].next
	}
	return nil
}

// count has events [from, to) of p matched: every delivery is offered to Skip, and none is made.
func (c *counter) count(ctx context.Context, p *passage, from, to int) error {
	c.offered = make(map[offer]struct{})
	bodies := make([][]byte, 0, to-from)
	for i := from; i < to; i++ {
		bodies = append(bodies, p.body(i))
	}
	r := c.replay
	_, err := c.archives.broker.Inject(ctx, broker.Injection{
		Bus: r.Bus, Events: bodies, ReplayName: cmp.Or(r.Name, "dry-run"),
		Rules: c.rules, TargetID: r.TargetID, Queue: r.Queue,
		Skip: func(event int, target uint64) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.offered[offer{from + event, target}] = struct{}{}
			return true
		},
	})
	if err != nil {
		return err
	}
	c.found.Events += int64(to - from)
	delivered := make(map[int]bool)
	for o := range c.offered {
		t := c.counts[o.target]
		if t == nil {
			t = &DryRunTarget{}
			c.counts[o.target] = t
		}
		if slices.Contains(p.events[o.event].targets, o.target) {
			t.Skipped++
			continue
		}
		t.Deliveries++
		delivered[o.event] = true
	}
	c.sample(p, from, to, delivered)
	return nil
}

func (c *counter) sample(p *passage, from, to int, delivered map[int]bool) {
	for i := from; i < to; i++ {
		samples := &c.idle
		if delivered[i] {
			samples = &c.found.Samples
		}
		if len(*samples) < samplesMax {
			*samples = append(*samples, slices.Clone(p.body(i)))
		}
	}
}

// result names the targets.
func (c *counter) result() DryRun {
	out := c.found
	if len(out.Samples) == 0 {
		out.Samples = c.idle
	}
	for number, t := range c.counts {
		if number != 0 { // the queue's
			var ok bool
			if t.Rule, t.TargetID, ok = c.archives.broker.TargetByNumber(number); !ok {
				continue // removed meanwhile
			}
		}
		out.Targets = append(out.Targets, *t)
	}
	slices.SortFunc(out.Targets, func(a, b DryRunTarget) int {
		return cmp.Or(cmp.Compare(a.Rule.Name, b.Rule.Name), cmp.Compare(a.TargetID, b.TargetID))
	})
	return out
}
