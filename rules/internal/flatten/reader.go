package flatten

import (
	"bytes"
	"errors"

	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// ErrMalformed is what [Reader.Read] returns for bytes that are not a JSON object, as far as it looks at them.
var ErrMalformed = errors.New("event is not a well-formed JSON object")

// MaxDepth is how deep an event may nest when it is checked. The wanted part of it may be a little deeper, because the
// detail is checked before it is put into its envelope.
const (
	MaxDepth      = 1000
	envelopeDepth = 8
)

// A Leaf is one value of a wanted field.
type Leaf struct {
	match.Value
	Field   FieldID
	Element ElementID
	next    int32 // the field's leaf before this one, -1 for none
}

// An ElementID names an element of an array that is itself an object or an array, in the event last read; 0 is the
// event itself, which counts as one. A leaf belongs to the innermost element around it. Scalar elements do not count:
// two scalars of one array belong to the same element, that around the array.
type ElementID int32

type element struct {
	parent ElementID
	array  int32
}

// An array is an array of the event at a wanted name.
type array struct {
	owner ElementID // the element around it
	node  nodeID
}

// A Reader takes events apart. It keeps its memory from one event to the next, so it belongs to one goroutine at a
// time; everything it returns is valid until the next Read.
type Reader struct {
	tree     *Tree
	b        []byte
	leaves   []Leaf
	newest   []int32  // per field: its leaf read last, if seen is current
	seen     []uint32 // per field: the event in which it was seen
	event    uint32
	elements []element
	arrays   []array
	dotted   bool   // a key with a dot led to a wanted name
	text     []byte // characters of strings that held escapes
	depth    int
	searches int // of the rest of the event that are still allowed
	check    consistency
	checker  rawjson.Checker
}

// NewReader returns a reader for the fields of a frozen tree.
func NewReader(t *Tree) *Reader {
	return &Reader{tree: t, newest: make([]int32, t.Fields()), seen: make([]uint32, t.Fields())}
}

// Use makes the reader one for the fields of another frozen tree.
func (r *Reader) Use(t *Tree) {
	r.tree = t
	if missing := t.Fields() - len(r.seen); missing > 0 {
		r.seen = append(r.seen, make([]uint32, missing)...)
		r.newest = append(r.newest, make([]int32, missing)...)
	}
}

// Read takes the event apart. The event must have passed [rawjson.Scan] and be an object: of the parts no field asks
// for it looks only for the end, and behind the last part that any field can ask for it does not look at all. Of other
// bytes it makes an error or something of no meaning, but it does not panic.
func (r *Reader) Read(event []byte) error {
	r.begin(event)
	i := rawjson.SkipSpace(event, 0)
	if i >= len(event) || event[i] != '{' {
		return ErrMalformed
	}
	if i = r.object(i, 0, 0); i < 0 || rawjson.SkipSpace(event, i) != len(event) {
		return ErrMalformed
	}
	return nil
}

func (r *Reader) begin(event []byte) {
	r.b = event
	r.leaves = r.leaves[:0]
	r.elements = append(r.elements[:0], element{-1, -1})
	r.arrays = r.arrays[:0]
	r.text = r.text[:0]
	r.dotted = false
	r.depth = 0
	r.searches = searchesMax
	if r.event++; r.event == 0 {
		clear(r.seen)
		r.event = 1
	}
}

// Leaves returns all values of wanted fields, in the order of the event. They may be changed in place.
func (r *Reader) Leaves() []Leaf { return r.leaves }

// Present reports whether the field has a value in the event.
func (r *Reader) Present(f FieldID) bool { return r.seen[f] == r.event }

// Of calls yield with each value of the field, the last one first.
func (r *Reader) Of(f FieldID) func(yield func(*Leaf) bool) {
	return func(yield func(*Leaf) bool) {
		if !r.Present(f) {
			return
		}
		for at := r.newest[f]; at >= 0; at = r.leaves[at].next {
			if !yield(&r.leaves[at]) {
				return
			}
		}
	}
}

// InArrays reports whether any element of an array was met on the way to a wanted name.
func (r *Reader) InArrays() bool { return len(r.elements) > 1 }

// object reads the object at i, whose name is n's, and returns the index behind it, or -1.
func (r *Reader) object(i int, n nodeID, e ElementID) int { //nolint:cyclop // what a key costs is decided here, and calls cost
	if r.depth++; r.depth > MaxDepth+envelopeDepth {
		return -1
	}
	b := r.b
	missing, lengths := len(r.tree.nodes[n].children), r.tree.nodes[n].lengths
	i = space(b, i+1)
	if i < len(b) && b[i] == '}' {
		r.depth--
		return i + 1
	}
	for i < len(b) && b[i] == '"' {
		end, escaped := rawjson.NameEnd(b, i+1)
		if end < 0 {
			return -1
		}
		var at nodeID
		wanted := false
		if escaped || lengths>>((end-i-1)&63)&1 != 0 {
			at, wanted = r.step(n, b[i+1:end], escaped)
		}
		if i = space(b, end+1); i >= len(b) || b[i] != ':' {
			return -1
		}
		i = space(b, i+1)
		switch {
		case wanted:
			i = r.value(i, at, e)
			missing--
		case i < len(b) && b[i] == '"':
			if i, _ = rawjson.StringEnd(b, i+1); i >= 0 {
				i++
			}
		default:
			i = rawjson.Skip(b, i)
		}
		if i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) {
			return -1
		}
		if b[i] == '}' {
			r.depth--
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		if missing == 0 && r.nothingBehind(i, n) {
			r.depth--
			return r.end(i)
		}
		i = space(b, i+1)
	}
	return -1
}

// space is rawjson.SkipSpace for where there is often none.
func space(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return rawjson.SkipSpace(b, i)
}

// worthSearching is the number of bytes from which on looking for keys with dots is cheaper than reading on.
const worthSearching = 1024

// searchesMax bounds how often the rest of one event is searched.
const searchesMax = 4

// nothingBehind reports whether no field can ask for what is left of an object behind index i, once every child of its
// node has been found. A key is in an object only once, but one with a dot leads below a child too.
func (r *Reader) nothingBehind(i int, n nodeID) bool {
	at := &r.tree.nodes[n]
	if r.dotted {
		return false // the children have been counted wrong
	}
	if len(at.dotted) == 0 {
		return true
	}
	if r.searches == 0 || len(r.b)-i < worthSearching || len(at.dotted) > fewChildren {
		return false
	}
	r.searches--
	if bytes.IndexByte(r.b[i:], '\\') >= 0 {
		return false
	}
	return !r.mayStepByDot(i, at.dotted)
}

// mayStepByDot reports whether behind index i there may be a key with a dot that begins like one of the given. It gives
// up after a few dots: numbers have them too.
func (r *Reader) mayStepByDot(i int, beginnings [][]byte) bool {
	const dotsMax = 16
	for range dotsMax {
		next := bytes.IndexByte(r.b[i:], '.')
		if next < 0 {
			return false
		}
		i += next + 1
		for _, beginning := range beginnings {
			if bytes.HasSuffix(r.b[:i], beginning) {
				return true
			}
		}
	}
	return true
}

// end returns the index behind the object that is open at i.
func (r *Reader) end(i int) int {
	if r.depth > 0 {
		return rawjson.SkipOpen(r.b, i)
	}
	last := len(r.b)
	for last > i && r.b[last-1] <= ' ' {
		last--
	}
	if r.b[last-1] != '}' {
		return -1
	}
	return last
}

// step follows a key from n: one step, or several when the key holds dots.
func (r *Reader) step(n nodeID, raw []byte, escaped bool) (nodeID, bool) {
	key := raw
	if escaped {
		from := len(r.text)
		r.text, _ = rawjson.AppendUnescaped(r.text, raw)
		key = r.text[from:]
	}
	nodes := r.tree.nodes
	if at, ok := nodes[n].child(rawjson.View(key)); ok {
		return at, true
	}
	if len(nodes[n].dotted) == 0 {
		return 0, false // no name goes on for more than one step
	}
	dot := bytes.IndexByte(key, '.')
	if dot < 0 {
		return 0, false
	}
	for ; dot >= 0; dot = bytes.IndexByte(key, '.') {
		at, ok := nodes[n].child(rawjson.View(key[:dot]))
		if !ok {
			return 0, false
		}
		n, key = at, key[dot+1:]
	}
	at, ok := nodes[n].child(rawjson.View(key))
	r.dotted = r.dotted || ok
	return at, ok
}

// value reads the value at i, whose name is n's.
func (r *Reader) value(i int, n nodeID, e ElementID) int {
	if i >= len(r.b) {
		return -1
	}
	at := &r.tree.nodes[n]
	switch kind := rawjson.KindOf(r.b[i]); kind {
	case rawjson.ObjectStart:
		if len(at.children) == 0 {
			return rawjson.Skip(r.b, i) // an object is not a leaf
		}
		return r.object(i, n, e)
	case rawjson.ArrayStart:
		return r.array(i, n, e)
	default:
		end := rawjson.Skip(r.b, i)
		if at.field >= 0 && end >= 0 {
			r.leaf(at.field, kind, i, end, e)
		}
		return end
	}
}

// leaf notes the scalar b[i:end].
func (r *Reader) leaf(f FieldID, kind rawjson.Kind, i, end int, e ElementID) {
	text := ""
	switch kind {
	case rawjson.String:
		text = r.str(r.b[i+1 : end-1])
	case rawjson.Number:
		text = rawjson.View(r.b[i:end])
	default:
	}
	next := int32(-1)
	if r.Present(f) {
		next = r.newest[f]
	}
	r.seen[f] = r.event
	r.newest[f] = int32(len(r.leaves))
	r.leaves = append(r.leaves, Leaf{match.Value{Kind: kind, Text: text}, f, e, next})
}

// str returns the characters of the inside of a string.
func (r *Reader) str(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return rawjson.View(raw)
	}
	from := len(r.text)
	r.text, _ = rawjson.AppendUnescaped(r.text, raw)
	return rawjson.View(r.text[from:])
}

