package flatten

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

func newTree(names ...string) *Tree {
	t := NewTree()
	for _, name := range names {
		t.Field(name)
	}
	t.Freeze()
	return t
}

func TestReadFindsLeavesByDottedName(t *testing.T) {
	t.Parallel()
	event := `{
		"a": 1, "skipped": {"a": "no", "s": "}]\""}, "b": {"c": "x\u0079", "d": {"e": null}},
		"list": [1, "two", [3, [true]], {"k": false}, {}], "x.y": {"z": 4}, "x": {"y.z": 5, "y": {"z": 6}},
		"": 7, "esc\u0061ped": 8, "obj": {"leafless": 9}, ".": 10
	}`
	names := []string{"a", "b.c", "b.d.e", "list", "list.k", "x.y.z", "", "escaped", "obj", "missing", "."}
	r := NewReader(newTree(names...))
	require.NoError(t, r.Read([]byte(event)))
	got := map[string][]string{}
	for _, leaf := range r.Leaves() {
		got[names[leaf.Field]] = append(got[names[leaf.Field]], fmt.Sprintf("%v %s", leaf.Kind == rawjson.String, leaf.Text))
	}
	require.Equal(t, map[string][]string{
		"a": {"false 1"}, "b.c": {"true xy"}, "b.d.e": {"false "},
		"list": {"false 1", "true two", "false 3", "false "}, "list.k": {"false "},
		"x.y.z": {"false 4", "false 5", "false 6"}, "": {"false 7"}, "escaped": {"false 8"}, ".": {"false 10"},
	}, got)
	for f, name := range names {
		require.Equal(t, got[name] != nil, r.Present(FieldID(f)), name)
		require.Len(t, slices.Collect(r.Of(FieldID(f))), len(got[name]), name)
	}
}

func TestReadTreatsManyKeysLikeFew(t *testing.T) {
	t.Parallel()
	var names, members []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("k%d", i), fmt.Sprintf("deep.k%d.x", i))
		members = append(members, fmt.Sprintf(`"k%d":%d,"deep.k%d":{"x":%d}`, i, i, i, i))
	}
	r := NewReader(newTree(names...))
	require.NoError(t, r.Read([]byte("{"+strings.Join(members, ",")+"}")))
	for f := range names {
		leaves := slices.Collect(r.Of(FieldID(f)))
		require.Len(t, leaves, 1)
		require.Equal(t, fmt.Sprint(f/2), leaves[0].Text)
	}
}

func TestReadForgetsTheEventBefore(t *testing.T) {
	t.Parallel()
	r := NewReader(newTree("a", "b"))
	require.NoError(t, r.Read([]byte(`{"a":[{"a":1},1]}`)))
	require.True(t, r.Present(0))
	require.NoError(t, r.Read([]byte(`{"b":2}`)))
	require.False(t, r.Present(0))
	require.True(t, r.Present(1))
	require.Len(t, r.Leaves(), 1)
	require.False(t, r.InArrays())
}

func TestReadRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	r := NewReader(newTree("a", "a.b"))
	for _, event := range []string{
		``, ` `, `[]`, `1`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":[1`, `{"a":[1,`, `{"a":[`, `{"a":{"b"`, `{} x`,
		`{"a":1 "b":2}`, `{"a":[1 2]}`, `{"a":tru`, `{"x":"`, `{"a":"`, `{"x":[}`, `{a:1}`, `{"a":x}`,
		`{"a":` + strings.Repeat("[", 2*MaxDepth) + strings.Repeat("]", 2*MaxDepth) + `}`,
	} {
		require.ErrorIs(t, r.Read([]byte(event)), ErrMalformed, "%.20s", event)
	}
	require.NoError(t, r.Read([]byte(`{"x":`+strings.Repeat("[", 2*MaxDepth)+strings.Repeat("]", 2*MaxDepth)+`}`)),
		"what is stepped over may nest as it likes")
}

// backtrack says by trying everything what Consistent must say.
func backtrack(r *Reader, terms []Term, picked []ElementID) bool {
	if len(terms) == 0 {
		return true
	}
	fits := func(e ElementID) bool {
		return !slices.ContainsFunc(picked, func(p ElementID) bool { return r.exclude(p, e) })
	}
	t := terms[0]
	for _, e := range t.Elements {
		if fits(e) && backtrack(r, terms[1:], append(slices.Clip(picked), e)) {
			return true
		}
	}
	if !t.Optional {
		return false
	}
	for leaf := range r.Of(t.Field) {
		if fits(leaf.Element) {
			return false
		}
	}
	return backtrack(r, terms[1:], picked)
}

