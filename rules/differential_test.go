package rules_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules"
)

var (
	pairs = flag.Int("pairs", 20_000, "how many pairs of a random rule and a random event to compare with the reference")
	seed  = flag.Uint64("seed", 1, "where the random pairs begin")
)

// generator makes patterns and events that often have something to do with each other.
type generator struct{ *rand.Rand }

func (g generator) one(of ...string) string { return of[g.IntN(len(of))] }

func (g generator) text() string {
	return quoted(g.one("x", "xy", "Xy", "xyz", "yx", "", "a*b", "1", "true", "zz", "é", "É", "10.0.0.1", "10.0.0.01", "10.1.2.3", "::1",
		"a\"\\b", "a longer text that goes on and on"))
}

func (g generator) number() string {
	return g.one("0", "1", "1.0", "-1", "2.5", "25e-1", "100", "1E2", "-0", "0.1", "-122.42916360922355", "37.729900216217324")
}

func (g generator) scalar() string {
	switch g.IntN(9) {
	case 0:
		return "null"
	case 1:
		return g.one("true", "false")
	case 2, 3, 4:
		return g.number()
	case 5:
		return g.one("1e400", "9007199254740993", "9007199254740992", "0.1000000000000000055", "12345678901234567890123", "1e-400")
	default:
		return g.text()
	}
}

func (g generator) list(each func() string) string {
	all := []string{each()}
	if g.IntN(2) == 0 {
		return all[0]
	}
	for range g.IntN(3) {
		all = append(all, each())
	}
	return "[" + strings.Join(all, ",") + "]"
}

func (g generator) glob() string {
	return quoted(g.one("x*", "*y", "*", "x*z", "*x*", `a\*b`, "*y*x*", "", "*é", "*text*goes*", "a *on and*"))
}

func (g generator) part() string { return quoted(g.one("x", "y", "zz", "é", "a lo")) }

func (g generator) alternative() string {
	switch g.IntN(20) {
	case 0:
		return `{"prefix":` + g.text() + `}`
	case 1:
		return `{"suffix":` + g.text() + `}`
	case 2:
		return `{"equals-ignore-case":` + g.text() + `}`
	case 3:
		return `{"prefix":{"equals-ignore-case":` + g.text() + `}}`
	case 4:
		return `{"suffix":{"equals-ignore-case":` + g.text() + `}}`
	case 5:
		return `{"wildcard":` + g.glob() + `}`
	case 6, 7:
		return fmt.Sprintf(`{"exists":%v}`, g.IntN(2) == 0)
	case 8:
		return `{"anything-but":` + g.list(g.text) + `}`
	case 9:
		return `{"anything-but":` + g.list(g.number) + `}`
	case 10:
		return `{"anything-but":{"` + g.one("prefix", "suffix") + `":` + g.list(g.part) + `}}`
	case 11:
		return `{"anything-but":{"equals-ignore-case":` + g.list(g.text) + `}}`
	case 12:
		return `{"anything-but":{"wildcard":` + g.list(g.glob) + `}}`
	case 13:
		return fmt.Sprintf(`{"numeric":[%q,%s]}`, g.one("<", "<=", ">", ">=", "="), g.number())
	case 14:
		return fmt.Sprintf(`{"numeric":[%q,-122.5,%q,2.5]}`, g.one(">", ">="), g.one("<", "<="))
	case 15:
		return `{"cidr":"` + g.one("10.0.0.0/8", "10.0.0.77/24", "::/0", "0.0.0.0/0") + `"}`
	default:
		return g.scalar()
	}
}

func (g generator) pattern(depth int) string {
	var members []string
	for _, key := range []string{"a", "b", "c"} {
		switch {
		case g.IntN(5) > 1:
		case depth > 0 && g.IntN(2) == 0:
			members = append(members, quoted(key)+":"+g.pattern(depth-1))
		default:
			list := g.alternative()
			if g.IntN(3) == 0 {
				list += "," + g.alternative()
			}
			members = append(members, quoted(key)+":["+list+"]")
		}
	}
	if g.IntN(6) == 0 {
		members = append(members, `"$or":[`+g.pattern(max(0, depth-1))+","+g.pattern(max(0, depth-1))+`]`)
	}
	if len(members) == 0 {
		return `{"a":[` + g.alternative() + `]}`
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (g generator) event(depth int) string {
	keys := []string{`"a"`, `"b"`, `"c"`, `"d"`, `"longer key"`, `"\u0061a"`}
	g.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var members []string
	for _, key := range keys {
		if g.IntN(3) > 0 {
			members = append(members, key+g.one(":", ": ", " :")+g.value(depth))
		}
	}
	return "{" + strings.Join(members, g.one(",", ",", ", ", "\n,")) + "}"
}

func (g generator) value(depth int) string {
	switch kind := g.IntN(10); {
	case kind < 3 && depth > 0:
		return g.event(depth - 1)
	case kind < 6 && depth > 0:
		var elements []string
		for range g.IntN(4) {
			elements = append(elements, g.value(depth-1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	return g.scalar()
}

// TestRandomPairsAnswerAsTheReference compares sets of rules with the reference, which looks at one rule at a time. To
// compare ten million pairs: go test ./rules -run RandomPairs -pairs 10000000 -timeout 2h.
func TestRandomPairsAnswerAsTheReference(t *testing.T) {
	t.Parallel()
	const rulesEach, eventsEach = 25, 20
	matches := 0
	for batch := range max(1, *pairs/(rulesEach*eventsEach)) {
		g := generator{rand.New(rand.NewPCG(*seed, uint64(batch)))}
		var texts []string
		var patterns []tree
		for range rulesEach {
			text := g.pattern(1)
			for {
				if _, err := rules.Parse([]byte(text)); err == nil {
					break
				}
				text = g.pattern(1) // its wildcards are too complex
			}
			p, err := parseTree(text)
			require.NoError(t, err)
			texts, patterns = append(texts, text), append(patterns, p)
		}
		set := compile(t, texts...)
		for range eventsEach {
			event := g.event(3)
			e, err := parseTree(event)
			require.NoError(t, err)
			got, err := set.ScanMatch(nil, []byte(event), rules.EventLimits{})
			require.NoError(t, err, event)
			trusted, err := set.Match(nil, []byte(event))
			require.NoError(t, err, event)
			var want []rules.ID
			for i := range patterns {
				if referenceMatch(patterns[i], e) {
					want = append(want, rules.ID(100+i))
				}
			}
			matches += len(want)
			if fmt.Sprint(want) != fmt.Sprint(got) || fmt.Sprint(want) != fmt.Sprint(trusted) {
				t.Fatalf("seed %d, batch %d: the reference finds %v, one pass %v, two %v\nevent %s\n%s",
					*seed, batch, want, got, trusted, event, strings.Join(texts, "\n"))
			}
		}
	}
	t.Logf("%d pairs of seed %d, %d matches", max(1, *pairs/(rulesEach*eventsEach))*rulesEach*eventsEach, *seed, matches)
	require.NotZero(t, matches)
}
