package topics_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/topics"
)

// TestPowerLossLosesNoAcknowledgedMessage publishes from several goroutines,
// takes the power away in the middle, and looks what is in the queues then.
func TestPowerLossLosesNoAcknowledgedMessage(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			n := start(t, topics.Config{})
			n.queue("a", "b", "c.fifo", "dlq")
			n.topic("t")
			n.topic("t.fifo", archived)
			n.subscribe("t", "a", raw)
			n.subscribe("t", "b")
			n.subscribe("t", "missing", raw, deadLetters("dlq"))
			n.subscribe("t.fifo", "c.fifo", raw)
			var mu sync.Mutex
			acked := map[string]bool{}
			var wg sync.WaitGroup
			stop := make(chan struct{})
			enough := make(chan struct{}, 100)
			for worker := range 4 {
				topic := []string{"t", "t.fifo"}[worker%2]
				wg.Go(func() {
					for i := 0; ; i += 2 {
						select {
						case <-stop:
							return
						default:
						}
						one, two := fmt.Sprintf("%s %d %d", topic, worker, i), fmt.Sprintf("%s %d %d", topic, worker, i+1)
						ms := []turnout.TopicMessage{message(one), message(two)}
						if topic == "t.fifo" {
							ms = []turnout.TopicMessage{inGroup("g", one, one), inGroup("g", two, two)}
						}
						if _, err := n.PublishTopic(t.Context(), topicNamed(topic), ms); err != nil {
							t.Errorf("publish: %v", err)
							return
						}
						mu.Lock()
						acked[one], acked[two] = true, true
						mu.Unlock()
						select {
						case enough <- struct{}{}:
						default:
						}
					}
				})
			}
			rng := rand.New(rand.NewPCG(seed, 1))
			for range 20 + rng.IntN(60) {
				<-enough
			}
			mu.Lock()
			before := make([]string, 0, len(acked))
			for id := range acked {
				before = append(before, id)
			}
			mu.Unlock()
			image := n.fs.PowerLoss(int(seed*20), rng)
			close(stop)
			wg.Wait()
			n.stop()
			n.fs = image
			n.open()

			found := map[string]map[string]int{}
			for _, q := range []string{"a", "b", "c.fifo", "dlq"} {
				found[q] = map[string]int{}
				for _, body := range n.bodies(q) {
					var m struct{ Message string }
					if json.Unmarshal([]byte(body), &m) == nil {
						body = m.Message
					}
					found[q][body]++
				}
			}
			for _, id := range before {
				require.Equal(t, 1, found["a"][id]+found["c.fifo"][id], "message %s was acknowledged", id)
			}
			require.Equal(t, found["a"], found["b"], "a message is in every queue or in none")
			require.Equal(t, found["a"], found["dlq"])
			require.Equal(t, len(found["c.fifo"]), n.records('a'), "and in the archive")
			require.Zero(t, len(found["a"])%2, "the messages of one publish stand or fall together")
			require.Zero(t, len(found["c.fifo"])%2)
		})
	}
}

// TestSubscribingTakesEffectWhenItIsAnswered changes subscriptions while others publish.
func TestSubscribingTakesEffectWhenItIsAnswered(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("q", "noise")
	n.topic("t")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			s, err := n.trySubscribe("t", "noise", raw, filter(`{"a":["b"]}`))
			if err == nil {
				err = n.Unsubscribe(t.Context(), s.SubscriptionName)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	const rounds = 40
	for i := range rounds {
		s := n.subscribe("t", "q", raw, filter(fmt.Sprintf(`{"n":["%d"]}`, i)))
		var publishers sync.WaitGroup
		for range 4 {
			publishers.Go(func() {
				now, old := message(fmt.Sprint(i)), message("old")
				now.Attributes = []turnout.MessageAttribute{text("n", fmt.Sprint(i))}
				old.Attributes = []turnout.MessageAttribute{text("n", fmt.Sprint(i-1))}
				if _, err := n.PublishTopic(t.Context(), topicNamed("t"), []turnout.TopicMessage{now, old}); err != nil {
					t.Error(err)
				}
			})
		}
		publishers.Wait()
		require.NoError(t, n.Unsubscribe(t.Context(), s.SubscriptionName))
	}
	close(stop)
	wg.Wait()
	count := map[string]int{}
	for _, body := range n.bodies("q") {
		count[body]++
	}
	require.Len(t, count, rounds)
	for i := range rounds {
		require.Equal(t, 4, count[fmt.Sprint(i)])
	}
	require.Empty(t, n.bodies("noise"))
}

func TestWhatWasPreparedIsDeliveredOnlyIfItHolds(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("q")
	n.topic("t")
	_, err := n.Prepare(topicNamed("none"), message("x"), n.loop.Now())
	requireCode(t, err, turnout.CodeNotFound, "Topic does not exist")
	p, err := n.Prepare(topicNamed("t"), message("x"), n.loop.Now())
	require.NoError(t, err)
	require.NoError(t, n.inLoop(func() error {
		require.True(t, p.Current())
		return nil
	}))
	n.subscribe("t", "q", raw)
	require.NoError(t, n.inLoop(func() error {
		require.False(t, p.Current(), "there is a subscription more")
		return nil
	}))
	p, err = n.Prepare(topicNamed("t"), message("x"), n.loop.Now())
	require.NoError(t, err)
	require.Equal(t, 1, p.Deliveries())
	require.NoError(t, n.deliver(p))
	require.NotEmpty(t, p.Published().MessageID)
	require.Equal(t, []string{"x"}, n.bodies("q"))
	require.NoError(t, n.DeleteTopic(t.Context(), topicNamed("t")))
	require.NoError(t, n.inLoop(func() error {
		require.False(t, p.Current())
		return nil
	}))
}
