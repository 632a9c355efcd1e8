package testbus

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

// acknowledged is what a server has promised of each message, by its body.
type acknowledged struct {
	mu            sync.Mutex
	sent, deleted map[string]bool
	asked         map[string]bool // a delete was asked for, so it may have happened
	enough        chan struct{}   // closed when so many promises were made
	left          int
	over          chan struct{} // closed when traffic shall end
}

func newAcknowledged(enough int) *acknowledged {
	return &acknowledged{
		sent: map[string]bool{}, deleted: map[string]bool{}, asked: map[string]bool{},
		enough: make(chan struct{}), left: enough, over: make(chan struct{}),
	}
}

// promised notes a promise.
func (a *acknowledged) promised(set map[string]bool, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set[body] = true
	if a.left--; a.left == 0 {
		close(a.enough)
	}
}

func (a *acknowledged) asks(body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked[body] = true
}

// goesOn reports whether traffic shall go on. That the server fails does not
// end it in every case: a request may wait until there is one again.
func (a *acknowledged) goesOn() bool {
	select {
	case <-a.over:
		return false
	default:
		return true
	}
}

// traffic sends to q and consumes from it in several goroutines until a is over
// or a request fails, and notes what was acknowledged.
func traffic(q *queue, name string, a *acknowledged) *sync.WaitGroup {
	var wg sync.WaitGroup
	for producer := range 4 {
		wg.Go(func() {
			for i := 0; a.goesOn(); i++ {
				body := fmt.Sprintf("%s-%d-%d", name, producer, i)
				in := &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: &body}
				if _, err := q.client.SendMessage(q.t.Context(), in); err != nil {
					return
				}
				a.promised(a.sent, body)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for a.goesOn() {
				got, err := q.tryReceive(waiting(20), most(3))
				if err != nil {
					return
				}
				for _, m := range got {
					a.asks(*m.Body)
					if q.tryDelete(m) != nil {
						return
					}
					a.promised(a.deleted, *m.Body)
				}
			}
		})
	}
	return &wg
}

// requireKept drains q and requires that it holds what a promises.
func requireKept(t *testing.T, q *queue, a *acknowledged) {
	t.Helper()
	time.Sleep(time.Minute) // what was in flight is visible again
	seen := map[string]int{}
	for _, m := range q.drain() {
		seen[*m.Body]++
	}
	for body, n := range seen {
		require.Equal(t, 1, n, "%s was there twice", body)
		require.False(t, a.deleted[body], "%s came back although its delete was acknowledged", body)
	}
	for body := range a.sent {
		require.True(t, seen[body] == 1 || a.asked[body], "%s was acknowledged and is lost", body)
	}
	require.Equal(t, depth{}, q.depth(), "the counters agree with what was there")
}

func TestStopLosesNothing(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		idle := newQueue(t, b.SQS(), "idle", nil)
		poll := later(func() error { _, err := idle.tryReceive(waiting(20)); return err })
		a := newAcknowledged(500)
		running := traffic(q, "x", a)
		<-a.enough
		began := time.Now()
		require.NoError(t, b.Stop())
		require.LessOrEqual(t, time.Since(began), 5*time.Second)
		require.NoError(t, poll(), "a long poll is answered, empty, not cut off")
		close(a.over)
		running.Wait()
		b.boot()
		requireKept(t, q, a)
	})
}

func TestReadiness(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		for _, path := range []string{"/livez", "/readyz", "/metrics", "/_localstack/health"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, URL+path, http.NoBody)
			require.NoError(t, err)
			answer, err := b.HTTP().Do(r)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusOK, answer.StatusCode, path)
		}
	})
}
