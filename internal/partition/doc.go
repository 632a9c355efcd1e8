// Package partition is the single writer: a loop that takes operations, decides
// them one after another against state that only it touches, gathers their
// changes in one batch, and commits the batch while the next one gathers.
//
// It is the only place in Turnout that reads the clock for a decision; every
// operation of a batch sees one Now. It knows nothing of queues or events:
// those are Parts. Start with Partition in partition.go.
package partition
