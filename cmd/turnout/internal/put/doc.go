// Package put publishes a stream of lines as events: it reads newline-delimited
// JSON, gathers batches, sends them in order and counts what became of them.
//
// It knows nothing of flags or of how results are shown. Start with Run.
package put
