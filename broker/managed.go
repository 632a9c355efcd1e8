package broker

import (
	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/internal/partition"
)

// archiveService is who manages the rules that feed archives, in the words in which AWS shows it.
const archiveService = "prod.vhs.events.aws.internal"

// errManaged refuses a change to a rule that is not its user's.
func errManaged(r *catalog.Rule) error {
	return turnout.Errorf(turnout.CodeManagedRule, "Rule %s is managed by %s: it goes when the archive that it feeds is deleted.", r.Name, r.ManagedBy)
}

// ArchiveTo makes a the receiver of what archives get. It must be called
// before the partition runs.
func (b *Broker) ArchiveTo(a Archives) { b.to.Archives = a }

// PrepareArchiveRule compiles the managed rule that feeds an archive. It is
// CodeInvalidEventPattern for the pattern. put then creates or replaces the rule
// with its target on the loop: CodeNotFound for a bus that does not exist,
// CodeAlreadyExists if a rule of that name is not managed, CodeLimitExceeded
// beyond Config.RulesMax; with an error nothing has changed.
func (b *Broker) PrepareArchiveRule(archive turnout.ArchiveName, bus turnout.BusName, pattern string) (put func(*partition.Tx) error, err error) {
	name := archive.RuleName(bus)
	r, err := catalog.NewRule(turnout.Rule{
		RuleName: name, Pattern: pattern, State: turnout.RuleEnabled, CreatedBy: bus.Account, ManagedBy: archiveService,
	}, nil)
	if err != nil {
		return nil, err
	}
	target, err := catalog.NewTarget(turnout.Target{ID: archive.Name, ARN: archive.ARN()})
	if err != nil {
		return nil, err
	}
	return func(tx *partition.Tx) error {
		prior := b.catalog.Rule(name)
		if prior != nil && prior.ManagedBy == "" {
			return turnout.Errorf(turnout.CodeAlreadyExists, "Rule %s already exists and does not belong to an archive.", name.Name)
		}
		if err := b.checkPut(r, prior); err != nil {
			return err
		}
		b.catalog.PutRule(tx, r)
		b.catalog.PutTargets(tx, name, []*catalog.Target{target})
		tx.OnDurable(func() { b.compactor.noticed(b, bus) })
		return nil
	}, nil
}

// DeleteArchiveRule removes the managed rule that feeds an archive, if it exists.
func (b *Broker) DeleteArchiveRule(tx *partition.Tx, archive turnout.ArchiveName, bus turnout.BusName) {
	name := archive.RuleName(bus)
	r := b.catalog.Rule(name)
	if r == nil || r.ManagedBy == "" {
		return
	}
	b.catalog.RemoveTargets(tx, name, []string{archive.Name})
	b.catalog.DeleteRule(tx, name)
	tx.OnDurable(func() { b.compactor.noticed(b, bus) })
}

// TargetByNumber returns the rule and the id of the target that has a number
// in the history of events; ok is false for one that was removed.
func (b *Broker) TargetByNumber(number uint64) (rule turnout.RuleName, id string, ok bool) {
	err := b.read(func() error {
		rule, id, ok = b.catalog.TargetByNumber(number)
		return nil
	})
	return rule, id, ok && err == nil
}
