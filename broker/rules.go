package broker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/internal/partition"
)

func errRuleNotFound(name turnout.RuleName) error {
	return turnout.Errorf(turnout.CodeNotFound, "Rule %s does not exist on EventBus %s.", name.Name, name.Bus.Name)
}

// errStale says that what was prepared outside the loop is out of date.
var errStale = errors.New("broker: the configuration changed meanwhile")

// staleMax is how often work is prepared again outside the loop before it is
// done on the loop, where nothing can change meanwhile.
const staleMax = 3

// PutRule creates a rule or changes it; its targets stay. change gets a copy of
// the present rule, or one with nothing but its name; it is called again if the
// rule changed at the same time, and its error leaves everything as it was.
//
// It is CodeNotFound for a bus that does not exist, CodeInvalidEventPattern with
// AWS's message for a pattern, CodeLimitExceeded beyond Config.RulesMax. When
// it returns nil, every event published from then on is matched by the rule.
func (b *Broker) PutRule(_ context.Context, name turnout.RuleName, change func(r *turnout.Rule, exists bool) error) (turnout.Rule, error) {
	if !validBusName(name.Bus) || !catalog.ValidName(name.Name) {
		return turnout.Rule{}, turnout.Errorf(turnout.CodeValidation, "Parameter Name is not valid.")
	}
	put, err := b.tryPutRule(name, change)
	for try := 1; errors.Is(err, errStale) && try < staleMax; try++ {
		put, err = b.tryPutRule(name, change)
	}
	if errors.Is(err, errStale) {
		put, err = b.putRuleOnLoop(name, change)
	}
	if err != nil {
		return turnout.Rule{}, err
	}
	b.compactor.changed(b, name.Bus)
	return cloneRule(put.Rule), nil
}

// tryPutRule compiles the changed rule outside the loop. It is errStale if the
// rule changed meanwhile.
func (b *Broker) tryPutRule(name turnout.RuleName, change func(*turnout.Rule, bool) error) (*catalog.Rule, error) {
	prior, err := b.ruleNow(name)
	if err != nil {
		return nil, err
	}
	put, err := changedRule(name, prior, change)
	if err != nil {
		return nil, err
	}
	return put, b.loop.Do(func(tx *partition.Tx) error { return b.putRule(tx, put, prior) })
}

func (b *Broker) putRuleOnLoop(name turnout.RuleName, change func(*turnout.Rule, bool) error) (put *catalog.Rule, err error) {
	err = b.loop.Do(func(tx *partition.Tx) error {
		prior := b.catalog.Rule(name)
		var err error
		if put, err = changedRule(name, prior, change); err != nil {
			return err
		}
		return b.putRule(tx, put, prior)
	})
	return put, err
}

// ruleNow returns the present rule, nil if there is none on its bus.
func (b *Broker) ruleNow(name turnout.RuleName) (*catalog.Rule, error) {
	var r *catalog.Rule
	err := b.read(func() error {
		if _, ok := b.catalog.Bus(name.Bus); !ok {
			return errBusNotFound(name.Bus)
		}
		r = b.catalog.Rule(name)
		return nil
	})
	return r, err
}

// changedRule compiles what change makes of prior.
func changedRule(name turnout.RuleName, prior *catalog.Rule, change func(*turnout.Rule, bool) error) (*catalog.Rule, error) {
	next := turnout.Rule{RuleName: name, State: turnout.RuleEnabled}
	if prior != nil {
		next = cloneRule(prior.Rule)
	}
	if err := change(&next, prior != nil); err != nil {
		return nil, err
	}
	next.RuleName = name
	return catalog.NewRule(cloneRule(next), prior)
}

// putRule puts a rule that was compiled from prior.
func (b *Broker) putRule(tx *partition.Tx, r, prior *catalog.Rule) error {
	if b.catalog.Rule(r.RuleName) != prior {
		return errStale
	}
	if prior != nil && prior.ManagedBy != "" {
		return errManaged(prior)
	}
	if err := b.checkPut(r, prior); err != nil {
		return err
	}
	b.catalog.PutRule(tx, r)
	b.announce(tx, r.RuleName, prior, r)
	return nil
}

