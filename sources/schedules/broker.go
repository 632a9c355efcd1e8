package schedules

import (
	"context"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
)

// Broker keeps the rules and delivers to their targets.
type Broker interface {
	// ScheduledRules returns every rule that has a schedule, disabled ones too,
	// of all buses of all accounts, in any order. It is called before the
	// partition's loop runs.
	ScheduledRules() []turnout.Rule
	// OnRuleChange registers changed, before the partition's loop runs. The
	// broker calls it on the loop, in the batch of the change, for each rule
	// that is put, with the rule as it will be, and for each one that is
	// deleted, also by a reset, with nil. It need not be called for rules that
	// have no schedule and had none.
	OnRuleChange(changed func(tx *partition.Tx, name turnout.RuleName, r *turnout.Rule))
	// Fire delivers event, the text of an EventBridge event, to every target of
	// a rule without matching it. Then runs on the loop and adds to the batch of
	// the deliveries; its error is returned as it is and nothing is delivered.
	// Then also runs if the rule has no targets, and need not run if the rule
	// does not exist. When Fire returns nil the batch is durable.
	Fire(ctx context.Context, rule turnout.RuleName, event []byte, then func(tx *partition.Tx) error) error
}
