// Package filterpolicy is the filter policies of topic subscriptions: it parses
// them with AWS's limits and error texts, and says which messages they accept.
//
// A policy is an event pattern with fewer operators, so the work is that of
// package rules: a message body is matched as it is, message attributes as the
// JSON object that they make. The package is pure, and knows nothing of topics
// or subscriptions. Start with Policy in policy.go.
package filterpolicy
