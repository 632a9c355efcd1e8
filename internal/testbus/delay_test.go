package testbus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDelay(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"DelaySeconds": "10"})
		q.send("queue's delay")
		q.send("own delay", withDelay(900))
		require.Equal(t, depth{delayed: 2}, q.depth())
		require.Empty(t, q.receive())
		within(t, 10*time.Second, func() { require.Equal(t, "queue's delay", *q.one(waiting(20)).Body) })
		require.Equal(t, depth{inFlight: 1, delayed: 1}, q.depth())
		time.Sleep(15*time.Minute - 11*time.Second)
		require.NotContains(t, bodies(q.receive()), "own delay")
		time.Sleep(time.Second)
		require.Contains(t, bodies(q.receive()), "own delay", "a delay of 15 minutes ends after 15 minutes")
	})
}

func TestChangedQueueDelayHoldsForNewMessagesOnly(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"DelaySeconds": "100"})
		q.send("before")
		q.set(attributes{"DelaySeconds": "0"})
		q.send("after")
		require.Equal(t, []string{"after"}, bodies(q.receive()), "a standard queue's delay is fixed when a message is sent")
		time.Sleep(100 * time.Second)
		require.Contains(t, bodies(q.receive()), "before")
	})
}

func TestFIFODelayIsTheQueues(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", attributes{"DelaySeconds": "10"})
		q.sendTo("g", "a")
		_, err := q.client.SendMessage(t.Context(), fifoMessage(q, "g", "b", withDelay(2)))
		requireError(t, err, "InvalidParameterValue", "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.")
		require.Equal(t, depth{delayed: 1}, q.depth())
		within(t, 10*time.Second, func() { require.Equal(t, "a", *q.one(waiting(20)).Body) })
		q.sendTo("h", "c")
		q.set(attributes{"DelaySeconds": "0"})
		require.Equal(t, []string{"c"}, bodies(q.receive()), "a FIFO queue's delay holds for the messages it has, too")
	})
}

func TestOlderDelayedMessageComesAfterYoungerVisibleOnes(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		q.send("delayed", withDelay(5))
		time.Sleep(time.Second)
		q.send("at once")
		require.Equal(t, []string{"at once"}, bodies(q.receive()))
		time.Sleep(4 * time.Second)
		require.Equal(t, []string{"delayed"}, bodies(q.receive()))
	})
}
