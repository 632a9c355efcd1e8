package broker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/sinks"
)

// delivery is one event on its way to one target.
type delivery struct {
	event  int // index in publication.events
	visit  int // index in publication.visits
	rule   *catalog.Rule
	target *catalog.Target
	bus    *catalog.View // of the rule

	transformed bool // the body is text[from:to], not the event
	from, to    int
	group       string
	dedup       string
	topic       TopicMessage // with ToTopic
	failed      *failure     // it cannot be delivered
}

// failure says why a delivery cannot be made, in the words of a dead letter's attributes.
type failure struct {
	code    string // one of the codes of package sinks
	message string
}

// match finds the deliveries of all events. view gives a bus's rules.
func (p *publication) match(view func(turnout.BusName) *catalog.View) error {
	began := time.Now()
	p.reset(p.accepted)
	for i := range p.accepted {
		bus := p.events[i].entry.Bus
		v := p.use(view, bus)
		if v == nil && bus.Name != turnout.DefaultBus {
			p.tally.unknownBus++
			continue
		}
		if err := p.visit(view, v, i, bus, 0); err != nil {
			return err
		}
	}
	p.matching = time.Since(began)
	return nil
}

// use returns the View of a bus and notes that it was used.
func (p *publication) use(view func(turnout.BusName) *catalog.View, name turnout.BusName) *catalog.View {
	v := view(name)
	for i := range p.used {
		if p.used[i].name == name {
			if p.used[i].version != v.Version() {
				p.used[i].version = changed
			}
			return v
		}
	}
	p.used = append(p.used, usedBus{name: name, version: v.Version()})
	return v
}

// changed is the version of a bus that changed while a publication was
// matched: none has it, so matching is repeated.
const changed = ^uint64(0)

// visit finds the rules of a bus that get an event, and goes on to the buses
// that are targets of those.
func (p *publication) visit(view func(turnout.BusName) *catalog.View, v *catalog.View, ev int, bus turnout.BusName, hops int) error {
	number := len(p.visits)
	p.visits = append(p.visits, visit{event: ev, origin: p.events[ev].origin, bus: bus})
	if v == nil { // a default bus without rules
		if p.injection == nil || p.injection.Queue == nil {
			p.countUnmatched(hops)
			return nil
		}
		v = &catalog.View{} // what goes to a queue needs none
	}
	start := len(p.rules)
	if err := p.find(v, ev, hops); err != nil {
		return err
	}
	if len(p.rules) == start {
		p.countUnmatched(hops)
	}
	for i, end := start, len(p.rules); i < end; i++ {
		for _, t := range p.rules[i].Targets {
			if p.leavesOut(ev, t, hops) {
				continue
			}
			if err := p.checkBounds(); err != nil {
				return err
			}
			d := delivery{event: ev, visit: number, rule: p.rules[i], target: t, bus: v}
			if t.Kind == catalog.ToBus {
				if err := p.toBus(view, &d, hops); err != nil {
					return err
				}
				continue
			}
			p.prepare(&d)
			p.deliveries = append(p.deliveries, d)
		}
	}
	return nil
}

// countUnmatched counts an event that no rule of the bus it was published to gets.
func (p *publication) countUnmatched(hops int) {
	if hops == 0 {
		p.tally.unmatched++
	}
}

// find appends to p.rules the rules that get an event on a bus.
func (p *publication) find(v *catalog.View, ev, hops int) (err error) {
	if p.injection == nil || hops > 0 {
		p.rules, p.ids, err = v.Match(p.rules, p.ids, p.body(&p.events[ev]))
		return err
	}
	return p.injection.find(p, v, ev)
}

// textBytesMax bounds the bodies that one publish holds in memory: its events
// and what transformations make of them.
const textBytesMax = 64 << 20

// checkBounds counts a delivery and refuses a publish that grows beyond what may be held in memory.
func (p *publication) checkBounds() error {
	p.attempts++
	switch {
	case p.attempts > p.broker.cfg.DeliveriesMax:
		return turnout.Errorf(turnout.CodeLimitExceeded,
			"The events match too many targets: at most %d deliveries can be made by one request.", p.broker.cfg.DeliveriesMax)
	case len(p.text) > textBytesMax:
		return turnout.Errorf(turnout.CodeLimitExceeded,
			"What the events' targets make of them is too large: at most %d bytes can be delivered by one request.", textBytesMax)
	}
	return nil
}

