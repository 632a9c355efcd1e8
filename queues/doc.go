// Package queues is the one engine for everything that waits: standard and
// FIFO queues with visibility timeouts, delays, receive counts, dead-letter
// queues, deduplication, retention, purge and message moves.
//
// A queue is a log ordered by the time at which a message becomes available;
// a delay is a position in the future. The head of the log is held in memory
// as a bounded window of references, a message that was received has a state
// record until it is deleted, and everything else is on disk. See queue.go for
// the invariants, DESIGN.md for the reasons and the costs.
//
// The package knows nothing of wire protocols, buses or rules. Start with
// Engine in engine.go, then queue in queue.go; send.go, receive.go, delete.go
// and visibility.go are the operations.
package queues
