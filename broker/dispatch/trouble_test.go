package dispatch_test

import (
	"context"
	"fmt"
	"slices"
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

// upDown is an endpoint that can be switched off.
type upDown struct {
	down    atomic.Bool
	latency time.Duration
	gone    atomic.Bool
}

func (u *upDown) attempt(context.Context, sinks.Delivery) sinks.Result {
	time.Sleep(u.latency)
	if u.gone.Load() {
		r := failed(sinks.CodeErrorFromTarget, true)
		r.Status, r.Failure.Gone = 410, true
		return r
	}
	if u.down.Load() {
		return failed(sinks.CodeConnectionFailure, false)
	}
	return sinks.Result{Status: 200}
}

// perSecond returns the greatest number of attempts that began in one second.
func perSecond(all []attempt) (most int) {
	first := 0
	for i := range all {
		for all[i].at.Sub(all[first].at) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func between(all []attempt, from, to time.Time) []attempt {
	return slices.DeleteFunc(slices.Clone(all), func(a attempt) bool { return a.at.Before(from) || !a.at.Before(to) })
}

// ids counts the deliveries by event id.
func ids(all []attempt) map[string]int {
	found := make(map[string]int)
	for _, a := range all {
		found[a.EventID]++
	}
	return found
}

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		u := &upDown{latency: 10 * time.Millisecond}
		u.down.Store(true)
		n.out.add(arnOf(0), u.attempt, nil)
		began := time.Now()
		n.many(0, 1000)
		time.Sleep(29 * time.Second)
		opened := len(n.out.seen(""))
		require.Less(t, opened, 40, "ten failures open the breaker; what was under way may follow")
		require.Equal(t, dispatch.EndpointOpen, n.state(arnOf(0)).Phase)
		require.EqualValues(t, 1, n.Stats().Opened)
		require.Equal(t, 1, n.Stats().Endpoints[dispatch.EndpointOpen])
		time.Sleep(2 * time.Second)
		require.Len(t, n.out.seen(""), opened+1, "after 30 s one probe")
		time.Sleep(60 * time.Second)
		require.Len(t, n.out.seen(""), opened+2, "after 60 s more another")
		time.Sleep(30 * time.Minute)
		probes := n.out.seen("")[opened:]
		gap := probes[len(probes)-1].at.Sub(probes[len(probes)-2].at)
		require.InDelta(t, (5 * time.Minute).Seconds(), gap.Seconds(), 1, "at most five minutes apart")

		u.down.Store(false)
		time.Sleep(5*time.Minute + 10*time.Second)
		require.EqualValues(t, 1000, n.Stats().Delivered)
		require.Equal(t, dispatch.EndpointActive, n.state(arnOf(0)).Phase)
		require.Less(t, time.Since(began), 3*time.Hour)
	})
}

// TestRecoveryIsPaced is the promise to an endpoint that comes back: down for
// ten minutes with 100,000 deliveries waiting, it never sees more than 1.2 times
// its normal rate, and gets every delivery.
func TestRecoveryIsPaced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		u := &upDown{latency: 20 * time.Millisecond}
		n.out.add(arnOf(0), u.attempt, nil)
		const rate, normal = 1000, 10 * time.Second
		waiting := 100_000
		if testing.Short() {
			waiting = 10_000
		}
		total := 0
		feed := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				n.many(total, total+rate/10)
				total += rate / 10
			}
		}
		feed(normal)
		down := time.Now()
		u.down.Store(true)
		feed(5 * time.Second)
		n.many(total, rate*int(normal.Seconds())+waiting)
		total = rate*int(normal.Seconds()) + waiting
		time.Sleep(10*time.Minute - time.Since(down))
		require.InDelta(t, waiting, n.Stats().Waiting, 100)
		outage := between(n.out.seen(""), down.Add(time.Second), time.Now())
		require.Less(t, len(outage), 30, "while it is down it is only probed")
		u.down.Store(false)
		up := time.Now()
		time.Sleep(20 * time.Minute)
		after := between(n.out.seen(""), up, time.Now())
		require.LessOrEqual(t, perSecond(after), rate*12/10)
		require.Zero(t, n.Stats().Waiting, "the backlog is gone")
		require.Equal(t, dispatch.EndpointActive, n.state(arnOf(0)).Phase)
		found := ids(n.out.seen(""))
		require.Len(t, found, total)
		require.EqualValues(t, total, n.Stats().Delivered, "each is delivered once")
		require.Less(t, len(between(after, after[0].at, after[0].at.Add(time.Second))), rate/4, "it begins slowly")
		require.GreaterOrEqual(t, perSecond(after), rate, "and gets as fast as usual")
	})
}

