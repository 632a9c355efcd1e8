// Package broker publishes events: it matches them against the rules of their
// buses and puts one delivery for each matching target into its queue, all in
// one batch. It also changes the configuration of buses, rules and targets.
//
// It knows nothing of wire protocols. Syntax that a protocol defines is
// checked there; everything that depends on state is checked here, with AWS's
// messages. Start with Broker in broker.go, then Publish in publish.go.
package broker
