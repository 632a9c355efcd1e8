// Package match compares the leaf values of events: one value with one thing (equality, prefix, wildcard, range,
// network …), and, in an [Index], one value with many things of all kinds at once, at a cost that does not grow with
// their number.
//
// It knows nothing of patterns, fields or events. Start at value.go for the values and at index.go for the index.
package match
