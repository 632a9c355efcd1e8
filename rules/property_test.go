package rules_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout/rules"
)

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func drawText(t *rapid.T) string {
	return quoted(rapid.SampledFrom([]string{
		"x", "xy", "Xy", "xyz", "yx", "", "a*b", "1", "true", "zz", "é", "É", "10.0.0.1", "10.0.0.01", "10.1.2.3", "::1", "a\"\\b",
	}).Draw(t, "text"))
}

func drawNumber(t *rapid.T) string {
	return rapid.SampledFrom([]string{"0", "1", "1.0", "-1", "2.5", "25e-1", "100", "1E2", "-0", "0.1"}).Draw(t, "number")
}

func drawScalar(t *rapid.T) string {
	switch rapid.IntRange(0, 7).Draw(t, "scalar") {
	case 0:
		return "null"
	case 1:
		return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
	case 2, 3, 4:
		return drawNumber(t)
	case 5:
		return rapid.SampledFrom([]string{"1e400", "9007199254740993", "9007199254740992", "0.1000000000000000055"}).Draw(t, "odd number")
	default:
		return drawText(t)
	}
}

func drawList(t *rapid.T, each func(*rapid.T) string) string {
	list := rapid.SliceOfN(rapid.Custom(each), 1, 3).Draw(t, "list")
	if len(list) == 1 && rapid.Bool().Draw(t, "single") {
		return list[0]
	}
	return "[" + strings.Join(list, ",") + "]"
}

func drawGlob(t *rapid.T) string {
	return quoted(rapid.SampledFrom([]string{"x*", "*y", "*", "x*z", "*x*", `a\*b`, "*y*x*", "", "*é"}).Draw(t, "glob"))
}

func drawNonEmpty(t *rapid.T) string {
	return quoted(rapid.SampledFrom([]string{"x", "y", "zz", "é"}).Draw(t, "part"))
}

func drawAlternative(t *rapid.T) string {
	switch rapid.IntRange(0, 19).Draw(t, "operator") {
	case 0:
		return `{"prefix":` + drawText(t) + `}`
	case 1:
		return `{"suffix":` + drawText(t) + `}`
	case 2:
		return `{"equals-ignore-case":` + drawText(t) + `}`
	case 3:
		return `{"prefix":{"equals-ignore-case":` + drawText(t) + `}}`
	case 4:
		return `{"suffix":{"equals-ignore-case":` + drawText(t) + `}}`
	case 5:
		return `{"wildcard":` + drawGlob(t) + `}`
	case 6, 7, 8:
		return fmt.Sprintf(`{"exists":%v}`, rapid.Bool().Draw(t, "exists"))
	case 9:
		return `{"anything-but":` + drawList(t, drawText) + `}`
	case 10:
		return `{"anything-but":` + drawList(t, drawNumber) + `}`
	case 11:
		form := rapid.SampledFrom([]string{"prefix", "suffix"}).Draw(t, "form")
		return `{"anything-but":{"` + form + `":` + drawList(t, drawNonEmpty) + `}}`
	case 12:
		return `{"anything-but":{"equals-ignore-case":` + drawList(t, drawText) + `}}`
	case 13:
		return `{"anything-but":{"wildcard":` + drawList(t, drawGlob) + `}}`
	case 14:
		return fmt.Sprintf(`{"numeric":[%q,%s]}`, rapid.SampledFrom([]string{"<", "<=", ">", ">=", "="}).Draw(t, "sign"), drawNumber(t))
	case 15:
		return `{"numeric":[">=",-1,"<",2.5]}`
	case 16:
		return `{"cidr":"` + rapid.SampledFrom([]string{"10.0.0.0/8", "10.0.0.77/24", "::/0", "0.0.0.0/0"}).Draw(t, "network") + `"}`
	default:
		return drawScalar(t)
	}
}