func TestRestartRemembersTheNormalRate(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		u := &upDown{latency: 5 * time.Millisecond}
		n.out.add(arnOf(0), u.attempt, nil)
		total := 0
		for range 300 {
			n.many(total, total+5)
			total += 5
			time.Sleep(100 * time.Millisecond)
		}
		u.down.Store(true)
		n.many(total, total+3000)
		total += 3000
		time.Sleep(time.Minute)
		u.down.Store(false)
		n.crash()
		up := time.Now()
		time.Sleep(2 * time.Minute)
		require.LessOrEqual(t, perSecond(between(n.out.seen(""), up, time.Now())), 60, "50 a second is normal")
		require.Len(t, ids(n.out.seen("")), total)
	})
}

func TestRetriesStayWithinTheirBudget(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.out.add(arnOf(0), func(_ context.Context, d sinks.Delivery) sinks.Result {
			time.Sleep(5 * time.Millisecond)
			if d.Attempt > 1 || d.EventID[len(d.EventID)-1] < '2' { // 20 % never succeed
				return failed(sinks.CodeErrorFromTarget, false)
			}
			return sinks.Result{Status: 200}
		}, nil)
		for i := range 6000 {
			n.enqueue(event(fmt.Sprint("e", i)))
			time.Sleep(10 * time.Millisecond)
		}
		first, again := 0, 0
		for _, a := range n.out.seen("") {
			if a.Attempt == 1 {
				first++
			} else {
				again++
			}
		}
		require.Greater(t, first, 5000, "first attempts go on")
		require.LessOrEqual(t, again, first/5+70, "one in five, and one a second")
		require.Greater(t, again, first/10)
	})
}

func TestQuietEndpointIsRetried(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.out.add(arnOf(0), func(context.Context, sinks.Delivery) sinks.Result { return failed(sinks.CodeTimeout, false) }, nil)
		n.enqueue(event("e"))
		time.Sleep(10 * time.Second)
		require.GreaterOrEqual(t, len(n.out.seen("")), 4)
	})
}

func TestConcurrencyAdapts(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		var running, most, slow atomic.Int64
		n.out.add(arnOf(0), func(context.Context, sinks.Delivery) sinks.Result {
			now := running.Add(1)
			defer running.Add(-1)
			most.Store(max(most.Load(), now))
			time.Sleep(50 * time.Millisecond)
			if slow.Load() > 0 && now > slow.Load() {
				return failed(sinks.CodeThrottling, false)
			}
			return sinks.Result{Status: 200}
		}, nil)
		n.many(0, 30_000)
		time.Sleep(200 * time.Millisecond)
		require.LessOrEqual(t, most.Load(), int64(14), "it starts with eight")
		time.Sleep(20 * time.Second)
		require.EqualValues(t, 64, most.Load(), "it grows to 64")
		require.Equal(t, 64, n.state(arnOf(0)).RunningMax)
		slow.Store(20)
		time.Sleep(30 * time.Second)
		require.Less(t, n.state(arnOf(0)).RunningMax, 45, "throttled above 20 it stays near that")
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{1, 7, 300} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				n := start(t, dispatch.Config{})
				n.out.add(arnOf(0), nil, func(e *dispatch.Endpoint) { e.PerSecondMax = rate })
				n.many(0, rate*20)
				time.Sleep(10 * time.Second)
				seen := n.out.seen("")
				require.LessOrEqual(t, perSecond(seen), rate)
				require.GreaterOrEqual(t, len(seen), rate*9, "and nearly as fast as allowed")
				for _, a := range seen {
					require.Equal(t, 1, a.Attempt)
				}
			})
		})
	}
}

