package dispatch_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/sinks"
)

// TestOrderWithinAGroup: whatever fails, and whenever the power does, of one
// group nothing is attempted before everything ahead of it was delivered.
func TestOrderWithinAGroup(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		var mu sync.Mutex
		rng := rand.New(rand.NewPCG(1, 2))
		delivered := make(map[string][]string)
		running := make(map[string]int)
		outage := false
		n.out.add(arnOf(0), func(_ context.Context, d sinks.Delivery) sinks.Result {
			group, _, _ := strings.Cut(d.EventID, "-")
			mu.Lock()
			running[group]++
			require.Equal(t, 1, running[group], "one of a group at a time")
			fails := outage || rng.IntN(5) == 0
			pause := time.Duration(rng.IntN(20)) * time.Millisecond
			mu.Unlock()
			time.Sleep(pause)
			mu.Lock()
			defer mu.Unlock()
			running[group]--
			if fails {
				return failed(sinks.CodeErrorFromTarget, false)
			}
			delivered[group] = append(delivered[group], d.EventID)
			return sinks.Result{Status: 200}
		}, nil)
		const groups, each = 20, 30
		for i := range each {
			for g := range groups {
				x := event(fmt.Sprintf("g%d-%02d", g, i))
				x.GroupID = fmt.Sprint("g", g)
				if i%2 == 1 {
					x.AgeMax = time.Hour // a group keeps its order whatever its members' ages
				}
				n.enqueue(x)
			}
		}
		time.Sleep(3 * time.Second)
		mu.Lock()
		outage = true // the breaker opens
		mu.Unlock()
		time.Sleep(time.Minute)
		mu.Lock()
		outage = false
		mu.Unlock()
		n.restart()
		time.Sleep(30 * time.Minute)
		require.Zero(t, n.Stats().Waiting)
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, delivered, groups)
		for _, got := range delivered {
			require.Len(t, got, each)
			require.True(t, slices.IsSorted(got), "in order: %v", got)
		}
	})
}

func TestDeliveriesOfAGroupDoNotBlockOthers(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.out.add(arnOf(0), func(_ context.Context, d sinks.Delivery) sinks.Result {
			if strings.HasPrefix(d.EventID, "bad") {
				return failed(sinks.CodeErrorFromTarget, false)
			}
			return sinks.Result{}
		}, nil)
		for i := range 5 {
			x, y := event(fmt.Sprint("bad", i)), event(fmt.Sprint("good", i))
			x.GroupID, y.GroupID = "bad", "good"
			n.enqueue(x, y)
		}
		time.Sleep(time.Second)
		require.EqualValues(t, 5, n.Stats().Delivered)
	})
}

// TestPowerLossLosesNothing: whatever instant the power fails at, each delivery
// that was accepted ends: delivered once at least, or dead-lettered, and is
// accounted for exactly.
func TestPowerLossLosesNothing(t *testing.T) {
	t.Parallel()
	cycles := 20
	if testing.Short() {
		cycles = 4
	}
	for seed := range cycles {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { powerLoss(t, uint64(seed)) })
		})
	}
}

