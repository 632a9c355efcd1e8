package broker

import (
	"context"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/internal/partition"
)

// ScheduledRules returns every rule with a schedule, of all buses, in no
// order. It must not be called once the partition runs: see OnRuleChange.
func (b *Broker) ScheduledRules() []turnout.Rule {
	var all []turnout.Rule
	b.catalog.EachRule(func(r *catalog.Rule) {
		if r.Schedule != "" {
			all = append(all, cloneRule(r.Rule))
		}
	})
	return all
}

// OnRuleChange registers a function that is called on the loop, in the batch
// of the change, for each rule with a schedule that is put, and with nil for
// each that loses its schedule or is deleted. It must not be called once the
// partition runs.
func (b *Broker) OnRuleChange(changed func(tx *partition.Tx, name turnout.RuleName, r *turnout.Rule)) {
	b.ruleChanged = changed
}

// announce tells who registered of a rule that was put or, with nil, deleted.
func (b *Broker) announce(tx *partition.Tx, name turnout.RuleName, prior, put *catalog.Rule) {
	switch {
	case b.ruleChanged == nil:
	case put != nil && put.Schedule != "":
		b.ruleChanged(tx, name, new(cloneRule(put.Rule)))
	case prior != nil && prior.Schedule != "":
		b.ruleChanged(tx, name, nil)
	}
}

// Fire delivers an event to every target of a rule, without matching it, and
// runs then in the same batch, also when the rule has no targets. It is
// CodeNotFound for a rule that does not exist, and else as Inject.
func (b *Broker) Fire(ctx context.Context, rule turnout.RuleName, event []byte, then func(tx *partition.Tx) error) error {
	_, err := b.Inject(ctx, Injection{
		Bus: rule.Bus, Events: [][]byte{event}, Rules: []turnout.RuleName{rule}, Direct: true, Then: then,
	})
	return err
}