// TestHangingEndpointsCostOthersNothing: of a thousand endpoints a tenth hangs;
// the others' latency stays what it was.
func TestHangingEndpointsCostOthersNothing(t *testing.T) {
	t.Parallel()
	measure := func(t *testing.T, hanging int) time.Duration {
		t.Helper()
		n := start(t, dispatch.Config{})
		const endpoints = 1000
		var mu sync.Mutex
		var latencies []time.Duration
		for i := range endpoints {
			f := sinkFunc(func(_ context.Context, d sinks.Delivery) sinks.Result {
				time.Sleep(50 * time.Millisecond)
				mu.Lock()
				latencies = append(latencies, time.Since(d.AcceptedAt))
				mu.Unlock()
				return sinks.Result{Status: 200}
			})
			if i < hanging {
				f = hang
			}
			n.out.add(arnOf(i), f, nil)
		}
		for round := range 8 {
			all := make([]dispatch.Delivery, 0, endpoints*2)
			for i := range endpoints {
				for k := range 2 {
					x := event(fmt.Sprintf("e%d-%d-%d", round, i, k))
					x.Endpoint = arnOf(i)
					all = append(all, x)
				}
			}
			n.enqueue(all...)
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, latencies, (endpoints-hanging)*16, "every delivery to a healthy endpoint is made")
		slices.Sort(latencies)
		return latencies[len(latencies)*99/100]
	}
	var none, some time.Duration
	synctest.Test(t, func(t *testing.T) { none = measure(t, 0) })
	synctest.Test(t, func(t *testing.T) { some = measure(t, 100) })
	t.Logf("p99 of healthy endpoints: %v with none hanging, %v with a tenth", none, some)
	require.LessOrEqual(t, some, none*3/2)
}

// TestSlotsAreShared: even when hanging endpoints could take every slot, the others find some.
func TestSlotsAreShared(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{AttemptsMax: 64})
		for i := range 200 {
			f := hang
			if i >= 100 {
				f = nil
			}
			n.out.add(arnOf(i), f, nil)
		}
		for i := range 30 {
			for k := range 8 {
				x := event(fmt.Sprint("h", i, "-", k))
				x.Endpoint = arnOf(i)
				n.enqueue(x)
			}
		}
		time.Sleep(time.Second)
		require.LessOrEqual(t, n.Stats().Running, 64)
		for i := 100; i < 200; i++ {
			x := event(fmt.Sprint("g", i))
			x.Endpoint = arnOf(i)
			n.enqueue(x)
		}
		time.Sleep(time.Second)
		require.EqualValues(t, 100, n.Stats().Delivered)
	})
}

func TestWhatIsTooOldIsDeadLetteredWhileTheBreakerIsOpen(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.queue("dlq")
		n.out.add(arnOf(0), func(context.Context, sinks.Delivery) sinks.Result { return failed(sinks.CodeConnectionFailure, false) }, nil)
		const each = 3000
		began := time.Now()
		all := make([]dispatch.Delivery, 0, 2*each)
		for i := range each {
			x := event(fmt.Sprint("young", i))
			x.AgeMax, x.DeadLetters = 10*time.Minute, []turnout.QueueName{queueNamed("dlq")}
			y := event(fmt.Sprint("old", i))
			y.AgeMax, y.DeadLetters = time.Minute, x.DeadLetters
			all = append(all, x, y)
		}
		n.enqueue(all...)
		time.Sleep(59 * time.Second)
		require.Empty(t, n.take("dlq"))
		time.Sleep(2 * time.Second)
		got := n.take("dlq")
		require.Len(t, got, each, "a minute is over for those that wait behind younger ones too")
		for _, m := range got {
			a := attributes(m)
			require.Equal(t, "MaximumEventAgeInSeconds", a["EXHAUSTED_RETRY_CONDITION"])
			require.Equal(t, "CONNECTION_FAILURE", a["ERROR_CODE"])
			require.Contains(t, string(m.Body), "old")
			require.InDelta(t, 60, m.SentAt.Sub(began).Seconds(), 1)
		}
		n.restart()
		time.Sleep(9*time.Minute + time.Second)
		require.Len(t, n.take("dlq"), each)
		require.Zero(t, n.Stats().Waiting)
	})
}

