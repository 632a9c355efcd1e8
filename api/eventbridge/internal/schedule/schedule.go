package schedule

import (
	"slices"
	"strconv"
	"strings"

	"github.com/seed567880c8/turnout"
)

// Check refuses an expression that is neither rate(…) nor cron(…) as AWS defines
// them, with a *turnout.Error of CodeValidation and AWS's text.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
func Check(expression string) error {
	valid := false
	if inner, ok := between(expression, "rate(", ")"); ok {
		valid = isRate(inner)
	} else if inner, ok := between(expression, "cron(", ")"); ok {
		valid = isCron(inner)
	}
	if !valid {
		return turnout.Errorf(turnout.CodeValidation, "Parameter ScheduleExpression is not valid.")
	}
	return nil
}

func between(s, prefix, suffix string) (string, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(s, suffix)
}

// isRate accepts "1 minute", "5 minutes" and so on: the unit is singular for one and plural for more.
func isRate(s string) bool {
	count, unit, ok := strings.Cut(s, " ")
	if !ok {
		return false
	}
	n, ok := number(count)
	if !ok || n < 1 {
		return false
	}
	switch unit {
	case "minute", "hour", "day":
		return n == 1
	case "minutes", "hours", "days":
		return n > 1
	}
	return false
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

// cronField is one of the six fields of a cron expression.
type cronField struct {
	min, max int
	names    []string // of min, min+1, …
	days     string   // the special forms: "month" allows ?, L and W, "week" allows ?, L and #
}

//nolint:gochecknoglobals // a constant table
var cronFields = [6]cronField{
	{min: 0, max: 59},
	{min: 0, max: 23},
	{min: 1, max: 31, days: "month"},
	{min: 1, max: 12, names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{min: 1, max: 7, names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}, days: "week"},
	{min: 1970, max: 2199},
}

const (
	cronDayOfMonth = 2
	cronDayOfWeek  = 4
)

// isCron accepts "minutes hours day-of-month month day-of-week year". Exactly
// one of the two day fields must be "?": AWS refuses a value or * in both.
func isCron(s string) bool {
	parts := strings.Split(s, " ")
	if len(parts) != len(cronFields) {
		return false
	}
	for i := range cronFields {
		for item := range strings.SplitSeq(parts[i], ",") {
			if !cronFields[i].accepts(item, parts[i]) {
				return false
			}
		}
	}
	return (parts[cronDayOfMonth] == "?") != (parts[cronDayOfWeek] == "?")
}

// accepts reports whether item is allowed in field, the list it is part of.
func (f *cronField) accepts(item, field string) bool {
	item = strings.ToUpper(item)
	if f.days != "" && item == "?" {
		return field == "?"
	}
	if f.days == "month" && f.monthDay(item) || f.days == "week" && f.weekDay(item) {
		return true
	}
	span, step, stepped := strings.Cut(item, "/")
	if stepped {
		if n, ok := number(step); !ok || n < 1 || n > f.max {
			return false
		}
	}
	if span == "*" {
		return true
	}
	first, last, ranged := strings.Cut(span, "-")
	return f.has(first) && (!ranged || f.has(last))
}

// has reports whether s is a number or name of the field.
func (f *cronField) has(s string) bool {
	n, ok := number(s)
	return ok && f.min <= n && n <= f.max || slices.Contains(f.names, s)
}

// monthDay accepts L (the last day), LW (the last weekday) and 15W (the weekday nearest to the 15th).
func (f *cronField) monthDay(item string) bool {
	if item == "L" || item == "LW" {
		return true
	}
	day, ok := strings.CutSuffix(item, "W")
	return ok && f.has(day)
}

// weekDay accepts L (the last day of the week), 6L (the last Friday of the month) and 3#2 (its second Tuesday).
func (f *cronField) weekDay(item string) bool {
	if item == "L" {
		return true
	}
	if day, ok := strings.CutSuffix(item, "L"); ok {
		return f.has(day)
	}
	day, nth, ok := strings.Cut(item, "#")
	if !ok {
		return false
	}
	n, ok := number(nth)
	return ok && 1 <= n && n <= 5 && f.has(day)
}
