package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/seed567880c8/turnout/loadtest/internal/disk"
)

// scenario is one thing to measure.
type scenario struct {
	name, about string
	alone       bool // only when asked for by name
	run         func(ctx context.Context, l *lab) (*result, error)
}

// scenarios is the table of all of them, in the order in which they run.
func scenarios() []scenario {
	return []scenario{
		steadyScenario("send", "SQS SendMessage", sendPlan()),
		steadyScenario("send-batch", "SQS SendMessageBatch of 10", sendBatchPlan()),
		steadyScenario("receive", "SQS ReceiveMessage of 1 and DeleteMessage, from a filled queue", receivePlan(1)),
		steadyScenario("receive-batch", "SQS ReceiveMessage of 10 and DeleteMessageBatch, from a filled queue", receivePlan(10)),
		steadyScenario("cycle", "SQS SendMessage, ReceiveMessage, DeleteMessage", cyclePlan()),
		steadyScenario("put-events", "EventBridge PutEvents of 10 through 1 rule to 1 queue", putEventsPlan(1)),
		steadyScenario("fan-out", "EventBridge PutEvents of 10 through rules to -fan-out queues", putEventsPlan(0)),
		{name: "backlog", about: "receive latency, restart and memory with -messages waiting", alone: true, run: runBacklog},
		{name: "pollers", about: "-pollers idle long polls on one queue, one message", alone: true, run: runPollers},
		{name: "webhooks", about: "EventBridge PutEvents through one API destination, beside a bare HTTP client", alone: true, run: runWebhooks},
		{name: "hanging", about: "-event-rate to -webhooks API destinations, none of which hang, then a tenth", alone: true, run: runHanging},
		{name: "outage", about: "-event-rate to an API destination that is down for -outage", alone: true, run: runOutage},
		{name: "replay", about: "an archive of -archived events, replayed into a queue", alone: true, run: runReplay},
		{name: "startup", about: "from exec of 'turnout dev' to the first answer, and the size of the binary", alone: true, run: runStartup},
	}
}

// lab holds what the scenarios share: the servers, started when first needed.
type lab struct {
	settings

	tmp     string
	binary  string
	server  *process
	nothing *process
}

// run runs the named scenarios, or all steady ones, and prints their results.
func run(ctx context.Context, s settings, names []string, out io.Writer) (err error) {
	all := scenarios()
	for _, name := range names {
		if !slices.ContainsFunc(all, func(sc scenario) bool { return sc.name == name }) {
			return fmt.Errorf("there is no scenario %q; -help lists them", name)
		}
	}
	l := &lab{settings: s}
	defer func() { err = errors.Join(err, l.close()) }()
	if l.tmp, err = os.MkdirTemp(s.dir, "turnout-loadtest-"); err != nil {
		return err
	}
	if disk.OnMemory(l.tmp) {
		l.note("%s is in memory: a sync costs nothing there; use -dir to name a directory on a disk", l.tmp)
	}
	p := printer{out: out, json: s.output == "json"}
	for _, sc := range all {
		if len(names) > 0 && !slices.Contains(names, sc.name) || len(names) == 0 && sc.alone {
			continue
		}
		l.note("%s: %s", sc.name, sc.about)
		res, err := sc.run(ctx, l)
		if err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
		res.scenario = sc.name
		res.set("concurrency", float64(s.concurrency))
		res.set("payload_bytes", float64(s.payload))
		if err := p.print(res); err != nil {
			return err
		}
	}
	return p.flush()
}

// note tells the person who waits what is going on.
func (l *lab) note(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// path returns the turnout binary, built when first asked for.
func (l *lab) path(ctx context.Context) (string, error) {
	if l.turnout != "" {
		return l.turnout, nil
	}
	var err error
	if l.binary == "" {
		l.binary, err = buildTurnout(ctx, l.tmp)
	}
	return l.binary, err
}

// serve starts a durable server on the directory data inside the lab's.
func (l *lab) serve(ctx context.Context, data string, flags ...string) (*process, error) {
	path, err := l.path(ctx)
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--data", filepath.Join(l.tmp, data), "--listen", "127.0.0.1:0", "--log-level", "warn"}
	return start(ctx, "turnout", []string{secretKey}, path, append(args, flags...)...)
}

// turnoutServer returns the server to measure.
func (l *lab) turnoutServer(ctx context.Context) (_ *process, err error) {
	if l.server != nil {
		return l.server, nil
	}
	if l.endpoint != "" {
		l.server, err = running(l.endpoint, l.pid)
	} else {
		l.server, err = l.serve(ctx, "data")
	}
	return l.server, err
}

// nothingServer returns the do-nothing server beside it.
func (l *lab) nothingServer(ctx context.Context) (*process, error) {
	if l.nothing != nil {
		return l.nothing, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l.nothing, err = start(ctx, nothingCommand, []string{"LOADTEST_PAYLOAD=" + strconv.Itoa(l.payload)}, self, nothingCommand)
	return l.nothing, err
}

// ownServer ends the shared server, if one runs, so that a scenario can have
// the machine and a server of its own.
func (l *lab) ownServer(ctx context.Context, data string, flags ...string) (*process, error) {
	if l.endpoint != "" {
		return nil, errors.New("this scenario starts and ends a server of its own; leave out -endpoint")
	}
	if l.server != nil {
		if err := l.server.stop(); err != nil {
			return nil, err
		}
		l.server = nil
	}
	return l.serve(ctx, data, flags...)
}

// close ends the servers and removes what they wrote.
func (l *lab) close() error {
	var errs []error
	for _, p := range []*process{l.server, l.nothing} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	if l.tmp != "" {
		errs = append(errs, os.RemoveAll(l.tmp))
	}
	return errors.Join(errs...)
}

// sleep waits for d, or less if ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
