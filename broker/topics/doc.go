// Package topics is SNS's engine: topics and their subscriptions, durable, and
// the way of a message from a publish to every subscription that its filter
// policy lets it through to.
//
// Like the rest of the broker it decides on the partition's loop, and matches,
// signs and builds notifications on the caller's goroutine against an immutable
// View. It knows the queues and the dispatch engine by small interfaces, and
// nothing of wire protocols. Start with Topics in topics.go, then publish.go
// and deliver.go.
package topics
