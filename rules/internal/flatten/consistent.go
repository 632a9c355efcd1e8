package flatten

import (
	"math/bits"
	"slices"
)

// A Term is what one field of a conjunction demands and what the event last read offers.
type Term struct {
	Field FieldID
	// Optional means that the field's absence satisfies the term too.
	Optional bool
	// Elements has, for each value of the field that satisfies the term, the element it belongs to.
	Elements []ElementID
}

// Consistent reports whether all terms can be satisfied by values that were picked without taking two elements of one
// array. Terms must be in the order of the fields' dotted names, and at most [MaxTerms].
//
// The meaning is that of AWS's engine, which goes through the terms in that order. For each it either picks a value
// that satisfies the term, and with it one element of every array around the value; or, if the term is optional, it
// may find the field absent: every value of the field lies in an element that the picks made so far rule out. Later
// picks do not count. (In [{"a":1,"b":2},{"a":3}], a=3 before b absent holds; b absent before c does not.)
//
// There, the picks are searched with backtracking. Here the answer is built from the innermost elements outwards, in
// time proportional to the elements that hold values times the terms. This rests on three facts:
//
//   - Two arrays in one element, neither inside the other, are picked from independently, because no term has values
//     in both: the name of an array in an event, being a path, is the beginning of the names of all values in it.
//   - Which terms an element satisfies depends on what was picked outside only through the moment the element was
//     picked: terms before were satisfied outside, later ones must find a value in the element or be absent in it.
//   - That moment, the element's first term, is one of few: it can only be later than a term that is satisfied
//     without the array, and such a term is absent from the array altogether or has the array's own name (scalars
//     beside nested arrays).
//
// Keys with dots break the first fact: "a.b" beside an array "a" has a name that begins with the array's, and is not in
// it. The fields concerned are taken out of the question: their values count whatever element they are in, and they are
// absent only without any value.
func (r *Reader) Consistent(terms []Term) bool {
	c := &r.check
	c.begin(r, terms)
	if !c.gather() {
		return false
	}
	c.group()
	if r.dotted && !c.dropAmbiguous() {
		return false
	}
	for at := len(c.touched) - 1; at > 0; at-- {
		c.findStarts(int32(at))
	}
	return len(c.touched) == 0 || c.satisfied(0, c.all, -1)
}

// MaxTerms is the number of terms a conjunction may have.
const MaxTerms = 64 * len(termSet{})

// A termSet is a set of terms, by their position in the conjunction.
type termSet [4]uint64

func (s termSet) has(k int) bool { return s[k/64]>>(k%64)&1 != 0 }

func (s termSet) with(k int) termSet {
	s[k/64] |= 1 << (k % 64)
	return s
}

func (s termSet) or(t termSet) termSet {
	for i := range s {
		s[i] |= t[i]
	}
	return s
}

func (s termSet) and(t termSet) termSet {
	for i := range s {
		s[i] &= t[i]
	}
	return s
}

func (s termSet) without(t termSet) termSet {
	for i := range s {
		s[i] &^= t[i]
	}
	return s
}

// above returns the terms of s behind k; all for k = -1.
func (s termSet) above(k int) termSet {
	for i := range s {
		switch first := k + 1 - 64*i; {
		case first >= 64:
			s[i] = 0
		case first > 0:
			s[i] &= ^uint64(0) << first
		}
	}
	return s
}

