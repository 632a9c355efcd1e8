// Package engine decides which rules an event matches once the event's leaves are known. It knows rules as
// combinations of terms, a term being a field with a [Condition], and nothing of how they are written.
//
// Start at engine.go, where the structure is explained; build.go makes it, match.go uses it.
package engine
