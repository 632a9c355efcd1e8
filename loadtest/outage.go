package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed567880c8/turnout/loadtest/internal/endpoint"
)

const (
	outageGroups = 50              // message groups of scenario outage
	outageWindow = 5 * time.Second // over which the endpoint's rate is taken
)

// ledger notes what an endpoint got.
type ledger struct {
	mu       sync.Mutex
	times    []time.Time
	counts   map[int64]int // by event
	last     map[int]int64 // the newest event of each group
	disorder int
}

func (g *ledger) add(m mark) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.times = append(g.times, time.Now())
	if g.counts[m.seq]++; g.counts[m.seq] > 1 {
		return // again, after an answer that did not arrive: no disorder
	}
	if m.seq < g.last[m.group] {
		g.disorder++
	}
	g.last[m.group] = max(g.last[m.group], m.seq)
}

// missing is how many of n events did not come.
func (g *ledger) missing(n int64) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return n - int64(len(g.counts))
}

// figures are the deliveries between two instants, and the most of them that
// came within any window, as a rate.
func (g *ledger) figures(from, to time.Time, window time.Duration) (n int, highest float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	most, first := 0, 0
	for i, at := range g.times {
		if at.Before(from) || at.After(to) {
			first = i + 1
			continue
		}
		for g.times[first].Before(at.Add(-window)) {
			first++
		}
		n++
		most = max(most, i-first+1)
	}
	return n, float64(most) / window.Seconds()
}

// outage is the course of scenario outage.
type outage struct {
	*course
	ledgers [2]*ledger // of an endpoint without order, and of one that keeps it within message groups
	total   int64      // events published
}

// missing is how many deliveries wait at most at one of the endpoints.
func (o *outage) missing() int64 {
	return max(o.ledgers[0].missing(o.total), o.ledgers[1].missing(o.total))
}

// load publishes at the steady rate for d, and returns when it began and ended.
func (o *outage) load(ctx context.Context, d time.Duration) (from, to time.Time, err error) {
	from, base := time.Now(), o.total
	publisher := o.conns[:1] // only one, so that the events are published in their order
	err = o.paced(ctx, publisher, float64(o.eventRate), d, func(seq int64) mark {
		o.total = base + seq + 1
		return mark{seq: base + seq, group: int(seq) % outageGroups}
	})
	return from, time.Now(), err
}

// runOutage publishes at a steady rate to two endpoints, one of which keeps the
// order within message groups; both are up, then down, then up again.
func runOutage(ctx context.Context, l *lab) (_ *result, err error) {
	o := &outage{}
	for i := range o.ledgers {
		o.ledgers[i] = &ledger{counts: map[int64]int{}, last: map[int]int64{}}
	}
	o.course, err = l.course(ctx, "outage", func(number int, body []byte) { o.ledgers[number].add(readMark(body)) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	arn, err := o.authorize()
	if err != nil {
		return nil, err
	}
	for number, group := range []string{"", "$.detail.group"} {
		if err := o.deliverTo(o.conns[0], arn, number, everyEvent, group); err != nil {
			return nil, err
		}
	}
	return o.run(ctx, l)
}

func (o *outage) run(ctx context.Context, l *lab) (*result, error) {
	from, to, err := o.load(ctx, l.duration)
	if err != nil {
		return nil, err
	}
	down := endpoint.Unavailable
	if l.refuse {
		down = endpoint.Refusing
	}
	if err := o.endpoints.Set(ctx, down); err != nil {
		return nil, err
	}
	if _, _, err := o.load(ctx, l.outage); err != nil {
		return nil, err
	}
	_, rssDown := o.memory()
	waiting := o.missing()
	if err := o.endpoints.Set(ctx, endpoint.Healthy); err != nil {
		return nil, err
	}
	up := time.Now()
	l.note("  %d deliveries wait at each of the two endpoints, which are up again", waiting)
	// A breaker that has opened again and again may look away for minutes.
	patience, cancel := context.WithTimeout(ctx, 10*time.Minute+3*time.Duration(o.total)*time.Second/time.Duration(l.eventRate))
	defer cancel()
	if err := o.settle(patience, o.missing); err != nil {
		return nil, err
	}
	r := &result{}
	r.set("events", float64(o.total))
	r.set("outage_s", l.outage.Seconds())
	r.set("waiting", float64(waiting))
	r.set("refused_with_503", float64(o.endpoints.Refused()))
	for i, name := range []string{"plain", "grouped"} {
		o.ledgers[i].report(r, name+"_", from, to, up, o.total)
	}
	r.set("grouped_out_of_order", float64(o.ledgers[1].disorder))
	r.set("rss_peak_while_down_mib", float64(rssDown)/(1<<20))
	_, rss := o.memory()
	r.set("rss_peak_mib", float64(rss)/(1<<20))
	if n := o.ledgers[1].disorder; n > 0 {
		return r, fmt.Errorf("%d deliveries overtook an earlier one of their message group", n)
	}
	return r, nil
}

// report says how an endpoint fared.
func (g *ledger) report(r *result, prefix string, normalFrom, normalTo, up time.Time, total int64) {
	end := time.Now()
	n, highest := g.figures(normalFrom, normalTo, outageWindow)
	normal := float64(n) / normalTo.Sub(normalFrom).Seconds()
	r.set(prefix+"normal_per_s", normal)
	r.set(prefix+"normal_highest_per_s", highest)
	_, highest = g.figures(up, end, outageWindow)
	r.set(prefix+"after_highest_per_s", highest)
	r.set(prefix+"after_ratio", highest/normal)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, at := range g.times {
		if at.After(up) {
			r.set(prefix+"first_after_s", at.Sub(up).Seconds())
			break
		}
	}
	r.set(prefix+"all_after_s", g.times[len(g.times)-1].Sub(up).Seconds())
	r.set(prefix+"lost", float64(total-int64(len(g.counts))))
	r.set(prefix+"repeated", float64(len(g.times)-len(g.counts)))
}
