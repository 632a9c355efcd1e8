package broker

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/rules/transform"
)

// Injection asks for events to be delivered that are not published: those of
// the past, by a replay, and those that a schedule makes.
type Injection struct {
	Bus turnout.BusName
	// Events are as their targets get them: EventBridge's envelope, as Publish
	// makes it, with its id.
	Events [][]byte
	// ReplayName, if any, is put into the envelopes. Such events are kept in
	// neither archives nor history.
	ReplayName string

	// Rules are the only rules of Bus that get the events they match; nil is every rule.
	Rules []turnout.RuleName
	// Direct delivers to Rules what they would not match, too.
	Direct bool
	// TargetID is the only target of Rules that gets events; "" is every target.
	TargetID string
	// Queue gets every event as it is, in place of the rules of Bus. In a FIFO
	// queue the events are one message group, named ReplayName.
	Queue *turnout.QueueName
	// Skip reports whether an event, by its index in Events, is not delivered
	// to the target with the given number, of a rule of Bus or of a bus that the
	// event comes to from there. nil leaves nothing out. It may be asked again for
	// the same, and on the loop.
	Skip func(event int, target uint64) bool

	// Then, if any, runs on the loop in the same batch. Its error leaves everything as it was.
	Then func(tx *partition.Tx) error
}

// Injected is what became of an Injection.
type Injected struct {
	Deliveries int // made or, if they failed, dead-lettered or lost, as of a publish
	Skipped    int // left out because of Skip
}

// Inject delivers the events of i as Publish would, and runs i.Then, in one
// batch: when it returns nil, all of that is durable. It is CodeNotFound for a
// bus, rule or queue that does not exist, CodeValidation for an event that is
// not one, and else as Publish. When the disk is full it is CodeStorageFull,
// and the caller tries again later.
func (b *Broker) Inject(ctx context.Context, i Injection) (Injected, error) {
	if err := ctx.Err(); err != nil {
		return Injected{}, err
	}
	if b.refuse.Load() {
		return Injected{}, errStorageFull
	}
	p := b.newPublication()
	defer b.release(p)
	p.injection = &i
	if err := p.acceptInjected(&i); err != nil {
		return Injected{}, err
	}
	if err := p.commit(); err != nil {
		return Injected{}, err
	}
	p.account(len(i.Events))
	return Injected{Deliveries: len(p.deliveries), Skipped: int(p.tally.skipped)}, nil
}

//nolint:gochecknoglobals // constants
var (
	eventID, _    = transform.ParsePath("$.id")
	afterRegion   = []byte(`,"resources":[`)
	replayNameKey = []byte(`,"replay-name":`)
)

// acceptInjected makes the events of i.
func (p *publication) acceptInjected(i *Injection) error {
	entry := &turnout.EventEntry{Bus: i.Bus}
	for n, body := range i.Events {
		id, ok := eventID.Text(body)
		if !ok {
			return turnout.Errorf(turnout.CodeValidation, "Event %d has no id.", n)
		}
		from := len(p.text)
		if i.ReplayName == "" {
			p.text = append(p.text, body...)
		} else {
			// No string holds this text, whose quotes would be escaped there,
			// and what could hold it as JSON, the detail, comes later.
			at := bytes.Index(body, afterRegion)
			if at < 0 {
				return turnout.Errorf(turnout.CodeValidation, "Event %s has no resources.", id)
			}
			p.text = append(p.text, body[:at]...)
			p.text = append(p.text, replayNameKey...)
			p.text = appendQuoted(p.text, i.ReplayName)
			p.text = append(p.text, body[at:]...)
		}
		p.events = append(p.events, event{entry: entry, origin: n, id: id, from: from, to: len(p.text)})
	}
	p.accepted = len(p.events)
	return nil
}

// begin is the first thing to happen on the loop.
func (i *Injection) begin(tx *partition.Tx, q Queues) error {
	if i.Queue != nil && !q.HasQueue(tx, *i.Queue) {
		return turnout.Errorf(turnout.CodeQueueNotFound, "The specified queue does not exist.")
	}
	if i.Then == nil {
		return nil
	}
	return i.Then(tx)
}

// resolve finds the rules of a direct injection. read runs a function on the loop.
func (p *publication) resolve(read func(func() error) error) error {
	i := p.injection
	if i == nil || !i.Direct {
		return nil
	}
	return read(func() error {
		p.direct, p.directAt = p.direct[:0], p.broker.catalog.Current(i.Bus).Version()
		for _, name := range i.Rules {
			r := p.broker.catalog.Rule(name)
			if r == nil {
				return errRuleNotFound(name)
			}
			p.direct = append(p.direct, r)
		}
		return nil
	})
}

// find appends to p.rules the rules that get an event on the injection's bus.
func (i *Injection) find(p *publication, v *catalog.View, ev int) (err error) {
	switch {
	case i.Queue != nil:
		p.rules = append(p.rules, i.queueRule())
		return nil
	case i.Direct:
		p.rules = append(p.rules, p.direct...)
		return nil
	}
	start := len(p.rules)
	p.rules, p.ids, err = v.Match(p.rules, p.ids, p.body(&p.events[ev]))
	if i.Rules != nil {
		kept := slices.DeleteFunc(p.rules[start:], func(r *catalog.Rule) bool {
			return !slices.Contains(i.Rules, r.RuleName)
		})
		p.rules = p.rules[:start+len(kept)]
	}
	return err
}

// queueRule stands in for a rule: its only target is the queue.
func (i *Injection) queueRule() *catalog.Rule {
	r := &catalog.Rule{Matched: new(atomic.Uint64), ARN: turnout.ReplayName{Scope: i.Bus.Scope, Name: i.ReplayName}.ARN()}
	t, err := catalog.NewTarget(turnout.Target{ID: "queue", ARN: i.Queue.ARN(), MessageGroupID: i.ReplayName})
	if err != nil {
		panic(err) // a replay's name is a message group id, and the ARN is a queue's
	}
	r.Targets = []*catalog.Target{t}
	return r
}

// leavesOut reports whether a target is not to get an event.
func (p *publication) leavesOut(ev int, t *catalog.Target, hops int) bool {
	i := p.injection
	switch {
	case i == nil:
		return false
	case hops == 0 && i.TargetID != "" && t.ID != i.TargetID:
		return true
	case i.Skip != nil && i.Skip(p.events[ev].origin, t.Number):
		p.tally.skipped++
		return true
	}
	return false
}
