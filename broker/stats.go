package broker

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout/broker/catalog"
)

// Stats counts what a broker has done since it was made.
type Stats struct {
	Published    uint64  // events accepted
	Refused      uint64  // entries refused: the detail is malformed
	UnknownBus   uint64  // events dropped because their bus does not exist
	Unmatched    uint64  // events that no rule of their bus matched
	Matched      uint64  // matches: rules summed over events
	ToQueues     uint64  // deliveries into queues that are targets
	ToBuses      uint64  // deliveries to buses that are targets
	ToTopics     uint64  // messages to topics that are targets
	ToEndpoints  uint64  // deliveries handed to the dispatch engine
	Archived     uint64  // events copied to archives
	Injected     uint64  // events delivered again by replays, or fired by schedules
	DeadLettered uint64  // deliveries that failed and went to a dead-letter queue
	Lost         uint64  // deliveries that failed and had no dead-letter queue that took them; each is logged or counted in a log line
	BusLoops     uint64  // deliveries to a bus where the event had been already, not made
	Rematches    uint64  // publishes matched again because rules changed meanwhile
	Match        Latency // of matching a publish, transformations included
}

// Latency is a histogram of durations.
type Latency struct {
	Count      uint64
	SumSeconds float64
	Bounds     []float64 // upper bounds in seconds, rising
	Cumulative []uint64  // Cumulative[i] counts the durations up to Bounds[i]
}

// matchBounds are the upper bounds of the match histogram.
var matchBounds = [...]time.Duration{
	5 * time.Microsecond, 10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 250 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
}

type stats struct {
	published, refused, unknownBus, unmatched, matched atomic.Uint64
	deadLettered, lost, busLoops, rematches, injected  atomic.Uint64
	to                                                 [catalog.Kinds]atomic.Uint64

	matchNanos   atomic.Uint64
	matchBuckets [len(matchBounds) + 1]atomic.Uint64
}

// tally is what one publication adds to the stats when it is durable.
type tally struct {
	unknownBus, unmatched, deadLettered, lost, loops, skipped uint64

	to [catalog.Kinds]uint64
}

// Stats returns the counters. It may be called from any goroutine.
func (b *Broker) Stats() Stats {
	s := &b.stats
	return Stats{
		Published:    s.published.Load(),
		Refused:      s.refused.Load(),
		UnknownBus:   s.unknownBus.Load(),
		Unmatched:    s.unmatched.Load(),
		Matched:      s.matched.Load(),
		ToQueues:     s.to[catalog.ToQueue].Load(),
		ToBuses:      s.to[catalog.ToBus].Load(),
		ToTopics:     s.to[catalog.ToTopic].Load(),
		ToEndpoints:  s.to[catalog.ToEndpoint].Load(),
		Archived:     s.to[catalog.ToArchive].Load(),
		Injected:     s.injected.Load(),
		DeadLettered: s.deadLettered.Load(),
		Lost:         s.lost.Load(),
		BusLoops:     s.busLoops.Load(),
		Rematches:    s.rematches.Load(),
		Match:        s.matchLatency(),
	}
}

func (s *stats) matchLatency() Latency {
	l := Latency{SumSeconds: time.Duration(s.matchNanos.Load()).Seconds()}
	for i, bound := range matchBounds {
		l.Count += s.matchBuckets[i].Load()
		l.Bounds = append(l.Bounds, bound.Seconds())
		l.Cumulative = append(l.Cumulative, l.Count)
	}
	l.Count += s.matchBuckets[len(matchBounds)].Load()
	return l
}

func (s *stats) matchTook(d time.Duration) {
	i := 0
	for i < len(matchBounds) && d > matchBounds[i] {
		i++
	}
	s.matchBuckets[i].Add(1)
	s.matchNanos.Add(uint64(d))
}

// account counts and reports a publication that is durable.
func (p *publication) account(entries int) {
	s, t := &p.broker.stats, &p.tally
	if p.injection != nil {
		s.injected.Add(uint64(p.accepted))
	} else {
		s.published.Add(uint64(p.accepted))
	}
	s.refused.Add(uint64(entries - p.accepted))
	s.unknownBus.Add(t.unknownBus)
	s.unmatched.Add(t.unmatched)
	s.matched.Add(uint64(len(p.rules)))
	for kind, n := range t.to {
		s.to[kind].Add(n)
	}
	s.deadLettered.Add(t.deadLettered)
	s.lost.Add(t.lost)
	s.busLoops.Add(t.loops)
	s.matchTook(p.matching)
	for _, r := range p.rules {
		r.Matched.Add(1)
	}
	if len(p.lost) > 0 {
		p.broker.lost.report(p)
	}
}

// lostLog reports lost deliveries, at most one line every lostEvery.
type lostLog struct {
	next     atomic.Int64  // Unix ms: no line before
	unlogged atomic.Uint64 // deliveries lost since the last line
}

const lostEvery = time.Second

func (l *lostLog) report(p *publication) {
	now, next := p.now.UnixMilli(), l.next.Load()
	if now < next || !l.next.CompareAndSwap(next, now+lostEvery.Milliseconds()) {
		l.unlogged.Add(uint64(len(p.lost)))
		return
	}
	d := &p.lost[0]
	p.broker.cfg.Log.Warn("delivery failed and has no dead-letter queue that takes it",
		slog.String("event_id", p.events[d.event].id),
		slog.String("rule", d.rule.ARN),
		slog.String("target", d.target.ARN),
		slog.String("error_code", d.failed.code),
		slog.String("error", d.failed.message),
		slog.Uint64("others_not_logged", l.unlogged.Swap(0)+uint64(len(p.lost)-1)),
	)
}
