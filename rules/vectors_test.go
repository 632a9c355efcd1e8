package rules_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules"
)

type vector struct {
	Name    string
	Pattern string
	Event   string
	Match   any // true, false or "error"
	Why     string
}

// deviations are the vectors on which Turnout answers otherwise than AWS's engine, and why. docs/PATTERNS.md lists them.
var deviations = map[string]string{
	"eic-kelvin":          "case is folded by Unicode's simple folding: the Kelvin sign is a k",
	"eic-sharp-s-pattern": "case is folded character by character: ß is not SS, in either direction",
	"ip-v4-in-v6-zero":    "networks contain addresses of their own family only",
	"ip-v4-leaks-into-v6": "networks contain addresses of their own family only",
	"ip-v6-leaks-into-v4": "networks contain addresses of their own family only",
	"st-dup-key-last":     "events with a key twice in one object are refused",
	"st-dup-key-objects":  "events with a key twice in one object are refused",
}

func readLines(t testing.TB, file string, each func(line []byte)) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		each(lines.Bytes())
	}
	require.NoError(t, lines.Err())
}

func readVectors(t testing.TB, file string) []vector {
	t.Helper()
	var all []vector
	readLines(t, file, func(line []byte) {
		var v vector
		require.NoError(t, json.Unmarshal(line, &v))
		all = append(all, v)
	})
	return all
}

// answer returns true, false or "error" for one pattern alone and one event.
func answer(pattern, event string) any {
	p, err := rules.Parse([]byte(pattern))
	if err != nil {
		return "error"
	}
	set := rules.Compile([]rules.Rule{{ID: 7, Pattern: p}})
	checked, errChecked := set.ScanMatch(nil, []byte(event), rules.EventLimits{})
	if rules.Scan([]byte(event)) != nil {
		return wantSame("error", errChecked != nil)
	}
	ids, err := set.Match(nil, []byte(event))
	if err != nil {
		return wantSame("error", errChecked != nil)
	}
	return wantSame(len(ids) == 1, errChecked == nil && len(checked) == len(ids))
}

// wantSame returns the answer unless checking and matching in one pass gave another than one after the other.
func wantSame(answer any, same bool) any {
	if !same {
		return "one pass and two disagree"
	}
	return answer
}

func TestPatternsAnswerAsAWSsEngine(t *testing.T) {
	t.Parallel()
	used := 0
	for _, v := range readVectors(t, "testdata/pattern-vectors.jsonl.gz") {
		got := answer(v.Pattern, v.Event)
		if reason, ok := deviations[v.Name]; ok {
			used++
			require.NotEqual(t, v.Match, got, "%s is listed as a deviation (%s) and is none", v.Name, reason)
			continue
		}
		require.Equal(t, v.Match, got, "%s: %s\npattern %s\nevent %s", v.Name, v.Why, v.Pattern, v.Event)
	}
	require.Len(t, deviations, used, "a listed deviation is not among the vectors")
}

func TestRandomPatternsAnswerAsAWSsEngine(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t, "testdata/pattern-random-vectors.jsonl.gz") {
		require.Equal(t, v.Match, answer(v.Pattern, v.Event), "pattern %s\nevent %s", v.Pattern, v.Event)
	}
}