// prepare makes what the target gets. A delivery that cannot be made is marked as failed.
func (p *publication) prepare(d *delivery) {
	if d.target.Kind == catalog.ToArchive {
		return
	}
	e := &p.events[d.event]
	body := p.body(e)
	if d.target.HasInput() {
		d.transformed, d.from = true, len(p.text)
		text, err := d.target.AppendInput(p.text, body, d.rule, p.now)
		if err != nil {
			d.failed = &failure{sinks.CodeInvalidJSON, err.Error()}
			if catalog.IsNoValue(err) {
				d.failed.code = sinks.CodeInvalidParameter
			}
			return
		}
		p.text, d.to = text, len(text)
		body = p.text[d.from:d.to]
	}
	var err error
	if d.group, err = d.target.Group(p.body(e)); err != nil {
		d.failed = &failure{sinks.CodeInvalidParameter, err.Error()}
		return
	}
	switch d.target.Kind {
	case catalog.ToQueue:
		if d.target.FIFO {
			d.dedup = p.deduplicationID(d, e)
		}
	case catalog.ToTopic:
		d.topic, err = p.broker.to.Topics.Prepare(d.target.Topic, turnout.TopicMessage{
			Bodies:          map[string]string{"default": string(body)},
			GroupID:         d.group,
			DeduplicationID: p.topicDeduplicationID(d, e),
			TraceHeader:     e.entry.TraceHeader,
		}, p.now)
		if err != nil {
			d.failed = failureOf(err)
		}
	default:
	}
}

// topicDeduplicationID is deduplicationID for a FIFO topic, and nothing for another.
func (p *publication) topicDeduplicationID(d *delivery, e *event) string {
	if !strings.HasSuffix(d.target.Topic.Name, ".fifo") {
		return ""
	}
	return p.deduplicationID(d, e)
}

// deduplicationID is the event's id, so that a queue takes an event once
// however often its delivery is repeated. When one event goes to one queue by
// several targets, each of them counts, so all but the first get a number.
func (p *publication) deduplicationID(d *delivery, e *event) string {
	if p.fifo == nil {
		p.fifo = make(map[fifoTarget]int)
	}
	to := fifoTarget{event: d.event, arn: d.target.ARN}
	n := p.fifo[to]
	p.fifo[to]++
	id := e.id
	if p.injection != nil && p.injection.ReplayName != "" {
		id += "-" + p.injection.ReplayName // a replay is meant to be delivered again
	}
	if n > 0 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	return id
}

// toBus matches an event on the bus that is a target, in the same publication.
func (p *publication) toBus(view func(turnout.BusName) *catalog.View, d *delivery, hops int) error {
	to := d.target.Bus
	v := p.use(view, to)
	switch {
	case p.visited(p.events[d.event].origin, to):
		p.tally.loops++
		return nil
	case v == nil && to.Name != turnout.DefaultBus:
		d.failed = &failure{sinks.CodeNoResource, fmt.Sprintf("Event bus %s does not exist.", to.Name)}
	case hops >= p.broker.cfg.HopsMax:
		d.failed = &failure{sinks.CodeLimitExceeded, fmt.Sprintf("The event has passed through %d event buses, the most that are allowed.", hops)}
	}
	if d.failed != nil {
		p.deliveries = append(p.deliveries, *d)
		return nil
	}
	p.tally.to[catalog.ToBus]++
	ev := d.event
	if to.Region != d.rule.Bus.Region {
		var err error
		if ev, err = p.copyEvent(ev); err != nil {
			return err
		}
	}
	return p.visit(view, v, ev, to, hops+1)
}

// visited reports whether an event, or a copy of it, came by a bus.
func (p *publication) visited(origin int, bus turnout.BusName) bool {
	return slices.ContainsFunc(p.visits, func(v visit) bool { return v.origin == origin && v.bus == bus })
}

// copyEvent adds a copy of an event with an id of its own, which AWS gives it
// in another region, and returns its index.
func (p *publication) copyEvent(ev int) (int, error) {
	id, err := p.newID()
	if err != nil {
		return 0, err
	}
	e := p.events[ev] // everything else stays the origin's
	from := len(p.text)
	p.text = append(p.text, p.text[e.from:e.to]...)
	copy(p.text[from+idAt:], id)
	e.id, e.from, e.to = id, from, len(p.text)
	p.events = append(p.events, e)
	return len(p.events) - 1, nil
}
