// Package sinks says what a sink is: something that carries one delivery to
// the outside, once, and says what came of it. Retries, rate limits, circuit
// breaking and dead letters are not its business; the dispatch engine has them
// once for all kinds of sinks.
//
// Each kind has a folder of its own and passes the suite in sinktest.
package sinks
