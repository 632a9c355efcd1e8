// Package pebblestore keeps a store.Store in a directory, with Pebble as the
// engine: one write-ahead log, synced once for each commit.
//
// It is the only package that imports Pebble, and it knows nothing of what the
// keys mean. Start with Open in open.go; dir.go says what makes a directory a
// Turnout data directory, fatal.go what happens when the disk fails.
package pebblestore
