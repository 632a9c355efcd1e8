package rules_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules"
)

// TestMatchAsTheServiceDoes has what the service is recorded to answer.
func TestMatchAsTheServiceDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, pattern, event string
		want                 bool
	}{
		{"anything-but needs a value", `{"a":[{"anything-but":"x"}]}`, `{"b":1}`, false},
		{"anything-but takes null", `{"a":[{"anything-but":"x"}]}`, `{"a":null}`, true},
		{"anything-but takes numbers", `{"a":[{"anything-but":{"prefix":"1"}}]}`, `{"a":12}`, true},
		{"an empty prefix begins every string", `{"a":[{"prefix":""}]}`, `{"a":"x"}`, true},
		{"an empty suffix ends every string", `{"a":[{"suffix":""}]}`, `{"a":""}`, true},
		{"an empty prefix is for strings", `{"a":[{"prefix":""}]}`, `{"a":1}`, false},
		{"an empty wildcard is the empty string", `{"a":[{"wildcard":""}]}`, `{"a":""}`, true},
		{"an empty wildcard is nothing else", `{"a":[{"wildcard":""}]}`, `{"a":"x"}`, false},
		{"anything-but an empty wildcard", `{"a":[{"anything-but":{"wildcard":""}}]}`, `{"a":"x"}`, true},
		{"exists is false for an empty array", `{"resources":[{"exists":true}]}`, `{"resources":[]}`, false},
		{"exists is false for an object", `{"a":[{"exists":true}]}`, `{"a":{"b":1}}`, false},
		{"exists is true for null", `{"a":[{"exists":true}]}`, `{"a":null}`, true},
		{"a dot in the pattern joins", `{"detail":{"state.status":["running"]}}`, `{"detail":{"state":{"status":"running"}}}`, true},
		{"a dot in the event joins", `{"detail":{"state":{"status":["running"]}}}`, `{"detail":{"state.status":"running"}}`, true},
		{"dots join anywhere", `{"a.b":{"c":[1]}}`, `{"a":{"b.c":1}}`, true},
		{"300 is 300.0", `{"a":[300]}`, `{"a":300.0}`, true},
		{"numeric is not for strings", `{"a":[{"numeric":["<",5]}]}`, `{"a":"1"}`, false},
		{"numeric is not for null", `{"a":[{"numeric":["<",5]}]}`, `{"a":null}`, false},
		{"keys are case-sensitive", `{"Source":["x"]}`, `{"source":"x"}`, false},
		{"the last of two equal keys counts", `{"l":[{"prefix":"us-"}],"l":[{"anything-but":"us-east"}]}`, `{"l":"eu-central-1"}`, true},
		{"a list in an object", `{"d":{"r":["b","c"]}}`, `{"d":{"r":["a","b"]}}`, true},
		{"backslashes and stars are plain in strings", `{"a":["*"],"b":["\\"]}`, `{"a":"*","b":"\\"}`, true},
		{"an absent parent", `{"n":{"h":{"s":[{"anything-but":["r"]},{"exists":false}]}}}`, `{"n":{"p":{"n":"789"}}}`, true},
		{"one branch of $or", `{"$or":[{"source":["aws.ec2"]},{"source":["aws.s3"]}]}`, `{"source":"aws.s3"}`, true},
		{"no branch of $or", `{"$or":[{"source":["aws.ec2"]},{"source":["aws.s3"]}]}`, `{"source":"my.app"}`, false},
	} {
		require.Equal(t, c.want, answer(c.pattern, c.event), "%s: %s on %s", c.name, c.pattern, c.event)
	}
}

func TestMatchReportsEachRuleOnceInOrder(t *testing.T) {
	t.Parallel()
	p, err := rules.Parse([]byte(`{"$or":[{"a":[1]},{"b":[1]},{"a":[{"exists":true}]}]}`))
	require.NoError(t, err)
	absent, err := rules.Parse([]byte(`{"z":[{"exists":false}]}`))
	require.NoError(t, err)
	set := rules.Compile([]rules.Rule{{9, absent}, {7, p}, {8, p}, {7, p}, {1, absent}})
	require.Equal(t, 5, set.Len())
	got, err := set.Match([]rules.ID{4}, []byte(`{"a":1,"b":1}`))
	require.NoError(t, err)
	require.Equal(t, []rules.ID{4, 9, 7, 8, 7, 1}, got, "appended to what was there")
}

