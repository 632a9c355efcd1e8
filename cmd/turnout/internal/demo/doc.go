// Package demo shows Turnout at work on recorded input, and checks it: it
// creates a bus, rules and queues, publishes 20,560 readings of room sensors
// and 273 webhook payloads, consumes every queue, and compares what arrived,
// event by event, with what plain Go says should have.
//
// It sees the server only through the AWS wire API, with the AWS SDK for Go;
// what must arrive is computed in routes.go without the rule engine. Start
// with Run in run.go.
package demo
