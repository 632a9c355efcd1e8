package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout/loadtest/internal/histogram"
)

// running describes a server that somebody else has started.
func running(endpoint string, pid int) (*process, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" || u.Port() == "" {
		return nil, fmt.Errorf("-endpoint %s: want http://HOST:PORT", endpoint)
	}
	return &process{name: "turnout", host: u.Host, pid: pid}, nil
}

// runBacklog compares the same work on a queue that is otherwise empty and on
// one with many messages waiting, then restarts the server on that backlog.
func runBacklog(ctx context.Context, l *lab) (_ *result, err error) {
	server, err := l.ownServer(ctx, "backlog")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	t := &target{process: server, settings: l.settings}
	if err := t.connect(ctx, l.concurrency); err != nil {
		return nil, err
	}
	defer func() { t.hangUp() }()

	r := &result{}
	r.set("messages", float64(l.messages))
	r.set("body_bytes", float64(l.backlogBody))
	emptyURL, err := t.createQueue(t.conns[0], "empty")
	if err != nil {
		return nil, err
	}
	if t.queueURL, err = t.createQueue(t.conns[0], "deep"); err != nil {
		return nil, err
	}
	deepURL := t.queueURL
	if err := l.fillBacklog(ctx, t, r); err != nil {
		return nil, err
	}
	empty, deep := &cycleFigures{}, &cycleFigures{}
	for range l.rounds { // in turns, so that a disturbance of the machine meets both
		for _, side := range []struct {
			url string
			all *cycleFigures
		}{{emptyURL, empty}, {deepURL, deep}} {
			t.queueURL = side.url
			if err := side.all.more(ctx, t, l.duration/time.Duration(l.rounds)); err != nil {
				return nil, err
			}
		}
	}
	r.latency("empty_receive_", &empty.receive)
	r.latency("deep_receive_", &deep.receive)
	r.set("receive_p99_ratio", float64(deep.receive.Quantile(0.99))/float64(empty.receive.Quantile(0.99)))
	r.set("empty_cycles_per_s", empty.rate())
	r.set("deep_cycles_per_s", deep.rate())
	now, peak := server.memory()
	r.set("rss_mib", float64(now)/(1<<20))
	r.set("rss_peak_mib", float64(peak)/(1<<20))
	r.set("disk_mib", float64(dirSize(filepath.Join(l.tmp, "backlog")))/(1<<20))

	t.hangUp()
	if err := server.stop(); err != nil {
		return nil, err
	}
	if server, err = l.restarted(ctx, t, r, "restart"); err != nil {
		return nil, err
	}
	server.kill()
	if server, err = l.restarted(ctx, t, r, "restart_after_kill"); err != nil {
		return nil, err
	}
	now, _ = server.memory()
	r.set("rss_after_restart_mib", float64(now)/(1<<20))
	return r, nil
}

func (l *lab) fillBacklog(ctx context.Context, t *target, r *result) error {
	began := time.Now()
	var tenth atomic.Int64
	err := fill(ctx, t, l.messages, l.backlogBody, func(done int64) {
		if at := done * 10 / int64(l.messages); at > tenth.Load() && tenth.Swap(at) < at {
			l.note("  %d of %d messages in, %.0f/s", done, l.messages, float64(done)/time.Since(began).Seconds())
		}
	})
	r.set("fill_messages_per_s", float64(l.messages)/time.Since(began).Seconds())
	return err
}

// restarted starts the server again on the backlog and measures the time until
// it is ready and until the first message of the deep queue is received.
func (l *lab) restarted(ctx context.Context, t *target, r *result, name string) (*process, error) {
	began := time.Now()
	server, err := l.serve(ctx, "backlog")
	if err != nil {
		return nil, err
	}
	r.set(name+"_to_ready_ms", float64(server.readyIn)/float64(time.Millisecond))
	fail := func(err error) (*process, error) { return nil, errors.Join(err, server.stop()) }
	u, err := url.Parse(t.queueURL)
	if err != nil {
		return fail(err)
	}
	again := &target{process: server, settings: l.settings, queueURL: "http://" + server.host + u.Path}
	if err := again.connect(ctx, 1); err != nil {
		return fail(err)
	}
	defer again.hangUp()
	if err := receiver(again, 1, 0)(again.conns[0]); err != nil {
		return fail(err)
	}
	r.set(name+"_to_first_message_ms", float64(time.Since(began))/float64(time.Millisecond))
	return server, nil
}

// cycleFigures are those of repeated send, receive and delete.
type cycleFigures struct {
	measurement
	receive histogram.Histogram
}

// more sends, receives and deletes for d on every connection, times the
// receives, and adds what it found.
func (f *cycleFigures) more(ctx context.Context, t *target, d time.Duration) error {
	parts := make([]cycleFigures, len(t.conns))
	errs := make([]error, len(t.conns))
	began := time.Now()
	var wg sync.WaitGroup
	for i, c := range t.conns {
		wg.Go(func() {
			op := timedCycle(t, i, &parts[i].receive)
			errs[i] = repeat(ctx, c, op, began.Add(d), &parts[i].measurement)
		})
	}
	wg.Wait()
	for i := range parts {
		f.ops += parts[i].ops
		f.receive.Merge(&parts[i].receive)
	}
	f.elapsed += time.Since(began)
	return errors.Join(errors.Join(errs...), context.Cause(ctx))
}

func timedCycle(t *target, i int, times *histogram.Histogram) func(*conn) error {
	send := always(sqsAPI().request(t.host, "SendMessage", sendBody(t.queueURL, t.backlogBody, uint64(i))), nil)
	receive := sqsAPI().request(t.host, "ReceiveMessage", receiveBody(t.queueURL, 1, 1))
	del := newDeleter(t.host, t.queueURL)
	var hs [][]byte
	return func(c *conn) error {
		if err := send(c); err != nil {
			return err
		}
		began := time.Now()
		body, err := c.do(receive)
		if err != nil {
			return err
		}
		times.Add(time.Since(began))
		if hs = handles(hs, body); len(hs) != 1 {
			return fmt.Errorf("received %d messages, want 1", len(hs))
		}
		_, err = c.do(del.request(hs))
		return err
	}
}

// dirSize adds up the files below dir; what vanishes meanwhile does not count.
func dirSize(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file that was removed while we looked
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}
