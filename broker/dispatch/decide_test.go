package dispatch

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout/sinks"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func trouble(retryAfter time.Duration) *sinks.Result {
	return &sinks.Result{Status: 503, RetryAfter: retryAfter, Failure: &sinks.Failure{Code: sinks.CodeErrorFromTarget}}
}

func TestBackoffBounds(t *testing.T) {
	t.Parallel()
	for attempt, bound := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 10: 512 * time.Second, 11: 15 * time.Minute, 185: 15 * time.Minute, 1 << 40: 15 * time.Minute,
	} {
		require.Zero(t, Backoff(attempt, 0), "full jitter begins at nothing")
		require.InDelta(t, bound.Seconds(), Backoff(attempt, 0.999999).Seconds(), 0.01, "attempt %d", attempt)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	total := time.Duration(0)
	for range 100 {
		for attempt := range 185 {
			total += Backoff(attempt+1, rng.Float64())
		}
	}
	require.InDelta(t, 22, (total / 100).Hours(), 1, "185 retries take most of a day")
}

func TestDecide(t *testing.T) {
	t.Parallel()
	l := limits{retriesMax: 3, deadline: epoch.Add(time.Minute)}
	permanent := &sinks.Result{Status: 400, Failure: &sinks.Failure{Permanent: true}}
	for _, c := range []struct {
		name    string
		attempt int
		result  *sinks.Result
		at      time.Duration
		want    verdict
	}{
		{"success", 1, &sinks.Result{Status: 200}, 0, verdict{act: actDone}},
		{"success beyond everything", 9, &sinks.Result{Status: 200}, time.Hour, verdict{act: actDone}},
		{"permanent", 1, permanent, 0, verdict{act: actBury}},
		{"first", 1, trouble(0), 0, verdict{act: actReturn, after: 500 * time.Millisecond}},
		{"third", 3, trouble(0), 0, verdict{act: actReturn, after: 2 * time.Second}},
		{"last", 4, trouble(0), 0, verdict{act: actBury, exhausted: exhaustedAttempts}},
		{"asked to wait", 1, trouble(7 * time.Second), 0, verdict{act: actReturn, after: 7 * time.Second}},
		{"asked to wait less", 3, trouble(time.Second), 0, verdict{act: actReturn, after: 2 * time.Second}},
		{"asked to wait too long", 1, trouble(time.Hour), 10 * time.Second, verdict{act: actReturn, after: 50 * time.Second}},
		{"too old", 1, trouble(0), time.Minute, verdict{act: actBury, exhausted: exhaustedAge}},
	} {
		require.Equal(t, c.want, decide(l, c.attempt, c.result, epoch.Add(c.at), 0.5), c.name)
	}
	l.backoff = func(attempt int, _ float64) time.Duration { return time.Duration(-attempt) * time.Second }
	require.Equal(t, verdict{act: actReturn}, decide(l, 1, trouble(0), epoch, 0.5), "no wait is less than none")
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for want, results := range map[class][]sinks.Result{
		classGood:    {{Status: 204}, {}},
		classRefused: {{Status: 400, Failure: &sinks.Failure{Permanent: true}}, {Failure: &sinks.Failure{Permanent: true, Code: sinks.CodeInvalidParameter}}},
		classTrouble: {*trouble(0), {Status: 429, Failure: &sinks.Failure{Permanent: true}}, {Failure: &sinks.Failure{Code: sinks.CodeTimeout}}},
	} {
		for i := range results {
			require.Equal(t, want, classify(&results[i]))
		}
	}
}

// TestDecideHoldsTheLimits walks deliveries that always fail to their end.
func TestDecideHoldsTheLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := limits{
			retriesMax: rapid.IntRange(0, 185).Draw(t, "retries"),
			deadline:   epoch.Add(time.Duration(rapid.IntRange(60, 86_400).Draw(t, "age")) * time.Second),
		}
		now, attempt := epoch, 1
		for {
			now = now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "took")) * time.Millisecond)
			r := trouble(time.Duration(rapid.IntRange(0, 100_000).Draw(t, "retry after")) * time.Millisecond)
			v := decide(l, attempt, r, now, rapid.Float64Range(0, 0.999999).Draw(t, "random"))
			if v.act == actBury {
				if v.exhausted == exhaustedAttempts && attempt != l.retriesMax+1 {
					t.Fatalf("exhausted after %d attempts, not %d", attempt, l.retriesMax+1)
				}
				if v.exhausted == exhaustedAge && now.Before(l.deadline) {
					t.Fatalf("too old before the deadline")
				}
				return
			}
			if v.act != actReturn || v.after < 0 || now.Add(v.after).After(l.deadline) {
				t.Fatalf("%+v at %v", v, now)
			}
			if v.after < r.RetryAfter && now.Add(v.after).Before(l.deadline) {
				t.Fatalf("called again before it asked for that")
			}
			if now = now.Add(v.after); !now.Before(l.deadline) {
				return // handed out as too old
			}
			attempt++
		}
	})
}

func TestPaceNeverExceedsItsRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(1, 2000).Draw(t, "rate")
		p, now := pace{}, epoch
		p.set(now, float64(rate))
		var begun []time.Time
		for _, wait := range rapid.SliceOfN(rapid.IntRange(0, 40), 0, 120).Draw(t, "waits") {
			now = now.Add(time.Duration(wait) * time.Millisecond)
			for p.take(now) {
				begun = append(begun, now)
			}
		}
		first := 0
		for i := range begun {
			for begun[i].Sub(begun[first]) >= time.Second {
				first++
			}
			if i-first+1 > rate {
				t.Fatalf("%d in a second at a rate of %d", i-first+1, rate)
			}
		}
		if w := p.wait(now); w > 0 && !p.take(now.Add(w+time.Millisecond)) {
			t.Fatalf("after %v an attempt may begin, but none may", w)
		}
	})
}

func TestBudgetIsAShareOfFirstAttempts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b, now := newBudget(epoch), epoch
		first, again := 0, 0
		for i, wait := range rapid.SliceOfN(rapid.IntRange(0, 500), 0, 100).Draw(t, "waits") {
			now = now.Add(time.Duration(wait) * time.Millisecond)
			for range i % 7 {
				b.first()
				first++
			}
			for b.available(now) > 0 {
				b.spend()
				again++
			}
		}
		if most := budgetShare*float64(first) + now.Sub(epoch).Seconds() + budgetFloor + 1; float64(again) > most {
			t.Fatalf("%d retries after %d first attempts in %v", again, first, now.Sub(epoch))
		}
	})
	b := newBudget(epoch)
	for range budgetFloor {
		b.spend()
	}
	require.Zero(t, b.available(epoch))
	require.Equal(t, floorEvery, b.wait(epoch))
	require.Equal(t, 1, b.available(epoch.Add(floorEvery)), "a quiet endpoint is retried")
}

func TestConcurrencyHalvesOnceARound(t *testing.T) {
	t.Parallel()
	c := newConcurrency()
	for range 8 {
		c.finished(classTrouble, epoch, epoch.Add(time.Second))
	}
	require.Equal(t, 4, c.limit, "eight failures of one round are one")
	for i := range 100 {
		at := epoch.Add(time.Duration(i+2) * time.Second)
		c.finished(classTrouble, at, at)
	}
	require.Equal(t, 1, c.limit)
	for range 1000 {
		c.finished(classGood, epoch, epoch)
	}
	require.Equal(t, 1, c.limit, "it does not grow unless it is used")
	for range 10_000 {
		c.saturated = true
		c.finished(classGood, epoch, epoch)
	}
	require.Equal(t, concurrencyMax, c.limit)
}

func TestBreakerNeedsTenSamples(t *testing.T) {
	t.Parallel()
	var h health
	for i := range samplesMin - 1 {
		h.finished(classTrouble, h.round, epoch.Add(time.Duration(i)*time.Second))
	}
	require.Equal(t, phaseActive, h.phase)
	h.finished(classTrouble, h.round, epoch.Add(sampleWindow+time.Second))
	require.Equal(t, phaseActive, h.phase, "the oldest do not count any more")
	h = health{}
	for range samplesMax {
		h.finished(classRefused, h.round, epoch.Add(sampleWindow+time.Second))
	}
	require.Equal(t, phaseActive, h.phase, "who refuses a delivery works")
	for range samplesMax / 2 {
		h.finished(classTrouble, h.round, epoch.Add(sampleWindow+time.Second))
	}
	require.Equal(t, phaseOpen, h.phase, "half of the newest are trouble")
}

func TestLateAnswersDoNotDisturbAProbe(t *testing.T) {
	t.Parallel()
	var h health
	for range samplesMin {
		h.finished(classTrouble, 0, epoch)
	}
	require.Equal(t, phaseOpen, h.phase)
	require.Zero(t, h.tick(epoch.Add(openFirst-1)))
	require.Equal(t, 1, h.tick(epoch.Add(openFirst)))
	h.finished(classTrouble, 0, epoch.Add(openFirst))
	require.Equal(t, phaseProbing, h.phase, "an attempt of before says nothing")
	h.finished(classGood, h.round, epoch.Add(openFirst))
	require.Equal(t, phaseActive, h.phase)
	require.True(t, h.recovering)
}

func TestRecoveryStartsSlowlyAndStaysNearNormal(t *testing.T) {
	t.Parallel()
	var h health
	now := epoch
	for range 60 * 100 {
		now = now.Add(10 * time.Millisecond)
		h.finished(classGood, h.round, now)
	}
	for range samplesMax {
		h.finished(classTrouble, h.round, now)
	}
	require.InDelta(t, 100, h.ceiling, 5)
	now = h.until
	h.tick(now)
	h.finished(classGood, h.round, now)
	require.Less(t, h.pace(), 15.0)
	for range 100 {
		now = now.Add(100 * time.Millisecond)
		h.tick(now)
		require.LessOrEqual(t, h.pace(), 120.0)
	}
	require.Greater(t, h.pace(), 100.0)
	h.open(now)
	h.tick(h.until)
	h.finished(classGood, h.round, h.until)
	require.InDelta(t, 100, h.ceiling, 5, "a rate that was held down is not taken for normal")
	h.caughtUp()
	require.Zero(t, h.pace())
}
