package engine

import (
	"slices"

	"github.com/seed567880c8/turnout/rules/internal/flatten"
	"github.com/seed567880c8/turnout/rules/internal/match"
)

// A Matcher is what one event's way through a set needs to remember. It is used by one goroutine at a time and kept for
// the next event; stamps with the number of the event save the clearing.
type Matcher struct {
	set     *Set
	reader  *flatten.Reader
	scratch *match.Scratch
	found   []match.Posting

	event     uint32
	states    []state // per term
	satisfied []int32 // indexed terms that hold
	hits      []hit
	reported  []uint32 // per rule, if some have several combinations: the event it matched last
	matched   []int32

	sorted   []int32
	terms    []flatten.Term
	elements []flatten.ElementID
}

// state is what is known of a term.
type state struct {
	event uint32 // the event of which this speaks
	hits  int32  // the newest value that satisfies the term, -1 if none does
}

// hit is a value that satisfies a term.
type hit struct {
	element flatten.ElementID
	next    int32 // the hit before it, -1 for none
}

// NewMatcher returns a matcher for the set.
func NewMatcher(s *Set) *Matcher {
	m := &Matcher{set: s, states: make([]state, len(s.terms))}
	if s.repeated {
		m.reported = make([]uint32, s.rules)
	}
	return m
}

// Match returns the rules that the event in the reader matches, each once, in rising order. The slice is valid until
// the next call. The reader's tree is the one that the set was compiled with, or grown from it.
func (m *Matcher) Match(reader *flatten.Reader, scratch *match.Scratch) []int32 {
	m.reader, m.scratch = reader, scratch
	m.satisfied, m.hits, m.matched = m.satisfied[:0], m.hits[:0], m.matched[:0]
	if m.event++; m.event == 0 {
		clear(m.states)
		clear(m.reported)
		m.event = 1
	}
	m.lookUp()
	for _, t := range m.satisfied {
		if n := m.set.terms[t].node; n >= 0 {
			m.visit(n)
		}
	}
	m.tryAll(m.set.always)
	if len(m.matched) > 1 {
		slices.Sort(m.matched)
	}
	return m.matched
}

// lookUp finds the indexed terms that hold.
func (m *Matcher) lookUp() {
	leaves := m.reader.Leaves()
	for i := range leaves {
		leaf := &leaves[i]
		if int(leaf.Field) >= len(m.set.indexes) {
			continue
		}
		x := m.set.indexes[leaf.Field]
		if x == nil {
			continue
		}
		m.found = x.Find(m.found[:0], &leaf.Value, m.scratch)
		for _, p := range m.found {
			if m.states[p].event != m.event {
				m.satisfied = append(m.satisfied, int32(p))
			} else if m.set.terms[p].alone {
				continue // which of the values satisfies it is nobody's concern
			}
			m.hit(int32(p), leaf.Element)
		}
	}
}

// hit notes that a value in the element satisfies the term.
func (m *Matcher) hit(t int32, e flatten.ElementID) {
	s := &m.states[t]
	next := int32(-1)
	if s.event == m.event {
		next = s.hits
		if next >= 0 && m.hits[next].element == e {
			return // one value of an element is as good as another
		}
	}
	*s = state{m.event, int32(len(m.hits))}
	m.hits = append(m.hits, hit{e, next})
}

// holds reports whether some value satisfies the term, testing the values if need be.
func (m *Matcher) holds(t int32) bool {
	term := &m.set.terms[t]
	if term.condition >= 0 && !term.shared && !m.reader.InArrays() {
		return m.test(t, term, false) // asked once: not worth remembering
	}
	s := &m.states[t]
	if s.event == m.event {
		return s.hits >= 0
	}
	if term.condition < 0 {
		return false // lookUp would have found it
	}
	*s = state{m.event, -1}
	return m.test(t, term, true)
}

// test tries the values of the term's field; all of them, noting those that satisfy it, if note is set.
func (m *Matcher) test(t int32, term *term, note bool) bool {
	condition := m.set.conditions[term.condition]
	holds := false
	for leaf := range m.reader.Of(term.field) {
		if !condition.Matches(&leaf.Value, m.scratch) {
			continue
		}
		holds = true
		if !note {
			break
		}
		m.hit(t, leaf.Element)
	}
	return holds
}

// visit looks at the combinations of a node whose terms so far hold.
func (m *Matcher) visit(number int32) {
	n := &m.set.nodes[number]
	m.tryAll(n.entries)
	children := m.set.children[n.children.from:n.children.to]
	if len(children) == 0 {
		return
	}
	if len(children) > len(m.satisfied) {
		for _, t := range m.satisfied {
			if n.fields&fieldBit(m.set.terms[t].field) == 0 {
				continue
			}
			if next := m.set.joins.find(number, t); next >= 0 {
				m.visit(next)
			}
		}
		return
	}
	for _, c := range children {
		if m.states[c.term].event == m.event {
			m.visit(c.node)
		}
	}
}

// tryAll reports the rules of those entries that hold.
func (m *Matcher) tryAll(entries span) {
	slab := m.set.slab
	for at := entries.from; at < entries.to; {
		rule, n := slab[at], slab[at+1]
		terms := slab[at+2 : at+2+n]
		at += 2 + n
		if rule >= 0 {
			if m.hold(terms) {
				m.matched = append(m.matched, rule)
			}
			continue
		}
		rule &^= manyCombinations
		if m.reported[rule] != m.event && m.hold(terms) {
			m.reported[rule] = m.event
			m.matched = append(m.matched, rule)
		}
	}
}

// hold reports whether the terms hold together.
func (m *Matcher) hold(terms []int32) bool {
	scattered := false // the answer depends on which elements of arrays hold what
	arrays := m.reader.InArrays()
	for _, t := range terms {
		if m.holds(t) {
			if arrays && len(terms) > 1 {
				h := &m.hits[m.states[t].hits]
				scattered = scattered || h.element != 0 || h.next >= 0
			}
			continue
		}
		term := &m.set.terms[t]
		if !term.optional {
			return false
		}
		if m.reader.Present(term.field) {
			if !arrays || len(terms) == 1 {
				return false
			}
			scattered = true
		}
	}
	return !scattered || m.holdTogether(terms)
}

// holdTogether reports whether terms, each of which holds somewhere, hold in the same elements of the event's arrays.
func (m *Matcher) holdTogether(terms []int32) bool {
	m.sorted = append(m.sorted[:0], terms...)
	rank := m.set.rank
	for i := 1; i < len(m.sorted); i++ { // they are few
		for j := i; j > 0 && rank[m.set.terms[m.sorted[j]].field] < rank[m.set.terms[m.sorted[j-1]].field]; j-- {
			m.sorted[j], m.sorted[j-1] = m.sorted[j-1], m.sorted[j]
		}
	}
	m.terms, m.elements = m.terms[:0], m.elements[:0]
	for _, t := range m.sorted {
		term := &m.set.terms[t]
		from := len(m.elements)
		if m.holds(t) {
			for at := m.states[t].hits; at >= 0; at = m.hits[at].next {
				m.elements = append(m.elements, m.hits[at].element)
			}
		}
		m.terms = append(m.terms, flatten.Term{Field: term.field, Optional: term.optional, Elements: m.elements[from:]})
	}
	return m.reader.Consistent(m.terms)
}
