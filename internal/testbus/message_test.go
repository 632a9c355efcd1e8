package testbus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

func TestBodiesAndAttributesComeBackAsSent(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		for _, body := range []string{
			"plain", "\"&quot;&quot;\r", "line\r\nline\ttab", "é ø 漢字 😀", `{"json": "<xml>&amp;</xml>"}`, strings.Repeat("x", 1<<20),
		} {
			q.send(body)
			m := q.one() // the SDK compares the checksums
			require.Equal(t, body, *m.Body)
			q.delete(m)
		}
		sent := map[string]types.MessageAttributeValue{
			"text":        {DataType: str("String"), StringValue: str("héllo")},
			"count":       {DataType: str("Number.int"), StringValue: str("-12.50")},
			"blob":        {DataType: str("Binary.png"), BinaryValue: []byte{0, 1, 255}},
			"attr.1øßä-_": {DataType: str("String"), StringValue: str("x")},
		}
		q.send("x", func(in *sqs.SendMessageInput) { in.MessageAttributes = sent })
		b.Restart()
		m := q.one()
		require.Len(t, m.MessageAttributes, len(sent))
		for name, want := range sent {
			got := m.MessageAttributes[name]
			require.Equal(t, *want.DataType, *got.DataType, name)
			require.Equal(t, want.StringValue, got.StringValue, name)
			require.Equal(t, want.BinaryValue, got.BinaryValue, name)
		}
		require.Equal(t, Account, m.Attributes["SenderId"])
	})
}

func TestBatchPartlyFails(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"MaximumMessageSize": "1024"})
		entries := []types.SendMessageBatchRequestEntry{
			{Id: str("good"), MessageBody: str("x")},
			{Id: str("large"), MessageBody: str(strings.Repeat("x", 1025))},
			{Id: str("control"), MessageBody: str("\x01")},
			{Id: str("delayed"), MessageBody: str("y"), DelaySeconds: 60},
		}
		out, err := q.client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: q.url, Entries: entries})
		require.NoError(t, err)
		require.Len(t, out.Successful, 2)
		failed := map[string]string{}
		for _, f := range out.Failed {
			require.True(t, f.SenderFault)
			failed[*f.Id] = *f.Code
		}
		require.Equal(t, map[string]string{"large": "InvalidParameterValue", "control": "InvalidMessageContents"}, failed)
		require.Equal(t, depth{visible: 1, delayed: 1}, q.depth())

		m := q.one()
		deleted, err := q.client.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: q.url, Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: str("1"), ReceiptHandle: m.ReceiptHandle}, {Id: str("2"), ReceiptHandle: str("garbage")},
		}})
		require.NoError(t, err)
		require.Len(t, deleted.Successful, 1)
		require.Equal(t, "ReceiptHandleIsInvalid", *deleted.Failed[0].Code)
	})
}

func TestBatchRefusals(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		send := func(n int, entry func(i int) types.SendMessageBatchRequestEntry) error {
			entries := make([]types.SendMessageBatchRequestEntry, n)
			for i := range n {
				entries[i] = entry(i)
			}
			_, err := q.client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: q.url, Entries: entries})
			return err
		}
		small := func(i int) types.SendMessageBatchRequestEntry {
			return types.SendMessageBatchRequestEntry{Id: str(fmt.Sprint(i)), MessageBody: str("x")}
		}
		requireError(t, send(11, small), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 11.")
		requireError(t, send(0, small), "AWS.SimpleQueueService.EmptyBatchRequest", "")
		requireError(t, send(2, func(int) types.SendMessageBatchRequestEntry { return small(0) }), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "")
		requireError(t, send(2, func(i int) types.SendMessageBatchRequestEntry {
			return types.SendMessageBatchRequestEntry{Id: str(fmt.Sprint(i)), MessageBody: str(strings.Repeat("x", 1<<19+i))}
		}), "AWS.SimpleQueueService.BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.")
		require.Equal(t, depth{}, q.depth(), "a request that is refused changes nothing")
	})
}

func TestReceiveRefusals(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		_, err := q.tryReceive(most(11))
		requireError(t, err, "InvalidParameterValue", "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.")
		_, err = q.tryReceive(waiting(21))
		requireError(t, err, "InvalidParameterValue", "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.")
		_, err = q.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: str(strings.Repeat("x", 1<<20+1))})
		requireError(t, err, "InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.")
		_, err = q.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: str(URL + "/000000000000/none"), MessageBody: str("x")})
		requireError(t, err, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
	})
}
