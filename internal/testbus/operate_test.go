package testbus

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

// request sends a plain HTTP request and returns the status and the answer's text.
func (b *Bus) request(t *testing.T, method, path, body string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, URL+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Host = "localhost:4566"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := b.HTTP().Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode, string(text)
}

func TestReset(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		other := newQueue(t, b.SQSIn("111111111111", "eu-west-1"), "q", nil)
		bus := newBus(t, b, "orders")
		bus.rule("r", `{"source":["shop"]}`, to("1", q.arn()))
		q.send("old")
		m := q.one()
		poll := later(func() error { _, err := other.tryReceive(waiting(20)); return err })
		time.Sleep(time.Second)

		within(t, 0, func() {
			status, text := b.request(t, http.MethodPost, "/_turnout/reset", "")
			require.Equal(t, http.StatusOK, status, text)
		})
		requireError(t, poll(), "AWS.SimpleQueueService.NonExistentQueue", "")
		for _, c := range []*sqs.Client{b.SQS(), b.SQSIn("111111111111", "eu-west-1")} {
			list, err := c.ListQueues(t.Context(), &sqs.ListQueuesInput{})
			require.NoError(t, err)
			require.Empty(t, list.QueueUrls, "a reset empties every account and region")
		}
		buses, err := bus.client.ListEventBuses(t.Context(), &eventbridge.ListEventBusesInput{})
		require.NoError(t, err)
		require.Len(t, buses.EventBuses, 1)
		require.Equal(t, "default", *buses.EventBuses[0].Name)

		q = newQueue(t, b.SQS(), "q", nil)
		require.Error(t, q.tryChangeVisibility(m, 0), "handles of before are dead")
		bus = newBus(t, b, "orders")
		bus.put(`{}`)
		require.Equal(t, depth{}, q.depth(), "rules of before are gone")
		q.send("new")
		b.Crash(0)
		require.Equal(t, []string{"new"}, bodies(q.drain()), "nothing of before comes back")
	})
}

func TestFullDisk(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		bus := defaultBus(t, b)
		bus.rule("r", `{"source":["shop"]}`, to("1", q.arn()))
		q.send("before")
		b.SetDisk(1<<20, 1<<40)
		time.Sleep(6 * time.Second)

		_, err := q.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: str("x")})
		requireError(t, err, "ServiceUnavailable", "disk is almost full")
		entries := []types.PutEventsRequestEntry{{Source: str("shop"), DetailType: str("x"), Detail: str(`{}`)}}
		_, err = bus.client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: entries})
		require.Error(t, err, "a publish is refused too")
		status, text := b.request(t, http.MethodGet, "/readyz?verbose", "")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, text, "new messages and events are refused")
		_, text = b.request(t, http.MethodGet, "/metrics", "")
		require.Contains(t, text, "turnout_disk_full 1")

		q.delete(q.one())
		require.Equal(t, depth{}, q.depth(), "receives and deletes, which make room, go on")

		b.SetDisk(1<<39, 1<<40)
		time.Sleep(2 * time.Second)
		q.send("after")
		bus.put(`{}`)
		require.Equal(t, depth{visible: 2}, q.depth(), "it recovers by itself")
		status, _ = b.request(t, http.MethodGet, "/readyz", "")
		require.Equal(t, http.StatusOK, status)
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "orders", nil)
		q.send("a")
		q.send("b", withDelay(10))
		q.delete(q.one())
		_, err := b.SQS().GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: str("none")})
		require.Error(t, err)
		_, page := b.request(t, http.MethodGet, "/metrics", "")
		for _, line := range []string{
			`turnout_queues 1`,
			`turnout_messages_sent_total 2`,
			`turnout_messages_received_total 1`,
			`turnout_messages_deleted_total 1`,
			`turnout_messages{state="delayed"} 1`,
			`turnout_queue_messages{account="000000000000",queue="orders",region="us-east-1",state="delayed"} 1`,
			`turnout_http_requests_total{code="200",operation="SendMessage",service="sqs"} 2`,
			`turnout_http_request_errors_total{error="QueueDoesNotExist",operation="GetQueueUrl",service="sqs"} 1`,
			`turnout_http_request_duration_seconds_count{operation="SendMessage",service="sqs"} 2`,
			`turnout_disk_full 0`,
		} {
			require.Contains(t, page, line+"\n")
		}
	})
}

func TestPeekChangesNothing(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		q.send("hello")
		for range 2 {
			status, text := b.request(t, http.MethodGet, "/_aws/sqs/messages?QueueUrl="+*q.url, "")
			require.Equal(t, http.StatusOK, status, text)
			require.Contains(t, text, "<Body>hello</Body>")
		}
		require.Equal(t, "1", receiveCount(q.one()), "a look is no receive")
	})
}

func TestLocalStackHealth(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		status, text := b.request(t, http.MethodGet, "/_localstack/health", "")
		require.Equal(t, http.StatusOK, status)
		require.JSONEq(t, `{"services":{"sqs":"running","sns":"running","events":"running","sts":"running"},"edition":"turnout","version":"test"}`, text)
	})
}

func TestBrowsersOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		status, _ := b.request(t, http.MethodGet, "/000000000000/q?Action=DeleteQueue&Version=2012-11-05", "", "Sec-Fetch-Site", "cross-site")
		require.Equal(t, http.StatusForbidden, status)
		status, _ = b.request(t, http.MethodPost, "/", "Action=DeleteQueue&QueueUrl="+*q.url, "Origin", "https://evil.example", "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, http.StatusForbidden, status)
		require.Equal(t, depth{}, q.depth(), "the queue is still there")
	})
}
