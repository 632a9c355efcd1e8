package eventbridge

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// managing is a broker whose only rule belongs to a service, and which takes every target.
type managing struct {
	agreeable
	manager string
	targets []turnout.Target
}

func (m *managing) refusal() error {
	if m.manager == "" {
		return nil
	}
	return turnout.Errorf(turnout.CodeManagedRule, "the broker's own words")
}

func (m *managing) rule(bus turnout.BusName) turnout.Rule {
	return turnout.Rule{RuleName: turnout.RuleName{Bus: bus, Name: "Events-Archive-a"}, State: turnout.RuleEnabled, ManagedBy: m.manager}
}

func (m *managing) Rule(_ context.Context, name turnout.RuleName) (turnout.Rule, error) {
	return m.rule(name.Bus), nil
}

func (m *managing) Rules(_ context.Context, bus turnout.BusName) ([]turnout.Rule, error) {
	return []turnout.Rule{m.rule(bus)}, nil
}

func (m *managing) DeleteRule(context.Context, turnout.RuleName) error { return m.refusal() }

func (m *managing) PutTargets(_ context.Context, _ turnout.RuleName, targets []turnout.Target) ([]error, error) {
	m.targets = targets
	return make([]error, len(targets)), m.refusal()
}

func (m *managing) RemoveTargets(_ context.Context, _ turnout.RuleName, ids []string) ([]error, error) {
	return make([]error, len(ids)), m.refusal()
}

// ask sends one request and returns the body of the answer.
func ask(t *testing.T, s *awswire.Service, operation, body string) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "AWSEvents."+operation)
	w := httptest.NewRecorder()
	awswire.New(awswire.Config{Services: []*awswire.Service{s}}).ServeHTTP(w, r)
	return w.Body.String()
}

func TestEveryKindOfTargetIsTaken(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{
		"arn:aws:sqs:us-east-1:000000000000:q",
		"arn:aws:sns:us-east-1:000000000000:t",
		"arn:aws:events:us-east-1:000000000000:event-bus/b",
		"arn:aws:events:us-east-1:000000000000:api-destination/d/6f5dbd22-9f3c-4a4f-8d3e-9a0b8a0e3f11",
		"arn:aws:lambda:us-east-1:000000000000:function:f",
		"arn:aws:lambda:us-east-1:000000000000:function:f:live",
	} {
		m := &managing{}
		got := ask(t, New(m, Config{}), "PutTargets", `{"Rule":"r","Targets":[{"Id":"a","Arn":"`+arn+`"}]}`)
		require.Equal(t, `{"FailedEntries":[],"FailedEntryCount":0}`, got, arn)
		require.Equal(t, []turnout.Target{{ID: "a", ARN: arn}}, m.targets)
	}
	for _, arn := range []string{
		"arn:aws:events:us-east-1:000000000000:archive/a", // only its own managed rule feeds an archive
		"arn:aws:events:us-east-1:000000000000:api-destination/d",
		"arn:aws:events:us-east-1:000000000000:rule/r",
		"arn:aws:sns:us-east-1:000000000000:t:6f5dbd22-9f3c-4a4f-8d3e-9a0b8a0e3f11",
		"arn:aws:lambda:us-east-1:000000000000:layer:l",
		"arn:aws:states:us-east-1:000000000000:stateMachine:s",
		"arn:aws:kinesis:us-east-1:000000000000:stream/s",
		"arn:aws:logs:us-east-1:000000000000:log-group:/g",
	} {
		m := &managing{}
		got := ask(t, New(m, Config{}), "PutTargets", `{"Rule":"r","Targets":[{"Id":"a","Arn":"`+arn+`"}]}`)
		require.Contains(t, got, `"ValidationException","message":"Parameter `+arn+` is not valid. Reason: Turnout delivers to SQS queues, `+
			`SNS topics, event buses, API destinations and Lambda functions only."`)
		require.Empty(t, m.targets)
	}
}

