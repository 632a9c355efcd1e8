// Package catalog holds the configuration of buses, rules and targets: its
// records in the store, and the compiled form that events are matched against.
//
// Changes belong to the partition's loop; a View of a bus may be read from any
// goroutine, while changes go on. The package knows nothing of queues, of
// publishing or of wire protocols. Start with Catalog in catalog.go, then View
// in view.go.
package catalog
