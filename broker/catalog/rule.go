package catalog

import (
	"errors"
	"slices"
	"sync/atomic"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/rules"
)

// Rule is a rule with its targets, compiled. It is not changed once it is in a
// Catalog: a change makes another Rule.
type Rule struct {
	turnout.Rule
	// ARN is the rule's name in full.
	ARN string
	// Targets are in the order in which they were first put.
	Targets []*Target
	// Matched counts the events that matched, in all versions of the rule since the process started.
	Matched *atomic.Uint64

	place *place
}

// NewRule compiles r. Targets, and the compiled pattern if it is the same, come
// from prior, the present rule of that name or nil. It is CodeInvalidEventPattern
// for a pattern that AWS would refuse, with AWS's message. It may be called on
// any goroutine.
func NewRule(r turnout.Rule, prior *Rule) (*Rule, error) {
	if prior != nil && prior.Pattern == r.Pattern && matches(&prior.Rule) == matches(&r) {
		n := *prior
		n.Rule = r
		return &n, nil
	}
	n, err := parseRule(r)
	if err != nil {
		return nil, err
	}
	if prior != nil {
		n.Targets, n.Matched = prior.Targets, prior.Matched
	}
	if n.place.pattern != nil {
		n.place.fresh = newLayer([]*place{n.place})
	}
	return n, nil
}

// parseRule makes a rule without targets whose place is in no layer yet.
func parseRule(r turnout.Rule) (*Rule, error) {
	n := &Rule{Rule: r, ARN: r.ARN(), Matched: new(atomic.Uint64), place: &place{}}
	if r.Pattern == "" {
		return n, nil
	}
	pattern, err := ParsePattern([]byte(r.Pattern))
	if err == nil && matches(&r) {
		n.place.pattern = pattern
	}
	return n, err
}

// matches reports whether a rule can match events.
func matches(r *turnout.Rule) bool {
	return r.Pattern != "" && r.State != turnout.RuleDisabled
}

// ParsePattern parses an event pattern; the error has AWS's message.
func ParsePattern(pattern []byte) (*rules.Pattern, error) {
	p, err := rules.Parse(pattern)
	if err == nil {
		return p, nil
	}
	message := err.Error()
	if e, ok := errors.AsType[*rules.Error](err); ok {
		message = e.WithSource(pattern)
	}
	return nil, turnout.Errorf(turnout.CodeInvalidEventPattern, "Event pattern is not valid. Reason: %s", message)
}

// target returns the index of the target with the given id, -1 if there is none.
func (r *Rule) target(id string) int {
	return slices.IndexFunc(r.Targets, func(t *Target) bool { return t.ID == id })
}
