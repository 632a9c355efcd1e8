package filterpolicy_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/rules/filterpolicy"
)

// accepts is a naive reading of AWS's documentation: a policy with $or at the
// top or without, of values and the simplest operators, over attributes.
func accepts(policy map[string]any, attributes map[string][]any) bool {
	for key, value := range policy {
		alternatives := value.([]any)
		if key == "$or" {
			one := false
			for _, branch := range alternatives {
				one = one || accepts(branch.(map[string]any), attributes)
			}
			if !one {
				return false
			}
			continue
		}
		ok := false
		for _, a := range alternatives {
			ok = ok || fits(a, attributes[key])
		}
		if !ok {
			return false
		}
	}
	return true
}

func fits(alternative any, values []any) bool {
	m, isExpression := alternative.(map[string]any)
	if isExpression && m["exists"] == false {
		return len(values) == 0
	}
	for _, v := range values {
		text, isText := v.(string)
		number, isNumber := v.(float64)
		ok := v == alternative
		if isExpression {
			for word, operand := range m {
				switch word {
				case "exists":
					ok = true
				case "prefix":
					ok = isText && strings.HasPrefix(text, operand.(string))
				case "suffix":
					ok = isText && strings.HasSuffix(text, operand.(string))
				case "equals-ignore-case":
					ok = isText && strings.EqualFold(text, operand.(string))
				case "anything-but":
					ok = true
					if p, isPrefix := operand.(map[string]any); isPrefix {
						ok = !isText || !strings.HasPrefix(text, p["prefix"].(string))
						break
					}
					for _, excluded := range operand.([]any) {
						ok = ok && v != excluded
					}
				case "numeric":
					bound := operand.([]any)
					ok = isNumber && (bound[0] == ">" && number > bound[1].(float64) || bound[0] == "<=" && number <= bound[1].(float64))
				}
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// drawPolicy draws the policy's JSON.
func drawPolicy(rt *rapid.T, depth int) string {
	word := rapid.StringMatching(`[abA]{1,2}`)
	alternative := rapid.OneOf(
		rapid.Map(word, strconv.Quote),
		rapid.Map(rapid.IntRange(0, 4), strconv.Itoa),
		rapid.Just(`{"exists":true}`), rapid.Just(`{"exists":false}`), rapid.Just(`null`), rapid.Just(`true`),
		rapid.Map(word, func(s string) string { return fmt.Sprintf(`{"prefix":%q}`, s) }),
		rapid.Map(word, func(s string) string { return fmt.Sprintf(`{"suffix":%q}`, s) }),
		rapid.Map(word, func(s string) string { return fmt.Sprintf(`{"equals-ignore-case":%q}`, s) }),
		rapid.Map(word, func(s string) string { return fmt.Sprintf(`{"anything-but":[%q]}`, s) }),
		rapid.Map(word, func(s string) string { return fmt.Sprintf(`{"anything-but":{"prefix":%q}}`, s) }),
		rapid.Map(rapid.IntRange(0, 4), func(n int) string { return fmt.Sprintf(`{"numeric":[">",%d]}`, n) }),
		rapid.Map(rapid.IntRange(0, 4), func(n int) string { return fmt.Sprintf(`{"numeric":["<=",%d]}`, n) }),
	)
	var members []string
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"k1", "k2", "k3"}), 1, 3, rapid.ID[string]).Draw(rt, "keys") {
		members = append(members, fmt.Sprintf("%q:[%s]", key, strings.Join(rapid.SliceOfN(alternative, 1, 3).Draw(rt, "alternatives"), ",")))
	}
	if depth == 0 && rapid.IntRange(0, 2).Draw(rt, "or") == 0 {
		// Keys of branches are their own, since one given twice means the last.
		branch := func() string { return strings.ReplaceAll(drawPolicy(rt, 1), `"k`, `"o`) }
		members = append(members, fmt.Sprintf(`"$or":[%s,%s]`, branch(), branch()))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestPoliciesAgreeWithTheReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := drawPolicy(rt, 0)
		p, err := filterpolicy.Parse([]byte(text), turnout.FilterAttributes)
		if err != nil {
			require.EqualError(rt, err, "Filter policy is too complex", text)
			return
		}
		body, err := filterpolicy.Parse([]byte(text), turnout.FilterBody)
		require.NoError(rt, err)
		var policy map[string]any
		require.NoError(rt, json.Unmarshal([]byte(text), &policy))
		seen := map[string][]any{}
		var attributes []turnout.MessageAttribute
		for _, name := range []string{"k1", "k2", "k3", "o1", "o2", "o3"} {
			word := rapid.StringMatching(`[abA]{1,2}`)
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 1:
				s := word.Draw(rt, "string")
				attributes, seen[name] = append(attributes, attribute(name, "String", s)), []any{s}
			case 2:
				n := rapid.IntRange(0, 5).Draw(rt, "number")
				attributes, seen[name] = append(attributes, attribute(name, "Number", strconv.Itoa(n))), []any{float64(n)}
			case 3:
				all := rapid.SliceOfN(rapid.OneOf(word.AsAny(), rapid.Map(rapid.IntRange(0, 5), func(n int) any { return float64(n) }),
					rapid.Just[any](nil), rapid.Just[any](true)), 0, 3).Draw(rt, "array")
				encoded, err := json.Marshal(all)
				require.NoError(rt, err)
				attributes, seen[name] = append(attributes, attribute(name, "String.Array", string(encoded))), all
			}
		}
		want := accepts(policy, seen)
		require.Equal(rt, want, p.Match(attributes), "%s %s", text, attributes)
		message, err := json.Marshal(seen)
		require.NoError(rt, err)
		require.Equal(rt, want, body.MatchBody(message), "a body with the same values: %s %s", text, message)
		found := filterpolicy.NewSet([]*filterpolicy.Policy{p, body}).Match(nil, attributes, message)
		require.Len(rt, found, map[bool]int{false: 0, true: 2}[want])
	})
}