func TestEmptySetMatchesNothing(t *testing.T) {
	t.Parallel()
	for _, set := range []*rules.Set{{}, rules.Compile(nil)} {
		got, err := set.Match(nil, []byte(`{"a":1}`))
		require.NoError(t, err)
		require.Empty(t, got)
		require.Zero(t, set.Len())
	}
}

func TestMatchRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	set := compile(t, `{"a":[1]}`)
	for _, event := range []string{``, `[]`, `"x"`, `{"a":1`, `{"a":1} x`} {
		got, err := set.Match([]rules.ID{1}, []byte(event))
		require.Equal(t, "event is not a well-formed JSON object", asError(t, err).Error())
		require.Equal(t, []rules.ID{1}, got)
	}
	got, err := set.Match(nil, []byte(`{"a":1}`))
	require.NoError(t, err)
	require.Len(t, got, 1, "an error does not spoil the set")
}

func TestScan(t *testing.T) {
	t.Parallel()
	require.NoError(t, rules.Scan([]byte(`{"a":[1]}`)))
	err := rules.Scan([]byte("{\"a\":1,\n\"a\":2}"))
	require.Equal(t, `duplicate key "a" (line 2, column 1)`, err.Error())
	require.Equal(t, 8, asError(t, err).Offset)
	require.Error(t, rules.Scan([]byte(strings.Repeat("[", 101)+strings.Repeat("]", 101))), "100 levels by default")
	require.NoError(t, rules.EventLimits{Depth: 101}.Scan([]byte(strings.Repeat("[", 101)+strings.Repeat("]", 101))))
	deep := []byte(strings.Repeat("[", 1001) + strings.Repeat("]", 1001))
	require.ErrorContains(t, rules.EventLimits{Depth: 5000}.Scan(deep), "1000 levels", "never more than 1000")
	deepest := strings.Repeat("[", 999) + "1" + strings.Repeat("]", 999)
	require.NoError(t, rules.EventLimits{Depth: 1000}.Scan([]byte(`{"a":`+deepest+`}`)))
	got, err := compile(t, `{"detail":{"a":[1]}}`).Match(nil, []byte(`{"detail":{"a":`+deepest+`}}`))
	require.NoError(t, err, "a detail of the greatest depth in its envelope")
	require.Len(t, got, 1)
	require.Error(t, rules.EventLimits{Keys: 1}.Scan([]byte(`{"a":1,"b":2}`)))
	require.Error(t, rules.EventLimits{Digits: 2}.Scan([]byte(`123`)))
	require.True(t, rules.IsObject([]byte(" {}")))
	require.False(t, rules.IsObject([]byte(" []")))
	require.False(t, rules.IsObject(nil))
}

// mixedRule returns the i-th of many rules in which several fields and operators come together.
func mixedRule(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 13))
	low := r.IntN(900)
	return fmt.Sprintf(`{"source":["svc.%d"],"region":[{"prefix":"%s"}],"detail":{"tenant":["t%06d"],"status":[{"anything-but":["%s"]}],"amount":[{"numeric":[">",%d,"<=",%d]}]}}`,
		r.IntN(50), []string{"eu-", "us-", "ap-"}[r.IntN(3)], i/4, []string{"created", "paid", "failed"}[r.IntN(3)], low, low+1+r.IntN(300))
}

