package match_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

func text(s string) match.Value { return match.Value{Kind: rawjson.String, Text: s} }

func num(s string) match.Value { return match.Value{Kind: rawjson.Number, Text: s} }

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		parts []string
		text  string
		want  bool
	}{
		{[]string{"abc"}, "abc", true},
		{[]string{"abc"}, "abcd", false},
		{[]string{""}, "", true},
		{[]string{"", ""}, "", true},
		{[]string{"", ""}, "anything", true},
		{[]string{"a", "z"}, "az", true},
		{[]string{"a", "z"}, "a", false},
		{[]string{"ab", "ba"}, "aba", false},
		{[]string{"", ".csv"}, "x.csv", true},
		{[]string{"a", "b", "c", "d"}, "aXXbYbZcWd", true},
		{[]string{"a", "b", "c", "d"}, "aXXcYbZd", false},
		{[]string{"", "aa", "aa"}, "aaa", false},
		{[]string{"", "aa", "aa"}, "aaaa", true},
	} {
		require.Equal(t, c.want, match.Glob{Parts: c.parts}.Match(c.text), "%q %s", c.parts, c.text)
	}
}

func TestFoldIsSimpleUnicodeFolding(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"LaMp", "lamp"},
		{"ΣΟΦΙΑ", "σοφια"},
		{"ς", "σ"},
		{"É", "é"},
		{"\u212a", "k"}, // the Kelvin sign
		{"ſ", "S"},
		{"µ", "μ"},
	} {
		require.Equal(t, match.Fold(c[0]), match.Fold(c[1]), "%s and %s", c[0], c[1])
	}
	for _, c := range [][2]string{{"ß", "ss"}, {"ı", "i"}, {"a", "b"}, {"é", "e"}} {
		require.NotEqual(t, match.Fold(c[0]), match.Fold(c[1]), "%s and %s", c[0], c[1])
	}
}

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "010.000.0.01": "10.0.0.1", "255.255.255.255": "255.255.255.255",
		"::1": "::1", "0:0:0:0:0:0:0:1": "::1", "2001:DB8::7": "2001:db8::7", "::ffff:a00:1": "10.0.0.1",
	} {
		a, ok := match.ParseAddress(text)
		require.True(t, ok, text)
		require.Equal(t, want, a.String(), text)
	}
	for _, text := range []string{
		"", "1", "10.0.0", "10.0.0.1.2", "10.0.0.256", "10..0.1", "10.0.0.x", "host-7", ":", "1:2", "::ffff:10.0.0.1",
		"fe80::1%eth0", "g::1", strings.Repeat("0", 70) + ".0.0.1",
	} {
		_, ok := match.ParseAddress(text)
		require.False(t, ok, text)
	}
}

// entry is something an index can hold, with the plain test it must agree with.
type entry struct {
	name string
	add  func(*match.Index, match.Posting)
	test func(*match.Value) bool
}

func stringEntry(name, arg string, add func(*match.Index, match.Posting), test func(string) bool) entry {
	return entry{
		fmt.Sprintf("%s %q", name, arg), add,
		func(v *match.Value) bool { return v.Kind == rawjson.String && test(v.Text) },
	}
}

func drawEntry(t *rapid.T, deep bool) entry {
	s := rapid.StringOfN(rapid.SampledFrom([]rune("abAB*é")), 0, 5, -1).Draw(t, "text")
	n := rapid.SampledFrom([]string{"0", "1", "1.0", "-1", "2.5", "25e-1", "1e400", "0.1", "9007199254740993"})
	kind := rapid.IntRange(0, 13).Draw(t, "kind")
	if kind == 13 && !deep {
		kind = 0
	}
	switch kind {
	case 0:
		return stringEntry("exact", s, func(x *match.Index, p match.Posting) { x.Exact(s, p) }, func(v string) bool { return v == s })
	case 1:
		return stringEntry("prefix", s, func(x *match.Index, p match.Posting) { x.Prefix(s, p) }, func(v string) bool { return strings.HasPrefix(v, s) })
	case 2:
		return stringEntry("suffix", s, func(x *match.Index, p match.Posting) { x.Suffix(s, p) }, func(v string) bool { return strings.HasSuffix(v, s) })
	case 3:
		return stringEntry("folded", s, func(x *match.Index, p match.Posting) { x.Folded(match.Fold(s), p) }, func(v string) bool { return strings.EqualFold(v, s) })
	case 4:
		return stringEntry("folded prefix", s, func(x *match.Index, p match.Posting) { x.FoldedPrefix(match.Fold(s), p) },
			func(v string) bool { return strings.HasPrefix(match.Fold(v), match.Fold(s)) })
	case 5:
		return stringEntry("folded suffix", s, func(x *match.Index, p match.Posting) { x.FoldedSuffix(match.Fold(s), p) },
			func(v string) bool { return strings.HasSuffix(match.Fold(v), match.Fold(s)) })
	case 6, 7:
		g := match.Glob{Parts: strings.Split(s, "*")}
		if kind == 7 {
			g.Parts = append(g.Parts, "abab", "")
		}
		return stringEntry("glob", strings.Join(g.Parts, "*"), func(x *match.Index, p match.Posting) { x.Glob(g, p) }, g.Match)
	case 8:
		d := rawjson.ParseDecimal(n.Draw(t, "number"))
		return entry{
			"equal " + d.Text(), func(x *match.Index, p match.Posting) { x.Equal(d, p) },
			func(v *match.Value) bool { return v.Kind == rawjson.Number && v.Number().Equal(&d) },
		}
	case 9, 10:
		r := drawRange(t)
		return entry{
			fmt.Sprintf("range %+v", r), func(x *match.Index, p match.Posting) { x.Range(r, p) },
			func(v *match.Value) bool { return v.Kind == rawjson.Number && r.Contains(v.Number()) },
		}
	case 11:
		p := netip.MustParsePrefix(rapid.SampledFrom([]string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "0.0.0.0/0", "::/0", "2001:db8::/33"}).Draw(t, "network"))
		return stringEntry("network", p.String(), func(x *match.Index, q match.Posting) { x.Network(p, q) }, func(v string) bool {
			a, ok := match.ParseAddress(v)
			return ok && p.Contains(a)
		})
	case 12:
		k := rapid.SampledFrom([]rawjson.Kind{rawjson.True, rawjson.False, rawjson.Null}).Draw(t, "literal")
		return entry{
			fmt.Sprint("literal ", k), func(x *match.Index, p match.Posting) { x.Literal(k, p) },
			func(v *match.Value) bool { return v.Kind == k },
		}
	default:
		return drawExcept(t)
	}
}

