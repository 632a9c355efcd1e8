package testbus

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"
)

// events is a bus as a test uses it.
type events struct {
	t      *testing.T
	client *eventbridge.Client
	bus    string
}

func defaultBus(t *testing.T, b *Bus) *events {
	t.Helper()
	return &events{t: t, client: b.EventBridge(), bus: "default"}
}

func newBus(t *testing.T, b *Bus, name string) *events {
	t.Helper()
	e := &events{t: t, client: b.EventBridge(), bus: name}
	_, err := e.client.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: &name})
	require.NoError(t, err)
	return e
}

func (e *events) arn() string {
	e.t.Helper()
	out, err := e.client.DescribeEventBus(e.t.Context(), &eventbridge.DescribeEventBusInput{Name: &e.bus})
	require.NoError(e.t, err)
	return *out.Arn
}

// rule puts a rule with a pattern and its targets, which must all be accepted.
func (e *events) rule(name, pattern string, targets ...types.Target) {
	e.t.Helper()
	_, err := e.client.PutRule(e.t.Context(), &eventbridge.PutRuleInput{Name: &name, EventBusName: &e.bus, EventPattern: &pattern})
	require.NoError(e.t, err)
	if len(targets) == 0 {
		return
	}
	out, err := e.client.PutTargets(e.t.Context(), &eventbridge.PutTargetsInput{Rule: &name, EventBusName: &e.bus, Targets: targets})
	require.NoError(e.t, err)
	for _, failed := range out.FailedEntries {
		require.Fail(e.t, "target refused", "%s: %s", *failed.ErrorCode, *failed.ErrorMessage)
	}
}

// to returns a target that delivers to an ARN.
func to(id, arn string, change ...func(*types.Target)) types.Target {
	target := types.Target{Id: &id, Arn: &arn}
	for _, c := range change {
		c(&target)
	}
	return target
}

// put publishes an event of source "shop" and type "OrderPlaced" and returns its id.
func (e *events) put(detail string, change ...func(*types.PutEventsRequestEntry)) string {
	e.t.Helper()
	entry := types.PutEventsRequestEntry{EventBusName: &e.bus, Source: str("shop"), DetailType: str("OrderPlaced"), Detail: &detail}
	for _, c := range change {
		c(&entry)
	}
	out, err := e.client.PutEvents(e.t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry}})
	require.NoError(e.t, err)
	require.Zero(e.t, out.FailedEntryCount, "%v", out.Entries)
	return *out.Entries[0].EventId
}

// envelope is an event as a queue receives it.
type envelope struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

func parseEnvelope(t *testing.T, body string) envelope {
	t.Helper()
	var e envelope
	require.NoError(t, json.Unmarshal([]byte(body), &e), body)
	return e
}
