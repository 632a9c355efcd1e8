package schedules_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/rules/schedule"
	"github.com/seed567880c8/turnout/sources/schedules"
)

const (
	on  = turnout.RuleEnabled
	off = turnout.RuleDisabled
)

// since returns the times that lie so long after the epoch's minute.
func since(after ...time.Duration) []time.Time {
	all := make([]time.Time, len(after))
	for i, d := range after {
		all[i] = epoch.Truncate(time.Minute).Add(d)
	}
	return all
}

func TestAYearOfTicks(t *testing.T) {
	t.Parallel()
	h := newHarness(t, schedules.Config{})
	defer h.close()
	h.put("hourly", "cron(0 * * * ? *)", on)
	h.put("weekdays", "cron(30 9 ? * MON-FRI *)", on)
	h.put("seven", "rate(7 hours)", on)
	h.put("past", "cron(0 0 * * ? 2010-2015)", on)
	h.put("never", "cron(0 0 30 2 ? *)", on)
	h.pass(365 * 24 * time.Hour)

	hourly := h.fired("hourly")
	require.Len(t, hourly, 365*24)
	for i, at := range hourly {
		require.Equal(t, epoch.Truncate(time.Hour).Add(time.Duration(i+1)*time.Hour), at)
	}
	require.Len(t, h.fired("weekdays"), 260, "2050 begins and ends on a Saturday")
	seven := h.fired("seven")
	require.Len(t, seven, 365*24/7)
	require.Equal(t, epoch.Add(7*time.Hour), seven[0], "a rate counts from when the rule was put")
	require.Empty(t, h.fired("past"))
	require.Empty(t, h.fired("never"))
	require.Equal(t, schedules.Stats{Rules: 5, Fired: uint64(len(hourly) + 260 + len(seven))}, h.Stats())
}

func TestTheEvent(t *testing.T) {
	t.Parallel()
	h := newHarness(t, schedules.Config{})
	defer h.close()
	h.put("r", "cron(0/5 * * * ? *)", on)
	h.pass(6 * time.Minute)
	pairs, failed := h.store.Scan([]byte("z"), []byte("{"))
	n := 0
	for _, text := range pairs {
		n++
		require.Regexp(t, `^{"version":"0","id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",`+
			`"detail-type":"Scheduled Event","source":"aws.events","account":"000000000000","time":"2050-01-01T00:05:00Z","region":"us-east-1",`+
			`"resources":\["arn:aws:events:us-east-1:000000000000:rule/r"\],"detail":{}}$`, string(text))
	}
	require.NoError(t, failed())
	require.Equal(t, 1, n)
}

func TestRateKeepsItsPhaseAcrossRestarts(t *testing.T) {
	t.Parallel()
	h := newHarness(t, schedules.Config{})
	defer func() { h.close() }()
	h.put("r", "rate(10 minutes)", on)
	h.pass(25 * time.Minute)
	h.restart(3 * time.Minute)
	h.pass(3 * time.Minute)
	require.Equal(t, []time.Time{epoch.Add(10 * time.Minute), epoch.Add(20 * time.Minute), epoch.Add(30 * time.Minute)}, h.fired("r"))
}

func TestMissedTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, schedule string
		catchUp        time.Duration
		down           time.Duration // from half a minute after midnight
		want           []time.Time
	}{
		{"the newest of many fires", "cron(* * * * ? *)", 15 * time.Minute, 150 * time.Minute, since(150 * time.Minute)},
		{"the newest fires although it is old", "cron(0 * * * ? *)", 15 * time.Minute, 134 * time.Minute, since(2 * time.Hour)},
		{"what is too old does not fire", "cron(0 * * * ? *)", 15 * time.Minute, 136 * time.Minute, nil},
		{"less than a minute is never too late", "cron(0 * * * ? *)", time.Second, time.Hour + 29*time.Second, since(time.Hour)},
		{"a catch-up of a year", "cron(0 0 * * ? *)", 365 * 24 * time.Hour, 300*24*time.Hour + 23*time.Hour, since(300 * 24 * time.Hour)},
		{"nothing was missed", "cron(0 * * * ? *)", 15 * time.Minute, 59 * time.Minute, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, schedules.Config{CatchUpMax: c.catchUp})
			defer func() { h.close() }()
			h.put("r", c.schedule, on)
			h.restart(c.down)
			require.Equal(t, c.want, h.fired("r"))
			h.restart(0)
			require.Equal(t, c.want, h.fired("r"), "a second restart fires nothing")
		})
	}
}

func TestAClockSetForwardFiresOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, schedules.Config{})
	defer h.close()
	h.put("r", "rate(1 minute)", on)
	h.now = h.now.Add(5 * time.Hour)
	h.wake()
	require.Equal(t, []time.Time{epoch.Add(5 * time.Hour)}, h.fired("r"))
	h.pass(time.Minute)
	require.Len(t, h.fired("r"), 2)
}

func TestChangesTakeEffectAtOnce(t *testing.T) {
	t.Parallel()
	minutes := func(n ...int) []time.Time {
		all := make([]time.Time, len(n))
		for i := range n {
			all[i] = epoch.Add(time.Duration(n[i]) * time.Minute)
		}
		return all
	}
	h := newHarness(t, schedules.Config{})
	defer func() { h.close() }()
	h.put("r", "rate(2 minutes)", on)
	h.pass(3 * time.Minute)
	h.put("r", "rate(2 minutes)", off)
	h.pass(4 * time.Minute)
	require.Equal(t, minutes(2), h.fired("r"), "a disabled rule does not fire")
	h.put("r", "rate(2 minutes)", on)
	require.Equal(t, minutes(2), h.fired("r"), "what came while it was disabled is not made up for")
	h.pass(time.Minute)
	require.Equal(t, minutes(2, 8), h.fired("r"), "it keeps its phase")
	h.put("r", "rate(5 minutes)", on)
	h.pass(5 * time.Minute)
	require.Equal(t, minutes(2, 8, 13), h.fired("r"), "another rate counts from now")
	h.put("r", "rate(5 minutes)", turnout.RuleEnabledAllCloudTrail)
	h.pass(5 * time.Minute)
	require.Equal(t, minutes(2, 8, 13, 18), h.fired("r"), "a put of the same changes nothing")
	h.put("r", "", on)
	h.pass(time.Hour)
	require.Len(t, h.fired("r"), 4, "a deleted rule does not fire")
	h.put("r", "rate(5 minutes)", on)
	h.restart(0)
	h.pass(5 * time.Minute)
	require.Equal(t, minutes(2, 8, 13, 18, 83), h.fired("r"), "a rule created again begins anew")
	h.put("r", "rate(no sense)", on)
	h.pass(time.Hour)
	require.Len(t, h.fired("r"), 5)
	require.Contains(t, h.log.String(), "cannot be read")
}

// A tick was handed over, and the rule changed before it was delivered.
func TestAChangeStopsATickOnItsWay(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(h *harness){
		"disable":           func(h *harness) { h.put("r", "cron(* * * * ? *)", off) },
		"disable, enable":   func(h *harness) { h.put("r", "cron(* * * * ? *)", off); h.put("r", "cron(* * * * ? *)", on) },
		"delete":            func(h *harness) { h.put("r", "", on) },
		"delete, create":    func(h *harness) { h.put("r", "", on); h.put("r", "cron(* * * * ? *)", on) },
		"another schedule":  func(h *harness) { h.put("r", "cron(*/1 * * * ? *)", on) },
		"restart, disabled": func(h *harness) { h.put("r", "cron(* * * * ? *)", off); h.restart(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, schedules.Config{})
			defer func() { h.close() }()
			h.put("r", "cron(* * * * ? *)", on)
			h.now = h.Due()
			h.tick()
			h.now = h.now.Add(time.Millisecond)
			change(h)
			h.FireReady(t.Context())
			require.Empty(t, h.fired("r"))
		})
	}
}

func TestManyRulesAtOnceLeaveTheLoopFree(t *testing.T) {
	t.Parallel()
	h := newHarness(t, schedules.Config{})
	defer h.close()
	const rules = 2500
	for i := range rules {
		h.put(fmt.Sprint("r", i), "cron(* * * * ? *)", on)
	}
	h.now = h.Due()
	ticks := 0
	for due := h.Due(); !due.IsZero() && !due.After(h.now); due = h.Due() {
		ticks++
		require.NoError(t, h.batch(func(tx *partition.Tx) error {
			h.Tick(tx)
			return nil
		}))
	}
	require.Equal(t, 3, ticks, "at most a thousand in one go")
	h.FireReady(t.Context())
	require.Equal(t, uint64(rules), h.Stats().Fired)
}

