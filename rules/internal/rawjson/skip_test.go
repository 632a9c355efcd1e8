package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// skipByByte is SkipOpen written to be read.
func skipByByte(b []byte, i int) int {
	depth, inString := 1, false
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// randomJSON returns an array or object with much of what is hard to skip.
func randomJSON(r *rand.Rand, depth int) string {
	kind := r.IntN(8)
	if depth == 0 && kind > 5 {
		kind = r.IntN(6)
	}
	switch kind {
	case 0, 1, 2:
		var text strings.Builder
		for range r.IntN(40) {
			text.WriteString([]string{"x", "[", "{", "}", "]", `\\`, `\"`, "é", " ", "yyyyyyyy", `\u005c`}[r.IntN(11)])
		}
		return `"` + text.String() + `"`
	case 3:
		return []string{"true", "false", "null"}[r.IntN(3)]
	case 4, 5:
		return fmt.Sprintf("%.*f", r.IntN(20), 1000*r.NormFloat64())
	}
	var all []string
	for range r.IntN(9) {
		value := randomJSON(r, depth-1)
		if kind == 6 {
			value = fmt.Sprintf(`"%s%d":%s`, strings.Repeat(`\\`, r.IntN(4)), len(all), value)
		}
		all = append(all, value)
	}
	separator := "," + strings.Repeat(" ", r.IntN(9))
	if kind == 6 {
		return "{" + strings.Join(all, separator) + "}"
	}
	return "[" + strings.Join(all, separator) + "]"
}

func TestSkipOpenFindsTheSameEndHoweverItIsDone(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		inner := randomJSON(r, 4)
		text := []byte(strings.Repeat(" ", r.IntN(70)) + inner + "]" + strings.Repeat(`,"]`, r.IntN(40)))
		require.True(t, json.Valid([]byte(inner)), inner)
		want := skipByByte(text, 0)
		require.Equal(t, want, skipOpenPortable(text, 0), "%s", text)
		require.Equal(t, want, SkipOpen(text, 0), "%s", text)
		cut := text[:r.IntN(want)]
		require.Equal(t, -1, skipOpenPortable(cut, 0), "%s", cut)
		require.Equal(t, -1, SkipOpen(cut, 0), "%s", cut)
	}
}

func TestCheckerAcceptsWhatScanExplains(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	limits := Limits{Depth: 6, Keys: 40, Digits: 30}
	accepted := 0
	for range 50_000 {
		text := []byte(strings.Repeat(" ", r.IntN(3)) + randomJSON(r, 3) + strings.Repeat("\n", r.IntN(3)))
		for range r.IntN(3) { // spoil it
			if at := r.IntN(len(text) + 1); at < len(text) {
				text[at] = "\"\\{}[]:,0-e.t \x01\xff"[r.IntN(16)]
			}
		}
		var c Checker
		c.Reset(text, limits)
		valid := c.Valid()
		err := explain(text, limits)
		if valid {
			accepted++
			require.NoError(t, err, "%s", text)
		} else if err == nil {
			require.Contains(t, string(text), `\`, "only escaped keys are left to the scan that explains")
		}
	}
	require.Greater(t, accepted, 10_000)
}

func TestCheckerKnowsManyKeys(t *testing.T) {
	t.Parallel()
	limits := Limits{Depth: 6, Keys: 100_000, Digits: 30}
	for _, n := range []int{31, 33, 63, 64, 65, 66, 300, 5000} {
		for _, duplicate := range []int{-1, 0, 1, 62, 63, 64, n - 1} {
			var members []string
			for i := range n {
				members = append(members, fmt.Sprintf(`"key%d":{"key%d":[],"x":{"key1":1}}`, i, i))
			}
			if duplicate >= n {
				continue
			}
			if duplicate >= 0 {
				members = append(members, fmt.Sprintf(`"key%d":1`, duplicate))
			}
			text := []byte("[{" + strings.Join(members, ",") + "},{" + strings.Join(members, ",") + "}]")
			var c Checker
			for range 2 {
				c.Reset(text, limits)
				require.Equal(t, duplicate < 0, c.Valid(), "%d keys and key %d again", n, duplicate)
			}
		}
	}
}

func TestNumberEnd(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"0", "-1", "12345678", "123456789", "-122.42916360922355", "1e5", "1.5E+300", "12345678.12345678e-12345678"} {
		for _, rest := range []string{"", ",", "]", " ", "}", ",12345678", "]]]]]]]]]]]]"} {
			require.Equal(t, len(number), NumberEnd([]byte(number+rest), 0), number+rest)
		}
	}
}

// BenchmarkSkipOpen shows what it costs not to look into something, with and without vectors. The best of many runs
// counts: other programs can only add to it.
func BenchmarkSkipOpen(b *testing.B) {
	text := []byte(strings.Repeat(`{"x":-122.45666595053973,"y":37.722450152117467,"z":0},`, 160) + `1]`)
	for _, c := range []struct {
		name string
		skip func([]byte) int
	}{
		{"best", func(text []byte) int { return SkipOpen(text, 0) }},
		{"portable", func(text []byte) int { return skipOpenPortable(text, 0) }},
		{"count", func(text []byte) int { return bytes.Count(text, []byte{'"'}) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				c.skip(text)
				best = min(best, time.Since(start))
			}
			b.ReportMetric(float64(len(text))/float64(best.Nanoseconds()), "GB/s")
		})
	}
}
