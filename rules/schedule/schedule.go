package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule is a parsed expression. It is not changed by its methods.
type Schedule struct {
	period int64 // of rate(…), in seconds; 0 with cron(…)
	cron   cron
}

// yearMin and yearMax are the years that a schedule may fall in, as AWS says.
const (
	yearMin = 1970
	yearMax = 2199
)

// Parse reads rate(VALUE UNIT), whose unit is singular for one and plural for
// more, or cron(MINUTES HOURS DAY-OF-MONTH MONTH DAY-OF-WEEK YEAR). It accepts
// what EventBridge accepts for a rule; the error says what is wrong.
func Parse(expression string) (*Schedule, error) {
	if inner, ok := between(expression, "rate(", ")"); ok {
		return parseRate(inner)
	}
	if inner, ok := between(expression, "cron(", ")"); ok {
		return parseCron(inner)
	}
	return nil, errors.New("schedule: the expression is neither rate(…) nor cron(…)")
}

// Next returns the first tick after an instant; ok is false if there is none
// up to the year 2199. The ticks of rate(…) follow anchor at whole periods,
// anchor itself is none; those of cron(…) are whole minutes in UTC whatever
// the anchor is.
func (s *Schedule) Next(anchor, after time.Time) (tick time.Time, ok bool) {
	if s.period == 0 {
		return s.cron.next(after.UTC())
	}
	// In seconds, because a Duration ends at 292 years.
	periods := int64(0)
	if after.After(anchor) {
		periods = (after.Unix() - anchor.Unix()) / s.period
	}
	for tick = afterPeriods(anchor, periods, s.period); !tick.After(after) || !tick.After(anchor); {
		periods++
		tick = afterPeriods(anchor, periods, s.period)
	}
	return tick, tick.Year() <= yearMax
}

func afterPeriods(anchor time.Time, n, period int64) time.Time {
	return time.Unix(anchor.Unix()+n*period, int64(anchor.Nanosecond())).UTC()
}

func between(s, prefix, suffix string) (string, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(s, suffix)
}

func parseRate(s string) (*Schedule, error) {
	count, unit, _ := strings.Cut(s, " ")
	n, ok := number(count)
	if !ok || n < 1 {
		return nil, fmt.Errorf("schedule: the rate %q has no positive number", s)
	}
	if n > 1 {
		if unit, ok = strings.CutSuffix(unit, "s"); !ok {
			return nil, fmt.Errorf("schedule: the unit of the rate %q must be minutes, hours or days", s)
		}
	}
	var period time.Duration
	switch unit {
	case "minute":
		period = time.Minute
	case "hour":
		period = time.Hour
	case "day":
		period = 24 * time.Hour
	default:
		return nil, fmt.Errorf("schedule: the unit of the rate %q must be minutes, hours or days, singular for 1", s)
	}
	return &Schedule{period: int64(n) * int64(period/time.Second)}, nil
}

// number reads decimal digits; ok is false for anything else, signs included.
func number(s string) (n int, ok bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
