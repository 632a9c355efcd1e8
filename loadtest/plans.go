package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// oneQueue is the setUp of the SQS plans.
func oneQueue(_ context.Context, t *target) (err error) {
	t.queueURL, err = t.createQueue(t.conns[0], "loadtest")
	return err
}

// always returns an operation that sends the same request each time.
func always(request []byte, check func([]byte) error) func(*conn) error {
	return func(c *conn) error {
		body, err := c.do(request)
		if err != nil || check == nil {
			return err
		}
		return check(body)
	}
}

func sendPlan() plan {
	return plan{messages: 1, setUp: oneQueue, worker: func(t *target, i int) func(*conn) error {
		return always(sqsAPI().request(t.host, "SendMessage", sendBody(t.queueURL, t.payload, uint64(i))), nil)
	}}
}

func sendBatchPlan() plan {
	return plan{messages: 10, setUp: oneQueue, worker: func(t *target, i int) func(*conn) error {
		return always(sqsAPI().request(t.host, "SendMessageBatch", sendBatchBody(t.queueURL, 10, t.payload, uint64(i))), wholly)
	}}
}

// receivePlan drains a filled queue, n messages at a time.
func receivePlan(n int) plan {
	return plan{
		messages: n,
		setUp:    oneQueue,
		before: func(ctx context.Context, t *target, ops int) error {
			return fill(ctx, t, ops*n, t.payload, nil)
		},
		worker: func(t *target, _ int) func(*conn) error { return receiver(t, n, 0) },
	}
}

// receiver returns an operation that receives up to n messages and deletes them.
func receiver(t *target, n, waitSeconds int) func(*conn) error {
	receive := sqsAPI().request(t.host, "ReceiveMessage", receiveBody(t.queueURL, n, waitSeconds))
	del := newDeleter(t.host, t.queueURL)
	var hs [][]byte
	return func(c *conn) error {
		body, err := c.do(receive)
		if err != nil {
			return err
		}
		if hs = handles(hs, body); len(hs) == 0 {
			return errDrained
		}
		if body, err = c.do(del.request(hs)); err != nil {
			return err
		}
		return wholly(body)
	}
}

// cyclePlan sends, receives and deletes one message at a time. Who receives
// may get another worker's message; there is always one for each.
func cyclePlan() plan {
	return plan{messages: 1, setUp: oneQueue, worker: func(t *target, i int) func(*conn) error {
		send := always(sqsAPI().request(t.host, "SendMessage", sendBody(t.queueURL, t.payload, uint64(i))), nil)
		receive := receiver(t, 1, 1)
		return func(c *conn) error {
			if err := send(c); err != nil {
				return err
			}
			if err := receive(c); !errors.Is(err, errDrained) {
				return err
			}
			return errors.New("a message that was sent could not be received within a second")
		}
	}}
}

// ruleTargetsMax is how many targets the load gives one rule.
const ruleTargetsMax = 100

// loadBus is the bus of the EventBridge plans.
const loadBus = "loadtest"

// putEventsPlan publishes through rules to so many queues; 0 is -fan-out.
func putEventsPlan(queues int) plan {
	deliveries := func(s settings) int { return cmp.Or(queues, s.fanOut) }
	return plan{
		messages:   10,
		deliveries: deliveries,
		setUp:      func(ctx context.Context, t *target) error { return t.route(ctx, deliveries(t.settings)) },
		worker: func(t *target, i int) func(*conn) error {
			request := eventsAPI().request(t.host, "PutEvents", putEventsBody(loadBus, 10, t.payload, uint64(i)))
			return always(request, func(body []byte) error {
				if bytes.Contains(body, []byte(`"FailedEntryCount":0`)) {
					return nil
				}
				return fmt.Errorf("%w: %.300s", errFailedEntries, body)
			})
		},
	}
}

// route creates a bus and rules that send each event to n queues.
func (t *target) route(ctx context.Context, n int) error {
	c := t.conns[0]
	if err := t.event(c, "CreateEventBus", map[string]any{"Name": loadBus}); err != nil {
		return err
	}
	t.deletes = append(t.deletes, func(c *conn) error { return t.event(c, "DeleteEventBus", map[string]any{"Name": loadBus}) })
	for first := 0; first < n; first += ruleTargetsMax {
		rule := fmt.Sprintf("rule-%d", first/ruleTargetsMax)
		if err := t.routeRule(ctx, c, rule, first, min(first+ruleTargetsMax, n)); err != nil {
			return err
		}
	}
	return nil
}

func (t *target) routeRule(ctx context.Context, c *conn, rule string, first, end int) error {
	err := t.event(c, "PutRule", map[string]any{"Name": rule, "EventBusName": loadBus, "EventPattern": `{"source":["loadtest"],"detail":{"kind":["load"]}}`})
	if err != nil {
		return err
	}
	t.deletes = append(t.deletes, func(c *conn) error {
		return t.event(c, "DeleteRule", map[string]any{"Name": rule, "EventBusName": loadBus})
	})
	var ids []string
	for i := first; i < end && ctx.Err() == nil; i++ {
		name := fmt.Sprintf("loadtest-%d", i)
		url, err := t.createQueue(c, name)
		if err != nil {
			return err
		}
		t.queueURL = url
		target := map[string]any{"Id": name, "Arn": "arn:aws:sqs:us-east-1:000000000000:" + name}
		if err := t.event(c, "PutTargets", map[string]any{"Rule": rule, "EventBusName": loadBus, "Targets": []any{target}}); err != nil {
			return err
		}
		ids = append(ids, name)
	}
	t.deletes = append(t.deletes, func(c *conn) error {
		return t.event(c, "RemoveTargets", map[string]any{"Rule": rule, "EventBusName": loadBus, "Ids": ids})
	})
	return context.Cause(ctx)
}

// event calls an EventBridge operation and checks that none of its entries failed.
func (t *target) event(c *conn, operation string, in any) error {
	var out struct {
		FailedEntryCount int
		FailedEntries    []struct{ ErrorCode, ErrorMessage string }
	}
	if err := c.call(t.host, eventsAPI(), operation, in, &out); err != nil {
		return err
	}
	if out.FailedEntryCount > 0 {
		return fmt.Errorf("%s: %w: %v", operation, errFailedEntries, out.FailedEntries)
	}
	return nil
}

// fill sends n messages of size bytes to the target's queue, ten at a time,
// over all its connections. Progress, when set, hears how many are in.
func fill(ctx context.Context, t *target, n, size int, progress func(done int64)) error {
	var left, done atomic.Int64
	left.Store(int64(n))
	errs := make([]error, len(t.conns))
	var wg sync.WaitGroup
	for i, c := range t.conns {
		send := always(sqsAPI().request(t.host, "SendMessageBatch", sendBatchBody(t.queueURL, 10, size, uint64(i))), wholly)
		wg.Go(func() {
			for ctx.Err() == nil && left.Add(-10) > -10 {
				if errs[i] = send(c); errs[i] != nil {
					return
				}
				if now := done.Add(10); progress != nil {
					progress(now)
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errors.Join(errs...), context.Cause(ctx))
}
