package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules"
)

// BenchmarkPosition answers what it costs where in an event of 9 KB the field is that a rule asks for.
func BenchmarkPosition(b *testing.B) {
	var members []string
	for i := range 90 {
		members = append(members, fmt.Sprintf(`"field%02d":{"id":%d,"text":"%s","list":[1,2,{"x":"y"}]}`, i, i, strings.Repeat("lorem ipsum ", 4)))
	}
	event := []byte(`{"source":"a","detail":{` + strings.Join(members, ",") + `}}`)
	for _, c := range []struct{ name, pattern string }{
		{"first", `{"detail":{"field00":{"id":[0]}}}`},
		{"middle", `{"detail":{"field45":{"id":[45]}}}`},
		{"last", `{"detail":{"field89":{"id":[89]}}}`},
		{"absent", `{"detail":{"none":[{"exists":false}]}}`},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkCity(b, [][]byte{event}, []string{c.pattern}) })
	}
}

// hostile are events and rules made to be as slow as the limits allow. Each takes a size.
func hostile() []struct {
	name  string
	rules []string
	event func(n int) string
} {
	list := func(n int, each func(i int) string) string {
		var all []string
		for i := range n {
			all = append(all, each(i))
		}
		return strings.Join(all, ",")
	}
	var sameStart, globs []string
	for i := range 1000 {
		sameStart = append(sameStart, fmt.Sprintf(`{"x":[{"prefix":"%s"}],"n":[%d]}`, strings.Repeat("a", i+1), i))
		globs = append(globs, fmt.Sprintf(`{"x":[{"wildcard":"*aaaa*%03d"}],"n":[{"exists":true}]}`, i))
	}
	return []struct {
		name  string
		rules []string
		event func(n int) string
	}{
		{"objects", []string{`{"x":{"a":[1],"b":[1]}}`}, func(n int) string {
			return `{"x":[` + list(n, func(i int) string { return fmt.Sprintf(`{"a":%d,"b":%d}`, i%2, (i+1)%2) }) + `]}`
		}},
		{"nested-objects", []string{`{"x":{"a":[1],"y":{"b":[1],"c":[1]}}}`}, func(n int) string {
			return `{"x":[` + list(n/4, func(i int) string {
				return fmt.Sprintf(`{"a":1,"y":[{"b":%d,"c":%d},{"b":0},{"c":1}]}`, i%2, (i+1)%2)
			}) + `]}`
		}},
		{"absent-in-objects", []string{`{"x":{"a":[1],"b":[{"exists":false}],"c":[2]}}`}, func(n int) string {
			return `{"x":[` + list(n, func(i int) string { return fmt.Sprintf(`{"a":1,"b":1,"c":%d}`, i%3) }) + `]}`
		}},
		{"values", []string{`{"x":[{"anything-but":["v1"]}],"y":["z"]}`, `{"x":["v0","v2","v4"]}`}, func(n int) string {
			return `{"x":[` + list(n, func(i int) string { return fmt.Sprintf(`"v%d"`, i) }) + `]}`
		}},
		{"prefixes", sameStart, func(n int) string {
			return `{"n":-1,"x":[` + list(n/100, func(int) string { return `"` + strings.Repeat("a", 1000) + `"` }) + `]}`
		}},
		{"wildcards", globs, func(n int) string {
			return `{"x":[` + list(n/100, func(int) string { return `"` + strings.Repeat("a", 100) + `999x"` }) + `]}`
		}},
	}
}

// BenchmarkHostile answers what the worst events cost, and that four times as much of one costs about four times as
// much.
func BenchmarkHostile(b *testing.B) {
	for _, h := range hostile() {
		b.Run(h.name, func(b *testing.B) {
			set := compile(b, h.rules...)
			small, large := []byte(h.event(4000)), []byte(h.event(16_000))
			require.NoError(b, rules.EventLimits{Keys: 1 << 20}.Scan(large))
			var ids []rules.ID
			best := [2]time.Duration{time.Hour, time.Hour}
			b.ReportAllocs()
			for b.Loop() {
				for i, event := range [][]byte{small, large} {
					start := time.Now()
					ids, _ = set.Match(ids[:0], event)
					best[i] = min(best[i], time.Since(start))
				}
			}
			b.ReportMetric(float64(best[1].Microseconds()), "µs/event-16000")
			b.ReportMetric(float64(best[1].Nanoseconds())/float64(len(large)), "ns/B")
			b.ReportMetric(float64(best[1])/float64(best[0]), "x-of-4000")
		})
	}
}

// TestHostileEventsAnswerAlike holds one pass and two against each other on what BenchmarkHostile measures.
func TestHostileEventsAnswerAlike(t *testing.T) {
	t.Parallel()
	for _, h := range hostile() {
		set := compile(t, h.rules...)
		event := []byte(h.event(2000))
		got, err := set.ScanMatch(nil, event, rules.EventLimits{Keys: 1 << 20})
		require.NoError(t, err, h.name)
		want, err := set.Match(nil, event)
		require.NoError(t, err, h.name)
		require.Equal(t, want, got, h.name)
	}
}

// BenchmarkChurn answers what matching costs while a thousand rules a second change in a set of a hundred thousand: the
// slowest hundredth of events beside that of a set nobody changes.
func BenchmarkChurn(b *testing.B) {
	const n = 100_000
	s := shapes()[2]
	base, _, _ := compiled(b, s, n)
	events := busEvents(4000, n)
	var fresh []rules.Rule
	for i := range 4096 {
		p, err := rules.Parse([]byte(s.rule(i, n)))
		require.NoError(b, err)
		fresh = append(fresh, rules.Rule{ID: rules.ID(i), Pattern: p})
	}
	var c changing
	c.set.Store(base)
	measure := func() (p50, p99 float64) {
		var spent []time.Duration
		var ids []rules.ID
		for begin := time.Now(); time.Since(begin) < time.Second; {
			event := events[len(spent)%len(events)]
			start := time.Now()
			ids, _ = c.set.Load().Match(ids[:0], event)
			spent = append(spent, time.Since(start))
		}
		slices.Sort(spent)
		return float64(spent[len(spent)/2].Nanoseconds()), float64(spent[len(spent)*99/100].Nanoseconds())
	}
	for b.Loop() {
		c.set.Store(base)
		quiet50, quiet99 := measure()
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for i := 0; ; i += 10 {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				for j := range 10 { // one after another, as they would come
					at := (i + j) % len(fresh)
					c.set.Store(c.set.Load().With(fresh[at:at+1], fresh[at].ID))
				}
			}
		})
		busy50, busy99 := measure()
		close(stop)
		wg.Wait()
		b.ReportMetric(busy50/quiet50, "p50-x")
		b.ReportMetric(busy99/quiet99, "p99-x")
		b.ReportMetric(busy99, "p99-ns")
		b.ReportMetric(float64(c.set.Load().Layers()), "layers")
	}
}
