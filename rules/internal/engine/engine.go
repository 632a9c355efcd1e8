package engine

import (
	"github.com/seed567880c8/turnout/rules/internal/flatten"
	"github.com/seed567880c8/turnout/rules/internal/match"
)

// A Condition is what a rule demands of one field. It is immutable.
type Condition interface {
	// Key is the same for equal conditions and no others.
	Key() string
	// Optional reports whether the field's absence satisfies the condition.
	Optional() bool
	// ExactOnly reports whether it is a choice of exact strings or numbers and literals.
	ExactOnly() bool
	// Values is the number of exact values in it.
	Values() int
	// Odds estimates how probable it is that a value satisfies it, given the number of exact values that conditions
	// compare the field with.
	Odds(values int) float64
	// Cost is the number of comparisons that testing one value takes at most.
	Cost() int
	// Index enters it into the index of the field's values.
	Index(x *match.Index, p match.Posting)
	// Matches tests one value.
	Matches(v *match.Value, s *match.Scratch) bool
}

// A Clause is a field, by its dotted name, and a condition.
type Clause struct {
	Field     string
	Condition Condition
}

// A Combination is clauses that have to hold together, in the order of the fields' names, which has a meaning: see
// [flatten.Reader.Consistent]. A rule matches if any of its combinations holds.
type Combination struct {
	Rule    int32
	Clauses []Clause
}

// A Set is the combinations of many rules, compiled to be matched together. It is immutable and may be shared by
// goroutines.
//
// Rules that demand the same of the same field share a term. Each combination is entered under one of its terms, its
// pivot: the one that fewest events are expected to satisfy. Only pivots are in the index of their field's values. For
// an event, each value of a field is looked up once; what comes out are the pivots that hold, and only their
// combinations are looked at further, their other terms being tested then. So a rule costs nothing while its pivot does
// not hold, whatever the number of rules.
//
// When many combinations have the same pivot (one source for a thousand rules), those are divided by a second term that
// is a choice of exact values, the pieces by a third, and so on: nodes are the pieces, and joins leads from a node and a
// term that holds to the next node. What is left at a node is a run of entries in slab.
//
// Two simpler designs were measured and refused: evaluating every term of every rule for each event, and merging all
// patterns into one automaton, took a thousand times as long with a hundred thousand mixed rules. Slices of structs of
// slices, as the builder has them, took twice as long as the flat slab: what an event costs in a large set is the
// memory it touches.
type Set struct {
	indexes    []*match.Index // per field of the tree; nil for fields without pivots, short for fields added later
	terms      []term
	conditions []Condition // of terms that are not indexed
	nodes      []node
	children   []child
	joins      joins
	slab       []int32 // entries: the rule, the number of terms, the terms, the least probable first
	always     span    // of slab: combinations without a pivot: they say only that fields are absent
	rank       []int32 // per field: its place in the order of names
	rules      int
	cost       int
	repeated   bool // some rule has several combinations
}

// A term is a field with a condition.
type term struct {
	field     flatten.FieldID
	condition int32 // index of conditions, -1 for indexed ones
	node      int32 // where the combinations are whose pivot it is, -1 if there are none
	optional  bool
	shared    bool // several combinations have it
	alone     bool // all combinations that have it have no other
}

type span struct{ from, to int32 }

// A node is combinations that share a pivot, and perhaps more terms.
type node struct {
	entries  span   // of slab: those not divided further
	children span   // of children
	fields   uint64 // a bit for each field, modulo 64, of the children's terms
}

type child struct{ term, node int32 }

// manyCombinations marks the rule of an entry that has others elsewhere.
const manyCombinations = -1 << 31

// crowded is the number of combinations in one node from which they are divided by another term.
const crowded = 8

// Cost returns the sum of the costs of all combinations.
func (s *Set) Cost() int { return s.cost }

// Rules returns the number of rules.
func (s *Set) Rules() int { return s.rules }

// joins is a hash table from a node and a term to another node.
type joins struct {
	keys   []uint64 // 0 for none; the node's and the term's number, plus one
	values []int32
}

func joinKey(node, term int32) uint64 { return uint64(node+1)<<32 | uint64(uint32(term)) }

func (j *joins) slot(key uint64) int {
	mask := len(j.keys) - 1
	at := int(key*0x9E3779B97F4A7C15>>32) & mask
	for j.keys[at] != 0 && j.keys[at] != key {
		at = (at + 1) & mask
	}
	return at
}

// find returns the node, or -1.
func (j *joins) find(node, term int32) int32 {
	key := joinKey(node, term)
	at := j.slot(key)
	if j.keys[at] == 0 {
		return -1
	}
	return j.values[at]
}

// fill makes the table.
func (j *joins) fill(nodes []node, children []child) {
	size := 8
	for size < 2*len(children) {
		size *= 2
	}
	j.keys, j.values = make([]uint64, size), make([]int32, size)
	for n := range nodes {
		for _, c := range children[nodes[n].children.from:nodes[n].children.to] {
			key := joinKey(int32(n), c.term)
			at := j.slot(key)
			j.keys[at], j.values[at] = key, c.node
		}
	}
}