// mixedEvent returns an event of about 600 bytes that some of the first n mixed rules match.
func mixedEvent(i, n int) []byte {
	r := rand.New(rand.NewPCG(uint64(i), 99))
	rule := rand.New(rand.NewPCG(uint64(i%n), 13))
	low := rule.IntN(900)
	return fmt.Appendf(nil, `{"version":"0","id":"%08x-5c4d-4bb1-a1b9-5a8f2b1c0d3e","detail-type":"Type%d","source":"svc.%d","account":"123456789012","time":"2025-11-11T21:29:54Z","region":"%s","resources":["arn:aws:ec2:us-east-1:123456789012:instance/i-%017x"],"detail":{"order":"o-%09d","items":[{"sku":"SKU-%06d","qty":%d,"price":%.2f},{"sku":"SKU-000001","qty":1,"price":9.99}],"user":{"id":"u%07d","name":"Some Body","tags":["gold","newsletter"]},"tenant":"t%06d","status":"%s","amount":%d,"path":"/api/v%d/item%d/detail","note":"The quick brown fox jumps over the lazy dog, \"twice\"."}}`,
		r.Uint32(), r.IntN(20), rule.IntN(50), []string{"eu-west-1", "us-east-1", "ap-east-1"}[rule.IntN(3)], r.Int64(), r.IntN(1e9), r.IntN(1e6), 1+r.IntN(5), 100*r.Float64(), r.IntN(1e7),
		i%n/4, []string{"shipped", "paid"}[r.IntN(2)], low+1, r.IntN(9), r.IntN(20000))
}

func mixedSet(t require.TestingT, n int) *rules.Set {
	var patterns []string
	for i := range n {
		patterns = append(patterns, mixedRule(i))
	}
	return compile(t, patterns...)
}

func TestManyRulesAnswerAsAlone(t *testing.T) {
	t.Parallel()
	const n = 300
	set := mixedSet(t, n)
	var patterns []tree
	for k := range n {
		p, err := parseTree(mixedRule(k))
		require.NoError(t, err)
		patterns = append(patterns, p)
	}
	matches := 0
	for i := range 20 {
		event := mixedEvent(i*7, n)
		require.NoError(t, rules.Scan(event))
		got, err := set.Match(nil, event)
		require.NoError(t, err)
		e, err := parseTree(string(event))
		require.NoError(t, err)
		var want []rules.ID
		for k := range n {
			if referenceMatch(patterns[k], e) {
				want = append(want, rules.ID(100+k))
			}
		}
		require.Equal(t, want, got, "%s", event)
		matches += len(got)
	}
	require.NotZero(t, matches)
}

func TestSetIsSharedByGoroutines(t *testing.T) {
	t.Parallel()
	const n = 200
	set := mixedSet(t, n)
	var events [][]byte
	var want [][]rules.ID
	for i := range 50 {
		events = append(events, mixedEvent(i, n))
		ids, err := set.Match(nil, events[i])
		require.NoError(t, err)
		want = append(want, ids)
	}
	var wg sync.WaitGroup
	results := make([][][]rules.ID, 4)
	for g := range results {
		wg.Go(func() {
			for i := range events {
				ids, err := set.Match(nil, events[(i+g*13)%len(events)])
				if err != nil {
					return
				}
				results[g] = append(results[g], ids)
			}
		})
	}
	wg.Wait()
	for g, ids := range results {
		require.Len(t, ids, len(events))
		for i := range ids {
			require.Equal(t, want[(i+g*13)%len(events)], ids[i])
		}
	}
}

func TestManyCombinationsOfOneRule(t *testing.T) {
	t.Parallel()
	// Every rule has the same source, so that is everyone's pivot or worse; the second term must find them.
	var patterns []string
	for i := range 300 {
		patterns = append(patterns, fmt.Sprintf(`{"source":["s"],"detail":{"type":["t%d","t%d"],"n":[{"numeric":[">",%d]}]}}`, i, i+1, i))
	}
	set := compile(t, patterns...)
	got, err := set.Match(nil, []byte(`{"source":"s","detail":{"type":["t5","t9"],"n":9}}`))
	require.NoError(t, err)
	require.Equal(t, []rules.ID{104, 105, 108}, got)
}

func cityLots(t testing.TB) [][]byte {
	t.Helper()
	var events [][]byte
	readLines(t, "testdata/city-lots-2k.jsonl.gz", func(line []byte) { events = append(events, bytes.Clone(line)) })
	return events
}

