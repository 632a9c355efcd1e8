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

func (n *node) sendTenant(q turnout.QueueName, tenant string, first, count int) {
	n.t.Helper()
	for i := first; i < first+count; i += 10 {
		msgs := make([]turnout.OutgoingMessage, min(10, first+count-i))
		for j := range msgs {
			msgs[j] = turnout.OutgoingMessage{Body: fmt.Appendf(nil, "%s-%d", tenant, i+j), GroupID: tenant}
		}
		n.sendAll(q, msgs...)
	}
}

// TestFairQueue: a tenant with a backlog far beyond the window does not hold
// up the others, whether their messages came before or after it was noticed.
func TestFairQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("shared", nil)
		backlog := 12_000
		if testing.Short() {
			backlog = 6_000
		}
		n.sendTenant(q, "noisy", 0, backlog)
		n.sendTenant(q, "quiet", 0, 5)
		seen := make(map[string]int)
		receive := func(limit int) []turnout.ReceivedMessage {
			got := n.receive(q, limit)
			for _, m := range got {
				seen[string(m.Body)]++
			}
			synctest.Wait()
			return got
		}
		var inFlight []turnout.ReceivedMessage
		for range 3 { // thirty in flight: the tenant is noisy
			inFlight = append(inFlight, receive(10)...)
		}
		require.Equal(t, "noisy-29", string(inFlight[29].Body))
		got := receive(10)
		require.Equal(t, []string{"quiet-0", "quiet-1", "quiet-2", "quiet-3", "quiet-4"}, bodies(got)[:5],
			"quiet tenants overtake a backlog of %d", backlog)
		n.delete(q, got...)
		n.sendTenant(q, "quiet", 5, 1)
		got = receive(1)
		require.Equal(t, []string{"quiet-5"}, bodies(got), "a new message of a quiet tenant comes next")
		n.delete(q, got...)

		n.restart(0)
		n.delete(q, inFlight...)
		for len(seen) < backlog+6 {
			got := receive(10)
			require.NotEmpty(t, got, "after %d messages", len(seen))
			n.delete(q, got...)
		}
		for body, times := range seen {
			require.Equal(t, 1, times, body)
		}
		require.Equal(t, turnout.QueueDepth{}, n.depth(q))
		require.Empty(t, receive(10))
	})
}

// TestFairQueueExpiry: what was set aside expires like everything else.
func TestFairQueueExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, queues.Config{})
		q := n.create("shared", func(a *turnout.QueueAttributes) { a.Retention = time.Hour })
		n.sendTenant(q, "noisy", 0, 6000)
		for range 4 {
			n.receive(q, 10)
		}
		n.sendTenant(q, "noisy", 6000, 10)
		synctest.Wait()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, turnout.QueueDepth{}, n.depth(q))
	})
}
