package schedule_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout/rules/schedule"
)

// isTick is the reference: whether a cron expression means the minute t,
// decided from its text, field by field.
func isTick(expression string, t time.Time) bool {
	f := strings.Split(strings.TrimSuffix(strings.TrimPrefix(expression, "cron("), ")"), " ")
	names := strings.NewReplacer("JAN", "1", "DEC", "12", "SUN", "1", "MON", "2", "FRI", "6", "SAT", "7")
	return anyItem(f[0], func(s string) bool { return inSpan(s, t.Minute(), 0, 59) }) &&
		anyItem(f[1], func(s string) bool { return inSpan(s, t.Hour(), 0, 23) }) &&
		anyItem(f[2], func(s string) bool { return isMonthDay(s, t) }) &&
		anyItem(names.Replace(f[3]), func(s string) bool { return inSpan(s, int(t.Month()), 1, 12) }) &&
		anyItem(names.Replace(f[4]), func(s string) bool { return isWeekDay(s, t) }) &&
		anyItem(f[5], func(s string) bool { return inSpan(s, t.Year(), 1970, 2199) })
}

func anyItem(field string, is func(string) bool) bool {
	for item := range strings.SplitSeq(field, ",") {
		if is(item) {
			return true
		}
	}
	return false
}

// inSpan walks from the first value of an item to its last.
func inSpan(item string, value, lowest, highest int) bool {
	span, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		step, _ = strconv.Atoi(stepText)
	}
	firstText, lastText, ranged := strings.Cut(span, "-")
	first, _ := strconv.Atoi(firstText)
	last, _ := strconv.Atoi(lastText)
	switch {
	case span == "*":
		first, last = lowest, highest
	case !ranged && stepped:
		last = highest
	case !ranged:
		last = first
	}
	for at, walked := first, 0; ; at, walked = at+1, walked+1 {
		if at > highest {
			at = lowest
		}
		if at == value && walked%step == 0 {
			return true
		}
		if at == last {
			return false
		}
	}
}

func isMonthDay(item string, t time.Time) bool {
	lastDay := time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return time.Date(t.Year(), t.Month(), n, 0, 0, 0, 0, time.UTC) }
	isWeekday := func(t time.Time) bool { return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday }
	switch {
	case item == "?":
		return true
	case item == "L":
		return t.Day() == lastDay.Day()
	case item == "LW":
		for !isWeekday(lastDay) {
			lastDay = lastDay.AddDate(0, 0, -1)
		}
		return t.Day() == lastDay.Day()
	case strings.HasSuffix(item, "W"):
		n, _ := strconv.Atoi(strings.TrimSuffix(item, "W"))
		if n > lastDay.Day() {
			return false
		}
		for _, distance := range []int{0, -1, 1, -2, 2} {
			if near := day(n + distance); near.Month() == t.Month() && isWeekday(near) {
				return t.Day() == near.Day()
			}
		}
		return false
	}
	return inSpan(item, t.Day(), 1, 31)
}

func isWeekDay(item string, t time.Time) bool {
	weekday := int(t.Weekday()) + 1
	of, nth, hash := strings.Cut(item, "#")
	switch {
	case item == "?":
		return true
	case item == "L":
		return weekday == 7
	case hash:
		return strconv.Itoa(weekday) == of && strconv.Itoa((t.Day()-1)/7+1) == nth
	case strings.HasSuffix(item, "L"):
		return strconv.Itoa(weekday) == strings.TrimSuffix(item, "L") && t.AddDate(0, 0, 7).Month() != t.Month()
	}
	return inSpan(item, weekday, 1, 7)
}

// items draws a field: a list of values, ranges and steps.
func items(t *rapid.T, label string, lowest, highest, most int, more ...*rapid.Generator[string]) string {
	n := rapid.IntRange(lowest, highest)
	step := rapid.IntRange(1, min(highest, 12))
	one := rapid.OneOf(append(more,
		rapid.Just("*"),
		rapid.Map(n, strconv.Itoa),
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("%d-%d", n.Draw(t, "first"), n.Draw(t, "last")) }),
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("%d/%d", n.Draw(t, "first"), step.Draw(t, "step")) }),
		rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%d-%d/%d", n.Draw(t, "first"), n.Draw(t, "last"), step.Draw(t, "step"))
		}))...)
	return strings.Join(rapid.SliceOfN(one, 1, most).Draw(t, label), ",")
}

