package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules/schedule"
)

// The expressions on which AWS's answer was recorded, and more of each form.
func TestAccepted(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"rate(1 minute)", "rate(5 minutes)", "rate(1 hour)", "rate(2 hours)", "rate(1 day)", "rate(365 days)",
		"cron(0 12 * * ? *)", "cron(0/15 * * * ? *)", "cron(0 8-17 ? * MON-FRI *)", "cron(0 9 ? * 6L *)",
		"cron(0 9 ? * SAT#3 *)", "cron(0 9 ? JAN,jul 2 2010-2015)", "cron(0 9 L * ? *)", "cron(0 9 15W * ? *)",
		"cron(*/15 0-23/2 LW 1-12/3 ? 2199)", "cron(0 0 1 1 ? 1970)", "cron(0-59/10 0-23/2 ? * * *)", "cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)",
		"cron(0 0 ? * L *)", "cron(0 0 ? * FRIL *)", "cron(0 22-2 ? NOV-FEB FRI-MON *)", "cron(0 0 L,15W,1 * ? *)", "cron(0 0 ? * 6L,MON *)",
	} {
		_, err := schedule.Parse(s)
		require.NoError(t, err, s)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"rate(10 seconds)", "rate(1 minutes)", "rate(10 minute)", "rate(0 minutes)", "rate(-10 minutes)", "rate(10 MINUTES)",
		"RATE(10 minutes)", " rate(10 minutes)", "rate(10 minutes) ", "rate( 10 minutes)", "rate(10  minutes)", "rate(10 minutes )",
		"rate(10)", "rate()", "rate", "rate(foo minutes)", "rate(9999999999 minutes)", "rate(10 years)", "", "rate(10 minutes", "rate(2 minutess)",
		"cron(0 1 * * * *)", "cron(7 20 * * NOT *)", "cron(71 8 1 * ? *)", "cron(0 dummy ? * MON-FRI *)", "cron()",
		"cron(0 0 ? * ? *)", "cron(0 0 * * ?)", "cron(0 24 * * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 * 13 ? *)",
		"cron(0 0 ? * 8 *)", "cron(0 0 ? * 2#6 *)", "cron(0 0 ? * #2 *)", "cron(0 0 ?,1 * ? *)", "cron(0 0 W * ? *)", "cron(0 0 * * ? 1969)",
		"cron(0/0 0 * * ? *)", "cron(0/x 0 * * ? *)", "cron(0,, 0 * * ? *)", "cron(1- 0 * * ? *)", "cron(0  0 * * ? *)", "at(2026-01-01T00:00:00)",
		"cron(0 0 ? * 3#1,6#3 *)", "cron(0 0 ? * 3#0 *)", "cron(0 0 32W * ? *)", "cron(0 0 L-3 * ? *)", "cron(0 0 * * ? 2020-2010)", "cron(0 0 * * ? 02021-2020)",
		"cron(0 0 ? * 2#1/2 *)", "cron(0 ? * * ? *)", "cron(0 0 * ? * *)", "cron(60/1 0 * * ? *)", "cron(-1 0 * * ? *)", "CRON(0 0 * * ? *)",
	} {
		_, err := schedule.Parse(s)
		require.Error(t, err, s)
	}
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", time.RFC3339Nano} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	t.Fatalf("%q is no time", s)
	return time.Time{}
}

// ticks returns the first n ticks after an instant, as texts.
func ticks(t *testing.T, expression, after string, n int) []string {
	t.Helper()
	s, err := schedule.Parse(expression)
	require.NoError(t, err, expression)
	from := at(t, after)
	anchor := from
	found := make([]string, 0, n)
	for range n {
		next, ok := s.Next(anchor, from)
		if !ok {
			break
		}
		require.True(t, next.After(from), "%s after %s", expression, from)
		require.Equal(t, time.UTC, next.Location())
		found = append(found, next.Format("2006-01-02 15:04"))
		from = next
	}
	return found
}