// TestExactlyOnce compares random lives of rules, with power losses at the
// worst moments, with what should have fired.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	expressions := []string{
		"rate(1 minute)", "rate(13 minutes)", "rate(3 hours)", "cron(* * * * ? *)", "cron(0/20 * * * ? *)",
		"cron(0 6,18 * * ? *)", "cron(15 10 ? * SAT-SUN *)", "cron(0 0 1 1 ? 2020)",
	}
	rapid.Check(t, func(t *rapid.T) {
		catchUp := rapid.SampledFrom([]time.Duration{time.Minute, 15 * time.Minute, 5 * time.Hour}).Draw(t, "catch up")
		h := newHarness(t, schedules.Config{CatchUpMax: catchUp})
		defer func() { h.close() }()
		m := &model{catchUp: catchUp, rules: map[string]*modelRule{}, fired: map[string][]time.Time{}}
		names := []string{"a", "b", "c"}
		short := rapid.Map(rapid.IntRange(0, 3*3600), func(s int) time.Duration { return time.Duration(s) * time.Second })
		long := rapid.Map(rapid.IntRange(0, 36), func(n int) time.Duration { return time.Duration(n) * 25 * time.Minute })
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				name, expression := rapid.SampledFrom(names).Draw(t, "rule"), rapid.SampledFrom(expressions).Draw(t, "schedule")
				state := rapid.SampledFrom([]turnout.RuleState{on, on, off}).Draw(t, "state")
				h.put(name, expression, state)
				m.put(h.now, name, expression, state)
			},
			"delete": func(t *rapid.T) {
				name := rapid.SampledFrom(names).Draw(t, "rule")
				h.put(name, "", on)
				delete(m.rules, name)
			},
			"pass": func(t *rapid.T) {
				d := short.Draw(t, "time")
				h.pass(d)
				m.pass(h.now)
			},
			"jump": func(t *rapid.T) {
				h.now = h.now.Add(long.Draw(t, "time"))
				h.wake()
				m.wake(h.now)
			},
			"restart": func(t *rapid.T) {
				h.restart(long.Draw(t, "time"))
				m.wake(h.now)
			},
			"lose power": func(t *rapid.T) {
				// Ticks become due, and the power fails while they are delivered.
				h.now = h.now.Add(short.Draw(t, "time"))
				h.tick()
				h.powerless = true
				h.FireReady(t.Context())
				h.restart(0)
				m.wake(h.now)
			},
			"": func(t *rapid.T) {
				for _, name := range names {
					require.Equal(t, m.fired[name], h.fired(name), "rule %s", name)
				}
			},
		})
	})
}

// model says what should fire.
type model struct {
	catchUp time.Duration
	rules   map[string]*modelRule
	fired   map[string][]time.Time
}

type modelRule struct {
	expression    string
	enabled       bool
	anchor, since time.Time
}

func (m *model) put(now time.Time, name, expression string, state turnout.RuleState) {
	r := m.rules[name]
	if r == nil || r.expression != expression {
		r = &modelRule{expression: expression, anchor: now.Truncate(time.Second), since: now}
		m.rules[name] = r
	}
	if enabled := state != off; r.enabled != enabled {
		r.enabled, r.since = enabled, now
	}
}

// ticks returns those of a rule up to now, and has it go on from there.
func (r *modelRule) ticks(now time.Time) []time.Time {
	s, err := schedule.Parse(r.expression)
	if err != nil {
		panic(err)
	}
	var all []time.Time
	for at, ok := s.Next(r.anchor, r.since); ok && !at.After(now); at, ok = s.Next(r.anchor, at) {
		all = append(all, at)
	}
	r.since = now
	if !r.enabled {
		return nil
	}
	return all
}

// pass is time that passes while all is well: every tick fires.
func (m *model) pass(now time.Time) {
	for name, r := range m.rules {
		m.fired[name] = append(m.fired[name], r.ticks(now)...)
	}
}

// wake is time that has passed unseen: the newest tick fires if it is not too old.
func (m *model) wake(now time.Time) {
	for name, r := range m.rules {
		if missed := r.ticks(now); len(missed) > 0 && now.Sub(missed[len(missed)-1]) <= m.catchUp {
			m.fired[name] = append(m.fired[name], missed[len(missed)-1])
		}
	}
}

func TestARuleWithoutARecordBeginsNow(t *testing.T) {
	t.Parallel()
	h := newHarness(t, schedules.Config{})
	defer func() { h.close() }()
	h.rules[named("r")] = turnout.Rule{RuleName: named("r"), Schedule: "rate(5 minutes)", State: on}
	h.restart(time.Minute)
	h.restart(time.Minute)
	h.pass(5 * time.Minute)
	require.Equal(t, []time.Time{epoch.Add(6 * time.Minute)}, h.fired("r"))
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"v":1,"expression":"rate(1 minute)","anchor":1,"settled":2}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := schedules.DecodeRecord(text); err == nil {
			require.True(t, slices.Contains(text, '{'))
		}
	})
}
