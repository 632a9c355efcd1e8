package testbus

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLongPollWaits(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		within(t, 0, func() { require.Empty(t, q.receive()) })
		within(t, 20*time.Second, func() { require.Empty(t, q.receive(waiting(20))) })
		within(t, time.Second, func() { require.Empty(t, q.receive(waiting(1))) })

		q.set(attributes{"ReceiveMessageWaitTimeSeconds": "7"})
		within(t, 7*time.Second, func() { require.Empty(t, q.receive(), "the queue's own wait holds when a receive names none") })
		within(t, 2*time.Second, func() { require.Empty(t, q.receive(waiting(2)), "a receive's own wait wins") })
	})
}

func TestLongPollWakes(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		for _, tc := range []struct {
			name string
			send func()
			want time.Duration
		}{
			{"by a send", func() { q.send("x") }, 4 * time.Second},
			{"by a delayed send when its delay is over", func() { q.send("x", withDelay(3)) }, 7 * time.Second},
		} {
			poll := later(func() time.Duration {
				began := time.Now()
				q.delete(q.one(waiting(20)))
				return time.Since(began)
			})
			time.Sleep(4 * time.Second)
			tc.send()
			require.Equal(t, tc.want, poll(), tc.name)
		}

		q.send("x")
		q.one(invisible(9))
		within(t, 9*time.Second, func() { q.one(waiting(20)) })
	})
}

func TestEachMessageWakesOnePoller(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		const pollers = 200
		answers := make(chan int, pollers)
		for range pollers {
			go func() {
				got, err := q.tryReceive(waiting(20))
				if err != nil {
					answers <- -1
					return
				}
				answers <- len(got)
			}()
		}
		time.Sleep(time.Second)
		for i := range 3 {
			q.send(strconv.Itoa(i))
		}
		synctest.Wait()
		require.Len(t, answers, 3, "three messages answer three pollers, at once")
		time.Sleep(20 * time.Second)
		total := 0
		for range pollers {
			total += <-answers
		}
		require.Equal(t, 3, total, "each message was delivered once, and nobody got an error")
	})
}

func TestPollersAreServedInOrder(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		poll := func() func() []string {
			get := later(func() []string { return bodies(q.receive(waiting(20), most(1))) })
			time.Sleep(time.Second)
			return get
		}
		first, second := poll(), poll()
		q.send("a")
		require.Equal(t, []string{"a"}, first(), "who waits longest is served first")
		q.send("b")
		require.Equal(t, []string{"b"}, second())
	})
}
