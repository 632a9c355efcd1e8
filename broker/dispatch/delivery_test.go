package dispatch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/sinks"
)

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestDeliversOnceAndRecordsIt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.out.add(arnOf(0), func(context.Context, sinks.Delivery) sinks.Result {
			time.Sleep(20 * time.Millisecond)
			return sinks.Result{Status: 202, Excerpt: []byte(strings.Repeat("x", 2000))}
		}, nil)
		x := event("e1")
		x.Parameters, x.TraceHeader = []byte(`{"HeaderParameters":{}}`), "Root=1"
		y := event("e2")
		y.Body = []byte("transformed")
		z := dispatch.Delivery{EventID: "e3", Body: []byte("message")}
		n.enqueue(x, y, z)
		time.Sleep(time.Second)
		synctest.Wait()

		seen := n.out.seen("")
		require.Len(t, seen, 3)
		bodies := map[string]string{}
		for _, a := range seen {
			bodies[a.EventID] = string(a.Body)
			require.Equal(t, 1, a.Attempt)
			require.NotEmpty(t, a.ID)
		}
		require.Equal(t, map[string]string{"e1": `{"id":"e1"}`, "e2": "transformed", "e3": "message"}, bodies)
		records := n.records("e1")
		require.Len(t, records, 1)
		r := records[0]
		require.Equal(t, dispatch.Delivered, r.Outcome)
		require.Equal(t, 202, r.Status)
		require.Equal(t, 20*time.Millisecond, r.Latency)
		require.Len(t, r.Excerpt, sinks.ExcerptBytesMax, "an answer is kept to 1 KiB")
		require.Equal(t, []string{arnOf(0), "arn:rule", "t"}, []string{r.Endpoint, r.RuleARN, r.TargetID})
		s := n.Stats()
		require.EqualValues(t, 3, s.Delivered)
		require.Zero(t, s.Waiting)
		require.Zero(t, n.state(arnOf(0)).Waiting)
		require.EqualValues(t, 3, s.Latency.Count)
		all, err := n.queues.Queues(t.Context(), scope, "")
		require.NoError(t, err)
		require.Empty(t, all, "no account sees the queues of deliveries")
	})
}

func TestRetriesWithBackoffUntilItSucceeds(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{Random: func() float64 { return 0.999999 }})
		n.out.add(arnOf(0), func(_ context.Context, d sinks.Delivery) sinks.Result {
			if d.Attempt < 5 {
				return failed(sinks.CodeErrorFromTarget, false)
			}
			return sinks.Result{Status: 200}
		}, nil)
		n.enqueue(event("e"))
		time.Sleep(time.Minute)
		seen := n.out.seen("")
		require.Len(t, seen, 5)
		for i := 1; i < len(seen); i++ {
			require.Equal(t, i+1, seen[i].Attempt)
			require.Equal(t, seen[0].ID, seen[i].ID, "a delivery keeps its id")
			require.InDelta(t, float64(time.Second<<(i-1)), float64(seen[i].at.Sub(seen[i-1].at)), float64(2*time.Millisecond))
		}
		records := n.records("e")
		require.Len(t, records, 5)
		require.Equal(t, dispatch.Retried, records[0].Outcome)
		require.True(t, seen[1].at.Equal(records[0].RetryAt), "the record says when the next attempt is due")
		require.Equal(t, dispatch.Delivered, records[4].Outcome)
	})
}

