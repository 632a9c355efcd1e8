package testbus

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"
)

// eachLoss runs f once for each share of the unsynced data that a power loss may leave.
func eachLoss(t *testing.T, f func(t *testing.T, b *Bus, keepPercent int)) {
	t.Helper()
	losses := []int{0, 10, 50, 90}
	if testing.Short() {
		losses = []int{0, 50}
	}
	for _, keep := range losses {
		t.Run(strconv.Itoa(keep), func(t *testing.T) {
			t.Parallel()

			Test(t, func(t *testing.T, b *Bus) { f(t, b, keep) })
		})
	}
}

func TestCrashLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()

	eachLoss(t, func(t *testing.T, b *Bus, keep int) {
		q := newQueue(t, b.SQS(), "q", nil)
		for round := range 3 {
			a := newAcknowledged(200)
			running := traffic(q, strconv.Itoa(round), a)
			<-a.enough
			b.Crash(keep)
			close(a.over)
			running.Wait()
			requireKept(t, q, a)
		}
	})
}

func TestCrashKeepsOrderAndDeduplicationOfFIFOQueues(t *testing.T) {
	t.Parallel()

	eachLoss(t, func(t *testing.T, b *Bus, keep int) {
		q := newFIFO(t, b.SQS(), "q", nil)
		const groups = 4
		var acked [groups]int // messages of each group that were acknowledged
		var wg sync.WaitGroup
		enough, over := make(chan struct{}), make(chan struct{})
		var once sync.Once
		for g := range groups {
			wg.Go(func() {
				for ; ; acked[g]++ {
					select {
					case <-over:
						return
					default:
					}
					if _, err := q.client.SendMessage(t.Context(), fifoMessage(q, strconv.Itoa(g), strconv.Itoa(acked[g]))); err != nil {
						return
					}
					if acked[g] == 50 {
						once.Do(func() { close(enough) })
					}
				}
			})
		}
		<-enough
		b.Crash(keep)
		close(over)
		wg.Wait()
		for g := range groups { // the last one of each may or may not be there: a retry settles it
			q.sendTo(strconv.Itoa(g), strconv.Itoa(acked[g]))
			q.sendTo(strconv.Itoa(g), strconv.Itoa(acked[g]-1))
		}
		got := map[string][]string{}
		for _, m := range q.drain() {
			g := m.Attributes["MessageGroupId"]
			got[g] = append(got[g], *m.Body)
		}
		for g := range groups {
			var want []string
			for i := range acked[g] + 1 {
				want = append(want, strconv.Itoa(i))
			}
			require.Equal(t, want, got[strconv.Itoa(g)], "each message once, in order, also where a client sent again")
		}
	})
}

func TestCrashNeverSplitsAFanOut(t *testing.T) {
	t.Parallel()

	eachLoss(t, func(t *testing.T, b *Bus, keep int) {
		bus := newBus(t, b, "orders")
		var queues []*queue
		for i := range 3 {
			q := newQueue(t, b.SQS(), fmt.Sprint("q", i), nil)
			bus.rule(fmt.Sprint("r", i), `{"source":["shop"]}`, to("1", q.arn()))
			queues = append(queues, q)
		}
		a := newAcknowledged(100)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for a.goesOn() {
					out, err := bus.client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
						{EventBusName: &bus.bus, Source: str("shop"), DetailType: str("x"), Detail: str(`{}`)},
						{EventBusName: &bus.bus, Source: str("shop"), DetailType: str("x"), Detail: str(`{}`)},
					}})
					if err != nil {
						return
					}
					for _, e := range out.Entries {
						a.promised(a.sent, *e.EventId)
					}
				}
			})
		}
		<-a.enough
		b.Crash(keep)
		close(a.over)
		wg.Wait()
		var first map[string]bool
		for i, q := range queues {
			ids := map[string]bool{}
			for _, m := range q.drain() {
				id := parseEnvelope(t, *m.Body).ID
				require.False(t, ids[id], "a queue gets an event once")
				ids[id] = true
			}
			for id := range a.sent {
				require.True(t, ids[id], "queue %d lost an event that was acknowledged", i)
			}
			if i == 0 {
				first = ids
			}
			require.Equal(t, first, ids, "an event is in all queues or in none")
		}
	})
}

func TestCrashKeepsReceivesAndTimers(t *testing.T) {
	t.Parallel()

	eachLoss(t, func(t *testing.T, b *Bus, keep int) {
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		q := newQueue(t, b.SQS(), "q", redriveTo(dlq, 3))
		q.send("delayed", withDelay(600))
		q.send("seen")
		first := q.one(invisible(100))
		b.Crash(keep)
		require.Equal(t, depth{inFlight: 1, delayed: 1}, q.depth(), "what is in flight stays in flight")
		within(t, 20*time.Second, func() { require.Empty(t, q.receive(waiting(20))) })
		time.Sleep(80 * time.Second)
		second := q.one(invisible(100))
		require.Equal(t, "2", receiveCount(second), "receives before the crash count")
		require.Equal(t, first.Attributes["ApproximateFirstReceiveTimestamp"], second.Attributes["ApproximateFirstReceiveTimestamp"])
		b.Crash(keep)
		q.changeVisibility(second, 0)
		third := q.one(invisible(1))
		time.Sleep(time.Second)
		require.Empty(t, q.receive())
		m := dlq.one()
		require.Equal(t, "seen", *m.Body, "three receives, two of them before a crash, are enough")
		b.Crash(keep)
		require.Equal(t, depth{inFlight: 1}, dlq.depth(), "it is in the dead-letter queue, and only there")
		require.NoError(t, q.tryDelete(third), "handles outlive a crash")
		time.Sleep(10 * time.Minute)
		require.Equal(t, []string{"delayed"}, bodies(q.receive()))
	})
}
