package queues_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/queues"
)

func TestFIFOGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("q.fifo", fifo)
		n.sendGroup(q, "g1", "g1-m1")
		n.sendGroup(q, "g2", "g2-m1")
		n.sendGroup(q, "g1", "g1-m2", "g1-m3", "g1-m4")
		got := n.receive(q, 4)
		require.Equal(t, []string{"g1-m1", "g1-m2", "g1-m3", "g1-m4"}, bodies(got), "as many as possible from one group first")
		require.Less(t, got[0].SequenceNumber, got[1].SequenceNumber)
		require.Len(t, got[0].SequenceNumber, 20)
		n.sendGroup(q, "g1", "g1-m5")
		require.Equal(t, []string{"g2-m1"}, bodies(n.receive(q, 10)), "a group in flight yields nothing")

		n.delete(q, got[1])
		require.Empty(t, n.receive(q, 10), "a partial delete keeps the group closed")
		n.changeVisibility(q, got[0], 0)
		again := n.receive(q, 10)
		require.Equal(t, []string{"g1-m1"}, bodies(again), "only what is before the first message in flight")
		n.delete(q, again[0], got[2], got[3])
		require.Equal(t, []string{"g1-m5"}, bodies(n.receive(q, 10)), "deleting all in flight opens the group")
	})
}

// TestAnIdleFIFOQueueForgetsDeduplicationIDs has time go on only if the loop
// sleeps: a timer that is due and does nothing would keep it awake for ever.
func TestAnIdleFIFOQueueForgetsDeduplicationIDs(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := start(t, queues.Config{})
			q := n.create("q.fifo", fifo)
			n.sendGroup(q, "g", "1", "2", "3")
			if restart {
				n.stop()
				time.Sleep(time.Hour)
				n.open()
				n.depth(q) // a queue that is not used after a restart costs nothing
			}
			time.Sleep(time.Hour)
			pairs, failed := n.store.Scan([]byte{'x'}, []byte{'y'})
			for key := range pairs {
				t.Errorf("key %x is still there", key)
			}
			require.NoError(t, failed())
			require.Equal(t, []string{"1", "2", "3"}, bodies(n.receive(q, 10)))
		})
	}
}

func TestFIFOExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("q.fifo", fifo)
		n.sendGroup(q, "g", "1", "2", "3")
		got := n.receive(q, 3)
		n.changeVisibility(q, got[1], time.Hour)
		time.Sleep(30 * time.Second)
		again := n.receive(q, 10)
		require.Equal(t, []string{"1"}, bodies(again), "3 is visible but behind 2, which is in flight")
		errs, err := n.Delete(t.Context(), q, []string{got[0].ReceiptHandle})
		require.NoError(t, err)
		requireCode(t, turnout.CodeInvalidParameter, errs[0])
		n.delete(q, again[0])
		require.Empty(t, n.receive(q, 10))
		n.restart(0)
		require.Empty(t, n.receive(q, 10), "a restart keeps the group closed")
		n.delete(q, got[1])
		require.Equal(t, []string{"3"}, bodies(n.receive(q, 10)))
	})
}

func TestFIFODelayIsRetroactive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("q.fifo", func(a *turnout.QueueAttributes) { fifo(a); a.Delay = time.Minute })
		n.sendGroup(q, "g", "1", "2")
		time.Sleep(30 * time.Second)
		require.Equal(t, turnout.QueueDepth{Delayed: 2}, n.depth(q))
		require.NoError(t, n.UpdateQueue(t.Context(), q, func(s *turnout.QueueSettings) error {
			s.Attributes.Delay = 30 * time.Second
			return nil
		}))
		require.Equal(t, []string{"1", "2"}, bodies(n.receive(q, 10)))
		sent, err := n.Send(t.Context(), q, []turnout.OutgoingMessage{{Body: []byte("x"), GroupID: "g", Delay: new(time.Second)}})
		require.NoError(t, err)
		requireCode(t, turnout.CodeInvalidParameter, sent[0].Err)
	})
}

