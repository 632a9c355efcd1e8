package broker

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
)

// delivery is one event on its way to one target.
type delivery struct {
	event  int // index in publication.events
	rule   *catalog.Rule
	target *catalog.Target
	bus    *catalog.View // of the rule

	transformed bool // the body is text[from:to], not the event
	from, to    int
	group       string
	dedup       string
	failed      *failure // it cannot be delivered
}

// failure says why a delivery cannot be made, in the words of a dead letter's attributes.
type failure struct {
	code    string
	message string
}

// The error codes of AWS that a delivery into a queue or bus can end with.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
const (
	failedInternal      = "INTERNAL_ERROR"
	failedInvalidJSON   = "INVALID_JSON"
	failedParameter     = "INVALID_PARAMETER"
	failedNoResource    = "NO_RESOURCE"
	failedLimitExceeded = "RESOURCE_LIMIT_EXCEEDED"
	failedThrottled     = "THROTTLING"
)

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
		before := len(p.rules)
		if err := p.visit(view, v, i, bus, 0); err != nil {
			return err
		}
		if len(p.rules) == before {
			p.tally.unmatched++
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

// visit matches an event against the rules of a bus, and goes on to the buses
// that are targets of those it matches.
func (p *publication) visit(view func(turnout.BusName) *catalog.View, v *catalog.View, ev int, bus turnout.BusName, hops int) error {
	p.visits = append(p.visits, visit{origin: p.events[ev].origin, bus: bus})
	if v == nil {
		return nil // a default bus without rules
	}
	start := len(p.rules)
	var err error
	if p.rules, p.ids, err = v.Match(p.rules, p.ids, p.body(&p.events[ev])); err != nil {
		return err
	}
	for i, end := start, len(p.rules); i < end; i++ {
		r := p.rules[i]
		for _, t := range r.Targets {
			if err := p.checkBounds(); err != nil {
				return err
			}
			d := delivery{event: ev, rule: r, target: t, bus: v}
			if t.Bus.Name == "" {
				p.toQueue(&d)
			} else if err := p.toBus(view, &d, hops); err != nil {
				return err
			}
		}
	}
	return nil
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

// toQueue prepares a delivery to a queue.
func (p *publication) toQueue(d *delivery) {
	e := &p.events[d.event]
	body := p.body(e)
	if d.target.HasInput() {
		d.transformed, d.from = true, len(p.text)
		text, err := d.target.AppendInput(p.text, body, d.rule, p.now)
		if err != nil {
			d.failed = &failure{failedInvalidJSON, err.Error()}
			if catalog.IsNoValue(err) {
				d.failed.code = failedParameter
			}
			p.deliveries = append(p.deliveries, *d)
			return
		}
		p.text, d.to = text, len(text)
	}
	var err error
	if d.group, err = d.target.Group(body); err != nil {
		d.failed = &failure{failedParameter, err.Error()}
	}
	if d.target.FIFO {
		d.dedup = p.deduplicationID(d, e)
	}
	p.deliveries = append(p.deliveries, *d)
}

// deduplicationID is the event's id, so that a queue takes an event once
// however often its delivery is repeated. When one event goes to one queue by
// several targets, each of them counts, so all but the first get a number.
func (p *publication) deduplicationID(d *delivery, e *event) string {
	if p.fifo == nil {
		p.fifo = make(map[fifoTarget]int)
	}
	to := fifoTarget{event: d.event, queue: d.target.Queue}
	n := p.fifo[to]
	p.fifo[to]++
	if n == 0 {
		return e.id
	}
	return fmt.Sprintf("%s-%d", e.id, n)
}

// toBus matches an event on the bus that is a target, in the same publication.
func (p *publication) toBus(view func(turnout.BusName) *catalog.View, d *delivery, hops int) error {
	to := d.target.Bus
	v := p.use(view, to)
	switch {
	case slices.Contains(p.visits, visit{origin: p.events[d.event].origin, bus: to}):
		p.tally.loops++
		return nil
	case v == nil && to.Name != turnout.DefaultBus:
		d.failed = &failure{failedNoResource, fmt.Sprintf("Event bus %s does not exist.", to.Name)}
	case hops >= p.broker.cfg.HopsMax:
		d.failed = &failure{failedLimitExceeded, fmt.Sprintf("The event has passed through %d event buses, the most that are allowed.", hops)}
	}
	if d.failed != nil {
		p.deliveries = append(p.deliveries, *d)
		return nil
	}
	p.tally.toBus++
	ev := d.event
	if to.Region != d.rule.Bus.Region {
		var err error
		if ev, err = p.copyEvent(ev); err != nil {
			return err
		}
	}
	return p.visit(view, v, ev, to, hops+1)
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
