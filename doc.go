// Package turnout holds the nouns of Turnout, a self-hosted event bus and
// message router: events, buses, rules and targets; messages and queues; names
// (ARNs) and coded errors. Every other package speaks in these words, and this
// one imports none of them.
//
// It knows nothing of wire protocols, storage or time. Start with event.go and
// queue.go; docs/GLOSSARY.md says what each word means, docs/ARCHITECTURE.md
// where the code behind it lives.
package turnout