// What is FIFO gets nothing without a message group: for queues as on AWS, for
// topics, which AWS does not deliver to, in the same way.
func TestFIFOTargetsNeedAMessageGroup(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{"arn:aws:sqs:us-east-1:000000000000:q.fifo", "arn:aws:sns:us-east-1:000000000000:t.fifo"} {
		m := &managing{}
		got := ask(t, New(m, Config{}), "PutTargets", `{"Rule":"r","Targets":[{"Id":"a","Arn":"`+arn+`"}]}`)
		require.Contains(t, got, `"message":"Parameter(s) SqsParameters must be specified for target: a."`)
		got = ask(t, New(m, Config{}), "PutTargets", `{"Rule":"r","Targets":[{"Id":"a","Arn":"`+arn+`","SqsParameters":{"MessageGroupId":"$.detail.k"}}]}`)
		require.Equal(t, `{"FailedEntries":[],"FailedEntryCount":0}`, got)
		require.Equal(t, "$.detail.k", m.targets[0].MessageGroupID)
	}
}

func TestHTTPParametersAreKeptAsGiven(t *testing.T) {
	t.Parallel()
	m := &managing{}
	parameters := `{"PathParameterValues":["$.detail.id","x"],"HeaderParameters":{"X-A":"$.source"},"QueryStringParameters":{"q q":"v"}}`
	ask(t, New(m, Config{}), "PutTargets", `{"Rule":"r","Targets":[{"Id":"a","Arn":"arn:aws:events:us-east-1:000000000000:api-destination/d/1","HttpParameters":`+parameters+`}]}`)
	require.Equal(t, json.RawMessage(`{"HttpParameters":`+parameters+`}`), m.targets[0].Other)
}

func TestManagedRules(t *testing.T) {
	t.Parallel()
	s := New(&managing{manager: "prod.vhs.events.aws.internal"}, Config{})
	require.Contains(t, ask(t, s, "DescribeRule", `{"Name":"Events-Archive-a"}`), `"ManagedBy":"prod.vhs.events.aws.internal"`)
	require.Contains(t, ask(t, s, "ListRules", `{}`), `"ManagedBy":"prod.vhs.events.aws.internal"`)

	const aws = `{"__type":"ManagedRuleException","message":"Events-Archive-a is a managed rule. Set 'force' parameter to true to override."}`
	const ours = `{"__type":"ManagedRuleException","message":"the broker's own words"}`
	require.Equal(t, aws, ask(t, s, "DeleteRule", `{"Name":"Events-Archive-a"}`))
	require.Equal(t, aws, ask(t, s, "RemoveTargets", `{"Rule":"Events-Archive-a","Ids":["a"]}`))
	require.Equal(t, ours, ask(t, s, "DeleteRule", `{"Name":"Events-Archive-a","Force":true}`), "Force cannot take a rule from an archive")
	require.Equal(t, ours, ask(t, s, "RemoveTargets", `{"Rule":"Events-Archive-a","Ids":["a"],"Force":true}`))
	require.Equal(t, ours, ask(t, s, "PutTargets", `{"Rule":"Events-Archive-a","Targets":[{"Id":"a","Arn":"arn:aws:sqs:us-east-1:000000000000:q"}]}`))

	unmanaged := New(&managing{}, Config{})
	require.NotContains(t, ask(t, unmanaged, "DescribeRule", `{"Name":"r"}`), "ManagedBy")
	require.Equal(t, `{}`, ask(t, unmanaged, "DeleteRule", `{"Name":"r","Force":true}`))
}

func TestPlainHTTPEndpointsAreAnOption(t *testing.T) {
	t.Parallel()
	const body = `{"Name":"d","ConnectionArn":"arn:aws:events:us-east-1:000000000000:connection/c/1","InvocationEndpoint":"http://127.0.0.1:8080/x","HttpMethod":"POST"}`
	require.Contains(t, ask(t, New(agreeable{}, everything()), "CreateApiDestination", body), "please provide a valid HTTPS endpoint URL.")
	cfg := everything()
	cfg.HTTPEndpoints = true
	require.Contains(t, ask(t, New(agreeable{}, cfg), "CreateApiDestination", body), "ApiDestinationArn")
}

// cancellable is an engine whose replays run.
type cancellable struct{ agreeable }

func (cancellable) CancelReplay(_ context.Context, name turnout.ReplayName) (turnout.Replay, error) {
	return turnout.Replay{ReplaySpec: turnout.ReplaySpec{ReplayName: name}, State: turnout.ReplayCancelling, StateReason: "asked to"}, nil
}

func TestCancelReplay(t *testing.T) {
	t.Parallel()
	got := ask(t, New(agreeable{}, Config{Replays: cancellable{}}), "CancelReplay", `{"ReplayName":"r"}`)
	require.Contains(t, got, `:replay/r","State":"CANCELLING","StateReason":"asked to"}`)
}
