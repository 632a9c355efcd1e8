// Package schedules fires scheduled rules: at each tick of a rule's schedule
// it sends a "Scheduled Event" to the rule's targets, exactly once.
//
// It knows when rules are due and which ticks have fired, and keeps that in the
// store beside the rules. It knows nothing of matching and targets, for which
// it asks the Broker, nor of how expressions are read, which rules/schedule
// does. Start with Schedules in schedules.go.
package schedules
