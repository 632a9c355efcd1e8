package match

import (
	"net/netip"
	"slices"

	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// numberIndex finds equal numbers and ranges.
type numberIndex struct {
	few    []numberPosting // equality, while there are few
	equal  map[rawjson.DecimalKey][]numberPosting
	ranges []rangePosting    // while there are few
	bounds []rawjson.Decimal // sorted and distinct
	tree   [][]Posting       // a segment tree over the 2·len(bounds)+1 positions on and between the bounds
}

type numberPosting struct {
	number  rawjson.Decimal
	posting Posting
}

type rangePosting struct {
	rng     Range
	posting Posting
}

// fewRanges is the number of ranges, and of equal numbers, up to which testing each beats a search.
const fewRanges = 8

// Equal adds equality with a number.
func (x *Index) Equal(n rawjson.Decimal, p Posting) {
	x.numbers.few = append(x.numbers.few, numberPosting{n, p})
}

// Range adds the numbers of a range.
func (x *Index) Range(r Range, p Posting) {
	x.numbers.ranges = append(x.numbers.ranges, rangePosting{r, p})
}

func (x *numberIndex) freeze() {
	if len(x.few) > fewRanges {
		x.equal = make(map[rawjson.DecimalKey][]numberPosting, len(x.few))
		for _, e := range x.few {
			key := e.number.Key()
			x.equal[key] = append(x.equal[key], e)
		}
		x.few = nil
	}
	if len(x.ranges) <= fewRanges {
		return
	}
	for i := range x.ranges {
		for _, b := range []Bound{x.ranges[i].rng.Low, x.ranges[i].rng.High} {
			if b.Set {
				x.bounds = append(x.bounds, b.At)
			}
		}
	}
	slices.SortFunc(x.bounds, compareDecimals)
	x.bounds = slices.CompactFunc(x.bounds, func(a, b rawjson.Decimal) bool { return a.Equal(&b) })
	n := 2*len(x.bounds) + 1
	x.tree = make([][]Posting, 2*n)
	for i := range x.ranges {
		r := &x.ranges[i]
		low, high := 0, n-1
		if r.rng.Low.Set {
			low = x.position(&r.rng.Low.At) + b2i(r.rng.Low.Open)
		}
		if r.rng.High.Set {
			high = x.position(&r.rng.High.At) - b2i(r.rng.High.Open)
		}
		for a, b := low+n, high+n+1; a < b; a, b = a/2, b/2 {
			if a%2 == 1 {
				x.tree[a] = append(x.tree[a], r.posting)
				a++
			}
			if b%2 == 1 {
				b--
				x.tree[b] = append(x.tree[b], r.posting)
			}
		}
	}
	x.ranges = nil
}

// position returns 2i+1 for the bound i and 2i for a number between the bounds i-1 and i.
func (x *numberIndex) position(n *rawjson.Decimal) int {
	low, high := 0, len(x.bounds)
	for low < high {
		middle := int(uint(low+high) >> 1)
		switch c := n.Compare(&x.bounds[middle]); {
		case c == 0:
			return 2*middle + 1
		case c < 0:
			high = middle
		default:
			low = middle + 1
		}
	}
	return 2 * low
}

func compareDecimals(a, b rawjson.Decimal) int { return a.Compare(&b) }

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (x *numberIndex) find(f *finding, n *rawjson.Decimal) {
	for i := range x.few {
		if e := &x.few[i]; e.number.Equal(n) {
			f.takeOne(e.posting)
		}
	}
	if x.equal != nil {
		equal := x.equal[n.Key()]
		for i := range equal {
			if e := &equal[i]; e.number.Equal(n) {
				f.takeOne(e.posting)
			}
		}
	}
	for i := range x.ranges {
		if x.ranges[i].rng.Contains(n) {
			f.takeOne(x.ranges[i].posting)
		}
	}
	if x.tree != nil && n.Finite() {
		for at := x.position(n) + len(x.tree)/2; at > 0; at /= 2 {
			f.take(x.tree[at])
		}
	}
}

// networkIndex finds the networks an address lies in.
type networkIndex struct {
	postings map[netip.Prefix][]Posting
	bits4    []int // the distinct prefix lengths held
	bits6    []int
}

// Network adds strings that are an address in the network.
func (x *Index) Network(n netip.Prefix, p Posting) {
	x.networks.postings = appendTo(x.networks.postings, n, p)
	bits := &x.networks.bits6
	if n.Addr().Is4() {
		bits = &x.networks.bits4
	}
	if !slices.Contains(*bits, n.Bits()) {
		*bits = append(*bits, n.Bits())
	}
}

func (x *networkIndex) empty() bool { return len(x.postings) == 0 }

func (x *networkIndex) find(f *finding, text string) {
	if x.empty() {
		return
	}
	a, ok := ParseAddress(text)
	if !ok {
		return
	}
	bits := x.bits6
	if a.Is4() {
		bits = x.bits4
	}
	for _, n := range bits {
		network, _ := a.Prefix(n) // n is in range for the family
		f.take(x.postings[network])
	}
}
