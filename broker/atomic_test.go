package broker_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker"
)

// numbers counts the events in a queue by detail.n.
func numbers(t testing.TB, messages []turnout.ReceivedMessage) map[int]int {
	t.Helper()
	count := map[int]int{}
	for _, m := range messages {
		var e struct{ Detail struct{ N int } }
		require.NoError(t, json.Unmarshal(m.Body, &e))
		count[e.Detail.N]++
	}
	return count
}

// TestPowerLossLosesNoAcknowledgedEvent publishes from several goroutines,
// takes the power away in the middle, and looks what is in the queues then.
func TestPowerLossLosesNoAcknowledgedEvent(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			n := start(t, broker.Config{})
			n.queue("a", "b", "c", "missing-dlq")
			n.bus("second")
			missing := toQueue("missing")
			missing.DeadLetterARN = queueNamed("missing-dlq").ARN()
			n.rule(ruleNamed("default", "one"), `{"source":["test"]}`, toQueue("a"), toBus("second"), missing)
			n.rule(ruleNamed("default", "two"), `{"detail":{"n":[{"exists":true}]}}`, toQueue("b"))
			n.rule(ruleNamed("second", "three"), `{"source":["test"]}`, toQueue("c"))

			var mu sync.Mutex
			acked := map[int]bool{}
			var wg sync.WaitGroup
			stop := make(chan struct{})
			enough := make(chan struct{}, 100)
			for worker := range 4 {
				wg.Go(func() {
					for i := 0; ; i += 2 {
						select {
						case <-stop:
							return
						default:
						}
						first := worker*1_000_000 + i
						published, err := n.Publish(t.Context(), []turnout.EventEntry{
							entry("default", fmt.Sprintf(`{"n":%d}`, first)), entry("default", fmt.Sprintf(`{"n":%d}`, first+1)),
						})
						if err != nil || published[0].Err != nil {
							t.Errorf("publish: %v %v", err, published)
							return
						}
						mu.Lock()
						acked[first], acked[first+1] = true, true
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
			before := make([]int, 0, len(acked))
			for i := range acked {
				before = append(before, i)
			}
			mu.Unlock()
			image := n.fs.PowerLoss(int(seed*20), rng)
			close(stop)
			wg.Wait()

			n.fs = image
			n.stop()
			n.open()
			found := map[string]map[int]int{}
			for _, q := range []string{"a", "b", "c", "missing-dlq"} {
				found[q] = numbers(t, n.take(q))
			}
			for _, i := range before {
				require.Equal(t, 1, found["a"][i], "event %d was acknowledged", i)
			}
			for q, events := range found {
				require.Equal(t, found["a"], events, "queue %s has the events that queue a has: all of an event's deliveries or none", q)
			}
			for i := range found["a"] {
				require.Contains(t, found["a"], i^1, "the events of one publish stand or fall together")
			}
		})
	}
}

// TestARuleTakesEffectWhenItIsAnswered changes rules while others publish.
func TestARuleTakesEffectWhenItIsAnswered(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.queue("q", "other")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for worker := range 2 { // changes of the same bus that make publishes match again
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_, err := n.PutRule(t.Context(), ruleNamed("default", fmt.Sprint("noise", worker)), func(r *turnout.Rule, _ bool) error {
					r.Pattern = fmt.Sprintf(`{"source":["noise%d"]}`, i%3)
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	const rounds = 40
	for i := range rounds {
		n.rule(ruleNamed("default", "r"), fmt.Sprintf(`{"detail":{"n":[%d]}}`, i), toQueue("q"))
		var publishers sync.WaitGroup
		for range 4 {
			publishers.Go(func() {
				if _, err := n.Publish(t.Context(), []turnout.EventEntry{
					entry("default", fmt.Sprintf(`{"n":%d}`, i)), entry("default", fmt.Sprintf(`{"n":%d}`, i-1)),
				}); err != nil {
					t.Error(err)
				}
			})
		}
		publishers.Wait()
	}
	close(stop)
	wg.Wait()
	want := map[int]int{}
	for i := range rounds {
		want[i] = 4
	}
	require.Equal(t, want, numbers(t, n.take("q")), "an event is matched by the rule that was answered last, and by no older one")
}

func TestConcurrentChangesOfARuleAllCount(t *testing.T) {
	t.Parallel()
	n := start(t, broker.Config{})
	n.rule(ruleNamed("default", "r"), `{"source":["x"]}`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				_, err := n.PutRule(t.Context(), ruleNamed("default", "r"), func(r *turnout.Rule, _ bool) error {
					r.Description += "x"
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r, err := n.Rule(t.Context(), ruleNamed("default", "r"))
	require.NoError(t, err)
	require.Len(t, r.Description, 80, "a change is made to what the change before it left")
}

func TestAQuietBusIsCompiledAsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, broker.Config{})
		n.queue("q")
		for i := range 400 {
			n.rule(ruleNamed("default", fmt.Sprint(i)), fmt.Sprintf(`{"detail":{"n":[%d]}}`, i))
		}
		n.rule(ruleNamed("default", "399"), `{"detail":{"n":[399]}}`, toQueue("q"))
		require.Greater(t, n.Layers(busNamed("default")), 1)
		time.Sleep(time.Minute)
		require.Equal(t, 1, n.Layers(busNamed("default")))
		n.publish(entry("default", `{"n":399}`))
		require.Len(t, n.take("q"), 1)
	})
}
