package testbus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetentionOfFourteenDays(t *testing.T) {
	t.Parallel()

	if testing.Short() {
		t.Skip("two weeks cost the storage engine seconds of ticks under the race detector")
	}
	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"MessageRetentionPeriod": "1209600"})
		q.send("a")
		q.send("b")
		time.Sleep(14*24*time.Hour - time.Minute)
		require.Len(t, q.receive(invisible(30)), 2, "messages are kept until the last minute")
		time.Sleep(time.Minute)
		require.Empty(t, q.receive())
		require.Equal(t, depth{}, q.depth(), "and then they are gone")
	})
}

func TestRetentionRemovesMessagesInFlight(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"MessageRetentionPeriod": "60"})
		q.send("x")
		m := q.one(invisible(3600))
		time.Sleep(time.Minute)
		require.Equal(t, depth{}, q.depth(), "a message expires in flight, too")
		q.delete(m)
	})
}

func TestRetentionIsCountedFromTheSend(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", attributes{"MessageRetentionPeriod": "60"})
		q.send("delayed", withDelay(59))
		time.Sleep(59 * time.Second)
		require.Len(t, q.receive(invisible(1)), 1)
		time.Sleep(time.Second)
		require.Empty(t, q.receive(), "neither delay nor receives prolong a message's life")
		require.Equal(t, depth{}, q.depth())
	})
}

func TestShorterRetentionRemovesWhatIsOlder(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		q.send("old")
		time.Sleep(2 * time.Minute)
		q.send("young")
		q.set(attributes{"MessageRetentionPeriod": "60"})
		require.Equal(t, depth{visible: 1}, q.depth())
		require.Equal(t, []string{"young"}, bodies(q.receive()))
	})
}

func TestRetentionUnblocksAMessageGroup(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", attributes{"MessageRetentionPeriod": "60"})
		q.sendTo("g", "first")
		q.one(invisible(1000))
		time.Sleep(30 * time.Second)
		q.sendTo("g", "second")
		require.Empty(t, q.receive(), "the group is locked by the message in flight")
		within(t, 10*time.Second, func() {
			require.Empty(t, q.receive(waiting(10)))
		})
		within(t, 20*time.Second, func() {
			require.Equal(t, "second", *q.one(waiting(20)).Body, "when the first message expires, the group goes on")
		})
	})
}