func drawRange(t *rapid.T) match.Range {
	bounds := []string{"-1", "0", "0.1", "1", "2.5", "3"}
	low := rapid.IntRange(0, len(bounds)-2).Draw(t, "low")
	high := rapid.IntRange(low+1, len(bounds)-1).Draw(t, "high")
	r := match.Range{
		Low:  match.Bound{At: rawjson.ParseDecimal(bounds[low]), Open: rapid.Bool().Draw(t, "open low"), Set: true},
		High: match.Bound{At: rawjson.ParseDecimal(bounds[high]), Open: rapid.Bool().Draw(t, "open high"), Set: true},
	}
	switch rapid.IntRange(0, 3).Draw(t, "ends") {
	case 0:
		r.Low = match.Bound{}
	case 1:
		r.High = match.Bound{}
	}
	return r
}

func drawExcept(t *rapid.T) entry {
	inner := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) entry { return drawEntry(t, false) }), 1, 3).Draw(t, "excluded")
	name := "except"
	for _, e := range inner {
		name += " " + e.name
	}
	return entry{
		name,
		func(x *match.Index, p match.Posting) {
			slot := x.Except(p)
			for _, e := range inner {
				e.add(x, slot)
			}
		},
		func(v *match.Value) bool {
			for _, e := range inner {
				if e.test(v) {
					return false
				}
			}
			return true
		},
	}
}

func drawValue(t *rapid.T) match.Value {
	switch rapid.IntRange(0, 5).Draw(t, "value kind") {
	case 0:
		return match.Value{Kind: rapid.SampledFrom([]rawjson.Kind{rawjson.True, rawjson.False, rawjson.Null}).Draw(t, "literal")}
	case 1, 2:
		return num(rapid.SampledFrom([]string{
			"0", "-0.0", "1", "10e-1", "-1", "-2", "2.5", "2.6", "3", "4", "0.1", "0.05", "0.1000000000000000055", "1e400",
			"1e-400", "9007199254740993", "9007199254740992",
		}).Draw(t, "number"))
	case 3:
		return text(rapid.SampledFrom([]string{"10.0.0.1", "10.1.2.3", "10.1.02.3", "2001:db8::1", "::1", "11.0.0.1"}).Draw(t, "address"))
	default:
		return text(rapid.StringOfN(rapid.SampledFrom([]rune("abABé")), 0, 12, -1).Draw(t, "string"))
	}
}

func TestIndexFindsWhatTestingEachWouldFind(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) entry { return drawEntry(t, true) }), 0, 40).Draw(t, "entries")
		var x match.Index
		for i, e := range entries {
			e.add(&x, match.Posting(i))
		}
		x.Freeze()
		var s match.Scratch
		for range 5 {
			v := drawValue(t)
			found := map[match.Posting]bool{}
			for _, p := range x.Find(nil, &v, &s) {
				found[p] = true
			}
			for i, e := range entries {
				if found[match.Posting(i)] != e.test(&v) {
					t.Fatalf("%s: index says %v for %v %q", e.name, found[match.Posting(i)], v.Kind, v.Text)
				}
			}
		}
	})
}

func TestIndexFindsManyRanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ranges := rapid.SliceOfN(rapid.Custom(drawRange), 1, 30).Draw(t, "ranges")
		var x match.Index
		for i, r := range ranges {
			x.Range(r, match.Posting(i))
		}
		x.Freeze()
		for _, n := range []string{"-2", "-1", "-0.5", "0", "0.05", "0.1", "0.5", "1", "2", "2.5", "2.7", "3", "4", "1e400", "-1e400"} {
			v := num(n)
			var want []match.Posting
			for i, r := range ranges {
				if r.Contains(v.Number()) {
					want = append(want, match.Posting(i))
				}
			}
			got := x.Find(nil, &v, &match.Scratch{})
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Fatalf("%s is in %v, found %v", n, want, got)
			}
		}
	})
}

func TestIndexTriesAWildcardOncePerValue(t *testing.T) {
	t.Parallel()
	var x match.Index
	for i := range 20 {
		x.Glob(match.Glob{Parts: []string{"", "aaaa", fmt.Sprint("z", i)}}, match.Posting(i))
	}
	x.Freeze()
	v := text(strings.Repeat("a", 1<<16) + "z7")
	require.Equal(t, []match.Posting{7}, x.Find(nil, &v, &match.Scratch{}), "a gram that occurs often must not cost its square")
}
