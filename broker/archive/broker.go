package archive

import (
	"context"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/internal/partition"
)

// Broker is what archives and replays need of the broker. Its methods may be
// called from any goroutine but the loop's, except where they take a Tx: those
// belong to the loop.
type Broker interface {
	// Inject delivers events of the past, and runs Injection.Then first in the same batch.
	Inject(ctx context.Context, i broker.Injection) (broker.Injected, error)

	// PrepareArchiveRule compiles the managed rule of an archive, which is called
	// archive.RuleName(bus), has the given pattern and the archive's ARN as the
	// ARN of its only target. It is CodeInvalidEventPattern with AWS's message
	// for the pattern. put then creates or replaces the rule on the loop, in the
	// batch of tx. It decides before it writes: CodeNotFound if the bus does not
	// exist, CodeAlreadyExists if a rule of that name exists that is not managed,
	// CodeLimitExceeded if the bus has too many rules.
	PrepareArchiveRule(archive turnout.ArchiveName, bus turnout.BusName, pattern string) (put func(tx *partition.Tx) error, err error)
	// DeleteArchiveRule removes that rule with its target, if it exists.
	DeleteArchiveRule(tx *partition.Tx, archive turnout.ArchiveName, bus turnout.BusName)

	// Bus returns a bus, or CodeNotFound.
	Bus(ctx context.Context, name turnout.BusName) (turnout.Bus, error)
	// Rule returns a rule, or CodeNotFound for it or its bus.
	Rule(ctx context.Context, name turnout.RuleName) (turnout.Rule, error)
	// Targets returns the targets of a rule, or CodeNotFound for it or its bus.
	Targets(ctx context.Context, name turnout.RuleName) ([]turnout.Target, error)
	// TargetByNumber returns the rule and the id of the target that has a number
	// now; ok is false for one that is deleted.
	TargetByNumber(number uint64) (rule turnout.RuleName, id string, ok bool)
}
