package webhook_test

import (
	"context"
	"testing"

	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/sinktest"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// sink is the least that a sink can be: one URL, and the delivery's body.
type sink struct {
	client *webhook.Client
	url    string
}

var _ sinks.Sink = (*sink)(nil)

func (s *sink) Attempt(ctx context.Context, d sinks.Delivery) sinks.Result {
	return s.client.Do(ctx, &webhook.Request{URL: s.url, Body: d.Body, DeliveryID: d.ID, Attempt: d.Attempt})
}

func suite() sinktest.Config {
	return sinktest.Config{New: func(t testing.TB, e sinktest.Endpoint) sinks.Sink {
		client := webhook.NewClient(webhook.Config{AllowHTTP: true, AllowCIDRs: e.Networks(), Roots: e.Roots()})
		t.Cleanup(client.Close)
		return &sink{client: client, url: e.URL}
	}}
}

func TestSink(t *testing.T) {
	t.Parallel()

	sinktest.Run(t, suite())
}

func TestSinkAllocations(t *testing.T) { //nolint:paralleltest // it measures the whole process
	sinktest.Allocations(t, suite())
}