// newArray notes an array whose name is n's, in the element e.
func (r *Reader) newArray(n nodeID, e ElementID) int32 {
	r.arrays = append(r.arrays, array{e, n})
	return int32(len(r.arrays) - 1)
}

// elementAt returns the element that the value at i, in an array, belongs to: a new one if it is an object or an array
// that can hold leaves, else the one around the array.
func (r *Reader) elementAt(i int, n nodeID, around ElementID, array int32) ElementID {
	if i >= len(r.b) {
		return around
	}
	if c := r.b[i]; c != '[' && (c != '{' || len(r.tree.nodes[n].children) == 0) {
		return around
	}
	r.elements = append(r.elements, element{around, array})
	return ElementID(len(r.elements) - 1)
}

// array reads the array at i, whose name is n's: its elements have the same name.
func (r *Reader) array(i int, n nodeID, e ElementID) int {
	if r.depth++; r.depth > MaxDepth+envelopeDepth {
		return -1
	}
	b := r.b
	number := r.newArray(n, e)
	i = space(b, i+1)
	if i < len(b) && b[i] == ']' {
		r.depth--
		return i + 1
	}
	for i < len(b) {
		if i = r.value(i, n, r.elementAt(i, n, e, number)); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) {
			return -1
		}
		if b[i] == ']' {
			r.depth--
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = space(b, i+1)
	}
	return -1
}
