package sqs_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/memnet"
	"github.com/seed567880c8/turnout/queues"
)

// withSDK runs f in virtual time with a client of the AWS SDK. The client
// checks every digest that it receives.
func withSDK(t *testing.T, f func(t *testing.T, client *awssqs.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		handler := serve(t, queues.Config{})
		listener := memnet.Listen("localhost:4566")
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler.ServeHTTP(&patient{w}, r)
		})}
		go func() { _ = server.Serve(listener) }()
		transport := &http.Transport{DialContext: listener.DialContext}
		defer func() {
			transport.CloseIdleConnections()
			require.NoError(t, server.Close())
		}()
		f(t, awssqs.New(awssqs.Options{
			Region: "us-east-1", BaseEndpoint: aws.String("http://localhost:4566"),
			Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
			HTTPClient:  &http.Client{Transport: transport},
		}))
	})
}

// patient answers a moment later. The SDK closes a request's body as soon as
// it sees the answer; over a pipe that may be before net/http is done with
// the body, which then closes the connection under a long answer. In a bubble
// the moment lasts until everything else is idle.
type patient struct{ http.ResponseWriter }

func (p *patient) WriteHeader(status int) {
	time.Sleep(time.Millisecond)
	p.ResponseWriter.WriteHeader(status)
}

// create makes a queue and returns its URL.
func create(t *testing.T, c *awssqs.Client, name string, attributes map[string]string) *string {
	t.Helper()
	out, err := c.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(t, err)
	return out.QueueUrl
}

func TestSDKSendReceiveDelete(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssqs.Client) {
		url := create(t, c, "q", nil)
		body := "\"&quot;\r\n\té😀" + strings.Repeat("x", 1<<20-20)
		_, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: url, MessageBody: &body,
			MessageAttributes: map[string]types.MessageAttributeValue{
				"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
			},
		})
		require.Error(t, err, "the attribute makes the message too large")
		var api smithy.APIError
		require.ErrorAs(t, err, &api)
		require.Equal(t, "InvalidParameterValue", api.ErrorCode())

		body = body[:len(body)-100]
		sent, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: url, MessageBody: &body,
			MessageAttributes: map[string]types.MessageAttributeValue{
				"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
				"n": {DataType: aws.String("Number.int"), StringValue: aws.String("7")},
			},
		})
		require.NoError(t, err)

		got, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
			QueueUrl: url, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		require.NoError(t, err)
		require.Len(t, got.Messages, 1)
		m := got.Messages[0]
		require.Equal(t, body, *m.Body)
		require.Equal(t, *sent.MessageId, *m.MessageId)
		require.Equal(t, []byte{0, 255}, m.MessageAttributes["b"].BinaryValue)
		require.Equal(t, "Number.int", *m.MessageAttributes["n"].DataType)
		require.Equal(t, "1", m.Attributes["ApproximateReceiveCount"])

		_, err = c.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
		require.NoError(t, err)
		_, err = c.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("garbage")})
		var invalid *types.ReceiptHandleIsInvalid
		require.ErrorAs(t, err, &invalid, "an error of the service model is its type")
	})
}

