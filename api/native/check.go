package native

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// fault is what is wrong with one field of a request.
type fault struct {
	field  string // its path, for example spec.rules[2]
	reason string // begins after the field's name: "must be 1–64 characters, but has 70"
}

// faults are all that is wrong with the fields of a request; never empty.
type faults []fault

// Error lists the faults.
func (f faults) Error() string {
	texts := make([]string, len(f))
	for i := range f {
		texts[i] = f[i].field + " " + f[i].reason
	}
	return strings.Join(texts, "; ")
}

// check gathers the faults of a request.
type check struct {
	faults faults
}

// faultsMax is enough to mend a request by; a hostile one could have a million.
const faultsMax = 20

func (c *check) add(field, format string, args ...any) {
	if len(c.faults) < faultsMax {
		c.faults = append(c.faults, fault{field: field, reason: fmt.Sprintf(format, args...)})
	}
}

// err returns the faults, nil if there are none.
func (c *check) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	return c.faults
}

func (c *check) required(field string, given bool) bool {
	if !given {
		c.add(field, "is required")
	}
	return given
}

// text requires so many characters.
func (c *check) text(field, value string, least, most int) bool {
	n := len(value)
	if n > most { // then bytes do not tell
		n = utf8.RuneCountInString(value)
	}
	switch {
	case n == 0 && least > 0:
		return c.required(field, false)
	case n < least || n > most:
		c.add(field, "must be %d–%s characters, but has %s", least, thousands(int64(most)), thousands(int64(n)))
		return false
	}
	return true
}

const (
	nameChars    = "A–Z a–z 0–9 . - _"
	busNameChars = nameChars + " /"
)

// name requires the name of a resource: 1–most of nameChars.
func (c *check) name(field, value string, most int) {
	if c.text(field, value, 1, most) {
		c.chars(field, value, false)
	}
}

// busName requires the name of a bus.
func (c *check) busName(field, value string) {
	if c.text(field, value, 1, 256) {
		c.chars(field, value, true)
	}
}

func (c *check) chars(field, value string, slash bool) {
	for _, r := range value {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_', slash && r == '/':
			continue
		}
		allowed := nameChars
		if slash {
			allowed = busNameChars
		}
		c.add(field, "must be of the characters %s, but has %s", allowed, strconv.QuoteRune(r))
		return
	}
}

// number requires a whole number in a range.
func (c *check) number(field string, value, least, most int64) {
	if value < least || value > most {
		c.add(field, "must be %s–%s, but is %s", thousands(least), thousands(most), thousands(value))
	}
}

// time requires a time of the years 1970 to 9999. It is the zero time for a field that is absent.
func (c *check) time(field string, value *timestamppb.Timestamp) time.Time {
	if value == nil {
		return time.Time{}
	}
	if value.GetNanos() < 0 || value.GetNanos() > 999_999_999 || value.GetSeconds() < 0 || value.GetSeconds() > lastSecond {
		c.add(field, "must be a time of the years 1970–9999")
		return time.Time{}
	}
	return value.AsTime()
}

// lastSecond is the last one of the year 9999.
const lastSecond = 253402300799

// thousands formats n with a comma between groups of three digits.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// oneOf lists what exists, for an error about a name that does not.
func oneOf(what string, names []string) string {
	const most = 10
	switch {
	case len(names) == 0:
		return "There are no " + what + "."
	case len(names) > most:
		return fmt.Sprintf("There are %s %s, the first: %s.", thousands(int64(len(names))), what, strings.Join(names[:most], ", "))
	}
	return fmt.Sprintf("The %s are: %s.", what, strings.Join(names, ", "))
}