func powerLoss(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	chance := &chance{rng: rand.New(rand.NewPCG(seed, 2))}
	n := start(t, dispatch.Config{})
	n.queue("dlq")
	var mu sync.Mutex
	succeeded := make(map[string]bool)
	const endpoints = 5
	for i := range endpoints {
		n.out.add(arnOf(i), func(ctx context.Context, d sinks.Delivery) sinks.Result {
			select {
			case <-time.After(time.Duration(chance.float() * float64(20*time.Millisecond))):
			case <-ctx.Done():
				return failed(sinks.CodeTimeout, false)
			}
			switch c := chance.float(); {
			case c < 0.1:
				return failed(sinks.CodeErrorFromTarget, true)
			case c < 0.4:
				return failed(sinks.CodeConnectionFailure, false)
			}
			mu.Lock()
			defer mu.Unlock()
			succeeded[d.EventID] = true
			return sinks.Result{Status: 200}
		}, nil)
	}
	accepted, next := make(map[string]bool), 0
	for range 3 {
		var stop atomic.Bool
		var senders sync.WaitGroup
		for range 4 {
			senders.Go(func() {
				for !stop.Load() {
					mu.Lock()
					x := event(fmt.Sprint("e", next))
					next++
					x.Endpoint = arnOf(next % endpoints)
					if next%3 == 0 {
						x.GroupID = fmt.Sprint(next % 4)
					}
					mu.Unlock()
					x.RetriesMax, x.DeadLetters = 4, []turnout.QueueName{queueNamed("dlq")}
					if n.tryEnqueue(x) == nil {
						mu.Lock()
						accepted[x.EventID] = true
						mu.Unlock()
					}
					time.Sleep(time.Duration(chance.float() * float64(10*time.Millisecond)))
				}
			})
		}
		time.Sleep(time.Duration(rng.Int64N(int64(700 * time.Millisecond))))
		mu.Lock()
		certain := maps.Clone(accepted) // what is answered from here on may or may not be on the disk
		mu.Unlock()
		fs := n.fs.PowerLoss([]int{0, 10, 50, 90}[rng.IntN(4)], rng)
		stop.Store(true)
		senders.Wait()
		accepted = certain
		n.stop()
		n.fs = fs
		n.open()
	}
	// With four attempts in ten failing, a breaker opens again and again: each
	// unlucky probe costs up to five minutes.
	for range 10 * 60 / 20 {
		time.Sleep(20 * time.Minute)
		if n.Stats().Waiting == 0 {
			break
		}
	}
	require.Zero(t, n.Stats().Waiting)
	dead := make(map[string]int)
	for _, m := range n.take("dlq") {
		id := strings.TrimSuffix(strings.TrimPrefix(string(m.Body), `{"id":"`), `"}`)
		dead[id]++
	}
	mu.Lock()
	defer mu.Unlock()
	for id := range accepted {
		require.True(t, succeeded[id] || dead[id] > 0, "delivery %s was accepted and is lost", id)
		require.LessOrEqual(t, dead[id], 1, "delivery %s is dead twice", id)
		ends := 0
		for _, r := range n.records(id) {
			if r.Outcome != dispatch.Retried {
				ends++
				require.Equal(t, dead[id] > 0, r.Outcome == dispatch.DeadLettered, "the record of %s agrees with the dead-letter queue", id)
			}
		}
		require.Equal(t, 1, ends, "delivery %s ends once", id)
	}
	for id := range dead {
		require.NotEmpty(t, n.records(id))
	}
}

func TestStopGivesBackWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.out.add(arnOf(0), hang, nil)
		n.many(0, 20)
		time.Sleep(time.Second)
		require.Equal(t, 8, n.Stats().Running)
		n.stop()
		n.out.add(arnOf(0), nil, nil)
		before := len(n.out.seen(""))
		n.open()
		time.Sleep(time.Second)
		again := n.out.seen("")[before:]
		require.Len(t, again, 20, "at once, not when a visibility timeout ends")
		for _, a := range again {
			require.Equal(t, 1, a.Attempt, "an attempt that was cut off does not count")
		}
	})
}

func TestCrashRepeatsWhatWasUnderWay(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.out.add(arnOf(0), hang, nil)
		n.many(0, 5)
		time.Sleep(time.Second)
		n.crash()
		n.out.add(arnOf(0), nil, nil)
		time.Sleep(2 * time.Minute)
		require.EqualValues(t, 5, n.Stats().Delivered)
	})
}

func TestRecordsAreKeptForATime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{RecordsKept: 3 * time.Hour})
		n.out.add(arnOf(0), nil, nil)
		for i := range 8 {
			n.enqueue(event(fmt.Sprint("e", i)))
			time.Sleep(time.Hour)
			if i == 4 {
				n.restart()
			}
		}
		found := make(map[int]bool)
		for i := range 8 {
			found[i] = len(n.records(fmt.Sprint("e", i))) > 0
		}
		require.Equal(t, map[int]bool{0: false, 1: false, 2: false, 3: false, 4: false, 5: true, 6: true, 7: true}, found)
		time.Sleep(6 * time.Hour)
		require.Empty(t, n.records("e7"), "also when nothing happens any more")
	})
}