func TestSDKBatches(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssqs.Client) {
		url := create(t, c, "q.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
		var entries []types.SendMessageBatchRequestEntry
		for _, id := range []string{"a", "b", "c"} {
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &id, MessageGroupId: aws.String("g")})
		}
		sent, err := c.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: url, Entries: entries})
		require.NoError(t, err)
		require.Len(t, sent.Successful, 3)
		require.Empty(t, sent.Failed)
		require.Less(t, *sent.Successful[0].SequenceNumber, *sent.Successful[1].SequenceNumber)

		got, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		require.NoError(t, err)
		require.Len(t, got.Messages, 3)
		var changes []types.ChangeMessageVisibilityBatchRequestEntry
		var deletes []types.DeleteMessageBatchRequestEntry
		for i, m := range got.Messages {
			require.Equal(t, *entries[i].MessageBody, *m.Body, "in the order of the batch")
			changes = append(changes, types.ChangeMessageVisibilityBatchRequestEntry{Id: m.Body, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 60})
			deletes = append(deletes, types.DeleteMessageBatchRequestEntry{Id: m.Body, ReceiptHandle: m.ReceiptHandle})
		}
		changed, err := c.ChangeMessageVisibilityBatch(t.Context(), &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: changes})
		require.NoError(t, err)
		require.Len(t, changed.Successful, 3)
		deletes[1].ReceiptHandle = aws.String("garbage")
		deleted, err := c.DeleteMessageBatch(t.Context(), &awssqs.DeleteMessageBatchInput{QueueUrl: url, Entries: deletes})
		require.NoError(t, err)
		require.Len(t, deleted.Successful, 2)
		require.Equal(t, "ReceiptHandleIsInvalid", *deleted.Failed[0].Code)
		require.True(t, deleted.Failed[0].SenderFault)

		entries[0].Id = aws.String("b")
		_, err = c.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: url, Entries: entries})
		var repeated *types.BatchEntryIdsNotDistinct
		require.ErrorAs(t, err, &repeated)
	})
}

// TestSDKLimitOfABatch sends what exactly fits, and one byte more.
func TestSDKLimitOfABatch(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssqs.Client) {
		url := create(t, c, "q", nil)
		half := strings.Repeat("x", 1<<19)
		entries := []types.SendMessageBatchRequestEntry{
			{Id: aws.String("1"), MessageBody: &half}, {Id: aws.String("2"), MessageBody: &half},
		}
		_, err := c.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: url, Entries: entries})
		require.NoError(t, err)
		entries[0].MessageBody = aws.String(half + "x")
		_, err = c.SendMessageBatch(t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: url, Entries: entries})
		var long *types.BatchRequestTooLong
		require.ErrorAs(t, err, &long)
		require.Equal(t, "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.", long.ErrorMessage())
	})
}

func TestSDKLongPollWakesForADelayedMessage(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssqs.Client) {
		url := create(t, c, "q", nil)
		_, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("late"), DelaySeconds: 5})
		require.NoError(t, err)
		start := time.Now()
		got, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20})
		require.NoError(t, err)
		require.Len(t, got.Messages, 1)
		require.Equal(t, 5*time.Second, time.Since(start).Truncate(time.Second))
	})
}

// TestSDKGivesUpALongPoll checks that a poll whose client is gone takes nothing.
func TestSDKGivesUpALongPoll(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssqs.Client) {
		url := create(t, c, "q", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		_, err = c.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("m")})
		require.NoError(t, err)
		got, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
			QueueUrl: url, MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
		})
		require.NoError(t, err)
		require.Len(t, got.Messages, 1)
		require.Equal(t, "1", got.Messages[0].Attributes["ApproximateReceiveCount"])
	})
}

// TestSDKTellsErrorsApart checks that a client sees the old code and the new type.
func TestSDKTellsErrorsApart(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssqs.Client) {
		_, err := c.GetQueueUrl(t.Context(), &awssqs.GetQueueUrlInput{QueueName: aws.String("nope")})
		var missing *types.QueueDoesNotExist
		require.ErrorAs(t, err, &missing)
		require.Equal(t, "AWS.SimpleQueueService.NonExistentQueue", missing.ErrorCode())
		require.Equal(t, "The specified queue does not exist.", missing.ErrorMessage())

		create(t, c, "q", nil)
		_, err = c.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("q"), Attributes: map[string]string{"DelaySeconds": "9"}})
		var taken *types.QueueNameExists
		require.ErrorAs(t, err, &taken)

		_, err = c.ListMessageMoveTasks(t.Context(), &awssqs.ListMessageMoveTasksInput{SourceArn: aws.String("arn:aws:sqs:us-east-1:000000000000:nope")})
		var notFound *types.ResourceNotFoundException
		require.ErrorAs(t, err, &notFound)
	})
}
