package testbus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDeduplicationWindow(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		first := q.send("a", inGroup("g"), withDedup("d"))
		time.Sleep(5*time.Minute - time.Second)
		again := q.send("b", inGroup("g"), withDedup("d"))
		require.Equal(t, *first.MessageId, *again.MessageId, "a duplicate is answered with the first message")
		require.Equal(t, *first.SequenceNumber, *again.SequenceNumber)
		require.Equal(t, depth{visible: 1}, q.depth())

		q.delete(q.one())
		q.send("c", inGroup("g"), withDedup("d"))
		require.Equal(t, depth{}, q.depth(), "the memory of an id survives the deletion of its message")
		time.Sleep(time.Second)
		q.send("d", inGroup("g"), withDedup("d"))
		require.Equal(t, []string{"d"}, bodies(q.receive()), "after five minutes an id is new again")
	})
}

func TestDeduplicationSurvivesARestart(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		q.send("a", inGroup("g"), withDedup("d"))
		b.Crash(0)
		q.send("b", inGroup("g"), withDedup("d"))
		require.Equal(t, depth{visible: 1}, q.depth())
		time.Sleep(5 * time.Minute)
		q.send("c", inGroup("g"), withDedup("d"))
		require.Equal(t, depth{visible: 2}, q.depth())
	})
}

func TestContentBasedDeduplication(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", attributes{"ContentBasedDeduplication": "true"})
		q.send("same", inGroup("g"))
		q.send("same", inGroup("g"))
		q.send("same", inGroup("g"), withDedup("explicit"))
		q.send("other", inGroup("g"))
		got := q.receive()
		require.Equal(t, []string{"same", "same", "other"}, bodies(got), "an explicit id wins over the content")
		const sum = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5" // SHA-256 of "same"
		require.Equal(t, sum, got[0].Attributes["MessageDeduplicationId"])
	})
}

func TestDeduplicationScope(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		perQueue := newFIFO(t, b.SQS(), "per-queue", nil)
		perQueue.send("x", inGroup("g1"), withDedup("d"))
		perQueue.send("x", inGroup("g2"), withDedup("d"))
		require.Equal(t, depth{visible: 1}, perQueue.depth())

		perGroup := newFIFO(t, b.SQS(), "per-group", attributes{"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"})
		perGroup.send("x", inGroup("g1"), withDedup("d"))
		perGroup.send("x", inGroup("g2"), withDedup("d"))
		perGroup.send("x", inGroup("g2"), withDedup("d"))
		require.Equal(t, depth{visible: 2}, perGroup.depth())

		perQueue.set(attributes{"DeduplicationScope": "messageGroup"})
		perQueue.send("x", inGroup("g3"), withDedup("d"))
		require.Equal(t, depth{visible: 1}, perQueue.depth(), "a later change of the scope does not take effect")
		require.Equal(t, "messageGroup", perQueue.attributes()["DeduplicationScope"], "though it shows")
	})
}

func TestPurgeForgetsDeduplication(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		q.send("a", inGroup("g"), withDedup("d"))
		q.purge()
		q.send("b", inGroup("g"), withDedup("d"))
		require.Equal(t, []string{"b"}, bodies(q.receive()))
	})
}