func TestRecordsAreKeptWithinASize(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{RecordsBytesMax: 64 << 10})
		n.out.add(arnOf(0), func(context.Context, sinks.Delivery) sinks.Result {
			return sinks.Result{Status: 200, Excerpt: make([]byte, 500)}
		}, nil)
		for i := range 20 {
			n.many(i*50, i*50+50)
			time.Sleep(time.Minute)
			require.LessOrEqual(t, n.Stats().RecordsBytes, int64(64<<10)+50*700)
		}
		require.Empty(t, n.records("e0"))
		require.Len(t, n.records("e999"), 1)
		stored := 0
		pairs, failed := n.store.Scan([]byte{'a'}, []byte{'b'})
		for k, v := range pairs {
			stored += len(k) + len(v)
		}
		require.NoError(t, failed())
		require.EqualValues(t, stored, n.Stats().RecordsBytes, "the size is that of what is stored")
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		u := &upDown{}
		u.gone.Store(true)
		n.out.add(arnOf(0), u.attempt, nil)
		n.out.add(arnOf(1), hang, nil)
		n.many(0, 10)
		x := event("other")
		x.Endpoint = arnOf(1)
		n.enqueue(x)
		time.Sleep(time.Second)
		require.Equal(t, dispatch.EndpointDisabled, n.state(arnOf(0)).Phase)
		require.NoError(t, n.queues.Reset(t.Context()))
		require.NoError(t, n.Dispatcher.Reset(t.Context()))
		require.Zero(t, n.Stats().Waiting)
		require.Empty(t, n.records("e0"))
		require.Equal(t, dispatch.EndpointActive, n.state(arnOf(0)).Phase)
		u.gone.Store(false)
		n.out.add(arnOf(1), nil, nil)
		n.enqueue(event("new"))
		x = event("new2")
		x.Endpoint = arnOf(1)
		n.enqueue(x)
		time.Sleep(time.Minute)
		require.EqualValues(t, 2, n.Stats().Delivered, "what comes after is delivered")
		require.Zero(t, n.Stats().Waiting)
	})
}

func TestEndpointsThatAreGoneLeaveNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.out.add(arnOf(0), nil, nil)
		n.out.add(arnOf(1), nil, nil)
		x := event("x")
		x.Endpoint = arnOf(1)
		n.enqueue(event("e"), x)
		time.Sleep(time.Minute)
		n.out.remove(arnOf(0))
		time.Sleep(2 * time.Hour)
		all, err := n.EndpointStates(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, arnOf(1), all[0].Endpoint)
		keys := 0
		pairs, failed := n.store.Scan([]byte{'q'}, []byte{'r'})
		for range pairs {
			keys++
		}
		require.NoError(t, failed())
		require.Equal(t, 1, keys)
	})
}

func TestBodiesAreStoredOnceAndLetGo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		ids := make(map[string]int)
		for i := range 100 {
			n.out.add(arnOf(i), hang, nil)
			ids[arnOf(i)] = i
		}
		all := make([]dispatch.Delivery, 0, 100)
		x := event("0188d1b4-0000-4000-8000-000000000000")
		x.EventBody = make([]byte, 10_000)
		before := n.loop.Stats().Bytes
		for _, arn := range slices.Sorted(maps.Keys(ids)) {
			x.Endpoint = arn
			all = append(all, x)
		}
		n.shared(x.EventBody, all)
		first := n.loop.Stats().Bytes - before
		n.shared(x.EventBody, all) // its routes and queues exist
		each := (n.loop.Stats().Bytes - before - first - 10_000) / 100
		require.Less(t, each, uint64(200), "bytes logged for a delivery, its attempt's beginning included")
		for i := range 100 {
			n.out.add(arnOf(i), nil, nil)
		}
		time.Sleep(time.Hour)
		require.Zero(t, n.Stats().Waiting)
		require.Zero(t, n.events.Stats().Pairs, "nothing refers to the events any more")
	})
}