// exclude reports whether two elements lie in different elements of one array.
func (r *Reader) exclude(a, b ElementID) bool {
	around := map[int32]ElementID{}
	for e := a; e > 0; e = r.elements[e].parent {
		around[r.elements[e].array] = e
	}
	for e := b; e > 0; e = r.elements[e].parent {
		if other, ok := around[r.elements[e].array]; ok && other != e {
			return true
		}
	}
	return false
}

func drawObject(t *rapid.T, depth int, keys []string) string {
	var members []string
	for _, k := range keys {
		if rapid.IntRange(0, 2).Draw(t, "has") > 0 {
			members = append(members, fmt.Sprintf("%q:%s", k, drawJSON(t, depth-1, keys)))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func drawJSON(t *rapid.T, depth int, keys []string) string {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth <= 0 || kind == 0 {
		return "1"
	}
	if kind <= 2 {
		return drawObject(t, depth, keys)
	}
	var elements []string
	for range rapid.IntRange(0, 4).Draw(t, "elements") {
		elements = append(elements, drawJSON(t, depth-1, keys))
	}
	return "[" + strings.Join(elements, ",") + "]"
}

func drawTerms(t *rapid.T, r *Reader, names []string, optional bool) []Term {
	var terms []Term
	for f := range names {
		if !rapid.Bool().Draw(t, "asked") {
			continue
		}
		term := Term{Field: FieldID(f), Optional: optional && rapid.IntRange(0, 2).Draw(t, "optional") == 0}
		odds := rapid.IntRange(0, 3).Draw(t, "odds")
		for leaf := range r.Of(term.Field) {
			if rapid.IntRange(0, 3).Draw(t, "hit") <= odds {
				term.Elements = append(term.Elements, leaf.Element)
			}
		}
		terms = append(terms, term)
	}
	return terms
}

func testConsistent(t *testing.T, keys []string, exact bool) {
	t.Helper()
	names := []string{"a", "b", "a.a", "a.b", "b.a", "a.a.a", "a.a.b", "a.b.a", "b.a.b", "a.a.b.a", "a.b.a.b"}
	sort.Strings(names)
	tree := newTree(names...)
	rapid.Check(t, func(t *rapid.T) {
		r := NewReader(tree)
		event := drawObject(t, 5, keys)
		if err := r.Read([]byte(event)); err != nil {
			t.Fatal(err)
		}
		if len(r.Leaves()) > 60 {
			t.Skip("too much to try")
		}
		for range 8 {
			terms := drawTerms(t, r, names, exact)
			want, got := backtrack(r, terms, nil), r.Consistent(terms)
			if want != got && (exact || want) {
				t.Fatalf("%s\n%+v: got %v", event, terms, got)
			}
		}
	})
}

func TestConsistentAgreesWithBacktracking(t *testing.T) {
	t.Parallel()
	testConsistent(t, []string{"a", "b"}, true)
}

func TestConsistentWithDottedKeysFindsAtLeastWhatBacktrackingDoes(t *testing.T) {
	t.Parallel()
	testConsistent(t, []string{"a", "b", "a.b", "a.a", "b.a"}, false)
}

func TestConsistentKnowsWhenAnElementIsPicked(t *testing.T) {
	t.Parallel()
	// The fields are a, a.b and a.c, in this order; the elements of the array are numbered from 1.
	for _, c := range []struct {
		name, event string
		terms       []Term
		want        bool
	}{
		{
			"picking the nested x leaves the element with b out", `{"a":["x",["x"],{"b":1}]}`,
			[]Term{{Field: 0, Elements: []ElementID{0, 1}}, {Field: 1, Optional: true}},
			true,
		},
		{
			"the x beside the elements leaves none out", `{"a":["x",{"b":1}]}`,
			[]Term{{Field: 0, Elements: []ElementID{0}}, {Field: 1, Optional: true}},
			false,
		},
		{
			"absence behind the pick", `{"a":[{"b":1},{"c":1}]}`,
			[]Term{{Field: 1, Elements: []ElementID{1}}, {Field: 2, Optional: true}},
			true,
		},
		{
			"absence before the pick", `{"a":[{"b":1},{"c":1}]}`,
			[]Term{{Field: 1, Optional: true}, {Field: 2, Elements: []ElementID{2}}},
			false,
		},
	} {
		r := NewReader(newTree("a", "a.b", "a.c"))
		require.NoError(t, r.Read([]byte(c.event)))
		require.Equal(t, c.want, backtrack(r, c.terms, nil), c.name)
		require.Equal(t, c.want, r.Consistent(c.terms), c.name)
	}
}

func TestConsistentForgetsTheQuestionBefore(t *testing.T) {
	t.Parallel()
	r := NewReader(newTree("x.a", "x.b"))
	ask := func(event string) bool {
		require.NoError(t, r.Read([]byte(event)))
		var terms []Term
		for f := range FieldID(2) {
			term := Term{Field: f}
			for leaf := range r.Of(f) {
				if leaf.Text == "1" {
					term.Elements = append(term.Elements, leaf.Element)
				}
			}
			terms = append(terms, term)
		}
		return r.Consistent(terms)
	}
	// The memory for elements grows several times, that for arrays does not.
	for n, together := 1, false; n < 1000; n, together = 3*n, !together {
		apart := strings.Repeat(`{"a":1,"b":2},`, n) + strings.Repeat(`{"a":2,"b":1},`, n)
		last := `{}`
		if together {
			last = `{"a":1,"b":1}`
		}
		require.Equal(t, together, ask(`{"x":[`+apart+last+`]}`), n)
	}
}

func TestConsistentTakesAmbiguousFieldsOutOfTheQuestion(t *testing.T) {
	t.Parallel()
	r := NewReader(newTree("x.a", "x.b"))
	require.NoError(t, r.Read([]byte(`{"x":[{"a":1},{"b":1}],"x.b":[[1]]}`)))
	a := Term{Field: 0, Elements: []ElementID{1}}
	require.True(t, r.Consistent([]Term{a, {Field: 1, Elements: []ElementID{2, 3}}}),
		"x.b has values outside the array x too, so it is not tied to an element of x")
	require.False(t, r.Consistent([]Term{a, {Field: 1, Optional: true}}), "nor is it absent from one")

	require.NoError(t, r.Read([]byte(`{"x":[{"a":1},{"b":1}],"x.a.z":1,"y.z":[1]}`)))
	require.False(t, r.Consistent([]Term{a, {Field: 1, Elements: []ElementID{2}}}), "other dotted keys change nothing")
	require.True(t, r.Consistent([]Term{a, {Field: 1, Optional: true}}))
}

func TestConsistentWithManyTerms(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range MaxTerms {
		names = append(names, fmt.Sprintf("x.k%03d", i))
	}
	r := NewReader(newTree(names...))
	var whole, half []string
	for i := range MaxTerms {
		whole = append(whole, fmt.Sprintf(`"k%03d":1`, i))
		if i != 200 {
			half = append(half, whole[i])
		}
	}
	for _, c := range []struct {
		elements []string
		want     bool
	}{
		{whole, true},
		{half, false},
	} {
		require.NoError(t, r.Read([]byte(`{"x":[{"k200":1},{`+strings.Join(c.elements, ",")+`},{"k000":1}]}`)))
		var terms []Term
		for f := range names {
			term := Term{Field: FieldID(f)}
			for leaf := range r.Of(term.Field) {
				term.Elements = append(term.Elements, leaf.Element)
			}
			terms = append(terms, term)
		}
		require.Equal(t, c.want, r.Consistent(terms))
	}
}

// BenchmarkConsistent answers whether a large array costs its square: ns/element must not grow with n.
func BenchmarkConsistent(b *testing.B) {
	for _, n := range []int{1000, 4000, 16000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var elements []string
			for i := range n {
				elements = append(elements, fmt.Sprintf(`{"a":%d,"b":%d}`, i%2, (i+1)%2))
			}
			r := NewReader(newTree("x.a", "x.b"))
			require.NoError(b, r.Read([]byte(`{"x":[`+strings.Join(elements, ",")+`]}`)))
			terms := []Term{{Field: 0}, {Field: 1}}
			for _, leaf := range r.Leaves() {
				if leaf.Text == "1" {
					terms[leaf.Field].Elements = append(terms[leaf.Field].Elements, leaf.Element)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				require.False(b, r.Consistent(terms))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/element")
		})
	}
}
