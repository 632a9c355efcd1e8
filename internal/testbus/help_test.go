package testbus

import (
	"errors"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

// queue is a queue as a test uses it.
type queue struct {
	t      *testing.T
	client *sqs.Client
	url    *string
}

type attributes = map[string]string

func newQueue(t *testing.T, c *sqs.Client, name string, a attributes) *queue {
	t.Helper()
	out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: a})
	require.NoError(t, err)
	return &queue{t: t, client: c, url: out.QueueUrl}
}

// newFIFO makes a FIFO queue.
func newFIFO(t *testing.T, c *sqs.Client, name string, a attributes) *queue {
	t.Helper()
	all := attributes{"FifoQueue": "true"}
	maps.Copy(all, a)
	return newQueue(t, c, name+".fifo", all)
}

func (q *queue) send(body string, change ...func(*sqs.SendMessageInput)) *sqs.SendMessageOutput {
	q.t.Helper()
	in := &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: &body}
	for _, c := range change {
		c(in)
	}
	out, err := q.client.SendMessage(q.t.Context(), in)
	require.NoError(q.t, err)
	return out
}

// sendTo sends a message to a group of a FIFO queue; its body is its deduplication id.
func (q *queue) sendTo(group, body string) *sqs.SendMessageOutput {
	q.t.Helper()
	return q.send(body, inGroup(group), withDedup(group+body))
}

func inGroup(group string) func(*sqs.SendMessageInput) {
	return func(in *sqs.SendMessageInput) { in.MessageGroupId = &group }
}

func withDedup(id string) func(*sqs.SendMessageInput) {
	return func(in *sqs.SendMessageInput) { in.MessageDeduplicationId = &id }
}

func withDelay(seconds int32) func(*sqs.SendMessageInput) {
	return func(in *sqs.SendMessageInput) { in.DelaySeconds = seconds }
}

type receiveOption = func(*sqs.ReceiveMessageInput)

// receive asks for up to ten messages with all their attributes and does not wait, unless told otherwise.
func (q *queue) receive(change ...receiveOption) []types.Message {
	q.t.Helper()
	out, err := q.tryReceive(change...)
	require.NoError(q.t, err)
	return out
}

func (q *queue) tryReceive(change ...receiveOption) ([]types.Message, error) {
	in := &sqs.ReceiveMessageInput{
		QueueUrl: q.url, MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	}
	for _, c := range change {
		c(in)
	}
	out, err := q.client.ReceiveMessage(q.t.Context(), in)
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

func most(n int32) receiveOption {
	return func(in *sqs.ReceiveMessageInput) { in.MaxNumberOfMessages = n }
}

func waiting(seconds int32) receiveOption {
	return func(in *sqs.ReceiveMessageInput) { in.WaitTimeSeconds = seconds }
}

func invisible(seconds int32) receiveOption {
	return func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = seconds }
}

func attempt(id string) receiveOption {
	return func(in *sqs.ReceiveMessageInput) { in.ReceiveRequestAttemptId = &id }
}

// one receives exactly one message.
func (q *queue) one(change ...receiveOption) types.Message {
	q.t.Helper()
	got := q.receive(append([]receiveOption{most(1)}, change...)...)
	require.Len(q.t, got, 1)
	return got[0]
}

// drain receives and deletes until a long poll finds nothing.
func (q *queue) drain() []types.Message {
	q.t.Helper()
	var all []types.Message
	for {
		got := q.receive(waiting(1))
		if len(got) == 0 {
			return all
		}
		for _, m := range got {
			q.delete(m)
		}
		all = append(all, got...)
	}
}

func (q *queue) delete(m types.Message) {
	q.t.Helper()
	require.NoError(q.t, q.tryDelete(m))
}

func (q *queue) tryDelete(m types.Message) error {
	_, err := q.client.DeleteMessage(q.t.Context(), &sqs.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle})
	return err
}

func (q *queue) changeVisibility(m types.Message, seconds int32) {
	q.t.Helper()
	require.NoError(q.t, q.tryChangeVisibility(m, seconds))
}

func (q *queue) tryChangeVisibility(m types.Message, seconds int32) error {
	_, err := q.client.ChangeMessageVisibility(q.t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
	})
	return err
}

func (q *queue) attributes() attributes {
	q.t.Helper()
	out, err := q.client.GetQueueAttributes(q.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: q.url, AttributeNames: []types.QueueAttributeName{"All"}})
	require.NoError(q.t, err)
	return out.Attributes
}

func (q *queue) arn() string { return q.attributes()["QueueArn"] }

func (q *queue) set(a attributes) {
	q.t.Helper()
	_, err := q.client.SetQueueAttributes(q.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: q.url, Attributes: a})
	require.NoError(q.t, err)
}

// depth is the three counters of a queue.
type depth struct{ visible, inFlight, delayed int }

func (q *queue) depth() depth {
	q.t.Helper()
	a := q.attributes()
	n := func(name string) int {
		v, err := strconv.Atoi(a[name])
		require.NoError(q.t, err, name)
		return v
	}
	return depth{n("ApproximateNumberOfMessages"), n("ApproximateNumberOfMessagesNotVisible"), n("ApproximateNumberOfMessagesDelayed")}
}

func (q *queue) remove() {
	q.t.Helper()
	_, err := q.client.DeleteQueue(q.t.Context(), &sqs.DeleteQueueInput{QueueUrl: q.url})
	require.NoError(q.t, err)
}

func (q *queue) purge() {
	q.t.Helper()
	_, err := q.client.PurgeQueue(q.t.Context(), &sqs.PurgeQueueInput{QueueUrl: q.url})
	require.NoError(q.t, err)
}

// redriveTo returns the attributes that make dlq the dead-letter queue.
func redriveTo(dlq *queue, receives int) attributes {
	return attributes{"RedrivePolicy": `{"deadLetterTargetArn":"` + dlq.arn() + `","maxReceiveCount":` + strconv.Itoa(receives) + `}`}
}

func bodies(ms []types.Message) []string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = *m.Body
	}
	return out
}

func receiveCount(m types.Message) string { return m.Attributes["ApproximateReceiveCount"] }

// requireError demands an API error with the given code, and a text that holds message.
func requireError(t *testing.T, err error, code, message string) {
	t.Helper()
	require.Error(t, err)
	api, ok := errors.AsType[smithy.APIError](err)
	require.True(t, ok, "%v is no answer of the server", err)
	require.Equal(t, code, api.ErrorCode(), api.ErrorMessage())
	require.Contains(t, api.ErrorMessage(), message)
}

// within runs f and requires that virtual time moved by exactly want.
func within(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	began := time.Now()
	f()
	require.Equal(t, want, time.Since(began))
}

// later runs f in the bubble and returns a function that waits for its result.
func later[T any](f func() T) func() T {
	result := make(chan T, 1)
	go func() { result <- f() }()
	return func() T { return <-result }
}

func str(s string) *string { return aws.String(s) }

// fifoMessage returns a request to send body to a group of a FIFO queue.
func fifoMessage(q *queue, group, body string, change ...func(*sqs.SendMessageInput)) *sqs.SendMessageInput {
	in := &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: &body, MessageGroupId: &group, MessageDeduplicationId: str(group + body)}
	for _, c := range change {
		c(in)
	}
	return in
}