func TestEndpointThatIsGoneIsDisabled(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{})
		n.queue("dlq")
		u := &upDown{}
		u.gone.Store(true)
		n.out.add(arnOf(0), u.attempt, nil)
		send := func(id string, age time.Duration) {
			x := event(id)
			x.AgeMax, x.DeadLetters = age, []turnout.QueueName{queueNamed("dlq")}
			n.enqueue(x)
		}
		send("first", time.Hour)
		time.Sleep(time.Second)
		require.Len(t, n.take("dlq"), 1)
		require.Equal(t, dispatch.EndpointDisabled, n.state(arnOf(0)).Phase)
		require.Len(t, n.out.announced, 1)
		e := n.out.announced[0]
		require.Equal(t, []string{"turnout", "Endpoint Disabled"}, []string{e.Source, e.DetailType})
		require.Equal(t, turnout.BusName{Scope: scope, Name: turnout.DefaultBus}, e.Bus)
		require.Contains(t, string(e.Detail), arnOf(0))

		send("second", 10*time.Minute)
		send("third", 24*time.Hour)
		time.Sleep(10*time.Minute + time.Second)
		require.Len(t, n.out.seen(""), 1, "a disabled endpoint is not called")
		got := n.take("dlq")
		require.Len(t, got, 1)
		require.Contains(t, attributes(got[0])["ERROR_MESSAGE"], "The endpoint is disabled since")

		n.crash()
		require.Equal(t, dispatch.EndpointDisabled, n.state(arnOf(0)).Phase, "a restart changes nothing")
		u.gone.Store(false)
		require.NoError(t, n.Enable(t.Context(), arnOf(0)))
		time.Sleep(time.Second)
		require.EqualValues(t, 1, n.Stats().Delivered, "what waited is delivered")
		require.Len(t, n.out.announced, 2)
		require.Equal(t, "Endpoint Enabled", n.out.announced[1].DetailType)
		require.Equal(t, dispatch.EndpointActive, n.state(arnOf(0)).Phase)
	})
}

func TestEndpointThatFailsForDaysIsDisabledAndProbed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		n := start(t, dispatch.Config{DisableAfter: 6 * time.Hour})
		u := &upDown{}
		u.down.Store(true)
		n.out.add(arnOf(0), u.attempt, nil)
		n.enqueue(event("e"))
		time.Sleep(3 * time.Hour)
		n.restart() // how long it has failed is remembered
		time.Sleep(3*time.Hour + 15*time.Minute)
		require.Equal(t, dispatch.EndpointDisabled, n.state(arnOf(0)).Phase)
		require.Len(t, n.out.announced, 1)
		before := len(n.out.seen(""))
		time.Sleep(3 * time.Hour)
		require.InDelta(t, 3, len(n.out.seen(""))-before, 1, "it is probed once an hour")
		u.down.Store(false)
		time.Sleep(time.Hour + time.Minute)
		require.EqualValues(t, 1, n.Stats().Delivered)
		require.Equal(t, dispatch.EndpointActive, n.state(arnOf(0)).Phase)
		require.Len(t, n.out.announced, 2)
	})
}
