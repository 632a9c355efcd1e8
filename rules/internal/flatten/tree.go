package flatten

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A FieldID is a field's number in a [Tree], from 0 up.
type FieldID int32

// A Tree holds the names of the wanted fields, taken apart at the dots: as AWS does, it sees no difference between a
// dot in a key and a step to a nested object. Add every field, then [Tree.Freeze]; after that it is immutable and may
// be shared by goroutines.
type Tree struct {
	nodes  []node // 0 is the event itself
	fields []nodeID
	names  []string // of the fields
	byName map[string]FieldID
}

type nodeID int32

// A node is one step of a name.
type node struct {
	field    FieldID // -1 when no wanted name ends here
	children []child
	index    map[string]nodeID // instead of children when they are many
	dotted   [][]byte          // how keys with dots begin that lead below a child
	lengths  uint64            // a bit for the length, modulo 64, of each key that leads to a child; all if dots may

	// order and last number the nodes so that those below n, n included, are order ≤ m ≤ last.
	order, last int32
}

type child struct {
	key  string
	node nodeID
}

// fewChildren is the number of keys up to which comparing each beats hashing.
const fewChildren = 6

// NewTree returns an empty tree.
func NewTree() *Tree {
	return &Tree{nodes: []node{{field: -1}}, byName: map[string]FieldID{}}
}

// Field returns the number of the field with that dotted name, a new one if the name is new.
func (t *Tree) Field(name string) FieldID {
	if f, ok := t.byName[name]; ok {
		return f
	}
	at := nodeID(0)
	for key := range strings.SplitSeq(name, ".") {
		at = t.childOrNew(at, key)
	}
	f := FieldID(len(t.fields))
	t.fields = append(t.fields, at)
	t.names = append(t.names, name)
	t.nodes[at].field = f
	t.byName[name] = f
	return f
}

func (t *Tree) childOrNew(at nodeID, key string) nodeID {
	n := &t.nodes[at]
	if c, ok := n.child(key); ok {
		return c
	}
	c := nodeID(len(t.nodes))
	n.children = append(n.children, child{key, c})
	if n.index != nil {
		n.index[key] = c
	} else if len(n.children) > fewChildren {
		n.index = make(map[string]nodeID, 2*len(n.children))
		for _, k := range n.children {
			n.index[k.key] = k.node
		}
	}
	t.nodes = append(t.nodes, node{field: -1})
	return c
}

func (n *node) child(key string) (nodeID, bool) {
	if n.index != nil {
		c, ok := n.index[key]
		return c, ok
	}
	for i := range n.children {
		if n.children[i].key == key {
			return n.children[i].node, true
		}
	}
	return 0, false
}

// Name returns the dotted name of a field.
func (t *Tree) Name(f FieldID) string { return t.names[f] }

// Has reports whether there is a field with that dotted name.
func (t *Tree) Has(name string) bool {
	_, ok := t.byName[name]
	return ok
}

// Grow returns a copy to which fields can be added. Those of t keep their numbers.
func (t *Tree) Grow() *Tree {
	grown := &Tree{
		nodes: slices.Clone(t.nodes), fields: slices.Clone(t.fields), names: slices.Clone(t.names), byName: maps.Clone(t.byName),
	}
	for i := range grown.nodes {
		n := &grown.nodes[i]
		n.children = slices.Clip(n.children) // appending copies
		n.index = maps.Clone(n.index)
	}
	return grown
}

// Fields returns how many fields there are.
func (t *Tree) Fields() int { return len(t.fields) }

// Freeze ends the adding.
func (t *Tree) Freeze() {
	// A node is numbered when it comes off the stack, before its children; a second visit, behind them, closes it.
	type visit struct {
		node    nodeID
		closing bool
	}
	next := int32(0)
	stack := []visit{{node: 0}}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n := &t.nodes[v.node]
		if v.closing {
			n.last = next - 1
			continue
		}
		n.order = next
		next++
		stack = append(stack, visit{v.node, true})
		for _, c := range n.children {
			stack = append(stack, visit{node: c.node})
		}
	}
	for i := range t.nodes {
		t.nodes[i].dotted, t.nodes[i].lengths = nil, 0
		for _, c := range t.nodes[i].children {
			t.nodes[i].lengths |= 1 << (len(c.key) & 63)
			if len(t.nodes[c.node].children) > 0 {
				t.nodes[i].dotted = append(t.nodes[i].dotted, fmt.Appendf(nil, "\"%s.", c.key))
				t.nodes[i].lengths = ^uint64(0)
			}
		}
	}
}

// below reports whether the field's name begins with the steps of n.
func (t *Tree) below(f FieldID, n nodeID) bool {
	order := t.nodes[t.fields[f]].order
	return t.nodes[n].order <= order && order <= t.nodes[n].last
}
