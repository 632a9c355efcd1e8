package testbus

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/config"
)

// receiver is a webhook: it notes what it gets and answers as told.
type receiver struct {
	mu     sync.Mutex
	got    []*http.Request
	bodies []string
	answer func(n int, w http.ResponseWriter) // n counts from 1; nil: 200
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the server stopped in the middle
	}
	r.mu.Lock()
	r.got = append(r.got, req)
	r.bodies = append(r.bodies, string(body))
	n, answer := len(r.got), r.answer
	r.mu.Unlock()
	if answer != nil {
		answer(n, w)
	}
}

func (r *receiver) count() int {
	requests, _ := r.all()
	return len(requests)
}

// all returns what it got so far.
func (r *receiver) all() (requests []*http.Request, bodies []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got), slices.Clone(r.bodies)
}

// status answers every request with a status.
func status(code int) func(int, http.ResponseWriter) {
	return func(_ int, w http.ResponseWriter) { w.WriteHeader(code) }
}

// apiKey is a connection that sends the header X-Key.
func apiKey() *types.CreateConnectionAuthRequestParameters {
	return &types.CreateConnectionAuthRequestParameters{
		ApiKeyAuthParameters: &types.CreateConnectionApiKeyAuthRequestParameters{ApiKeyName: str("X-Key"), ApiKeyValue: str("canary-secret")},
	}
}

// destination makes a connection and an API destination of a name, and returns the destination's ARN.
func (e *events) destination(name, url string, kind types.ConnectionAuthorizationType, auth *types.CreateConnectionAuthRequestParameters) string {
	e.t.Helper()
	connection, err := e.client.CreateConnection(e.t.Context(), &eventbridge.CreateConnectionInput{
		Name: &name, AuthorizationType: kind, AuthParameters: auth,
	})
	require.NoError(e.t, err)
	d, err := e.client.CreateApiDestination(e.t.Context(), &eventbridge.CreateApiDestinationInput{
		Name: &name, ConnectionArn: connection.ConnectionArn, InvocationEndpoint: &url, HttpMethod: types.ApiDestinationHttpMethodPost,
	})
	require.NoError(e.t, err)
	return *d.ApiDestinationArn
}

func withDLQ(q *queue) func(*types.Target) {
	return func(t *types.Target) { t.DeadLetterConfig = &types.DeadLetterConfig{Arn: str(q.arn())} }
}

func withRetries(retries, ageSeconds int32) func(*types.Target) {
	return func(t *types.Target) {
		t.RetryPolicy = &types.RetryPolicy{MaximumRetryAttempts: &retries, MaximumEventAgeInSeconds: &ageSeconds}
	}
}

func TestAPIDestinationGetsEvents(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		hook := &receiver{}
		b.Serve("hook.test", hook)
		arn := bus.destination("hook", "http://hook.test/orders/*", types.ConnectionAuthorizationTypeApiKey, apiKey())
		bus.rule("r", `{"source":["shop"]}`,
			to("plain", arn, func(target *types.Target) {
				target.HttpParameters = &types.HttpParameters{
					PathParameterValues:   []string{"a b"},
					HeaderParameters:      map[string]string{"X-Key": "not this", "X-Shop": "yes"},
					QueryStringParameters: map[string]string{"q": "1&2"},
				}
			}),
			to("shaped", arn, func(target *types.Target) {
				target.HttpParameters = &types.HttpParameters{PathParameterValues: []string{"c"}}
				target.InputTransformer = &types.InputTransformer{
					InputPathsMap: map[string]string{"n": "$.detail.n"}, InputTemplate: str(`{"number":<n>}`),
				}
			}))
		id := bus.put(`{"n":1}`)
		time.Sleep(time.Second)

		requests, bodies := hook.all()
		require.Len(t, requests, 2, "one request for each target")
		plain, shaped := 0, 1
		if bodies[0] == `{"number":1}` {
			plain, shaped = 1, 0
		}
		require.Equal(t, `{"number":1}`, bodies[shaped])
		require.Equal(t, id, parseEnvelope(t, bodies[plain]).ID)
		r := requests[plain]
		require.Equal(t, http.MethodPost, r.Method)
		require.Equal(t, "/orders/a%20b?q=1%262", r.RequestURI)
		require.Equal(t, "canary-secret", r.Header.Get("X-Key"), "what the connection says wins over the target")
		require.Equal(t, "yes", r.Header.Get("X-Shop"))

		shown, err := bus.client.DescribeConnection(t.Context(), &eventbridge.DescribeConnectionInput{Name: str("hook")})
		require.NoError(t, err)
		text, err := json.Marshal(shown)
		require.NoError(t, err)
		require.NotContains(t, string(text), "canary", "a secret is never returned")
	})
}