func crons() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		monthDay, weekDay := "?", "?"
		if rapid.Bool().Draw(t, "by week") {
			weekDay = items(t, "day of week", 1, 7, 3, rapid.SampledFrom([]string{"L", "6L", "FRIL", "SUN", "MON-FRI", "SAT"}))
			if rapid.IntRange(0, 3).Draw(t, "nth") == 0 {
				weekDay = rapid.SampledFrom([]string{"SUN#1", "2#2", "3#3", "4#4", "7#5"}).Draw(t, "nth")
			}
		} else {
			monthDay = items(t, "day of month", 1, 31, 3, rapid.SampledFrom([]string{"L", "LW", "1W", "15W", "28W", "30W", "31W"}))
		}
		year := rapid.SampledFrom([]string{"*", "*", "2023-2025", "2024,2026", "2000/4", "1999"}).Draw(t, "year")
		return fmt.Sprintf("cron(%s %s %s %s %s %s)", items(t, "minutes", 0, 59, 2), items(t, "hours", 0, 23, 2),
			monthDay, items(t, "month", 1, 12, 3, rapid.SampledFrom([]string{"JAN", "DEC", "DEC-JAN"})), weekDay, year)
	})
}

// Every minute from one tick to the next is looked at.
func TestNextAgainstEveryMinute(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		expression := crons().Draw(t, "expression")
		s, err := schedule.Parse(expression)
		require.NoError(t, err, expression)
		from := time.Unix(rapid.Int64Range(1672531200, 1767225600).Draw(t, "from"), 0).UTC() // 2023–2025
		next, ok := s.Next(from, from)
		minute := from.Truncate(time.Minute)
		for range 4 * 24 * 60 {
			minute = minute.Add(time.Minute)
			if isTick(expression, minute) {
				require.True(t, ok, "%s after %s", expression, from)
				require.Equal(t, minute, next, "%s after %s", expression, from)
				from = minute
				if next, ok = s.Next(from, from); rapid.IntRange(0, 9).Draw(t, "enough") == 0 {
					return
				}
			}
		}
		require.False(t, ok && !next.After(minute), "%s after %s: %s is no tick", expression, from, next)
	})
}

// Every day of four years is looked at, for what is seldom due.
func TestNextAgainstEveryDay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fields := strings.Split(crons().Draw(t, "expression"), " ")
		expression := "cron(0 0 " + strings.Join(fields[2:], " ")
		s, err := schedule.Parse(expression)
		require.NoError(t, err, expression)
		day := time.Date(2022, 1, rapid.IntRange(1, 365).Draw(t, "day"), 0, 0, 0, 0, time.UTC)
		next, ok := s.Next(day, day)
		for range 4 * 366 {
			day = day.AddDate(0, 0, 1)
			if isTick(expression, day) {
				require.True(t, ok, "%s before %s", expression, day)
				require.Equal(t, day, next, expression)
				next, ok = s.Next(day, day)
			}
		}
		require.False(t, ok && !next.After(day), "%s: %s is no tick", expression, next)
	})
}

func FuzzParse(f *testing.F) {
	f.Add("rate(5 minutes)", int64(0))
	f.Add("cron(0 12 * * ? *)", int64(1767225600))
	f.Add("cron(0/15 22-2 ? JAN-DEC MON#2 2020)", int64(-1))
	f.Add("cron(* * LW,15W,L 2/3 ? 2198-2199/1)", int64(7258118340))
	f.Add("cron(0 0 30 2 ? *)", int64(1<<40))
	f.Fuzz(func(t *testing.T, expression string, seconds int64) {
		s, err := schedule.Parse(expression)
		if err != nil || seconds < -1<<40 || seconds > 1<<40 {
			return
		}
		after := time.Unix(seconds, 0)
		anchor := time.Unix(1767225600, 0)
		next, ok := s.Next(anchor, after)
		if !ok {
			return
		}
		require.True(t, next.After(after))
		again, ok := s.Next(anchor, next.Add(-time.Nanosecond))
		require.True(t, ok)
		require.Equal(t, next, again, "a tick is the next one until it comes")
		if strings.HasPrefix(expression, "cron") {
			require.Zero(t, next.Unix()%60)
		}
	})
}

// What does a scheduled rule cost at each tick, and one that never fires?
func BenchmarkNext(b *testing.B) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, expression := range []string{"rate(1 minute)", "cron(* * * * ? *)", "cron(0 9 ? * 2#1 *)", "cron(0 0 29 2 ? *)", "cron(0 0 30 2 ? *)"} {
		b.Run(expression, func(b *testing.B) {
			s, err := schedule.Parse(expression)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				s.Next(from, from)
			}
		})
	}
}