// first returns the first term of s, -1 if s is empty.
func (s termSet) first() int {
	for i, word := range s {
		if word != 0 {
			return 64*i + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// consistency is the state of one question. Only elements with values of the terms, and those around them, take part;
// they are known by their position in touched, the outermost first, and every array of theirs by its position in
// groups.
type consistency struct {
	r        *Reader
	terms    []Term
	all      termSet // the terms to be satisfied
	optional termSet // those whose field is present, absent in some elements perhaps

	touched []ElementID
	slots   []int32  // per element: its position in touched, if stamps is current
	stamps  []uint32 // per element
	states  []state
	groups  []group
	ofArray []int32  // per array: its position in groups, if stamped
	stamped []uint32 // per array
	round   uint32
}

// state is what an element holds.
type state struct {
	hits     termSet // terms with a satisfying value in the element itself, not in an inner one
	values   termSet // optional terms with any value in it
	allHits  termSet // the same, inner elements included
	allValue termSet
	groups   int32 // its first array, -1 for none
}

// group is one array.
type group struct {
	terms  termSet // those whose name begins with the array's
	own    int     // the one with the very name of the array, -1 for none
	starts termSet // terms with which the picking can go on into some element of the array
	hits   termSet // terms with values in the array, satisfying or optional
	next   int32   // the next array of the same element
}

func (c *consistency) begin(r *Reader, terms []Term) {
	c.r, c.terms = r, terms
	c.all, c.optional = termSet{}, termSet{}
	c.touched, c.states, c.groups = c.touched[:0], c.states[:0], c.groups[:0]
	if n := len(r.elements); len(c.stamps) < n {
		c.stamps, c.slots = make([]uint32, 2*n), make([]int32, 2*n)
		clear(c.stamped)
		c.round = 0
	}
	if n := len(r.arrays); len(c.stamped) < n {
		c.stamped, c.ofArray = make([]uint32, 2*n), make([]int32, 2*n)
		clear(c.stamps)
		c.round = 0
	}
	if c.round++; c.round == 0 {
		clear(c.stamps)
		clear(c.stamped)
		c.round = 1
	}
}

// gather collects the elements that take part and what is in them; false if some term cannot be satisfied at all.
func (c *consistency) gather() bool {
	for k := range c.terms {
		t := &c.terms[k]
		present := c.r.Present(t.Field)
		if len(t.Elements) == 0 {
			if !t.Optional {
				return false
			}
			if !present {
				continue
			}
		}
		c.all = c.all.with(k)
		for _, e := range t.Elements {
			c.touch(e)
		}
		if t.Optional {
			c.optional = c.optional.with(k)
			for leaf := range c.r.Of(t.Field) {
				c.touch(leaf.Element)
			}
		}
	}
	c.fill()
	return true
}

// fill makes the states of the elements that take part.
func (c *consistency) fill() {
	slices.Sort(c.touched) // an element comes behind those around it
	for at, e := range c.touched {
		c.slots[e] = int32(at)
		c.states = append(c.states, state{groups: -1})
	}
	for k := range c.terms {
		if !c.all.has(k) {
			continue
		}
		t := &c.terms[k]
		for _, e := range t.Elements {
			s := &c.states[c.slots[e]]
			s.hits = s.hits.with(k)
		}
		if t.Optional {
			for leaf := range c.r.Of(t.Field) {
				s := &c.states[c.slots[leaf.Element]]
				s.values = s.values.with(k)
			}
		}
	}
}

// touch makes an element, and all around it, take part.
func (c *consistency) touch(e ElementID) {
	for e >= 0 && c.stamps[e] != c.round {
		c.stamps[e] = c.round
		c.touched = append(c.touched, e)
		e = c.r.elements[e].parent
	}
}

// group finds the arrays and sums up what is in each, and in each element.
func (c *consistency) group() {
	for at := len(c.touched) - 1; at >= 0; at-- {
		s := &c.states[at]
		s.allHits = s.allHits.or(s.hits)
		s.allValue = s.allValue.or(s.values)
		if at == 0 {
			return
		}
		e := c.r.elements[c.touched[at]]
		owner := &c.states[c.slots[e.parent]]
		owner.allHits = owner.allHits.or(s.allHits)
		owner.allValue = owner.allValue.or(s.allValue)
		g := &c.groups[c.groupOf(e.array, owner)]
		g.hits = g.hits.or(s.allHits)
		g.hits = g.hits.or(s.allValue)
	}
}

func (c *consistency) groupOf(array int32, owner *state) int32 {
	if c.stamped[array] == c.round {
		return c.ofArray[array]
	}
	at := int32(len(c.groups))
	c.stamped[array], c.ofArray[array] = c.round, at
	n := c.r.arrays[array].node
	g := group{own: -1, next: owner.groups}
	for k := range c.terms {
		if f := c.terms[k].Field; c.all.has(k) && c.r.tree.below(f, n) {
			g.terms = g.terms.with(k)
			if c.r.tree.fields[f] == n {
				g.own = k
			}
		}
	}
	c.groups = append(c.groups, g)
	owner.groups = at
	return at
}

// dropAmbiguous takes out the terms whose fields have values in an element outside an array of the element although
// their names begin with that of the array: in another array, or beside it under a longer name. It returns false if
// one of them has no value that satisfies it.
func (c *consistency) dropAmbiguous() bool {
	var drop termSet
	for at := range c.states {
		s := &c.states[at]
		direct := s.hits
		direct = direct.or(s.values)
		var once, twice termSet // with values in some array, in several arrays
		for i := s.groups; i >= 0; i = c.groups[i].next {
			twice = twice.or(once.and(c.groups[i].hits))
			once = once.or(c.groups[i].hits)
		}
		for i := s.groups; i >= 0; i = c.groups[i].next {
			g := &c.groups[i]
			outside := direct
			if g.own >= 0 {
				outside = outside.without(termSet{}.with(g.own)) // scalars beside nested arrays have the array's name
			}
			outside = outside.or(twice)
			outside = outside.or(once.without(g.hits))
			drop = drop.or(outside.and(g.terms))
		}
	}
	for k := range c.terms {
		if drop.has(k) && len(c.terms[k].Elements) == 0 {
			return false
		}
	}
	c.all = c.all.without(drop)
	for g := range c.groups {
		c.groups[g].terms = c.groups[g].terms.without(drop)
	}
	return true
}

// findStarts notes with which terms the picking can go on into an element of an array.
func (c *consistency) findStarts(at int32) {
	g := &c.groups[c.ofArray[c.r.elements[c.touched[at]].array]]
	candidates := g.terms
	for k := candidates.first(); k >= 0; k = candidates.first() {
		candidates = candidates.above(k)
		if c.states[at].allHits.has(k) && c.satisfied(at, g.terms, k) {
			g.starts = g.starts.with(k)
		}
		if !c.optional.has(k) && k != g.own {
			return // nothing outside the array can satisfy k, so no element is picked later than for k
		}
	}
}

// satisfied reports whether the terms behind start can all be satisfied in an element, inner ones included, and start
// itself by a value; -1 stands for the event, which is picked before the first term.
func (c *consistency) satisfied(at int32, terms termSet, start int) bool {
	s := &c.states[at]
	free := c.optional.without(s.allValue) // absent in the whole element
	free = free.or(s.hits)
	rest := terms.above(start).without(free)
	pending := start >= 0 && !s.hits.has(start)
	for i := s.groups; i >= 0; i = c.groups[i].next {
		g := &c.groups[i]
		if pending && g.terms.has(start) {
			if !g.starts.has(start) {
				return false
			}
			pending = false
			rest = rest.without(g.terms)
			continue
		}
		inside := rest.and(g.terms)
		first := inside.first()
		if first < 0 {
			continue
		}
		rest = rest.without(g.terms)
		early := g.own >= start && g.own >= 0 && g.own < first && g.starts.has(g.own)
		if !g.starts.has(first) && !early {
			return false
		}
	}
	return !pending && rest == termSet{}
}