func TestDeliveriesAreRetriedAndThenDeadLettered(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		hook := &receiver{answer: status(http.StatusServiceUnavailable)}
		b.Serve("hook.test", hook)
		arn := bus.destination("hook", "http://hook.test/", types.ConnectionAuthorizationTypeApiKey, apiKey())
		bus.rule("r", `{"source":["shop"]}`, to("1", arn, withDLQ(dlq), withRetries(3, 3600)))
		id := bus.put(`{"n":1}`)
		time.Sleep(time.Hour)

		require.Equal(t, 4, hook.count(), "the first attempt and three more")
		m := dlq.one()
		require.Equal(t, id, parseEnvelope(t, *m.Body).ID, "a dead letter is the event as it was published")
		attribute := func(name string) string { return aws.ToString(m.MessageAttributes[name].StringValue) }
		require.Equal(t, "arn:aws:events:us-east-1:000000000000:rule/r", attribute("RULE_ARN"))
		require.Equal(t, arn, attribute("TARGET_ARN"))
		require.Equal(t, "ERROR_FROM_TARGET", attribute("ERROR_CODE"))
		require.Contains(t, attribute("ERROR_MESSAGE"), "503")
		require.Equal(t, "MaximumRetryAttempts", attribute("EXHAUSTED_RETRY_CONDITION"))
		require.Equal(t, "3", attribute("RETRY_ATTEMPTS"))
	})
}

func TestPermanentFailuresAreNotRetried(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		hook := &receiver{answer: status(http.StatusBadRequest)}
		b.Serve("hook.test", hook)
		arn := bus.destination("hook", "http://hook.test/", types.ConnectionAuthorizationTypeApiKey, apiKey())
		bus.rule("r", `{"source":["shop"]}`, to("1", arn, withDLQ(dlq)))
		bus.put(`{"n":1}`)
		time.Sleep(time.Minute)
		require.Equal(t, 1, hook.count())
		m := dlq.one()
		dlq.delete(m)
		require.NotContains(t, m.MessageAttributes, "EXHAUSTED_RETRY_CONDITION", "no retry condition ended it")
		require.Equal(t, "0", aws.ToString(m.MessageAttributes["RETRY_ATTEMPTS"].StringValue))

		_, err := bus.client.DeleteApiDestination(t.Context(), &eventbridge.DeleteApiDestinationInput{Name: str("hook")})
		require.NoError(t, err)
		bus.put(`{"n":2}`)
		time.Sleep(time.Minute)
		m = dlq.one()
		require.Equal(t, "NO_RESOURCE", aws.ToString(m.MessageAttributes["ERROR_CODE"].StringValue), "a target that is gone is no reason to lose an event")
	})
}

func TestDeliveriesSurviveACrash(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		arn := bus.destination("hook", "http://hook.test/", types.ConnectionAuthorizationTypeApiKey, apiKey())
		bus.rule("r", `{"source":["shop"]}`, to("1", arn))
		want := map[string]bool{}
		for i := range 30 { // nobody answers yet
			want[bus.put(`{"n":`+strconv.Itoa(i)+`}`)] = true
		}
		time.Sleep(10 * time.Second)
		b.Crash(0)
		hook := &receiver{}
		b.Serve("hook.test", hook)
		time.Sleep(2 * time.Hour)
		got := map[string]bool{}
		requests, bodies := hook.all()
		for _, body := range bodies {
			got[parseEnvelope(t, body).ID] = true
		}
		require.Equal(t, want, got)
		require.Equal(t, "canary-secret", requests[0].Header.Get("X-Key"), "secrets outlive a crash too")
	})
}

func TestFunctionsAreTargets(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := Start(t, config.Config{Function: config.Function{Endpoint: "http://functions.test"}})
		bus := defaultBus(t, b)
		functions := &receiver{answer: status(http.StatusAccepted)}
		b.Serve("functions.test", functions)
		bus.rule("r", `{"source":["shop"]}`, to("1", "arn:aws:lambda:us-east-1:000000000000:function:bill"))
		id := bus.put(`{"n":1}`)
		time.Sleep(time.Second)
		requests, bodies := functions.all()
		require.Len(t, requests, 1)
		require.Equal(t, "/2015-03-31/functions/bill/invocations", requests[0].URL.Path)
		require.Equal(t, "Event", requests[0].Header.Get("X-Amz-Invocation-Type"))
		require.Equal(t, id, parseEnvelope(t, bodies[0]).ID)
	})
}

func TestATopicIsATarget(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := defaultBus(t, b)
		client := b.SNS()
		topic, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: str("orders")})
		require.NoError(t, err)
		raw, dlq := newQueue(t, b.SQS(), "raw", nil), newQueue(t, b.SQS(), "dlq", nil)
		_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{
			TopicArn: topic.TopicArn, Protocol: str("sqs"), Endpoint: str(raw.arn()),
			Attributes: attributes{"RawMessageDelivery": "true", "FilterPolicyScope": "MessageBody", "FilterPolicy": `{"detail":{"n":[1]}}`},
		})
		require.NoError(t, err)
		bus.rule("r", `{"source":["shop"]}`, to("1", *topic.TopicArn, withDLQ(dlq)))
		id := bus.put(`{"n":1}`)
		bus.put(`{"n":2}`)
		got := raw.drain()
		require.Len(t, got, 1, "a subscription's filter sees the event")
		require.Equal(t, id, parseEnvelope(t, *got[0].Body).ID)
		require.Empty(t, dlq.drain())

		_, err = client.DeleteTopic(t.Context(), &sns.DeleteTopicInput{TopicArn: topic.TopicArn})
		require.NoError(t, err)
		bus.put(`{"n":3}`)
		dead := dlq.drain()
		require.Len(t, dead, 1)
		require.Equal(t, "NO_RESOURCE", aws.ToString(dead[0].MessageAttributes["ERROR_CODE"].StringValue))
	})
}
