package queues_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/queues"
)

func redriveTo(dlq turnout.QueueName, receives int) func(*turnout.QueueAttributes) {
	return func(a *turnout.QueueAttributes) {
		a.Redrive = &turnout.RedrivePolicy{DeadLetterTargetARN: dlq.ARN(), MaxReceiveCount: receives}
	}
}

func TestDeadLetterQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		dlq := n.create("dlq", nil)
		q := n.create("q", redriveTo(dlq, 2))
		sent := n.sendAll(q, turnout.OutgoingMessage{
			Body: []byte("poison"), TraceHeader: "Root=1",
			Attributes: []turnout.MessageAttribute{{Name: "k", Type: "String", Value: []byte("v")}},
		})
		n.send(q, "good")
		for i := range 2 {
			got := n.receive(q, 1)
			require.Equal(t, "poison", string(got[0].Body))
			require.Equal(t, i+1, got[0].ReceiveCount)
			n.changeVisibility(q, got[0], 0)
		}
		require.Equal(t, []string{"good"}, bodies(n.receive(q, 1)), "the receive that dead-letters goes on to the next")
		require.Equal(t, turnout.QueueDepth{Visible: 1}, n.depth(dlq))
		n.restart(0)
		dead := n.receive(dlq, 10)
		require.Equal(t, sent[0].MessageID, dead[0].MessageID)
		require.Equal(t, 3, dead[0].ReceiveCount, "the count goes on")
		require.Equal(t, q.ARN(), dead[0].DeadLetterSourceARN)
		require.Equal(t, "Root=1", dead[0].TraceHeader)
		require.Equal(t, "v", string(dead[0].Attributes[0].Value))
		require.Equal(t, turnout.QueueDepth{InFlight: 1}, n.depth(q))
	})
}

func TestRedriveChecks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		create := func(name string, change func(*turnout.QueueAttributes)) error {
			a := turnout.DefaultQueueAttributes()
			change(&a)
			return n.CreateQueue(t.Context(), named(name), turnout.QueueSettings{Attributes: a}, func(turnout.QueueAttributes) error { return nil })
		}
		requireCode(t, turnout.CodeInvalidParameter, create("q", redriveTo(named("none"), 1)))
		n.create("f.fifo", fifo)
		requireCode(t, turnout.CodeInvalidParameter, create("q", redriveTo(named("f.fifo"), 1)))
		n.create("private", func(a *turnout.QueueAttributes) {
			a.RedriveAllow = &turnout.RedriveAllowPolicy{Permission: turnout.RedriveByQueue, SourceARNs: []string{named("friend").ARN()}}
		})
		requireCode(t, turnout.CodeInvalidParameter, create("q", redriveTo(named("private"), 1)))
		require.NoError(t, create("friend", redriveTo(named("private"), 1)))
		sources, err := n.DeadLetterSources(t.Context(), named("private"))
		require.NoError(t, err)
		require.Equal(t, []turnout.QueueName{named("friend")}, sources)

		require.NoError(t, n.DeleteQueue(t.Context(), named("private")))
		n.send(named("friend"), "stays")
		for range 3 {
			got := n.receive(named("friend"), 1)
			require.Len(t, got, 1, "without its dead-letter queue a queue keeps its messages")
			n.changeVisibility(named("friend"), got[0], 0)
		}
	})
}

func TestFIFODeadLetterKeepsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		dlq := n.create("dlq.fifo", fifo)
		q := n.create("q.fifo", func(a *turnout.QueueAttributes) { fifo(a); redriveTo(dlq, 1)(a) })
		n.sendGroup(q, "g", "1", "2", "3")
		got := n.receive(q, 2)
		n.changeVisibility(q, got[0], 0)
		n.changeVisibility(q, got[1], 0)
		require.Equal(t, []string{"3"}, bodies(n.receive(q, 10)))
		dead := n.receive(dlq, 10)
		require.Equal(t, []string{"1", "2"}, bodies(dead))
		require.Equal(t, "g", dead[0].GroupID)
	})
}

func TestMoveTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		dlq := n.create("dlq", nil)
		q := n.create("q", redriveTo(dlq, 1))
		_, err := n.StartMoveTask(t.Context(), turnout.MoveTaskSpec{Source: q})
		requireCode(t, turnout.CodeInvalidParameter, err)
		for i := range 4 {
			n.send(q, fmt.Sprint(i))
		}
		for range 2 {
			for _, m := range n.receive(q, 10) {
				n.changeVisibility(q, m, 0)
			}
		}
		require.Equal(t, turnout.QueueDepth{Visible: 4}, n.depth(dlq))

		began := time.Now()
		task, err := n.StartMoveTask(t.Context(), turnout.MoveTaskSpec{Source: dlq, PerSecondMax: 1})
		require.NoError(t, err)
		_, err = n.StartMoveTask(t.Context(), turnout.MoveTaskSpec{Source: dlq})
		requireCode(t, turnout.CodeInvalidParameter, err)
		for n.depth(dlq).Visible > 2 {
			time.Sleep(100 * time.Millisecond)
		}
		n.restart(0) // the task goes on
		for n.depth(dlq).Visible > 0 {
			time.Sleep(100 * time.Millisecond)
		}
		require.GreaterOrEqual(t, time.Since(began), 2*time.Second, "one a second")
		time.Sleep(2 * time.Second)
		tasks, err := n.MoveTasks(t.Context(), dlq)
		require.NoError(t, err)
		require.Equal(t, turnout.MoveCompleted, tasks[0].Status)
		require.Equal(t, task.ID, tasks[0].ID)
		require.Equal(t, int64(4), tasks[0].Moved)
		require.Equal(t, int64(4), tasks[0].ToMove)
		back := n.receive(q, 10)
		require.Equal(t, []string{"0", "1", "2", "3"}, bodies(back), "back to where they came from")

		n.send(dlq, "sent directly")
		_, err = n.StartMoveTask(t.Context(), turnout.MoveTaskSpec{Source: dlq})
		require.NoError(t, err)
		synctest.Wait()
		tasks, err = n.MoveTasks(t.Context(), dlq)
		require.NoError(t, err)
		require.Equal(t, turnout.MoveFailed, tasks[0].Status)
		require.Equal(t, "CouldNotDetermineMessageSource", tasks[0].FailureReason)
		require.Equal(t, turnout.QueueDepth{Visible: 1}, n.depth(dlq), "a failed move leaves the message")

		other := n.create("other", nil)
		task, err = n.StartMoveTask(t.Context(), turnout.MoveTaskSpec{Source: dlq, Destination: &other})
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Equal(t, []string{"sent directly"}, bodies(n.receive(other, 10)))
		_, err = n.CancelMoveTask(t.Context(), dlq, task.ID)
		requireCode(t, turnout.CodeInvalidParameter, err)
		_, err = n.CancelMoveTask(t.Context(), dlq, "unknown")
		requireCode(t, turnout.CodeNotFound, err)
	})
}

// TestDeadLetterHoldsItsEvent: an event is stored once for all queues, until
// it is dead-lettered; then the dead letter holds it and the log is free of it.
func TestDeadLetterHoldsItsEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		dlq := n.create("dlq", nil)
		q := n.create("q", redriveTo(dlq, 1))
		body := []byte(`{"detail":{}}`)
		require.NoError(t, n.loop.Do(func(tx *partition.Tx) error {
			return n.Deliver(tx, q, queues.Delivery{Event: n.events.Append(tx, body), EventBody: body})
		}))
		require.Equal(t, 1, n.events.Stats().Pairs)
		got := n.receive(q, 1)
		require.Equal(t, body, got[0].Body)
		n.changeVisibility(q, got[0], 0)
		require.Empty(t, n.receive(q, 1))
		require.Equal(t, body, n.receive(dlq, 1)[0].Body)
		require.Zero(t, n.events.Stats().Pairs)
	})
}
