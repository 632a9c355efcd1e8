package testbus

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

func TestFIFOReceiveTakesOneGroupFirst(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		q.sendTo("g1", "g1-m1")
		q.sendTo("g2", "g2-m1")
		q.sendTo("g1", "g1-m2")
		q.sendTo("g1", "g1-m3")
		got := q.receive()
		require.Equal(t, []string{"g1-m1", "g1-m2", "g1-m3", "g2-m1"}, bodies(got))
		require.Equal(t, depth{inFlight: 4}, q.depth())
		require.Equal(t, "g1", got[0].Attributes["MessageGroupId"])
		require.Equal(t, "g1g1-m1", got[0].Attributes["MessageDeduplicationId"])
	})
}

func TestFIFOGroupIsLockedWhileAMessageIsInFlight(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		for i := range 4 {
			q.sendTo("g", fmt.Sprint(i))
		}
		q.sendTo("other", "x")
		got := q.receive(most(2))
		require.Equal(t, []string{"0", "1"}, bodies(got))
		require.Equal(t, []string{"x"}, bodies(q.receive()), "another group is not held up")
		q.delete(got[0])
		require.Empty(t, q.receive(), "while one of a group's messages is in flight the group is locked")
		require.Equal(t, depth{visible: 2, inFlight: 2}, q.depth(), "a message behind a lock still counts as visible")

		poll := later(func() []string { return bodies(q.receive(waiting(20))) })
		time.Sleep(5 * time.Second)
		within(t, 0, func() {
			q.delete(got[1])
			require.Equal(t, []string{"2", "3"}, poll(), "deleting the last one frees the group and wakes a long poll")
		})
	})
}

func TestFIFOOrderAfterTimeout(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", attributes{"VisibilityTimeout": "10"})
		for _, body := range []string{"1", "2", "3"} {
			q.sendTo("g", body)
		}
		q.receive(most(1))
		time.Sleep(10 * time.Second)
		got := q.receive()
		require.Equal(t, []string{"1", "2", "3"}, bodies(got), "after a timeout the group starts again from its first message")
		require.Equal(t, []string{"2", "1", "1"}, []string{receiveCount(got[0]), receiveCount(got[1]), receiveCount(got[2])})
	})
}

func TestFIFOExtendedMessageHoldsBackWhatIsBehindIt(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", attributes{"VisibilityTimeout": "10"})
		for _, body := range []string{"1", "2", "3"} {
			q.sendTo("g", body)
		}
		got := q.receive()
		q.changeVisibility(got[1], 100)
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"1"}, bodies(q.receive()), "only what is before the first invisible message")
		require.Empty(t, q.receive())
	})
}

func TestFIFOZeroVisibilityOfOneMessage(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		q.sendTo("g1", "g1-m1")
		q.sendTo("g1", "g1-m2")
		q.sendTo("g2", "g2-m1")
		got := q.receive(most(2))
		require.Equal(t, []string{"g1-m1", "g1-m2"}, bodies(got))
		q.changeVisibility(got[0], 0)
		require.Equal(t, []string{"g2-m1", "g1-m1"}, bodies(q.receive()), "the group comes back at the tail, and only with what is before the message in flight")
	})
}

func TestFIFOHandlesExpire(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", attributes{"VisibilityTimeout": "10"})
		q.sendTo("g", "a")
		m := q.one()
		time.Sleep(9 * time.Second)
		q.changeVisibility(m, 10)
		time.Sleep(9 * time.Second)
		q.delete(m)
		require.Equal(t, depth{}, q.depth(), "a timeout that was prolonged keeps the handle alive")

		q.sendTo("g", "b")
		m = q.one()
		time.Sleep(10 * time.Second)
		requireError(t, q.tryDelete(m), "InvalidParameterValue", "Reason: The receipt handle has expired.")
		require.Equal(t, []string{"b"}, bodies(q.receive()), "the message is still there")
	})
}

func TestFIFOSequenceNumbersRise(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		var sent []string
		for i := range 12 {
			sent = append(sent, *q.sendTo(fmt.Sprint(i%3), fmt.Sprint(i)).SequenceNumber)
		}
		require.True(t, slices.IsSorted(sent))
		require.Len(t, slices.Compact(slices.Clone(sent)), len(sent))
		for _, n := range sent {
			require.Len(t, n, 20)
		}
		got := map[string]bool{}
		for len(got) < len(sent) {
			for _, m := range q.receive() {
				got[m.Attributes["SequenceNumber"]] = true
				q.delete(m)
			}
		}
		for _, n := range sent {
			require.True(t, got[n], "a receive shows the number that the send answered")
		}

		standard := newQueue(t, b.SQS(), "standard", nil)
		require.Nil(t, standard.send("x").SequenceNumber)
		require.NotContains(t, standard.one().Attributes, "SequenceNumber")
	})
}

func TestFIFOBatchKeepsItsOrder(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", attributes{"ContentBasedDeduplication": "true"})
		var entries []types.SendMessageBatchRequestEntry
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprint(i))
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: str(fmt.Sprint(i)), MessageBody: str(fmt.Sprint(i)), MessageGroupId: str("g")})
		}
		out, err := q.client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: q.url, Entries: entries})
		require.NoError(t, err)
		require.Len(t, out.Successful, 10)
		require.Equal(t, want, bodies(q.receive()))
	})
}

func TestFIFORequirements(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		_, err := q.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: str("x"), MessageDeduplicationId: str("d")})
		requireError(t, err, "MissingParameter", "The request must contain the parameter MessageGroupId.")
		_, err = q.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: str("x"), MessageGroupId: str("g")})
		requireError(t, err, "InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
		_, err = b.SQS().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: str("plain"), Attributes: attributes{"FifoQueue": "true"}})
		requireError(t, err, "InvalidParameterValue", "")
	})
}

func TestReceiveRequestAttemptID(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		q.sendTo("g", "a")
		q.sendTo("g", "b")
		first := q.receive(attempt("1"))
		require.Len(t, first, 2)
		time.Sleep(20 * time.Second)
		again := q.receive(attempt("1"))
		require.Equal(t, bodies(first), bodies(again), "the same attempt gets the same messages")
		require.Equal(t, *first[0].ReceiptHandle, *again[0].ReceiptHandle)
		require.Equal(t, "1", receiveCount(again[0]))
		require.Empty(t, q.receive(attempt("2")), "another attempt does not")
		time.Sleep(20 * time.Second)
		require.Empty(t, q.receive(), "the repetition began the visibility timeout anew")
		q.delete(again[0])
		require.Empty(t, q.receive(attempt("1")), "once a message was deleted the attempt is over")
	})
}
