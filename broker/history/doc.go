// Package history remembers the recent events of every bus, with no set-up:
// which came by, when, and which targets they were delivered to. That is what
// replays, traces and backtests read when there is no archive.
//
// An event costs some forty bytes here; its body is in the event log, of which
// the history is one more owner of references. What is too old or too much goes
// in chunks, whole ranges of keys at a time.
//
// It knows nothing of rules, queues or replays. Start with Log in log.go, then
// Entries in read.go.
package history
