package rules

import (
	"sync"

	"github.com/seed567880c8/turnout/rules/internal/flatten"
	"github.com/seed567880c8/turnout/rules/internal/match"
)

// An ID is the caller's name for a rule of a [Set]. Two rules may have the same one.
type ID uint32

// A Rule is a pattern with the name to report when an event matches it.
type Rule struct {
	ID      ID
	Pattern *Pattern
}

// A Set is the rules of many patterns, compiled to be matched together. It is immutable and may be used by any number
// of goroutines. To change a rule, compile another Set from the same parsed patterns.
//
// A rule matches if one of its combinations holds, and a combination if all its terms do: a term is a field with a
// condition, and rules that give the same condition for the same field share the term. Each combination is entered
// under one of its terms, its pivot: the one that fewest events are expected to satisfy. Only the pivots are in the
// index of their field's values. For an event, each value of a field is looked up once; what comes out are the pivots
// that hold, and only their combinations are looked at further, their other terms being tested at most once per event.
// So a rule costs nothing while its pivot does not hold, whatever the number of rules.
//
// When many combinations have the same pivot (one source for a thousand rules), they are entered under a second term
// as well, if it is a choice of exact strings.
//
// Two simpler designs were measured and refused: evaluating every term of every rule for each event, and merging all
// patterns into one automaton, took a thousand times as long with a hundred thousand mixed rules.
type Set struct {
	tree         *flatten.Tree
	indexes      []*match.Index // per field; nil for fields without pivots
	terms        []term
	combinations []entered
	always       []int32 // combinations without a pivot: they say only that fields are absent
	ids          []ID
	matchers     sync.Pool // of *matcher
}

// A term is a field with a condition.
type term struct {
	field     flatten.FieldID
	condition *condition
	odds      float64
	indexed   bool

	// The combinations whose pivot this is: those to look at whenever it holds, and those to look at when a second
	// term holds too.
	pivots   []int32
	bySecond map[int32][]int32
}

// entered is a combination in a set.
type entered struct {
	rule  int32
	terms []int32 // in the order of the fields' names
}

// crowded is the number of combinations with the same pivot from which a second term is used.
const crowded = 8

// Compile makes a set of rules. The cost is that of entering the patterns' fields and values into hash maps; parsing
// is done once, when the pattern is made.
func Compile(rules []Rule) *Set {
	b := builder{
		set:    &Set{tree: flatten.NewTree(), ids: make([]ID, 0, len(rules))},
		shared: make(map[termKey]int32, len(rules)),
	}
	for i, r := range rules {
		b.set.ids = append(b.set.ids, r.ID)
		for _, c := range r.Pattern.combinations {
			b.enter(int32(i), c)
		}
	}
	b.estimate()
	b.choosePivots()
	return b.finish()
}

// Len returns the number of rules in the set.
func (s *Set) Len() int { return len(s.ids) }

type builder struct {
	set      *Set
	shared   map[termKey]int32
	distinct []int // per field, the number of exact values it is compared with
}

type termKey struct {
	field     flatten.FieldID
	condition string
}

// enter notes a combination and its terms.
func (b *builder) enter(rule int32, c combination) {
	e := entered{rule: rule, terms: make([]int32, len(c))}
	for i, clause := range c {
		key := termKey{b.set.tree.Field(clause.field), clause.condition.key}
		t, ok := b.shared[key]
		if !ok {
			t = int32(len(b.set.terms))
			b.shared[key] = t
			b.set.terms = append(b.set.terms, term{field: key.field, condition: clause.condition})
		}
		e.terms[i] = t
	}
	b.set.combinations = append(b.set.combinations, e)
}

// estimate works out the odds of every term.
func (b *builder) estimate() {
	b.distinct = make([]int, b.set.tree.Fields())
	for i := range b.set.terms {
		t := &b.set.terms[i]
		for _, a := range t.condition.alternatives {
			switch a.(type) {
			case exact, exactly, ignoreCase, number, address:
				b.distinct[t.field]++
			}
		}
	}
	for i := range b.set.terms {
		t := &b.set.terms[i]
		for _, a := range t.condition.alternatives {
			t.odds += a.odds(b.distinct[t.field])
		}
	}
}

// rarest returns the term of a combination with the lowest odds, other than not; -1 if there is none. A term that the
// absence of its field satisfies cannot be found by a value.
func (b *builder) rarest(e *entered, not int32) int32 {
	best := int32(-1)
	for _, t := range e.terms {
		if t != not && !b.set.terms[t].condition.optional && (best < 0 || b.set.terms[t].odds < b.set.terms[best].odds) {
			best = t
		}
	}
	return best
}

func (b *builder) choosePivots() {
	s := b.set
	s.indexes = make([]*match.Index, s.tree.Fields())
	pivots := make([]int32, len(s.combinations))
	users := make([]int, len(s.terms))
	for i := range s.combinations {
		if pivots[i] = b.rarest(&s.combinations[i], -1); pivots[i] >= 0 {
			users[pivots[i]]++
		}
	}
	for i := range s.combinations {
		combination, pivot := int32(i), pivots[i]
		if pivot < 0 {
			s.always = append(s.always, combination)
			continue
		}
		b.index(pivot)
		t := &s.terms[pivot]
		if users[pivot] > crowded {
			if second := b.rarest(&s.combinations[i], pivot); second >= 0 && s.terms[second].selective() {
				b.index(second)
				if t.bySecond == nil {
					t.bySecond = map[int32][]int32{}
				}
				t.bySecond[second] = append(t.bySecond[second], combination)
				continue
			}
		}
		t.pivots = append(t.pivots, combination)
	}
}

// selective reports whether a term is worth being a second pivot: a choice of few of many exact strings.
func (t *term) selective() bool {
	for _, a := range t.condition.alternatives {
		if _, ok := a.(exact); !ok {
			return false
		}
	}
	return t.odds < 0.2
}

// index enters a term into the index of its field.
func (b *builder) index(number int32) {
	t := &b.set.terms[number]
	if t.indexed {
		return
	}
	t.indexed = true
	x := b.set.indexes[t.field]
	if x == nil {
		x = &match.Index{}
		b.set.indexes[t.field] = x
	}
	for _, a := range t.condition.alternatives {
		a.index(x, match.Posting(number))
	}
}

func (b *builder) finish() *Set {
	s := b.set
	s.tree.Freeze()
	for _, x := range s.indexes {
		if x != nil {
			x.Freeze()
		}
	}
	s.matchers.New = func() any { return newMatcher(s) }
	return s
}
