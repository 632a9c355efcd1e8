package testbus

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

func TestPurge(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		q.send("in flight")
		m := q.one()
		q.send("visible")
		q.send("delayed", withDelay(10))
		require.Equal(t, depth{visible: 1, inFlight: 1, delayed: 1}, q.depth())
		q.purge()
		require.Equal(t, depth{}, q.depth(), "a purge takes visible, in-flight and delayed messages alike")
		q.delete(m)

		_, err := q.client.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: q.url})
		requireError(t, err, "AWS.SimpleQueueService.PurgeQueueInProgress", "Only one PurgeQueue operation on q is allowed every 60 seconds.")
		q.send("after")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"after"}, bodies(q.receive()), "what is sent after a purge stays, and what it took never comes back")
		q.purge()
		b.Restart()
		require.Equal(t, depth{}, q.depth())
	})
}

func TestDeletedQueueIsGoneWithItsMessages(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		q.send("old visible")
		q.send("old delayed", withDelay(60))
		old := q.one(invisible(10))
		poll := later(func() error { _, err := q.tryReceive(waiting(20)); return err })
		time.Sleep(time.Second)
		within(t, 0, func() {
			q.remove()
			requireError(t, poll(), "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
		})
		_, err := q.tryReceive()
		requireError(t, err, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")

		again := newQueue(t, b.SQS(), "q", nil)
		require.Equal(t, depth{}, again.depth(), "a queue can be created again at once, and is empty")
		again.send("new")
		require.Error(t, again.tryChangeVisibility(old, 0), "a handle of the old queue is dead")
		_ = again.tryDelete(old)
		require.Equal(t, depth{visible: 1}, again.depth())
		time.Sleep(2 * time.Minute)
		b.Restart()
		require.Equal(t, []string{"new"}, bodies(again.drain()), "no message of the old queue comes back")
	})
}

func TestRecreatedFIFOQueueStartsFresh(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		q.send("a", inGroup("g"), withDedup("d"))
		q.one()
		q.remove()
		q = newFIFO(t, b.SQS(), "q", nil)
		q.send("b", inGroup("g"), withDedup("d"))
		require.Equal(t, []string{"b"}, bodies(q.receive()), "neither deduplication nor a locked group outlives a queue")
	})
}

func TestCreateQueueIsIdempotent(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"DelaySeconds": "5"})
		q.send("x")
		require.Equal(t, q.url, newQueue(t, b.SQS(), "q", nil).url)
		require.Equal(t, q.url, newQueue(t, b.SQS(), "q", attributes{"DelaySeconds": "5"}).url)
		_, err := b.SQS().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: str("q"), Attributes: attributes{"DelaySeconds": "6"}})
		requireError(t, err, "QueueAlreadyExists", "A queue already exists with the same name and a different value for attribute DelaySeconds")
		q.set(attributes{"DelaySeconds": "6"})
		newQueue(t, b.SQS(), "q", attributes{"DelaySeconds": "6"})
		require.Equal(t, depth{delayed: 1}, q.depth())
	})
}
