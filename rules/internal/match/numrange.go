package match

import (
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// A Bound is one end of a [Range].
type Bound struct {
	At   rawjson.Decimal
	Open bool // the bound itself is outside
	Set  bool // false: there is no bound at this end
}

// A Range is an interval of numbers. Numbers beyond the range of a float64 are in none.
type Range struct{ Low, High Bound }

// Contains reports whether n lies in the range.
func (r *Range) Contains(n *rawjson.Decimal) bool {
	if !n.Finite() {
		return false
	}
	if r.Low.Set {
		if c := n.Compare(&r.Low.At); c < 0 || c == 0 && r.Low.Open {
			return false
		}
	}
	if r.High.Set {
		if c := n.Compare(&r.High.At); c > 0 || c == 0 && r.High.Open {
			return false
		}
	}
	return true
}
