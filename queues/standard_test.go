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

func TestStandardQueueLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("work", nil)
		sent := n.send(q, "a", "b", "c")
		require.Equal(t, turnout.QueueDepth{Visible: 3}, n.depth(q))

		got := n.receive(q, 2)
		require.Equal(t, []string{"a", "b"}, bodies(got), "the oldest messages come first")
		require.Equal(t, sent[0].MessageID, got[0].MessageID)
		require.Equal(t, 1, got[0].ReceiveCount)
		require.Equal(t, turnout.QueueDepth{Visible: 1, InFlight: 2}, n.depth(q))

		n.delete(q, got[0])
		time.Sleep(30 * time.Second)
		again := n.receive(q, 10)
		require.Equal(t, []string{"b", "c"}, bodies(again), "an expired message is visible again at its old place")
		require.Equal(t, 2, again[0].ReceiveCount)
		require.NotEqual(t, got[1].ReceiptHandle, again[0].ReceiptHandle)

		n.delete(q, again...)
		require.Equal(t, turnout.QueueDepth{}, n.depth(q))
		n.delete(q, again...) // deleting twice succeeds
	})
}

func TestStateSurvivesRestart(t *testing.T) {
	t.Parallel()
	for _, keep := range []int{-1, 0, 50} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := start(t, queues.Config{})
				q := n.create("work", nil)
				n.send(q, "a", "b", "c", "d")
				got := n.receive(q, 2)
				n.delete(q, got[0])
				n.sendAll(q, turnout.OutgoingMessage{Body: []byte("late"), Delay: new(time.Minute)})

				n.restart(keep)
				require.Equal(t, turnout.QueueDepth{Visible: 2, InFlight: 1, Delayed: 1}, n.depth(q))
				require.Equal(t, []string{"c", "d"}, bodies(n.receive(q, 10)), "what is in flight stays invisible")
				n.delete(q, got[1]) // handles outlive a restart
				n.send(q, "e")
				require.Equal(t, []string{"e"}, bodies(n.receive(q, 10)))
				time.Sleep(time.Minute)
				require.Equal(t, []string{"c", "d", "e"}, bodies(n.receive(q, 3)))
				require.Equal(t, []string{"late"}, bodies(n.receive(q, 10)))
			})
		})
	}
}

func TestBacklogBeyondTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("deep", nil)
		total := 10_000
		if testing.Short() {
			total = 6_000
		}
		want := make([]string, total)
		for i := 0; i < total; i += 10 {
			for j := range 10 {
				want[i+j] = fmt.Sprint(i + j)
			}
			n.send(q, want[i:i+10]...)
		}
		require.Equal(t, int64(total), n.depth(q).Visible)
		n.restart(0)
		require.Equal(t, int64(total), n.depth(q).Visible)
		var got []string
		for len(got) < total {
			msgs := n.receive(q, 10)
			require.NotEmpty(t, msgs, "a short poll waits for the log, after %d messages", len(got))
			got = append(got, bodies(msgs)...)
			n.delete(q, msgs...)
		}
		require.Equal(t, want, got)
		require.Equal(t, turnout.QueueDepth{}, n.depth(q))
		require.Empty(t, n.receive(q, 10))
	})
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("later", func(a *turnout.QueueAttributes) { a.Delay = 10 * time.Second })
		n.send(q, "queue delay")
		n.sendAll(q, turnout.OutgoingMessage{Body: []byte("own delay"), Delay: new(5 * time.Second)})
		require.Equal(t, turnout.QueueDepth{Delayed: 2}, n.depth(q))
		require.Empty(t, n.receive(q, 10))

		began := time.Now()
		got, err := n.Receive(t.Context(), q, turnout.ReceiveOptions{Max: 10, Wait: new(20 * time.Second)})
		require.NoError(t, err)
		require.Equal(t, []string{"own delay"}, bodies(got), "a delayed message wakes a long poll")
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Equal(t, turnout.QueueDepth{InFlight: 1, Delayed: 1}, n.depth(q))
		time.Sleep(5 * time.Second)
		require.Equal(t, turnout.QueueDepth{Visible: 1, InFlight: 1}, n.depth(q))
		require.Equal(t, []string{"queue delay"}, bodies(n.receive(q, 10)))
	})
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("poll", func(a *turnout.QueueAttributes) { a.ReceiveWait = 20 * time.Second })
		began := time.Now()
		require.Empty(t, n.receive(q, 1))
		require.Equal(t, 20*time.Second, time.Since(began), "the queue's wait is used")

		answers := make(chan []string, 100)
		for range 100 {
			go func() {
				got, err := n.Receive(t.Context(), q, turnout.ReceiveOptions{Max: 10})
				if err != nil {
					answers <- []string{err.Error()}
					return
				}
				answers <- bodies(got)
			}()
		}
		synctest.Wait()
		n.send(q, "one")
		synctest.Wait()
		require.Len(t, answers, 1, "one message wakes one poller")
		require.Equal(t, []string{"one"}, <-answers)
		n.Drain()
		synctest.Wait()
		require.Len(t, answers, 99, "a stopping server answers every poller")
		for range 99 {
			require.Empty(t, <-answers)
		}
	})
}