// The examples of AWS's user guide come first.
func TestCronTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expression, after string
		want              []string
	}{
		{"cron(0 10 * * ? *)", "2026-02-27 10:00", []string{"2026-02-28 10:00", "2026-03-01 10:00"}},
		{"cron(15 12 * * ? *)", "2026-12-31 12:14", []string{"2026-12-31 12:15", "2027-01-01 12:15"}},
		{"cron(0 18 ? * MON-FRI *)", "2026-01-02 17:59", []string{"2026-01-02 18:00", "2026-01-05 18:00", "2026-01-06 18:00"}},
		{"cron(0 8 1 * ? *)", "2026-01-01 08:00", []string{"2026-02-01 08:00", "2026-03-01 08:00"}},
		{"cron(0/15 * * * ? *)", "2026-01-01 23:31", []string{"2026-01-01 23:45", "2026-01-02 00:00", "2026-01-02 00:15"}},
		{"cron(0/10 * ? * MON-FRI *)", "2026-01-02 23:45", []string{"2026-01-02 23:50", "2026-01-05 00:00", "2026-01-05 00:10"}},
		{"cron(0/5 8-17 ? * MON-FRI *)", "2026-01-02 17:54", []string{"2026-01-02 17:55", "2026-01-05 08:00", "2026-01-05 08:05"}},
		{"cron(0/30 20-2 ? * MON-FRI *)", "2026-01-05 01:00", []string{"2026-01-05 01:30", "2026-01-05 02:00", "2026-01-05 02:30", "2026-01-05 20:00", "2026-01-05 20:30"}},
		{"cron(0 9 ? * 2#1 *)", "2026-01-05 09:00", []string{"2026-02-02 09:00", "2026-03-02 09:00", "2026-04-06 09:00"}},
		{"cron(15 10 ? * 6L 2002-2005)", "2005-11-01 00:00", []string{"2005-11-25 10:15", "2005-12-30 10:15"}},
		{"cron(1/10 * * * ? *)", "2026-01-01 00:00", []string{"2026-01-01 00:01", "2026-01-01 00:11", "2026-01-01 00:21"}},

		{"cron(0 0 29 2 ? *)", "2096-02-29 00:00", []string{"2104-02-29 00:00", "2108-02-29 00:00"}},
		{"cron(0 0 29 2 ? 2100)", "2026-01-01 00:00", []string{}},
		{"cron(0 0 30 2 ? *)", "2026-01-01 00:00", []string{}},
		{"cron(0 0 31 4,6,9,11 ? *)", "1900-01-01 00:00", []string{}},
		{"cron(0 0 ? 2 1#5 *)", "2026-01-01 00:00", []string{"2032-02-29 00:00", "2060-02-29 00:00", "2088-02-29 00:00", "2128-02-29 00:00"}},
		{"cron(0 0 1 1 ? 2010-2015)", "2026-01-01 00:00", []string{}},
		{"cron(59 23 31 12 ? 2199)", "2026-01-01 00:00", []string{"2199-12-31 23:59"}},
		{"cron(0 0 1 1 ? *)", "1066-10-14 00:00", []string{"1970-01-01 00:00", "1971-01-01 00:00"}},
		{"cron(* * * * ? *)", "2199-12-31 23:58", []string{"2199-12-31 23:59"}},
		{"cron(* * * * ? *)", "2026-01-01T00:00:00.001Z", []string{"2026-01-01 00:01", "2026-01-01 00:02"}},
		{"cron(* * * * ? *)", "2025-12-31T23:59:59.999999999Z", []string{"2026-01-01 00:00"}},
		{"cron(0 0 * * ? *)", "2026-01-01T00:30:00+02:00", []string{"2026-01-01 00:00"}},
		{"cron(0 0 1 1 ? 2000/10)", "2026-01-01 00:00", []string{"2030-01-01 00:00", "2040-01-01 00:00"}},

		{"cron(0 0 L * ? *)", "2027-12-31 00:00", []string{"2028-01-31 00:00", "2028-02-29 00:00", "2028-03-31 00:00", "2028-04-30 00:00"}},
		{"cron(0 0 LW * ? *)", "2026-01-01 00:00", []string{"2026-01-30 00:00", "2026-02-27 00:00", "2026-03-31 00:00", "2026-04-30 00:00", "2026-05-29 00:00"}},
		{"cron(0 0 1W * ? *)", "2026-07-31 00:00", []string{"2026-08-03 00:00", "2026-09-01 00:00", "2026-10-01 00:00", "2026-11-02 00:00"}},
		{"cron(0 0 15W * ? *)", "2026-08-01 00:00", []string{"2026-08-14 00:00", "2026-09-15 00:00", "2026-10-15 00:00", "2026-11-16 00:00"}},
		{"cron(0 0 31W * ? *)", "2026-01-01 00:00", []string{"2026-01-30 00:00", "2026-03-31 00:00", "2026-05-29 00:00"}},
		{"cron(0 0 3W,L * ? *)", "2026-01-01 00:00", []string{"2026-01-02 00:00", "2026-01-31 00:00", "2026-02-03 00:00"}},
		{"cron(0 0 ? * L *)", "2026-01-01 00:00", []string{"2026-01-03 00:00", "2026-01-10 00:00"}},
		{"cron(0 0 ? * FRIL *)", "2026-01-01 00:00", []string{"2026-01-30 00:00", "2026-02-27 00:00"}},
		{"cron(0 0 ? * 7#5 *)", "2026-01-01 00:00", []string{"2026-01-31 00:00", "2026-05-30 00:00"}},
		{"cron(0 0 ? * FRI-MON/2 *)", "2026-01-01 00:00", []string{"2026-01-02 00:00", "2026-01-04 00:00", "2026-01-09 00:00"}},
		{"cron(0 0 ? * SUN,wed *)", "2026-01-01 00:00", []string{"2026-01-04 00:00", "2026-01-07 00:00"}},
		{"cron(0 0 1 NOV-FEB/2 ? *)", "2026-01-15 00:00", []string{"2026-11-01 00:00", "2027-01-01 00:00", "2027-11-01 00:00"}},
	} {
		require.Equal(t, c.want, ticks(t, c.expression, c.after, max(len(c.want), 1)), "%s after %s", c.expression, c.after)
	}
}

func TestRateTicks(t *testing.T) {
	t.Parallel()
	anchor := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	for _, c := range []struct {
		expression string
		after      time.Duration // since the anchor
		want       time.Duration // since the anchor
	}{
		{"rate(1 minute)", 0, time.Minute},
		{"rate(1 minute)", -time.Hour, time.Minute},
		{"rate(1 minute)", time.Minute - 1, time.Minute},
		{"rate(1 minute)", time.Minute, 2 * time.Minute},
		{"rate(5 minutes)", 12 * time.Minute, 15 * time.Minute},
		{"rate(7 hours)", 365 * 24 * time.Hour, 8764 * time.Hour},
		{"rate(2 days)", time.Second, 48 * time.Hour},
	} {
		s, err := schedule.Parse(c.expression)
		require.NoError(t, err)
		got, ok := s.Next(anchor, anchor.Add(c.after))
		require.True(t, ok)
		require.Equal(t, anchor.Add(c.want), got, "%s, %s after the anchor", c.expression, c.after)
	}
	s, err := schedule.Parse("rate(999999999 days)")
	require.NoError(t, err)
	_, ok := s.Next(anchor, anchor)
	require.False(t, ok, "after the year 2199 nothing is due")
}
