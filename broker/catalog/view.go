package catalog

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/rules"
)

// View is a bus at one version: its settings and its rules, compiled. It may
// be used by any number of goroutines.
//
// The rules are in layers, sets compiled at different times. A rule that
// changes goes into a layer of its own on top, so a change costs the
// compilation of one rule whatever the size of the bus; compaction merges
// layers later, outside the loop (see compact.go).
//
// A layer does not hold rules but places, and what is in a place may change
// with the version: the same pattern with other targets, or nothing once the
// rule is deleted or its pattern is another, which has another place. So a View
// alone is not immutable. But the loop changes places and version in one
// operation: if a View's version is still the current one when the loop is
// asked, what was read through it is what held at that version.
type View struct {
	// Bus is the bus's settings.
	Bus turnout.Bus
	// DeadLetter is the bus's dead-letter queue; its name is empty if it has none.
	DeadLetter turnout.QueueName

	version uint64
	layers  []*layer
	dead    int // places in layers that are empty now
}

// layer is some rules of a bus, compiled together.
type layer struct {
	set    *rules.Set
	places []*place // by rules.ID
}

// place is where layers find a rule, as long as it has one pattern.
type place struct {
	pattern *rules.Pattern       // nil for a rule that matches nothing: it is disabled, or has a schedule
	rule    atomic.Pointer[Rule] // nil when the place is given up
	fresh   *layer               // the place alone, compiled, until it is in a View
}

// Version tells Views of all buses apart; a nil View, of a bus without rules, has version 0.
func (v *View) Version() uint64 {
	if v == nil {
		return 0
	}
	return v.version
}

// Match appends to dst the rules that match event, which has passed rules.Scan.
// ids is scratch memory, returned for the next call.
func (v *View) Match(dst []*Rule, ids []rules.ID, event []byte) ([]*Rule, []rules.ID, error) {
	for _, l := range v.layers {
		var err error
		if ids, err = l.set.Match(ids[:0], event); err != nil {
			return dst, ids, fmt.Errorf("match event on bus %s: %w", v.Bus.ARN(), err)
		}
		for _, id := range ids {
			if r := l.places[id].rule.Load(); r != nil {
				dst = append(dst, r)
			}
		}
	}
	return dst, ids, nil
}

func (v *View) setBus(settings turnout.Bus) {
	v.Bus = settings
	v.DeadLetter, _ = turnout.ParseQueueARN(settings.DeadLetterARN)
}

// addLayer puts a rule in its own new place on top.
func (v *View) addLayer(r *Rule) {
	if r.place.fresh != nil {
		v.layers = append(slices.Clip(v.layers), r.place.fresh)
		r.place.fresh = nil
	}
}

// drop gives up the place of a rule.
func (v *View) drop(r *Rule) {
	r.place.rule.Store(nil)
	if r.place.pattern == nil {
		return // it is in no layer
	}
	v.dead++
	if v.dead == v.placeCount() {
		v.layers, v.dead = nil, 0
	}
}

// placeCount returns the number of places in the layers, empty ones included.
func (v *View) placeCount() int {
	n := 0
	for _, l := range v.layers {
		n += len(l.places)
	}
	return n
}

// newLayer compiles what is in the given places.
func newLayer(places []*place) *layer {
	patterns := make([]rules.Rule, len(places))
	for i, p := range places {
		patterns[i] = rules.Rule{ID: rules.ID(i), Pattern: p.pattern}
	}
	return &layer{set: rules.Compile(patterns), places: places}
}

// LayerCount returns the number of sets that an event is matched against.
func (v *View) LayerCount() int {
	if v == nil {
		return 0
	}
	return len(v.layers)
}

// RuleCount returns the number of compiled rules, and of those not yet forgotten.
func (v *View) RuleCount() int {
	if v == nil {
		return 0
	}
	return v.placeCount()
}