func TestDeduplication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("q.fifo", fifo)
		first := n.sendGroup(q, "g", "same")
		time.Sleep(5*time.Minute - time.Millisecond)
		n.delete(q, n.receive(q, 1)...)
		n.restart(0)
		dup := n.sendGroup(q, "other group", "same")
		require.Equal(t, first, dup, "a duplicate is answered with the original")
		require.Empty(t, n.receive(q, 1))
		time.Sleep(time.Millisecond)
		require.NotEqual(t, first, n.sendGroup(q, "g", "same"), "the window is five minutes from the send")
		require.NoError(t, n.PurgeQueue(t.Context(), q))
		n.sendGroup(q, "g", "same")
		require.Len(t, n.receive(q, 10), 1, "a purge clears what is remembered")

		byGroup := n.create("groups.fifo", func(a *turnout.QueueAttributes) { fifo(a); a.DeduplicationScope = turnout.PerMessageGroup })
		n.sendGroup(byGroup, "g1", "same")
		n.sendGroup(byGroup, "g2", "same")
		n.sendGroup(byGroup, "g1", "same")
		require.Len(t, n.receive(byGroup, 10), 2, "ids count per group")

		explicit := n.create("explicit.fifo", func(a *turnout.QueueAttributes) { a.FIFO = true })
		sent, err := n.Send(t.Context(), explicit, []turnout.OutgoingMessage{{Body: []byte("x"), GroupID: "g"}, {Body: []byte("x"), DeduplicationID: "d"}})
		require.NoError(t, err)
		requireCode(t, turnout.CodeInvalidParameter, sent[0].Err)
		requireCode(t, turnout.CodeMissingParameter, sent[1].Err)
	})
}

func TestManyGroupsBeyondTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("q.fifo", fifo)
		const total = 6000
		for i := 0; i < total; i += 10 {
			msgs := make([]turnout.OutgoingMessage, 10)
			for j := range msgs {
				msgs[j] = turnout.OutgoingMessage{Body: fmt.Append(nil, i+j), GroupID: "blocked"}
				if i >= total/2 {
					msgs[j].GroupID = fmt.Sprint("g", j)
				}
			}
			n.sendAll(q, msgs...)
		}
		blocked := n.receive(q, 1)
		require.Equal(t, "blocked", blocked[0].GroupID)
		next := make(map[string]int)
		for got := 0; got < total/2; {
			msgs := n.receive(q, 10)
			require.NotEmpty(t, msgs, "groups behind a closed one are found, after %d", got)
			for _, m := range msgs {
				var i int
				_, err := fmt.Sscan(string(m.Body), &i)
				require.NoError(t, err)
				require.Greater(t, i, next[m.GroupID], "order within %s", m.GroupID)
				next[m.GroupID] = i
			}
			got += len(msgs)
			n.delete(q, msgs...)
		}
		require.Empty(t, n.receive(q, 1))
	})
}

func TestReceiveRequestAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("q.fifo", fifo)
		n.sendGroup(q, "g", "1", "2")
		attempt := turnout.ReceiveOptions{Max: 10, AttemptID: "a"}
		first, err := n.Receive(t.Context(), q, attempt)
		require.NoError(t, err)
		time.Sleep(20 * time.Second)
		again, err := n.Receive(t.Context(), q, attempt)
		require.NoError(t, err)
		require.Equal(t, first, again, "the same attempt gets the same messages and handles")
		time.Sleep(20 * time.Second)
		require.Equal(t, turnout.QueueDepth{InFlight: 2}, n.depth(q), "their visibility timeout began anew")
		n.delete(q, first[0])
		other, err := n.Receive(t.Context(), q, attempt)
		require.NoError(t, err)
		require.Empty(t, other, "after a delete the attempt is a new one")
	})
}