func TestExhaustionAndPermanentFailuresAreDeadLettered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		result   sinks.Result
		retries  int
		age      time.Duration
		missing  bool
		attempts int
		want     map[string]string
	}{
		{
			name: "retries", result: failed(sinks.CodeErrorFromTarget, false), retries: 3, attempts: 4,
			want: map[string]string{"ERROR_CODE": "ERROR_FROM_TARGET", "ERROR_MESSAGE": "it failed", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts", "RETRY_ATTEMPTS": "3"},
		},
		{
			name: "no retries", result: failed(sinks.CodeTimeout, false), retries: -1, attempts: 1,
			want: map[string]string{"ERROR_CODE": "TIMEOUT", "ERROR_MESSAGE": "it failed", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts", "RETRY_ATTEMPTS": "0"},
		},
		{
			name: "permanent", result: failed(sinks.CodeNoPermissions, true), attempts: 1,
			want: map[string]string{"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "it failed", "RETRY_ATTEMPTS": "0"},
		},
		{
			name: "age", result: failed(sinks.CodeThrottling, false), age: time.Minute, attempts: 6,
			want: map[string]string{"ERROR_CODE": "THROTTLING", "ERROR_MESSAGE": "it failed", "EXHAUSTED_RETRY_CONDITION": "MaximumEventAgeInSeconds", "RETRY_ATTEMPTS": "5"},
		},
		{
			name: "missing", missing: true,
			want: map[string]string{"ERROR_CODE": "NO_RESOURCE", "ERROR_MESSAGE": "The target does not exist: " + arnOf(0), "RETRY_ATTEMPTS": "0"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				n := start(t, dispatch.Config{Random: func() float64 { return 0.999 }})
				n.queue("dlq")
				if !c.missing {
					n.out.add(arnOf(0), func(context.Context, sinks.Delivery) sinks.Result { return c.result }, nil)
				}
				x := event("e")
				x.Body, x.RetriesMax, x.AgeMax = []byte("transformed"), c.retries, c.age
				x.DeadLetters = []turnout.QueueName{queueNamed("gone"), queueNamed("dlq")}
				began := time.Now()
				n.enqueue(x)
				time.Sleep(61 * time.Second)
				require.Len(t, n.out.seen(""), c.attempts)
				got := n.take("dlq")
				require.Len(t, got, 1)
				require.JSONEq(t, `{"id":"e"}`, string(got[0].Body), "a dead letter is the event as published")
				c.want["RULE_ARN"], c.want["TARGET_ARN"] = "arn:rule", arnOf(0)
				require.Equal(t, c.want, attributes(got[0]))
				records := n.records("e")
				last := records[len(records)-1]
				require.Equal(t, dispatch.DeadLettered, last.Outcome)
				require.Equal(t, queueNamed("dlq"), last.DeadLetterQueue)
				if c.age > 0 {
					require.Equal(t, began.Add(c.age).UnixMilli(), got[0].SentAt.UnixMilli(), "exhausted at its deadline")
				}
				require.EqualValues(t, 1, n.Stats().DeadLettered)
				require.Zero(t, n.Stats().Waiting)
			})
		})
	}
}

func TestWithoutDeadLetterQueueADropIsRecorded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.out.add(arnOf(0), func(context.Context, sinks.Delivery) sinks.Result { return failed(sinks.CodeNoPermissions, true) }, nil)
		for i := range 50 {
			n.enqueue(event(fmt.Sprint("e", i)))
		}
		time.Sleep(time.Second)
		records := n.records("e7")
		require.Len(t, records, 1)
		require.Equal(t, dispatch.Dropped, records[0].Outcome)
		require.EqualValues(t, 50, n.Stats().Dropped)
		require.Equal(t, 1, strings.Count(n.log.String(), "no dead-letter queue"), "one line a second")
	})
}

func TestTopicsMakeTheirOwnDeadLetters(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.queue("dlq")
		n.out.add(arnOf(0), func(context.Context, sinks.Delivery) sinks.Result { return failed(sinks.CodeErrorFromTarget, true) },
			func(e *dispatch.Endpoint) {
				e.DeadLetter = func(d sinks.Delivery) ([]byte, []turnout.MessageAttribute) {
					return []byte("notification of " + string(d.Body)), []turnout.MessageAttribute{{Name: "A", Type: "String", Value: []byte("1")}}
				}
			})
		n.enqueue(dispatch.Delivery{EventID: "m", Body: []byte("hello"), RuleARN: "-", DeadLetters: []turnout.QueueName{queueNamed("dlq")}})
		time.Sleep(time.Second)
		got := n.take("dlq")
		require.Len(t, got, 1)
		require.Equal(t, "notification of hello", string(got[0].Body))
		require.Equal(t, "1", attributes(got[0])["A"])
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.queue("dlq")
		n.out.add(arnOf(0), func(_ context.Context, d sinks.Delivery) sinks.Result {
			r := failed(sinks.CodeThrottling, false)
			r.RetryAfter = 40 * time.Second
			return r
		}, nil)
		x := event("e")
		x.AgeMax, x.DeadLetters = 100*time.Second, []turnout.QueueName{queueNamed("dlq")}
		began := time.Now()
		n.enqueue(x)
		time.Sleep(2 * time.Minute)
		seen := n.out.seen("")
		require.Len(t, seen, 3, "at 0, 40 and 80 s; at 100 s it is too old")
		require.Equal(t, 80*time.Second, seen[2].at.Sub(began))
		got := n.take("dlq")
		require.Len(t, got, 1)
		require.Equal(t, began.Add(100*time.Second).UnixMilli(), got[0].SentAt.UnixMilli())
		require.Equal(t, "MaximumEventAgeInSeconds", attributes(got[0])["EXHAUSTED_RETRY_CONDITION"])
	})
}
