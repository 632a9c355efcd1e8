// Package webhook is the HTTP client for everything that leaves the server:
// API destinations, functions, topic notifications, the fetching of OAuth
// tokens. It makes one attempt; it knows nothing of retries or queues.
//
// Whoever configures an endpoint is not trusted, and neither is what answers
// there. The address is checked when a connection is made to it, after its name
// was resolved (guard.go). Redirects are not followed, proxies not used. Time,
// headers, bodies and handshakes are bounded (client.go, transport.go), so that
// no answer costs more than a mebibyte or outlasts its deadline by more than a
// tenth of a second.
//
// Requests can be signed as Standard Webhooks 1.0.0 says (signing.go) and events
// be sent as CloudEvents 1.0 (cloudevents.go). Client.Do is where to start reading.
package webhook
