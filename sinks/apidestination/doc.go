// Package apidestination carries deliveries to EventBridge API destinations:
// it makes the HTTP request out of a destination, its connection and what the
// target says, with AWS's rules for which of them wins, and authorizes it.
//
// It knows nothing of where configuration is kept, nor of retries. What goes
// out goes through sinks/webhook, token requests included. Start with Sink in
// sink.go; Connection in connection.go is what a connection comes to, and
// Token in token.go how it gets its OAuth token.
package apidestination