func FuzzParse(f *testing.F) {
	f.Add(`{"a":["b",1,null,{"anything-but":["x"]}],"$or":[{"c":[{"numeric":[">",1]}]},{"d":[{"cidr":"10.0.0.0/8"}]}]}`, "a", "String.Array", `["b"]`)
	f.Add(`{"a":{"b":[{"exists":false}]}}`, "a.b", "Number", "+01.5e3")
	f.Add(`{"a":[{"prefix":"`, "\"", "Number", ".")
	f.Add(`{"$or":[{"prefix":"a"},{"suffix":"b"}]}`, "$or", "String", "ab")
	f.Fuzz(func(t *testing.T, policy, name, kind, value string) {
		attributes := []turnout.MessageAttribute{attribute(name, kind, value)}
		for _, scope := range []turnout.FilterScope{turnout.FilterAttributes, turnout.FilterBody} {
			p, err := filterpolicy.Parse([]byte(policy), scope)
			if err != nil {
				_ = err.Error()
				continue
			}
			require.True(t, json.Valid([]byte(policy)))
			set := filterpolicy.NewSet([]*filterpolicy.Policy{p})
			if scope == turnout.FilterBody {
				require.Equal(t, p.MatchBody([]byte(value)), len(set.Match(nil, nil, []byte(value))) == 1)
			} else {
				require.Equal(t, p.Match(attributes), len(set.Match(nil, attributes, nil)) == 1)
			}
		}
	})
}

func BenchmarkSet(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var policies []*filterpolicy.Policy
			for i := range n {
				p, err := filterpolicy.Parse(fmt.Appendf(nil, `{"customer":["c%d"],"kind":["a","b"]}`, i), "")
				require.NoError(b, err)
				policies = append(policies, p)
			}
			s := filterpolicy.NewSet(policies)
			attributes := []turnout.MessageAttribute{attribute("customer", "String", "c0"), attribute("kind", "String", "a")}
			var dst []int
			b.ReportAllocs()
			for b.Loop() {
				dst = s.Match(dst[:0], attributes, nil)
			}
			require.Len(b, dst, 1)
		})
	}
}
