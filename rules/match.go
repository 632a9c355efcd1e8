package rules

import (
	"slices"

	"github.com/seed567880c8/turnout/rules/internal/flatten"
	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// EventLimits bounds what an event may be. The zero value of each field stands for its default.
type EventLimits struct {
	// Depth is the number of arrays and objects that may be open at once. Default 100, maximum 1000.
	Depth int
	// Keys is the number of object keys in the event. Default 10,000.
	Keys int
	// Digits is the number of digits of one number, those of the exponent included. Default 64.
	Digits int
}

// Scan reports whether value is well-formed JSON within the default limits; see [EventLimits.Scan].
func Scan(value []byte) error { return EventLimits{}.Scan(value) }

// Scan reports whether value is one JSON value by RFC 8259 and nothing else, in valid UTF-8, with no key twice in one
// object, within the limits. Nothing else may look into bytes that come from outside before they have passed it: two
// readers that pick different ones of two equal keys disagree about what an event says. The error is an *[Error].
//
// Scan makes one pass in time linear in the length of value, without recursion.
func (l EventLimits) Scan(value []byte) error {
	if err := rawjson.Scan(value, l.withDefaults()); err != nil {
		return fromSyntax(err, value)
	}
	return nil
}

func (l EventLimits) withDefaults() rawjson.Limits {
	return rawjson.Limits{
		Depth:  min(orDefault(l.Depth, 100), flatten.MaxDepth),
		Keys:   orDefault(l.Keys, 10_000),
		Digits: orDefault(l.Digits, 64),
	}
}

// IsObject reports whether a value that has passed [Scan] is an object.
func IsObject(value []byte) bool {
	i := rawjson.SkipSpace(value, 0)
	return i < len(value) && value[i] == '{'
}

// Match appends the IDs of the rules that the event matches to dst, each rule's once, in the order in which the rules
// were given to [Compile]. The event must be an object that has passed [Scan]; for other bytes the result is an error
// or has no meaning. The error is an *[Error]. In the long run Match does not allocate, except to grow dst.
func (s *Set) Match(dst []ID, event []byte) ([]ID, error) {
	m, ok := s.matchers.Get().(*matcher)
	if !ok {
		return dst, nil // the set is empty: nothing was compiled into it
	}
	defer s.matchers.Put(m)
	if err := m.reader.Read(event); err != nil {
		return dst, &Error{Message: err.Error()}
	}
	return m.match(dst), nil
}

// ScanMatch is [EventLimits.Scan] and [Set.Match] in one pass over the event: what Scan refuses matches nothing, and
// the error is Scan's; so does what is well-formed but no object.
func (s *Set) ScanMatch(dst []ID, event []byte, limits EventLimits) ([]ID, error) {
	m, ok := s.matchers.Get().(*matcher)
	if !ok {
		return dst, limits.Scan(event)
	}
	defer s.matchers.Put(m)
	if m.reader.ReadChecked(event, limits.withDefaults()) {
		return m.match(dst), nil
	}
	if err := limits.Scan(event); err != nil {
		return dst, err
	}
	if err := m.reader.Read(event); err != nil {
		return dst, &Error{Message: err.Error()}
	}
	return m.match(dst), nil
}

// matcher is what one event's way through a set needs to remember. It is used by one goroutine at a time and kept for
// the next event; stamps with the number of the event save the clearing.
type matcher struct {
	set     *Set
	reader  *flatten.Reader
	scratch match.Scratch
	found   []match.Posting

	event     uint32
	states    []termState
	satisfied []int32 // indexed terms that hold
	hits      []hit
	reported  []uint32 // per rule: the event it matched last
	rules     []int32  // those that matched

	terms    []flatten.Term
	elements []flatten.ElementID
}

// termState is what is known of a term.
type termState struct {
	event uint32 // the event of which this speaks
	holds bool   // some value satisfies the term
	hits  int32  // the newest of those values; -1 if none
}

// hit is a value that satisfies a term.
type hit struct {
	element flatten.ElementID
	next    int32 // the hit before it, -1 for none
}

func newMatcher(s *Set) *matcher {
	return &matcher{
		set:      s,
		reader:   flatten.NewReader(s.tree),
		states:   make([]termState, len(s.terms)),
		reported: make([]uint32, len(s.ids)),
	}
}

// match appends the IDs of the rules that the event in the reader matches.
func (m *matcher) match(dst []ID) []ID {
	m.satisfied, m.hits, m.rules = m.satisfied[:0], m.hits[:0], m.rules[:0]
	if m.event++; m.event == 0 {
		clear(m.states)
		clear(m.reported)
		m.event = 1
	}
	m.lookUp()
	for _, t := range m.satisfied {
		m.tryPivot(&m.set.terms[t])
	}
	for _, c := range m.set.always {
		m.try(c)
	}
	slices.Sort(m.rules)
	for _, r := range m.rules {
		dst = append(dst, m.set.ids[r])
	}
	return dst
}

// lookUp finds the indexed terms that hold.
func (m *matcher) lookUp() {
	leaves := m.reader.Leaves()
	for i := range leaves {
		leaf := &leaves[i]
		x := m.set.indexes[leaf.Field]
		if x == nil {
			continue
		}
		m.found = x.Find(m.found[:0], &leaf.Value, &m.scratch)
		for _, p := range m.found {
			if s := &m.states[p]; s.event != m.event {
				m.satisfied = append(m.satisfied, int32(p))
			}
			m.hit(int32(p), leaf.Element)
		}
	}
}

// hit notes that a value in the element satisfies the term.
func (m *matcher) hit(t int32, e flatten.ElementID) {
	s := &m.states[t]
	next := int32(-1)
	if s.event == m.event {
		next = s.hits
		if next >= 0 && m.hits[next].element == e {
			return // one value of an element is as good as another
		}
	}
	*s = termState{m.event, true, int32(len(m.hits))}
	m.hits = append(m.hits, hit{e, next})
}

// holds reports whether some value satisfies the term, testing the values if need be.
func (m *matcher) holds(t int32) bool {
	s := &m.states[t]
	if s.event == m.event {
		return s.holds
	}
	term := &m.set.terms[t]
	if term.indexed {
		return false // lookUp would have found it
	}
	*s = termState{m.event, false, -1}
	for leaf := range m.reader.Of(term.field) {
		for _, a := range term.condition.alternatives {
			if a.matches(&leaf.Value, &m.scratch) {
				m.hit(t, leaf.Element)
				break
			}
		}
	}
	return s.holds
}

// tryPivot looks at the combinations entered under a term that holds.
func (m *matcher) tryPivot(t *term) {
	for _, c := range t.pivots {
		m.try(c)
	}
	if len(m.satisfied) < len(t.bySecond) {
		for _, second := range m.satisfied {
			for _, c := range t.bySecond[second] {
				m.try(c)
			}
		}
		return
	}
	for second, combinations := range t.bySecond {
		if m.states[second].event == m.event {
			for _, c := range combinations {
				m.try(c)
			}
		}
	}
}

// try reports the combination's rule if the combination holds.
func (m *matcher) try(number int32) {
	c := &m.set.combinations[number]
	if m.reported[c.rule] == m.event {
		return
	}
	scattered := false // some values are in arrays, so they must be checked to go together
	for _, t := range c.terms {
		term := &m.set.terms[t]
		switch {
		case m.holds(t):
			h := m.hits[m.states[t].hits]
			scattered = scattered || h.element != 0 || h.next >= 0
		case !term.condition.optional:
			return
		case m.reader.Present(term.field):
			if !m.reader.InArrays() {
				return
			}
			scattered = true // it may be absent from the elements that count
		}
	}
	if scattered && len(c.terms) > 1 && !m.goTogether(c) {
		return
	}
	if scattered && len(c.terms) == 1 && !m.holds(c.terms[0]) {
		return
	}
	m.reported[c.rule] = m.event
	m.rules = append(m.rules, c.rule)
}

// goTogether reports whether the terms of a combination, each of which holds somewhere, hold in the same elements of
// the event's arrays.
func (m *matcher) goTogether(c *entered) bool {
	m.terms, m.elements = m.terms[:0], m.elements[:0]
	for _, t := range c.terms {
		term := &m.set.terms[t]
		from := len(m.elements)
		if m.holds(t) {
			for at := m.states[t].hits; at >= 0; at = m.hits[at].next {
				m.elements = append(m.elements, m.hits[at].element)
			}
		}
		m.terms = append(m.terms, flatten.Term{
			Field:    term.field,
			Optional: term.condition.optional,
			Elements: m.elements[from:],
		})
	}
	return m.reader.Consistent(m.terms)
}