func TestCityLots(t *testing.T) {
	t.Parallel()
	patterns := cityPatterns()
	set := compile(t, patterns...)
	counts := map[rules.ID]int{}
	for i, event := range cityLots(t) {
		require.NoError(t, rules.Scan(event))
		ids, err := set.Match(nil, event)
		require.NoError(t, err)
		for _, id := range ids {
			counts[id]++
		}
		if i%100 > 0 {
			continue
		}
		e, err := parseTree(string(event))
		require.NoError(t, err)
		for k, pattern := range patterns {
			p, err := parseTree(pattern)
			require.NoError(t, err)
			require.Equal(t, referenceMatch(p, e), bytes.Contains(fmt.Append(nil, ids), fmt.Append(nil, 100+k)), "%s on %s", pattern, event)
		}
	}
	for k, pattern := range patterns {
		require.NotZero(t, counts[rules.ID(100+k)], "nothing matches %s", pattern)
	}
}

// cityPatterns returns patterns of every kind that some city lots match.
func cityPatterns() []string {
	return []string{
		`{"properties":{"STREET":["WASHINGTON"],"ST_TYPE":["AVE"]}}`,
		`{"properties":{"STREET":[{"prefix":"WA"}]}}`,
		`{"properties":{"STREET":[{"suffix":"ON"}]}}`,
		`{"properties":{"STREET":[{"equals-ignore-case":"washington"}]}}`,
		`{"properties":{"STREET":[{"wildcard":"W*N*N"}]}}`,
		`{"properties":{"ODD_EVEN":[{"anything-but":["E"]}],"ST_TYPE":[{"anything-but":{"prefix":"A"}}]}}`,
		`{"geometry":{"coordinates":[{"numeric":[">",-122.45,"<",-122.44]}]}}`,
		`{"geometry":{"type":["Polygon"]},"properties":{"nothing":[{"exists":false}],"$or":[{"FROM_ST":[{"prefix":"23"}]},{"TO_ST":[{"suffix":"7"}]}]}}`,
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("mixed/%d", n), func(b *testing.B) {
			set := mixedSet(b, n)
			var events [][]byte
			for i := range 1000 {
				events = append(events, mixedEvent(i*37, n))
			}
			benchmarkMatch(b, set, events)
		})
	}
	b.Run("cityLots/8", func(b *testing.B) { benchmarkMatch(b, compile(b, cityPatterns()...), cityLots(b)) })
	b.Run("arrays/16000", func(b *testing.B) {
		var elements []string
		for i := range 16_000 {
			elements = append(elements, fmt.Sprintf(`{"a":%d,"b":%d}`, i%2, (i+1)%2))
		}
		benchmarkMatch(b, compile(b, `{"x":{"a":[1],"b":[1]}}`), [][]byte{[]byte(`{"x":[` + strings.Join(elements, ",") + `]}`)})
	})
	b.Run("wildcards/10000", func(b *testing.B) {
		var patterns []string
		for i := range 10_000 {
			patterns = append(patterns, fmt.Sprintf(`{"detail":{"path":[{"wildcard":"/api/*/item%d/*"}]}}`, i))
		}
		benchmarkMatch(b, compile(b, patterns...), [][]byte{mixedEvent(1, 10)})
	})
}

func benchmarkMatch(b *testing.B, set *rules.Set, events [][]byte) {
	b.Helper()
	var bytesTotal, matches int
	for _, event := range events {
		bytesTotal += len(event)
	}
	b.SetBytes(int64(bytesTotal / len(events)))
	b.ReportAllocs()
	var ids []rules.ID
	i := 0
	for b.Loop() {
		ids, _ = set.Match(ids[:0], events[i%len(events)])
		matches += len(ids)
		i++
	}
	b.ReportMetric(float64(matches)/float64(i), "matches/op")
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var all []rules.Rule
			for i := range n {
				p, err := rules.Parse([]byte(mixedRule(i)))
				require.NoError(b, err)
				all = append(all, rules.Rule{ID: rules.ID(i), Pattern: p})
			}
			b.ReportAllocs()
			for b.Loop() {
				rules.Compile(all)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	pattern := []byte(mixedRule(1))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = rules.Parse(pattern)
	}
}
