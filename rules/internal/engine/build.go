package engine

import (
	"cmp"
	"slices"

	"github.com/seed567880c8/turnout/rules/internal/flatten"
	"github.com/seed567880c8/turnout/rules/internal/match"
)

// Compile makes a set of the combinations of rules numbered from 0 to below rules. The fields are added to the tree,
// which must not be frozen, unless they are in it already.
func Compile(tree *flatten.Tree, rules int, combinations []Combination) *Set {
	b := builder{
		set:    &Set{rules: rules},
		tree:   tree,
		shared: make(map[termKey]int32, len(combinations)),
		made:   make([]made, len(combinations)),
		of:     make([]int32, rules),
	}
	for i := range combinations {
		b.enter(&b.made[i], &combinations[i])
	}
	b.estimate()
	b.place()
	return b.finish()
}

type builder struct {
	set    *Set
	tree   *flatten.Tree
	shared map[termKey]int32
	terms  []making
	made   []made
	of     []int32 // per rule: its combinations
	values []int   // per field: the number of exact values it is compared with
}

type termKey struct {
	field     flatten.FieldID
	condition string
}

// making is a term while the set is made.
type making struct {
	condition Condition
	odds      float64
	users     int32
	pivotOf   []int32
	selective bool
	indexed   bool
}

// made is a combination while the set is made.
type made struct {
	rule   int32
	terms  []int32 // once the odds are known, the least probable first
	placed int     // how many of them lead to the node it is in
}

// enter notes a combination and its terms.
func (b *builder) enter(m *made, c *Combination) {
	m.rule = c.Rule
	m.terms = make([]int32, len(c.Clauses))
	b.of[c.Rule]++
	for i, clause := range c.Clauses {
		key := termKey{b.tree.Field(clause.Field), clause.Condition.Key()}
		t, ok := b.shared[key]
		if !ok {
			t = int32(len(b.terms))
			b.shared[key] = t
			b.terms = append(b.terms, making{condition: clause.Condition})
			b.set.terms = append(b.set.terms, term{
				field: key.field, condition: -1, node: -1, optional: clause.Condition.Optional(), alone: true,
			})
		}
		b.terms[t].users++
		s := &b.set.terms[t]
		s.shared = b.terms[t].users > 1
		s.alone = s.alone && len(c.Clauses) == 1
		m.terms[i] = t
		b.set.cost += clause.Condition.Cost()
	}
}

// estimate works out the odds of every term and sorts the terms of every combination by them.
func (b *builder) estimate() {
	b.values = make([]int, b.tree.Fields())
	for i := range b.terms {
		b.values[b.set.terms[i].field] += b.terms[i].condition.Values()
	}
	for i := range b.terms {
		t := &b.terms[i]
		t.odds = t.condition.Odds(b.values[b.set.terms[i].field])
		// Worth dividing by: a choice of few of many exact values.
		t.selective = t.condition.ExactOnly() && !t.condition.Optional() && t.odds < 0.4
		if t.condition.Optional() {
			t.odds = 2 // its absence is found by no value
		}
	}
	for i := range b.made {
		slices.SortStableFunc(b.made[i].terms, func(s, t int32) int { return cmp.Compare(b.terms[s].odds, b.terms[t].odds) })
	}
}

// place puts every combination into a node.
func (b *builder) place() {
	s := b.set
	s.indexes = make([]*match.Index, b.tree.Fields())
	var always []int32
	for i := range b.made {
		m := &b.made[i]
		if len(m.terms) == 0 || s.terms[m.terms[0]].optional {
			always = append(always, int32(i))
			continue
		}
		pivot := m.terms[0]
		b.index(pivot)
		b.terms[pivot].pivotOf = append(b.terms[pivot].pivotOf, int32(i))
		m.placed = 1
	}
	for t := range b.terms {
		if pivotOf := b.terms[t].pivotOf; len(pivotOf) > 0 {
			s.terms[t].node = b.divide(pivotOf)
		}
	}
	s.always = b.write(always)
}

// divide makes a node of combinations.
func (b *builder) divide(combinations []int32) int32 {
	s := b.set
	number := int32(len(s.nodes))
	s.nodes = append(s.nodes, node{})
	if len(combinations) <= crowded {
		s.nodes[number].entries = b.write(combinations)
		return number
	}
	var rest []int32
	var order []int32 // the terms, as they come
	by := map[int32][]int32{}
	for _, c := range combinations {
		m := &b.made[c]
		if m.placed >= len(m.terms) || !b.terms[m.terms[m.placed]].selective {
			rest = append(rest, c)
			continue
		}
		next := m.terms[m.placed]
		m.placed++
		b.index(next)
		if by[next] == nil {
			order = append(order, next)
		}
		by[next] = append(by[next], c)
	}
	children := make([]child, 0, len(order))
	var fields uint64
	for _, next := range order {
		children = append(children, child{next, b.divide(by[next])})
		fields |= fieldBit(s.terms[next].field)
	}
	from := int32(len(s.children))
	s.children = append(s.children, children...)
	s.nodes[number] = node{b.write(rest), span{from, int32(len(s.children))}, fields}
	return number
}

func fieldBit(f flatten.FieldID) uint64 { return 1 << (f & 63) }

// write appends the entries of combinations to the slab.
func (b *builder) write(combinations []int32) span {
	s := b.set
	from := int32(len(s.slab))
	for _, c := range combinations {
		m := &b.made[c]
		rule := m.rule
		if b.of[rule] > 1 {
			rule |= manyCombinations
			s.repeated = true
		}
		s.slab = append(s.slab, rule, int32(len(m.terms)))
		s.slab = append(s.slab, m.terms...)
	}
	return span{from, int32(len(s.slab))}
}

// index enters a term into the index of its field.
func (b *builder) index(number int32) {
	t := &b.terms[number]
	if t.indexed {
		return
	}
	t.indexed = true
	field := b.set.terms[number].field
	x := b.set.indexes[field]
	if x == nil {
		x = &match.Index{}
		b.set.indexes[field] = x
	}
	t.condition.Index(x, match.Posting(number))
}

func (b *builder) finish() *Set {
	s := b.set
	for i := range b.terms {
		if !b.terms[i].indexed {
			s.terms[i].condition = int32(len(s.conditions))
			s.conditions = append(s.conditions, b.terms[i].condition)
		}
	}
	for _, x := range s.indexes {
		if x != nil {
			x.Freeze()
		}
	}
	s.joins.fill(s.nodes, s.children)
	s.rank = b.ranks()
	s.terms, s.conditions = slices.Clip(s.terms), slices.Clip(s.conditions)
	s.nodes, s.children, s.slab = slices.Clone(s.nodes), slices.Clone(s.children), slices.Clone(s.slab)
	return s
}

// ranks numbers the fields of the set in the order of their names.
func (b *builder) ranks() []int32 {
	var fields []flatten.FieldID
	rank := make([]int32, b.tree.Fields())
	for i := range b.set.terms {
		if f := b.set.terms[i].field; rank[f] == 0 {
			rank[f] = 1
			fields = append(fields, f)
		}
	}
	slices.SortFunc(fields, func(f, g flatten.FieldID) int { return cmp.Compare(b.tree.Name(f), b.tree.Name(g)) })
	for i, f := range fields {
		rank[f] = int32(i)
	}
	return rank
}
