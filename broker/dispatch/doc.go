// Package dispatch is the delivery engine: it carries what rules and topics
// deliver to endpoints that are not queues – webhooks, API destinations,
// functions – and is the only place with retries, backoff, rate limits, circuit
// breakers and dead letters.
//
// A delivery that waits is a message on an internal queue of the queue engine,
// so everything about it is durable, ordered and bounded there. Enqueue puts it
// into the batch of whoever decided on it. An endpoint with work has a runner,
// which takes messages as the endpoint's limits allow, has a sink attempt
// them, and settles what came of it in one batch on the partition's loop:
// removed, returned until the next attempt, or moved to a dead-letter queue.
// There are no timers for waiting deliveries: the queue knows when each is due.
//
// The package knows nothing of HTTP, rules or topics: what an endpoint is it
// asks Endpoints, and a Sink makes the attempt.
//
// Start with Dispatcher in dispatch.go, then endpoint.go and runner.go for how a
// delivery goes out. What decides is pure: decide.go (one delivery), health.go
// (breaker and recovery) and gates.go (concurrency, rate, retry budget).
package dispatch
