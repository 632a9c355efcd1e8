package demo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/awsclient"
)

// lanes splits the input into streams that are published side by side. Events
// of one device stay in one lane, and so in order.
func lanes(events []*event) [][]*event {
	at := map[string]int{}
	var split [][]*event
	for _, e := range events {
		key := e.source
		if e.reading != nil {
			key += "/" + e.reading.Device
		}
		i, ok := at[key]
		if !ok {
			i = len(split)
			at[key] = i
			split = append(split, nil)
		}
		split[i] = append(split[i], e)
	}
	return split
}

// publish sends the whole input, one goroutine a lane, and returns when it is
// acknowledged or a request has failed.
func (r *run) publish(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, lane := range lanes(r.events) {
		wg.Go(func() {
			for batch := range slices.Chunk(lane, awsclient.BatchEntriesMax) {
				if err := r.publishBatch(ctx, batch); err != nil {
					cancel(fmt.Errorf("publish events: %w", err))
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (r *run) publishBatch(ctx context.Context, batch []*event) error {
	entries := make([]types.PutEventsRequestEntry, len(batch))
	for i, e := range batch {
		entries[i] = types.PutEventsRequestEntry{
			EventBusName: aws.String(busName),
			Source:       aws.String(e.source),
			DetailType:   aws.String(e.detailType),
			Detail:       aws.String(string(e.detail)),
			Resources:    []string{e.resource()},
		}
		if !e.time.IsZero() {
			entries[i].Time = aws.Time(e.time)
		}
	}
	deliveries := 0
	for _, e := range batch {
		deliveries += r.expected.event[e.n]
	}
	if err := r.gate.enter(ctx, deliveries); err != nil {
		return err
	}
	now := int64(time.Since(r.began))
	for _, e := range batch {
		r.publishedAt[e.n].Store(now)
	}
	results, err := r.clients.Publish(ctx, entries)
	if err != nil {
		return err
	}
	for i, res := range results {
		if res.Code != "" {
			r.faults.addf("event %d was refused: %s: %s", batch[i].n, res.Code, res.Message)
			continue
		}
		r.published.Add(1)
	}
	return nil
}
