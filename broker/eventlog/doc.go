// Package eventlog stores the body of every published event once, whatever the
// number of queues it goes to; a queue keeps a Ref to it.
//
// It also collects what nobody refers to any more: whole segments of 4,096
// events at a time, by reference counts that are a few bytes for each queue
// and segment. It knows nothing of buses, rules or queues, only of owners that
// hold references. Start with Log in log.go.
package eventlog
