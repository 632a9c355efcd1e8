package schedule

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// cron is a parsed cron(…). A tick is a minute whose every field is in its set.
type cron struct {
	years, months, hours, minutes set // years count from yearMin
	days                          days
}

// set holds numbers from 0 to 255.
type set [4]uint64

func (s *set) add(n int) { s[n>>6] |= 1 << (n & 63) }

func (s *set) has(n int) bool { return s[n>>6]&(1<<(n&63)) != 0 }

// next returns the least member that is at least n.
func (s *set) next(n int) (int, bool) {
	for word := n >> 6; word < len(s); word++ {
		left := s[word]
		if word == n>>6 {
			left &= ^uint64(0) << (n & 63)
		}
		if left != 0 {
			return word<<6 + bits.TrailingZeros64(left), true
		}
	}
	return 0, false
}

// next returns the first tick after an instant in UTC. It tries each year and
// month at most once, so that it is quick also when there is none.
func (c *cron) next(after time.Time) (time.Time, bool) {
	t := after.Truncate(time.Minute).Add(time.Minute)
	lowest := [...]int{0, 1, 1, 0, 0}
	at := lowest // year, month, day, hour, minute
	if t.Year() >= yearMin {
		at = [...]int{t.Year() - yearMin, int(t.Month()), t.Day(), t.Hour(), t.Minute()}
	}
	fields := [...]*set{&c.years, &c.months, nil, &c.hours, &c.minutes}
	var days set
	fields[2] = &days
	for i := 0; i < len(at); {
		if i == 2 {
			days = c.days.of(yearMin+at[0], time.Month(at[1]))
		}
		n, ok := fields[i].next(at[i])
		switch {
		case !ok && i == 0:
			return time.Time{}, false
		case !ok: // carry into the field before
			i--
			n = at[i] + 1
		case n == at[i]:
			i++
			continue
		}
		at[i] = n
		copy(at[i+1:], lowest[i+1:])
	}
	return time.Date(yearMin+at[0], time.Month(at[1]), at[2], at[3], at[4], 0, 0, time.UTC), true
}

// field is one of the six fields of a cron expression.
type field struct {
	name     string
	min, max int
	names    []string // of min, min+1, …
	once     bool     // its values do not come round again, and its set counts from min
}

func cronFields() [6]field {
	return [...]field{
		{name: "minutes", min: 0, max: 59},
		{name: "hours", min: 0, max: 23},
		{name: "day-of-month", min: 1, max: 31},
		{name: "month", min: 1, max: 12, names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
		{name: "day-of-week", min: 1, max: 7, names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
		{name: "year", min: yearMin, max: yearMax, once: true},
	}
}

// parseCron reads the six fields. Exactly one of the two day fields must be
// "?": AWS refuses a value or * in both.
func parseCron(s string) (*Schedule, error) {
	parts := strings.Split(s, " ")
	fields := cronFields()
	if len(parts) != len(fields) {
		return nil, fmt.Errorf("schedule: cron(%s) has not six fields, each after one blank", s)
	}
	if (parts[2] == "?") == (parts[4] == "?") {
		return nil, fmt.Errorf("schedule: of day-of-month and day-of-week of cron(%s) exactly one must be ?", s)
	}
	c := cron{}
	for i, read := range [...]func(f *field, item string) bool{
		into(&c.minutes),
		into(&c.hours),
		c.days.ofMonth,
		into(&c.months),
		c.days.ofWeek,
		into(&c.years),
	} {
		if parts[i] == "?" && (i == 2 || i == 4) {
			continue
		}
		for item := range strings.SplitSeq(strings.ToUpper(parts[i]), ",") {
			if !read(&fields[i], item) {
				return nil, fmt.Errorf("schedule: %q is no %s", item, fields[i].name)
			}
		}
	}
	c.days.byWeek = parts[2] == "?"
	if c.days.byWeek && c.days.nth != 0 && strings.Contains(parts[4], ",") {
		return nil, fmt.Errorf("schedule: # must stand alone in the day-of-week %q", parts[4])
	}
	return &Schedule{cron: c}, nil
}

// into returns a reader of the items that every field has.
func into(to *set) func(*field, string) bool {
	return func(f *field, item string) bool { return f.read(item, to) }
}

// read adds to a set the numbers that an item stands for: *, 5 or 5-9, each
// with or without a step such as /2. A range whose end is before its beginning
// goes on from the lowest value, so that 22-2 is a night.
func (f *field) read(item string, to *set) bool {
	span, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		var ok bool
		if step, ok = number(stepText); !ok || step < 1 || step > f.max {
			return false
		}
	}
	firstText, lastText, ranged := strings.Cut(span, "-")
	first, ok := f.value(firstText)
	last := first
	switch {
	case span == "*":
		first, last, ok = f.min, f.max, true
	case ranged && ok:
		last, ok = f.value(lastText)
	case stepped:
		last = f.max
	}
	if !ok || f.once && last < first {
		return false
	}
	base := 0
	if f.once {
		base = f.min
	}
	count := f.max - f.min + 1
	length := (last - first + count) % count
	for n := 0; n <= length; n += step {
		to.add(f.min + (first-f.min+n)%count - base)
	}
	return true
}

// value reads a number or name of the field.
func (f *field) value(s string) (int, bool) {
	if i := slices.Index(f.names, s); i >= 0 {
		return f.min + i, true
	}
	n, ok := number(s)
	return n, ok && f.min <= n && n <= f.max
}