func TestVisibility(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("vis", nil)
		n.send(q, "m")
		got, err := n.Receive(t.Context(), q, turnout.ReceiveOptions{Max: 1, Visibility: new(time.Duration(0))})
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Equal(t, turnout.QueueDepth{Visible: 1}, n.depth(q), "timeout 0 leaves it visible")

		got = n.receive(q, 1)
		require.Equal(t, 2, got[0].ReceiveCount)
		n.changeVisibility(q, got[0], 12*time.Hour)
		time.Sleep(12*time.Hour - time.Millisecond)
		require.Empty(t, n.receive(q, 1))
		time.Sleep(time.Millisecond)
		got = n.receive(q, 1)
		require.Equal(t, 3, got[0].ReceiveCount)

		time.Sleep(time.Second)
		errs, err := n.ChangeVisibility(t.Context(), q, []turnout.VisibilityChange{{ReceiptHandle: got[0].ReceiptHandle, Timeout: 12 * time.Hour}})
		require.NoError(t, err)
		requireCode(t, turnout.CodeInvalidParameter, errs[0])
		n.changeVisibility(q, got[0], 0)
		require.Equal(t, turnout.QueueDepth{Visible: 1}, n.depth(q))
		n.changeVisibility(q, got[0], time.Minute) // after expiry it succeeds and takes effect
		require.Equal(t, turnout.QueueDepth{InFlight: 1}, n.depth(q))
	})
}

func TestRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("old", func(a *turnout.QueueAttributes) { a.Retention = time.Minute })
		n.send(q, "first", "received")
		got := n.receive(q, 1)
		time.Sleep(59 * time.Second)
		n.send(q, "young")
		require.Equal(t, turnout.QueueDepth{Visible: 3}, n.depth(q))
		time.Sleep(time.Second)
		require.Equal(t, turnout.QueueDepth{Visible: 1}, n.depth(q), "messages expire without a receive")
		require.Equal(t, []string{"young"}, bodies(n.receive(q, 10)))
		n.delete(q, got...) // an expired message's handle is accepted
	})
}

func TestInFlightLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{InFlightMax: 5})
		q := n.create("full", nil)
		n.send(q, "1", "2", "3", "4", "5", "6")
		require.Len(t, n.receive(q, 10), 5)
		_, err := n.Receive(t.Context(), q, turnout.ReceiveOptions{Max: 1})
		requireCode(t, turnout.CodeOverLimit, err)

		f := n.create("full.fifo", fifo)
		n.sendGroup(f, "g", "1", "2", "3", "4", "5", "6")
		require.Len(t, n.receive(f, 10), 5)
		require.Empty(t, n.receive(f, 10), "a FIFO queue answers empty")
	})
}

func TestPurgeAndRecreate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("q", nil)
		n.send(q, "visible", "in flight")
		got := n.receive(q, 1)
		n.sendAll(q, turnout.OutgoingMessage{Body: []byte("delayed"), Delay: new(time.Second)})
		require.NoError(t, n.PurgeQueue(t.Context(), q))
		require.Equal(t, turnout.QueueDepth{}, n.depth(q))
		n.delete(q, got...)
		requireCode(t, turnout.CodePurgeInProgress, n.PurgeQueue(t.Context(), q))
		n.send(q, "after")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"after"}, bodies(n.receive(q, 10)))
		require.NoError(t, n.PurgeQueue(t.Context(), q))

		n.send(q, "old")
		old := n.receive(q, 1)
		require.NoError(t, n.DeleteQueue(t.Context(), q))
		requireCode(t, turnout.CodeQueueNotFound, n.DeleteQueue(t.Context(), q))
		n.create("q", nil)
		require.Empty(t, n.receive(q, 10), "messages of a deleted queue never come back")
		n.send(q, "new")
		errs, err := n.Delete(t.Context(), q, []string{old[0].ReceiptHandle, "garbage"})
		require.NoError(t, err)
		requireCode(t, turnout.CodeReceiptHandleInvalid, errs[0])
		requireCode(t, turnout.CodeReceiptHandleInvalid, errs[1])
		n.restart(0)
		require.Equal(t, []string{"new"}, bodies(n.receive(q, 10)))
	})
}
