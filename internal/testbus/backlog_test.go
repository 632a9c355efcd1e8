package testbus

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/config"
)

// fill sends so many messages, ten a request; group is "" for a standard queue.
func (q *queue) fill(n int, group string) {
	q.t.Helper()
	for from := 0; from < n; from += 10 {
		var entries []types.SendMessageBatchRequestEntry
		for i := from; i < min(from+10, n); i++ {
			e := types.SendMessageBatchRequestEntry{Id: str(strconv.Itoa(i)), MessageBody: str(group + strconv.Itoa(i))}
			if group != "" {
				e.MessageGroupId, e.MessageDeduplicationId = &group, str(group+strconv.Itoa(i))
			}
			entries = append(entries, e)
		}
		out, err := q.client.SendMessageBatch(q.t.Context(), &sqs.SendMessageBatchInput{QueueUrl: q.url, Entries: entries})
		require.NoError(q.t, err)
		require.Empty(q.t, out.Failed)
	}
}

func TestBacklogBeyondMemoryKeepsItsOrder(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		const n = 4000 // more than a queue holds in memory
		q := newQueue(t, b.SQS(), "q", nil)
		q.fill(n, "")
		for i := range 50 {
			require.Equal(t, strconv.Itoa(i*10), *q.receive(invisible(100))[0].Body)
		}
		b.Crash(0)
		require.Equal(t, depth{visible: n - 500, inFlight: 500}, q.depth())
		time.Sleep(100 * time.Second)
		got := q.drain()
		require.Len(t, got, n)
		for i, m := range got {
			require.Equal(t, strconv.Itoa(i), *m.Body)
		}
		require.Equal(t, depth{}, q.depth())
	})
}

func TestLockedGroupWithALongBacklogHoldsUpNobody(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		q.fill(4000, "locked-")
		q.sendTo("free", "x")
		require.Len(t, q.receive(invisible(1000)), 10)
		require.Equal(t, []string{"x"}, bodies(q.receive(waiting(20))), "another group's message is found behind a long backlog")
		b.Restart()
		q.sendTo("free2", "y")
		require.Equal(t, []string{"y"}, bodies(q.receive(waiting(20))))
		require.Equal(t, depth{visible: 3990, inFlight: 12}, q.depth())
	})
}

func TestManyConsumersKeepEachGroupInOrder(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newFIFO(t, b.SQS(), "q", nil)
		const groups, each = 10, 30
		for g := range groups {
			q.fill(each, fmt.Sprintf("g%d-", g))
		}
		var mu sync.Mutex
		next := map[string]int{}
		var faults []string
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					got, err := q.tryReceive(most(3), waiting(1))
					if err != nil || len(got) == 0 {
						return
					}
					for _, m := range got {
						g := m.Attributes["MessageGroupId"]
						mu.Lock()
						if want := g + strconv.Itoa(next[g]); *m.Body != want {
							faults = append(faults, fmt.Sprintf("got %s, want %s", *m.Body, want))
						}
						next[g]++
						mu.Unlock()
					}
					for _, m := range got {
						if err := q.tryDelete(m); err != nil {
							mu.Lock()
							faults = append(faults, err.Error())
							mu.Unlock()
						}
					}
				}
			})
		}
		wg.Wait()
		require.Empty(t, faults)
		for g, n := range next {
			require.Equal(t, each, n, g)
		}
		require.Len(t, next, groups)
	})
}

func TestEventsAreStoredOnceAndCollected(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := Start(t, config.Config{History: config.History{Off: true}}) // it would keep them for a day
		bus := defaultBus(t, b)
		keep, drop := newQueue(t, b.SQS(), "keep", nil), newQueue(t, b.SQS(), "drop", nil)
		bus.rule("r", `{"source":["shop"]}`, to("1", keep.arn()), to("2", drop.arn()))
		const n = 8500
		entries := make([]ebtypes.PutEventsRequestEntry, 10)
		for i := range entries {
			entries[i] = ebtypes.PutEventsRequestEntry{Source: str("shop"), DetailType: str("x"), Detail: str(`{"pad":"` + strings.Repeat("x", 500) + `"}`)}
		}
		for range n / len(entries) {
			_, err := bus.client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: entries})
			require.NoError(t, err)
		}
		segments := func() string {
			_, page := b.request(t, http.MethodGet, "/metrics", "")
			_, rest, _ := strings.Cut(page, "\nturnout_event_log_segments ")
			value, _, _ := strings.Cut(rest, "\n")
			return value
		}
		require.Equal(t, "3", segments())
		drop.purge()
		require.Equal(t, "3", segments(), "an event stays while one queue refers to it")
		for _, m := range keep.receive() {
			require.Len(t, string(parseEnvelope(t, *m.Body).Detail), 510)
		}
		b.Crash(0)
		keep.purge()
		require.Equal(t, "1", segments(), "the bodies are gone when nothing refers to them")
	})
}