// drawPattern draws an object of fields.
func drawPattern(t *rapid.T, depth int, keys []string) string {
	var members []string
	for _, key := range keys {
		if rapid.IntRange(0, 4).Draw(t, "has") > 1 {
			continue
		}
		if depth > 0 && rapid.Bool().Draw(t, "nested") {
			members = append(members, quoted(key)+":"+drawPattern(t, depth-1, keys))
			continue
		}
		list := rapid.SliceOfN(rapid.Custom(drawAlternative), 1, 2).Draw(t, "alternatives")
		members = append(members, quoted(key)+":["+strings.Join(list, ",")+"]")
	}
	if rapid.IntRange(0, 5).Draw(t, "or") == 0 {
		branches := drawPattern(t, depth-1, keys) + "," + drawPattern(t, depth-1, keys)
		members = append(members, `"$or":[`+branches+`]`)
	}
	if len(members) == 0 {
		members = append(members, `"a":["x"]`)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func drawEvent(t *rapid.T, depth int, keys []string) string {
	var members []string
	for _, key := range rapid.Permutation(keys).Draw(t, "order") {
		if rapid.IntRange(0, 2).Draw(t, "has") > 0 {
			members = append(members, quoted(key)+":"+drawEventValue(t, depth, keys))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func drawEventValue(t *rapid.T, depth int, keys []string) string {
	kind := rapid.IntRange(0, 9).Draw(t, "value")
	switch {
	case kind < 3 && depth > 0:
		return drawEvent(t, depth-1, keys)
	case kind < 6 && depth > 0:
		var elements []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			elements = append(elements, drawEventValue(t, depth-1, keys))
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	return drawScalar(t)
}

func compile(t require.TestingT, patterns ...string) *rules.Set {
	var all []rules.Rule
	for i, pattern := range patterns {
		p, err := rules.Parse([]byte(pattern))
		require.NoError(t, err, "%s", pattern)
		all = append(all, rules.Rule{ID: rules.ID(100 + i), Pattern: p})
	}
	return rules.Compile(all)
}

func TestSharedSetAnswersAsIfEachRuleWereAlone(t *testing.T) {
	t.Parallel()
	keys := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return drawPattern(t, 1, keys) }), 1, 30).Draw(t, "patterns")
		shared := compile(t, patterns...)
		for range 3 {
			event := drawEvent(t, 3, keys)
			tr, err := parseTree(event)
			require.NoError(t, err)
			require.NoError(t, rules.Scan([]byte(event)))
			got, err := shared.Match(nil, []byte(event))
			require.NoError(t, err)
			var want []rules.ID
			for i, pattern := range patterns {
				p, err := parseTree(pattern)
				require.NoError(t, err)
				alone, err := compile(t, pattern).Match(nil, []byte(event))
				require.NoError(t, err)
				require.Equal(t, referenceMatch(p, tr), len(alone) == 1, "pattern %s\nevent %s\n%s", pattern, event, describe(tr))
				if len(alone) == 1 {
					want = append(want, rules.ID(100+i))
				}
			}
			require.Equal(t, want, got, "event %s", event)
			checked, err := shared.ScanMatch(nil, []byte(event), rules.EventLimits{})
			require.NoError(t, err)
			require.Equal(t, want, checked, "in one pass, event %s", event)
		}
	})
}

func TestDottedNamesJoin(t *testing.T) {
	t.Parallel()
	// Without arrays the reference holds for dotted keys too.
	keys := []string{"a", "b", "a.b", "b.a"}
	rapid.Check(t, func(t *rapid.T) {
		pattern := drawPattern(t, 1, keys)
		event := drawEvent(t, 2, keys)
		if strings.Contains(event, "[") {
			t.Skip("arrays")
		}
		p, err := parseTree(pattern)
		require.NoError(t, err)
		e, err := parseTree(event)
		require.NoError(t, err)
		require.Equal(t, referenceMatch(p, e), answer(pattern, event), "pattern %s\nevent %s\n%s", pattern, event, describe(e))
	})
}

// fuzzable reports whether the reference can be asked about the event.
func fuzzable(event tree) (ok, dots, arrays bool) {
	ok = true
	var walk func(t tree)
	walk = func(t tree) {
		arrays = arrays || t.isArray
		for _, m := range t.object {
			dots = dots || strings.Contains(m.key, ".")
			walk(m.value)
		}
		for _, e := range t.array {
			walk(e)
		}
		if n, is := t.scalar.(json.Number); is {
			_, exponent, has := strings.Cut(strings.ToLower(n.String()), "e")
			ok = ok && (!has || len(exponent) < 5)
		}
	}
	walk(event)
	return ok, dots, arrays
}

func FuzzMatch(f *testing.F) {
	for _, v := range readVectors(f, "testdata/pattern-vectors.jsonl.gz") {
		f.Add(v.Pattern, v.Event)
	}
	for i, v := range readVectors(f, "testdata/pattern-random-vectors.jsonl.gz") {
		if i%40 == 0 {
			f.Add(v.Pattern, v.Event)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := rules.Parse([]byte(pattern))
		if err != nil {
			return
		}
		set := rules.Compile([]rules.Rule{{Pattern: p}})
		checked, errChecked := set.ScanMatch(nil, []byte(event), rules.EventLimits{})
		if errScan := rules.Scan([]byte(event)); errScan != nil {
			require.Equal(t, errScan, errChecked)
			require.Empty(t, checked)
			_, _ = set.Match(nil, []byte(event)) // must not panic
			return
		}
		got, err := set.Match(nil, []byte(event))
		require.Equal(t, rules.IsObject([]byte(event)), err == nil)
		require.Equal(t, err, errChecked)
		require.Equal(t, got, checked)
		if err != nil || len(event) > 400 {
			return
		}
		tp, err := parseTree(pattern)
		require.NoError(t, err)
		te, err := parseTree(event)
		require.NoError(t, err)
		okP, _, _ := fuzzable(tp)
		okE, dots, arrays := fuzzable(te)
		if !okP || !okE {
			return
		}
		want := referenceMatch(tp, te)
		if dots && arrays && (!want || strings.Contains(pattern, "exists")) {
			return // a field reached in two ways is not tied to elements
		}
		require.Equal(t, want, len(got) == 1, "pattern %s\nevent %s\n%s", pattern, event, describe(te))
	})
}

func FuzzParse(f *testing.F) {
	for _, v := range readVectors(f, "testdata/pattern-vectors.jsonl.gz") {
		f.Add([]byte(v.Pattern))
	}
	f.Fuzz(func(t *testing.T, pattern []byte) {
		p, err := rules.Parse(pattern)
		if err != nil {
			e := asError(t, err)
			require.NotEmpty(t, e.Message)
			require.LessOrEqual(t, e.Offset, len(pattern))
			require.Contains(t, e.WithSource(pattern), e.Message)
			return
		}
		require.True(t, json.Valid(pattern), "%q", pattern)
		require.Equal(t, string(pattern), p.String())
		set := rules.Compile([]rules.Rule{{ID: 1, Pattern: p}, {ID: 2, Pattern: p}})
		for _, event := range []string{`{}`, `{"a":[{"b":1},"x"]}`} {
			got, err := set.Match(nil, []byte(event))
			require.NoError(t, err)
			require.True(t, len(got) == 0 || slices.Equal(got, []rules.ID{1, 2}))
		}
	})
}
