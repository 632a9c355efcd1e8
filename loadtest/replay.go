package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// runReplay publishes events that only an archive keeps, then replays all of
// them, and once more the newest, into a queue.
func runReplay(ctx context.Context, l *lab) (_ *result, err error) {
	server, err := l.ownServer(ctx, "replay", "--history-off")
	if err != nil {
		return nil, err
	}
	c := &course{target: &target{process: server, settings: l.settings}, detail: text(max(l.payload-80, 1), 1)}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.connect(ctx, l.concurrency); err != nil {
		return nil, err
	}
	control := c.conns[0]
	for _, step := range []struct {
		operation string
		in        map[string]any
	}{
		{"CreateEventBus", map[string]any{"Name": loadBus}},
		{"CreateArchive", map[string]any{"ArchiveName": loadBus, "EventSourceArn": busARN}},
	} {
		if err := c.event(control, step.operation, step.in); err != nil {
			return nil, err
		}
	}
	r := &result{}
	from := time.Now().Add(-time.Second)
	tail, err := c.fillArchive(ctx, r)
	if err != nil {
		return nil, err
	}
	to := time.Now().Add(10 * time.Millisecond)
	if c.queueURL, err = c.createQueue(control, "replayed"); err != nil {
		return nil, err
	}
	err = c.event(control, "PutRule", map[string]any{"Name": "replayed", "EventBusName": loadBus, "EventPattern": everyEvent})
	if err == nil {
		into := map[string]any{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:000000000000:replayed"}
		err = c.event(control, "PutTargets", map[string]any{"Rule": "replayed", "EventBusName": loadBus, "Targets": []any{into}})
	}
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, time.Until(to)); err != nil { // a replay ends in the past
		return nil, err
	}

	// The newest events first: what they cost shows whether the archive is read from their place on.
	first, _, err := c.replay(ctx, "tail", tail, to, 1)
	if err != nil {
		return nil, err
	}
	r.set("tail_first_message_ms", float64(first)/float64(time.Millisecond))
	if err := control.call(c.host, sqsAPI(), "PurgeQueue", map[string]any{"QueueUrl": c.queueURL}, nil); err != nil {
		return nil, err
	}
	before := c.usageBefore(ctx)
	first, took, err := c.replay(ctx, "all", from, to, l.archived)
	if err != nil {
		return nil, err
	}
	used := c.usageAfter(ctx).since(before)
	r.set("first_message_ms", float64(first)/float64(time.Millisecond))
	r.set("replay_s", took.Seconds())
	r.set("replayed_events_per_s", float64(l.archived)/took.Seconds())
	if used.known {
		r.set("cpu_us_per_event", float64(used.cpu.Microseconds())/float64(l.archived))
	}
	now, peak := c.memory()
	r.set("rss_mib", float64(now)/(1<<20))
	r.set("rss_peak_mib", float64(peak)/(1<<20))
	return r, nil
}

const busARN = "arn:aws:events:us-east-1:000000000000:event-bus/" + loadBus

// tailEvents are the newest events, which are published apart from the others.
const tailEvents = 100

// fillArchive publishes -archived events, and returns an instant before the newest of them.
func (c *course) fillArchive(ctx context.Context, r *result) (tail time.Time, err error) {
	began := time.Now()
	publish := func(n int) error {
		errs := make([]error, len(c.conns))
		var left atomic.Int64
		left.Store(int64(n))
		var wg sync.WaitGroup
		for i, conn := range c.conns {
			wg.Go(func() {
				for errs[i] == nil && ctx.Err() == nil {
					some := left.Add(-10) + 10
					if some <= 0 {
						return
					}
					errs[i] = c.publish(conn, make([]mark, min(some, 10))...)
				}
			})
		}
		wg.Wait()
		return errors.Join(errors.Join(errs...), context.Cause(ctx))
	}
	if err := publish(max(c.archived-tailEvents, 0)); err != nil {
		return tail, err
	}
	r.set("archived_events", float64(c.archived))
	r.set("archive_events_per_s", float64(c.archived)/time.Since(began).Seconds())
	if err := sleep(ctx, 10*time.Millisecond); err != nil { // the times of a replay are milliseconds
		return tail, err
	}
	tail = time.Now()
	return tail, publish(min(c.archived, tailEvents))
}

// replayWithin bounds the wait for a replay.
const replayWithin = 10 * time.Minute

// replay replays into the queue and measures the time from the request to the
// first message that a waiting consumer gets, and until n are in the queue. It
// then checks that there are no more of them, except after a replay of the tail.
func (c *course) replay(ctx context.Context, name string, from, to time.Time, n int) (first, all time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, replayWithin)
	defer cancel()
	began := time.Now()
	got := make(chan answer, 1)
	go func() {
		body, err := c.conns[1].do(sqsAPI().request(c.host, "ReceiveMessage", receiveBody(c.queueURL, 1, 20)))
		got <- answer{messages: len(handles(nil, body)), at: time.Now(), err: err}
	}()
	err = c.event(c.conns[0], "StartReplay", map[string]any{
		"ReplayName": name, "EventSourceArn": "arn:aws:events:us-east-1:000000000000:archive/" + loadBus,
		"EventStartTime": float64(from.UnixMilli()) / 1000, "EventEndTime": float64(to.UnixMilli()) / 1000,
		"Destination": map[string]any{"Arn": busARN},
	})
	consumer := <-got
	if err = errors.Join(err, consumer.err); err == nil && consumer.messages != 1 {
		err = errors.New("the replay delivered nothing within 20 s")
	}
	if err != nil {
		return 0, 0, err
	}
	first = consumer.at.Sub(began)
	for {
		depth, err := c.depth()
		if err != nil {
			return 0, 0, err
		}
		if all = time.Since(began); depth >= n {
			break
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return 0, 0, fmt.Errorf("%d of %d events are replayed: %w", depth, n, err)
		}
	}
	if err := c.completed(ctx, name); err != nil {
		return 0, 0, err
	}
	if depth, err := c.depth(); err != nil || n > 1 && depth != n {
		return 0, 0, errors.Join(err, fmt.Errorf("%d events were replayed, want %d", depth, n))
	}
	return first, all, nil
}

// completed waits for the end of a replay.
func (c *course) completed(ctx context.Context, name string) error {
	for {
		var out struct{ State, StateReason string }
		if err := c.conns[0].call(c.host, eventsAPI(), "DescribeReplay", map[string]any{"ReplayName": name}, &out); err != nil {
			return err
		}
		switch out.State {
		case "COMPLETED":
			return nil
		case "FAILED", "CANCELLED":
			return fmt.Errorf("replay %s is %s: %s", name, out.State, out.StateReason)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// depth is how many messages the queue holds, received ones too.
func (c *course) depth() (int, error) {
	body, err := c.conns[0].do(sqsAPI().request(c.host, "GetQueueAttributes",
		fmt.Appendf(nil, `{"QueueUrl":%q,"AttributeNames":["ApproximateNumberOfMessages","ApproximateNumberOfMessagesNotVisible"]}`, c.queueURL)))
	if err != nil {
		return 0, err
	}
	total := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		value, _ := stringField(body, name, 0)
		n, err := strconv.Atoi(string(value))
		if err != nil {
			return 0, fmt.Errorf("GetQueueAttributes: %w: %.300s", err, body)
		}
		total += n
	}
	return total, nil
}