// checkPut reports why a rule cannot take the place of prior, which may be nil.
func (b *Broker) checkPut(r, prior *catalog.Rule) error {
	if _, ok := b.catalog.Bus(r.Bus); !ok {
		return errBusNotFound(r.Bus)
	}
	if prior == nil && b.catalog.RuleCount(r.Bus) >= b.cfg.RulesMax {
		return errLimit()
	}
	return nil
}

// DeleteRule deletes a rule; one that does not exist is no error, as in AWS,
// but its bus must. A rule with targets is refused with CodeValidation.
func (b *Broker) DeleteRule(_ context.Context, name turnout.RuleName) error {
	err := b.loop.Do(func(tx *partition.Tx) error {
		if _, ok := b.catalog.Bus(name.Bus); !ok {
			return errBusNotFound(name.Bus)
		}
		r := b.catalog.Rule(name)
		switch {
		case r == nil:
			return nil
		case r.ManagedBy != "":
			return errManaged(r)
		case len(r.Targets) > 0:
			return turnout.Errorf(turnout.CodeValidation, "Rule can't be deleted since it has targets.")
		}
		b.catalog.DeleteRule(tx, name)
		b.announce(tx, name, r, nil)
		return nil
	})
	if err == nil {
		b.compactor.changed(b, name.Bus)
	}
	return err
}

// Rule returns a rule, or CodeNotFound for it or its bus.
func (b *Broker) Rule(_ context.Context, name turnout.RuleName) (turnout.Rule, error) {
	r, err := b.existingRule(name)
	if err != nil {
		return turnout.Rule{}, err
	}
	return cloneRule(r.Rule), nil
}

func (b *Broker) existingRule(name turnout.RuleName) (*catalog.Rule, error) {
	r, err := b.ruleNow(name)
	if err == nil && r == nil {
		err = errRuleNotFound(name)
	}
	return r, err
}

// Rules returns the rules of a bus by name, or CodeNotFound.
func (b *Broker) Rules(_ context.Context, bus turnout.BusName) ([]turnout.Rule, error) {
	compiled, err := b.rules(bus)
	all := make([]turnout.Rule, len(compiled))
	for i, r := range compiled {
		all[i] = cloneRule(r.Rule)
	}
	return all, err
}

// rules returns the compiled rules of a bus by name.
func (b *Broker) rules(bus turnout.BusName) (all []*catalog.Rule, err error) {
	err = b.read(func() error {
		if _, ok := b.catalog.Bus(bus); !ok {
			return errBusNotFound(bus)
		}
		all = b.catalog.Rules(bus)
		return nil
	})
	slices.SortFunc(all, func(a, b *catalog.Rule) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// RuleNamesByTarget returns, in order, the names of the rules of a bus that
// have a target with the given ARN, or CodeNotFound for the bus.
func (b *Broker) RuleNamesByTarget(_ context.Context, bus turnout.BusName, targetARN string) ([]string, error) {
	all, err := b.rules(bus)
	names := []string{}
	for _, r := range all {
		if slices.ContainsFunc(r.Targets, func(t *catalog.Target) bool { return t.ARN == targetARN }) {
			names = append(names, r.Name)
		}
	}
	return names, err
}

// cloneRule copies what a caller could otherwise change in the catalog.
func cloneRule(r turnout.Rule) turnout.Rule {
	r.Tags = maps.Clone(r.Tags)
	return r
}

// RuleMatches returns how many events each rule of a bus has matched since the
// process started, by the rule's name, or CodeNotFound for the bus.
func (b *Broker) RuleMatches(_ context.Context, bus turnout.BusName) (map[string]uint64, error) {
	all, err := b.rules(bus)
	counts := make(map[string]uint64, len(all))
	for _, r := range all {
		counts[r.Name] = r.Matched.Load()
	}
	return counts, err
}
