package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed567880c8/turnout/loadtest/internal/histogram"
)

// plan is a steady load: workers that repeat one operation.
type plan struct {
	messages int // moved by one operation: sent, received, published
	// setUp makes what the load needs on Turnout.
	setUp func(ctx context.Context, t *target) error
	// deliveries, when set, is how many queues one message goes to.
	deliveries func(s settings) int
	// before, when set, prepares a round on Turnout that may take so many operations.
	before func(ctx context.Context, t *target, ops int) error
	// worker returns the operation of worker i. It answers errDrained when
	// there is nothing left to do; that ends the round.
	worker func(t *target, i int) func(c *conn) error
}

var errDrained = errors.New("nothing left to do")

// target is one of the two servers under one plan.
type target struct {
	*process
	settings

	nothing  bool
	queueURL string
	conns    []*conn
	deletes  []func(c *conn) error // undo setUp
}

// measurement is one round, or several added up.
type measurement struct {
	ops     int64
	elapsed time.Duration
	latency histogram.Histogram
	used    usage
}

func (m *measurement) rate() float64 { return float64(m.ops) / m.elapsed.Seconds() }

func (m *measurement) add(o *measurement) {
	m.ops += o.ops
	m.elapsed += o.elapsed
	m.latency.Merge(&o.latency)
	m.used.cpu += o.used.cpu
	m.used.written += o.used.written
	m.used.known = o.used.known
	m.used.logged += o.used.logged
	m.used.batches += o.used.batches
	m.used.decided += o.used.decided
}

// warmRate is how many operations a second the first round is prepared for,
// when nothing has been measured yet.
const warmRate = 20_000

// steadyScenario measures a plan against Turnout and against nothing, in turns.
func steadyScenario(name, about string, p plan) scenario {
	return scenario{name: name, about: about, run: func(ctx context.Context, l *lab) (*result, error) {
		server, err := l.turnoutServer(ctx)
		if err != nil {
			return nil, err
		}
		nothing, err := l.nothingServer(ctx)
		if err != nil {
			return nil, err
		}
		return runSteady(ctx, l, p, server, nothing)
	}}
}

func runSteady(ctx context.Context, l *lab, p plan, server, nothing *process) (_ *result, err error) {
	ceiling := &target{process: nothing, settings: l.settings, nothing: true, queueURL: "http://" + nothing.host + "/000000000000/loadtest"}
	turnout := &target{process: server, settings: l.settings}
	defer ceiling.hangUp()
	defer turnout.hangUp()
	if err := errors.Join(ceiling.connect(ctx, l.concurrency), turnout.connect(ctx, l.concurrency)); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, turnout.undo()) }()
	if err := p.setUp(ctx, turnout); err != nil {
		return nil, err
	}
	each := l.duration / time.Duration(l.rounds)
	short := min(each, time.Second)
	warm, err := measure(ctx, p, turnout, short, int(warmRate*short.Seconds()))
	if err != nil {
		return nil, err
	}
	if _, err := measure(ctx, p, ceiling, short, 0); err != nil {
		return nil, err
	}
	// The two alternate, so that a disturbance of the machine meets both.
	var got, best measurement
	var ratios []float64
	expect := warm.rate()
	for range l.rounds {
		c, err := measure(ctx, p, ceiling, each, 0)
		if err != nil {
			return nil, err
		}
		m, err := measure(ctx, p, turnout, each, int(expect*each.Seconds()*1.3))
		if err != nil {
			return nil, err
		}
		expect = max(expect, m.rate())
		ratios = append(ratios, m.rate()/c.rate())
		got.add(m)
		best.add(c)
	}
	slices.Sort(ratios)
	return steadyResult(p, l.settings, &got, &best, ratios[len(ratios)/2]), nil
}

// measure runs one round of d. On Turnout the round is prepared for ops operations.
func measure(ctx context.Context, p plan, t *target, d time.Duration, ops int) (*measurement, error) {
	if p.before != nil && !t.nothing {
		if err := p.before(ctx, t, ops); err != nil {
			return nil, err
		}
	}
	workers := make([]measurement, len(t.conns))
	errs := make([]error, len(t.conns))
	before := t.usageBefore(ctx)
	began := time.Now()
	deadline := began.Add(d)
	roundCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for i, c := range t.conns {
		op := p.worker(t, i)
		wg.Go(func() {
			defer cancel() // the first to end, ends the round for all
			errs[i] = repeat(roundCtx, c, op, deadline, &workers[i])
		})
	}
	wg.Wait()
	total := &measurement{elapsed: time.Since(began), used: t.usageAfter(ctx).since(before)}
	for i := range workers {
		total.ops += workers[i].ops
		total.latency.Merge(&workers[i].latency)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return total, context.Cause(ctx)
}

func repeat(ctx context.Context, c *conn, op func(*conn) error, deadline time.Time, m *measurement) error {
	at := time.Now()
	for at.Before(deadline) && ctx.Err() == nil {
		err := op(c)
		if errors.Is(err, errDrained) {
			return nil
		}
		if err != nil {
			return err
		}
		now := time.Now()
		m.latency.Add(now.Sub(at))
		m.ops++
		at = now
	}
	return nil
}

func (t *target) connect(ctx context.Context, n int) error {
	for range n {
		c, err := dial(ctx, t.host)
		if err != nil {
			return fmt.Errorf("connect to %s: %w", t.name, err)
		}
		t.conns = append(t.conns, c)
	}
	return nil
}

func (t *target) hangUp() {
	for _, c := range t.conns {
		c.close()
	}
}

// undo deletes what setUp made, the last first.
func (t *target) undo() error {
	var errs []error
	for _, f := range slices.Backward(t.deletes) {
		errs = append(errs, f(t.conns[0]))
	}
	return errors.Join(errs...)
}

// createQueue makes a queue and notes it for undo.
func (t *target) createQueue(c *conn, name string) (queueURL string, err error) {
	var out struct {
		QueueURL string `json:"QueueUrl"`
	}
	if err := c.call(t.host, sqsAPI(), "CreateQueue", map[string]any{"QueueName": name}, &out); err != nil {
		return "", err
	}
	t.deletes = append(t.deletes, func(c *conn) error {
		return c.call(t.host, sqsAPI(), "DeleteQueue", map[string]any{"QueueUrl": out.QueueURL}, nil)
	})
	return out.QueueURL, nil
}
