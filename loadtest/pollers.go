package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// pollIdle is how long the server's CPU is watched while all pollers wait.
const pollIdle = 8 * time.Second

// answer is one poller's.
type answer struct {
	messages int
	at       time.Time
	err      error
}

// runPollers lets many connections wait on one empty queue, watches the idle
// server, then sends one message: one poller must get it and no other notice.
func runPollers(ctx context.Context, l *lab) (_ *result, err error) {
	server, err := l.turnoutServer(ctx)
	if err != nil {
		return nil, err
	}
	t := &target{process: server, settings: l.settings}
	defer func() { t.hangUp() }()
	if err := t.connect(ctx, l.pollers+1); err != nil {
		return nil, err
	}
	if t.queueURL, err = t.createQueue(t.conns[0], "pollers"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.undo()) }()

	answers := make(chan answer, l.pollers) // none ever waits
	var wg sync.WaitGroup
	defer wg.Wait()
	poll := sqsAPI().request(t.host, "ReceiveMessage", receiveBody(t.queueURL, 1, 20))
	for _, c := range t.conns[1:] {
		wg.Go(func() {
			body, err := c.do(poll)
			answers <- answer{messages: len(handles(nil, body)), at: time.Now(), err: err}
		})
	}
	if err := sleep(ctx, 3*time.Second); err != nil { // until all have asked
		return nil, err
	}
	r := &result{}
	before := server.usage()
	if err := sleep(ctx, pollIdle); err != nil {
		return nil, err
	}
	idle := server.usage().since(before)
	if n := len(answers); n > 0 {
		return nil, fmt.Errorf("%d of %d pollers were answered while nothing was there, the first: %+v", n, l.pollers, <-answers)
	}
	r.set("pollers", float64(l.pollers))
	if idle.known {
		r.set("idle_cpu_percent_of_one_core", 100*idle.cpu.Seconds()/pollIdle.Seconds())
		now, _ := server.memory()
		r.set("rss_mib", float64(now)/(1<<20))
	}
	return r, l.wakeOne(ctx, t, answers, r)
}

// wakeOne sends one message and looks who wakes within the next seconds.
func (l *lab) wakeOne(ctx context.Context, t *target, answers <-chan answer, r *result) error {
	before := t.usage()
	sentAt := time.Now()
	if _, err := t.conns[0].do(sqsAPI().request(t.host, "SendMessage", sendBody(t.queueURL, l.payload, 1))); err != nil {
		return err
	}
	if err := sleep(ctx, 2*time.Second); err != nil {
		return err
	}
	woken := len(answers)
	used := t.usage().since(before)
	if woken == 0 {
		return errors.New("no poller woke")
	}
	first := <-answers
	if first.err != nil {
		return first.err
	}
	if first.messages != 1 {
		return fmt.Errorf("the poller that woke got %d messages", first.messages)
	}
	r.set("woken_by_one_message", float64(woken))
	r.set("wake_ms", float64(first.at.Sub(sentAt))/float64(time.Millisecond))
	if used.known {
		r.set("wake_cpu_ms", float64(used.cpu)/float64(time.Millisecond))
	}
	if woken != 1 {
		return fmt.Errorf("%d pollers woke for one message", woken)
	}
	// The rest runs into its 20 s; each must end without a message or an error.
	for range l.pollers - 1 {
		select {
		case a := <-answers:
			if a.err != nil || a.messages != 0 {
				return fmt.Errorf("a poller ended with %d messages: %w", a.messages, a.err)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
