package rules

import (
	"slices"
	"sync"

	"github.com/seed567880c8/turnout/rules/internal/engine"
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
// of goroutines. [Set.With] makes another one with some rules changed, at the cost of what changes.
//
// How rules share work is explained in package engine. A Set holds them in layers, compiled at different times: an
// event is taken apart once, for all of them, and then each layer is asked. What changes goes into small layers on top,
// and a rule taken out is only marked; the memory of a set that is not used any more, and that no newer set shares, is
// released by the garbage collector like any other.
type Set struct {
	tree    *flatten.Tree
	layers  []layer
	readers *sync.Pool // of *reader; shared by the sets made from each other
}

// A layer is rules compiled together.
type layer struct {
	*compiled
	dead  []uint64 // a bit for each rule that has been taken out; nil while none is
	count int      // rules that are left
}

// compiled is the part of a layer that newer sets share.
type compiled struct {
	engine   *engine.Set
	ids      []ID      // by the engine's number for the rule
	rules    []Rule    // while they are few, to be compiled again with others
	matchers sync.Pool // of *engine.Matcher
}

// reader is what reading one event needs.
type reader struct {
	*flatten.Reader
	scratch match.Scratch
	layer   *compiled // whose matcher is
	matcher *engine.Matcher
}

// Compile makes a set of rules. The cost is that of entering the patterns' fields and values into hash tables; parsing
// is done once, when the pattern is made.
func Compile(rules []Rule) *Set {
	s := &Set{tree: flatten.NewTree(), readers: &sync.Pool{}}
	s.add(rules)
	return s
}

// Len returns the number of rules in the set.
func (s *Set) Len() int {
	n := 0
	for i := range s.layers {
		n += s.layers[i].count
	}
	return n
}

// Cost returns the sum of [Pattern.Cost] over the rules, for a budget of the whole set. Rules that [Set.With] has taken
// out count until all are compiled anew.
func (s *Set) Cost() int {
	n := 0
	for i := range s.layers {
		n += s.layers[i].engine.Cost()
	}
	return n
}

// Layers returns the number of layers that an event is matched against: 1 for a set that Compile has made, more after
// [Set.With]. A caller that changes a set for long should compile all rules anew, at leisure, when it grows.
func (s *Set) Layers() int { return len(s.layers) }

const (
	// keptMax is the largest layer that keeps its rules, and so the most that one change compiles again.
	keptMax = 256
	// growth is how many times as large as the layer above it a layer must be to be left alone.
	growth = 4
)

// With returns a set without the rules named in remove, and then with those of add, in this order behind the others.
// Replacing a rule is removing its ID and adding it again. It costs a look at every ID for each one removed, and the
// compilation of what is added and of up to 256 rules added shortly before.
func (s *Set) With(add []Rule, remove ...ID) *Set {
	next := &Set{tree: s.tree, readers: s.readers}
	if next.tree == nil { // s is the zero value
		next.tree, next.readers = flatten.NewTree(), &sync.Pool{}
	}
	for i := range s.layers {
		if l := s.layers[i].without(remove); l.count > 0 {
			next.layers = append(next.layers, l)
		}
	}
	if len(add) == 0 {
		return next
	}
	for len(next.layers) > 0 {
		top := &next.layers[len(next.layers)-1]
		if top.rules == nil || top.count+len(add) > keptMax || top.count > growth*len(add) {
			break
		}
		add = append(top.live(), add...)
		next.layers = next.layers[:len(next.layers)-1]
	}
	next.add(add)
	return next
}

// add puts a layer on top.
func (s *Set) add(rules []Rule) {
	if len(rules) == 0 {
		return
	}
	known := true
	var combinations []engine.Combination
	for i, r := range rules {
		for _, c := range r.Pattern.combinations {
			combinations = append(combinations, engine.Combination{Rule: int32(i), Clauses: c})
			for j := range c {
				known = known && s.tree.Has(c[j].Field)
			}
		}
	}
	if !known {
		s.tree = s.tree.Grow()
	}
	c := &compiled{engine: engine.Compile(s.tree, len(rules), combinations), ids: make([]ID, len(rules))}
	if !known {
		s.tree.Freeze()
	}
	for i := range rules {
		c.ids[i] = rules[i].ID
	}
	if len(rules) <= keptMax {
		c.rules = slices.Clone(rules)
	}
	s.layers = append(s.layers, layer{compiled: c, count: len(rules)})
}

// without returns the layer without the rules of some IDs.
func (l *layer) without(remove []ID) layer {
	left := *l
	cloned := false
	for i, id := range l.ids {
		if !slices.Contains(remove, id) || l.isDead(int32(i)) {
			continue
		}
		if !cloned {
			cloned = true
			left.dead = make([]uint64, (len(l.ids)+63)/64)
			copy(left.dead, l.dead)
		}
		left.dead[i/64] |= 1 << (i % 64)
		left.count--
	}
	return left
}

func (l *layer) isDead(rule int32) bool { return l.dead != nil && l.dead[rule/64]>>(rule%64)&1 != 0 }

// live returns the rules that are left.
func (l *layer) live() []Rule {
	var live []Rule
	for i, r := range l.rules {
		if !l.isDead(int32(i)) {
			live = append(live, r)
		}
	}
	return live
}
