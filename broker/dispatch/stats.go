package dispatch

import (
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout/sinks"
)

// Stats counts what a dispatcher has done since it was made.
type Stats struct {
	Enqueued     uint64            // deliveries accepted
	Attempts     uint64            // attempts made
	Failures     map[string]uint64 // attempts that failed, by AWS's error code
	Delivered    uint64            // deliveries that their endpoint took
	Retried      uint64            // attempts after which another one was due
	DeadLettered uint64            // deliveries that went to a dead-letter queue
	Dropped      uint64            // deliveries that failed and had no dead-letter queue that took them; each is on record, and logged or counted in a log line
	Overtaken    uint64            // attempts that took so long that the delivery had been taken again
	Opened       uint64            // times that a circuit breaker opened
	Waiting      int64             // deliveries that have not ended
	Running      int               // attempts under way
	Endpoints    map[EndpointPhase]int
	RecordsBytes int64   // size of the record of attempts
	Latency      Latency // of attempts
}

// Latency is a histogram of durations.
type Latency struct {
	Count      uint64
	SumSeconds float64
	Bounds     []float64 // upper bounds in seconds, rising
	Cumulative []uint64  // Cumulative[i] counts the durations up to Bounds[i]
}

// latencyBounds are the upper bounds of the histogram of attempts.
var latencyBounds = [...]time.Duration{
	time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// failureCodes are the codes that failures are counted by; others count as the last.
var failureCodes = [...]string{
	sinks.CodeConnectionFailure, sinks.CodeErrorFromTarget, sinks.CodeInternalError, sinks.CodeInvalidJSON,
	sinks.CodeInvalidParameter, sinks.CodeNoPermissions, sinks.CodeNoResource, sinks.CodeLimitExceeded,
	sinks.CodeSDKClientError, sinks.CodeThrottling, sinks.CodeTimeout, sinks.CodeUnknown,
}

type stats struct {
	enqueued, attempts, delivered, retried, deadLettered, dropped, overtaken, opened atomic.Uint64

	waiting, held, recordsBytes atomic.Int64

	failures [len(failureCodes)]atomic.Uint64
	nanos    atomic.Uint64
	buckets  [len(latencyBounds) + 1]atomic.Uint64
}

// attempted counts an attempt.
func (s *stats) attempted(r *sinks.Result, took time.Duration) {
	s.attempts.Add(1)
	if r.Failure != nil {
		i := 0
		for i < len(failureCodes)-1 && failureCodes[i] != r.Failure.Code {
			i++
		}
		s.failures[i].Add(1)
	}
	i := 0
	for i < len(latencyBounds) && took > latencyBounds[i] {
		i++
	}
	s.buckets[i].Add(1)
	s.nanos.Add(uint64(took))
}

// Stats may be called from any goroutine.
func (d *Dispatcher) Stats() Stats {
	s := &d.stats
	got := Stats{
		Enqueued: s.enqueued.Load(), Attempts: s.attempts.Load(), Failures: make(map[string]uint64, len(failureCodes)),
		Delivered: s.delivered.Load(), Retried: s.retried.Load(),
		DeadLettered: s.deadLettered.Load(), Dropped: s.dropped.Load(), Overtaken: s.overtaken.Load(),
		Opened: s.opened.Load(), Waiting: s.waiting.Load(), Running: d.slots.inUse(),
		Endpoints: make(map[EndpointPhase]int), RecordsBytes: s.recordsBytes.Load(),
	}
	for i := range failureCodes {
		got.Failures[failureCodes[i]] = s.failures[i].Load()
	}
	for _, phase := range [...]EndpointPhase{EndpointActive, EndpointRecovering, EndpointOpen, EndpointProbing, EndpointDisabled} {
		got.Endpoints[phase] = 0
	}
	for _, ep := range d.all() {
		ep.mu.Lock()
		got.Endpoints[ep.phase()]++
		ep.mu.Unlock()
	}
	got.Latency.SumSeconds = time.Duration(s.nanos.Load()).Seconds()
	for i, bound := range latencyBounds {
		got.Latency.Count += s.buckets[i].Load()
		got.Latency.Bounds = append(got.Latency.Bounds, bound.Seconds())
		got.Latency.Cumulative = append(got.Latency.Cumulative, got.Latency.Count)
	}
	got.Latency.Count += s.buckets[len(latencyBounds)].Load()
	return got
}
