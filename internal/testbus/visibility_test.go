package testbus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestVisibilityOfTwelveHours(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		q.send("hello")
		first := q.one(invisible(43_200))
		require.Equal(t, "1", receiveCount(first))
		require.Equal(t, depth{inFlight: 1}, q.depth())

		time.Sleep(12*time.Hour - time.Second)
		require.Empty(t, q.receive(), "a message in flight is invisible to the last second")
		second := first
		within(t, time.Second, func() { second = q.one(waiting(20)) })
		require.Equal(t, "2", receiveCount(second))
		require.Equal(t, *first.MessageId, *second.MessageId)
		require.NotEqual(t, *first.ReceiptHandle, *second.ReceiptHandle, "each receive has a handle of its own")
		require.Equal(t, first.Attributes["ApproximateFirstReceiveTimestamp"], second.Attributes["ApproximateFirstReceiveTimestamp"])
		require.Equal(t, first.Attributes["SentTimestamp"], second.Attributes["SentTimestamp"])
		q.delete(second)
		require.Equal(t, depth{}, q.depth())
	})
}

func TestVisibilityIsBoundedToTwelveHoursInAll(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		q.send("hello")
		m := q.one()
		time.Sleep(10 * time.Second)
		requireError(t, q.tryChangeVisibility(m, 43_195), "InvalidParameterValue", "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
		q.changeVisibility(m, 43_190)
		requireError(t, q.tryChangeVisibility(m, 43_201), "InvalidParameterValue", "43201")
	})
}

func TestChangeVisibility(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"VisibilityTimeout": "5"})
		q.send("hello")
		m := q.one()
		q.changeVisibility(m, 100)
		time.Sleep(99 * time.Second)
		require.Empty(t, q.receive(), "the timeout was prolonged")
		time.Sleep(time.Second)
		m = q.one()
		time.Sleep(5 * time.Second)
		m2 := q.one()
		require.Equal(t, "3", receiveCount(m2), "the change held for one receive only: the queue's timeout is back")

		q.changeVisibility(m2, 0)
		require.Equal(t, depth{visible: 1}, q.depth())
		m3 := q.one()
		q.changeVisibility(m, 0)
		require.Len(t, q.receive(), 1, "on a standard queue an older handle still makes the message visible")
		q.delete(m3)
		requireError(t, q.tryChangeVisibility(m3, 10), "InvalidParameterValue", "Message does not exist or is not available for visibility timeout change.")
	})
}

func TestZeroVisibilityWakesALongPoll(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		q.send("hello")
		m := q.one()
		poll := later(func() time.Time { q.one(waiting(20)); return time.Now() })
		time.Sleep(3 * time.Second)
		released := time.Now()
		q.changeVisibility(m, 0)
		require.Equal(t, released, poll())
	})
}

func TestReceiveWithoutInvisibilityCounts(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"VisibilityTimeout": "0"})
		q.send("hello")
		handles := map[string]bool{}
		for _, want := range []string{"1", "2", "3"} {
			m := q.one()
			require.Equal(t, want, receiveCount(m), "a receive that leaves the message visible counts")
			handles[*m.ReceiptHandle] = true
		}
		require.Len(t, handles, 3)
		require.Equal(t, depth{visible: 1}, q.depth())
	})
}

func TestMessagesComeBackAtTheirOriginalPosition(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"VisibilityTimeout": "10"})
		q.send("oldest")
		q.one()
		q.send("younger")
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"oldest", "younger"}, bodies(q.receive()))
	})
}

func TestDeleteOnAStandardQueueWorksWithAnyHandle(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"VisibilityTimeout": "1"})
		q.send("hello")
		old := q.one()
		time.Sleep(time.Second)
		newer := q.one()
		q.delete(old)
		require.Equal(t, depth{}, q.depth(), "an older handle deletes the message")
		q.delete(newer)
		q.delete(old)

		other := newQueue(t, b.SQS(), "other", nil)
		err := other.tryDelete(newer)
		requireError(t, err, "ReceiptHandleIsInvalid", "")
		newer.ReceiptHandle = str("garbage")
		requireError(t, q.tryDelete(newer), "ReceiptHandleIsInvalid", `The input receipt handle "garbage" is not a valid receipt handle.`)
	})
}
