package schedule

import (
	"strings"
	"time"
)

// days is the one of the two day fields that is not "?".
type days struct {
	byWeek bool

	month       set  // 1–31
	lastDay     bool // L
	lastWeekday bool // LW
	nearest     set  // nW: the weekday nearest to the nth, in the same month

	week   set // 1 Sunday – 7 Saturday
	lastOf set // nL: the last one of the month
	nthOf  int // n#m: the weekday n …
	nth    int // … and m, 1–5; 0 is none
}

// ofMonth reads an item of day-of-month: beside what every field has L (the
// last day), LW (the last weekday) and 15W (the weekday nearest to the 15th).
func (d *days) ofMonth(f *field, item string) bool {
	switch item {
	case "L":
		d.lastDay = true
		return true
	case "LW":
		d.lastWeekday = true
		return true
	}
	if day, ok := strings.CutSuffix(item, "W"); ok {
		n, ok := f.value(day)
		if ok {
			d.nearest.add(n)
		}
		return ok
	}
	return f.read(item, &d.month)
}

// ofWeek reads an item of day-of-week: beside what every field has L (the last
// day of the week), 6L (the last Friday of the month) and 3#2 (its second Tuesday).
func (d *days) ofWeek(f *field, item string) bool {
	if item == "L" {
		d.week.add(f.max)
		return true
	}
	if day, ok := strings.CutSuffix(item, "L"); ok {
		n, ok := f.value(day)
		if ok {
			d.lastOf.add(n)
		}
		return ok
	}
	if day, nth, ok := strings.Cut(item, "#"); ok {
		n, isDay := f.value(day)
		m, isNumber := number(nth)
		d.nthOf, d.nth = n, m
		return isDay && isNumber && 1 <= m && m <= 5
	}
	return f.read(item, &d.week)
}

// of returns the days of a month that are meant.
func (d *days) of(year int, month time.Month) (found set) {
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	for day := 1; day <= last; day++ {
		weekday := (int(first.Weekday())+day-1)%7 + 1 // 1 is Sunday
		if d.byWeek && d.isOfWeek(day, weekday, last) {
			found.add(day)
		} else if !d.byWeek {
			d.addOfMonth(&found, day, weekday, last)
		}
	}
	return found
}

func (d *days) isOfWeek(day, weekday, last int) bool {
	return d.week.has(weekday) ||
		d.lastOf.has(weekday) && day+7 > last ||
		d.nthOf == weekday && d.nth == (day+6)/7
}

// addOfMonth adds day, or what an expression about day means.
func (d *days) addOfMonth(found *set, day, weekday, last int) {
	if d.month.has(day) || d.lastDay && day == last {
		found.add(day)
	}
	if !d.nearest.has(day) && (!d.lastWeekday || day != last) {
		return
	}
	const sunday, saturday = 1, 7
	nearest := day
	switch {
	case weekday == saturday && day == 1:
		nearest = 3 // never in the month before
	case weekday == saturday:
		nearest = day - 1
	case weekday == sunday && day == last:
		nearest = day - 2 // never in the month after
	case weekday == sunday:
		nearest = day + 1
	}
	found.add(nearest)
}
