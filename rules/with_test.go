package rules_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout/rules"
)

// TestWithAnswersAsIfCompiledAnew changes a set at random and compares it with one compiled from the same rules.
func TestWithAnswersAsIfCompiledAnew(t *testing.T) {
	t.Parallel()
	keys := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		var model []rules.Rule
		set := &rules.Set{}
		next := rules.ID(0)
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			var add []rules.Rule
			for range rapid.IntRange(0, 5).Draw(t, "adds") {
				p, err := rules.Parse([]byte(drawPattern(t, 1, keys)))
				require.NoError(t, err)
				add = append(add, rules.Rule{ID: next, Pattern: p})
				next++
			}
			var remove []rules.ID
			for _, r := range model {
				if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
					remove = append(remove, r.ID)
				}
			}
			older := set
			had := older.Len()
			set = set.With(add, remove...)
			require.Equal(t, had, older.Len(), "a set does not change")
			model = slices.DeleteFunc(slices.Clone(model), func(r rules.Rule) bool { return slices.Contains(remove, r.ID) })
			model = append(model, add...)
			event := []byte(drawEvent(t, 2, keys))
			want, err := rules.Compile(model).Match(nil, event)
			require.NoError(t, err)
			got, err := set.Match(nil, event)
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.Equal(t, len(model), set.Len())
		}
	})
}

func TestWithKeepsLayersFew(t *testing.T) {
	t.Parallel()
	set := mixedSet(t, 1000)
	for i := range 1000 {
		p, err := rules.Parse([]byte(mixedRule(i)))
		require.NoError(t, err)
		set = set.With([]rules.Rule{{ID: rules.ID(5000 + i), Pattern: p}}, rules.ID(100+i))
		require.LessOrEqual(t, set.Layers(), 1+4+i/40, "after %d changes", i)
	}
	require.Equal(t, 1000, set.Len())
	ids, err := set.Match(nil, mixedEvent(3, 1000))
	require.NoError(t, err)
	require.NotEmpty(t, ids)
	require.GreaterOrEqual(t, ids[0], rules.ID(5000), "the first thousand are gone")
}

// changing is a set that somebody changes while others match.
type changing struct {
	set atomic.Pointer[rules.Set]
}

func TestSetsAreReplacedWhileOthersMatch(t *testing.T) {
	t.Parallel()
	var c changing
	c.set.Store(mixedSet(t, 100))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				// Rule 50 is never touched: whatever snapshot is read, its event finds it.
				ids, err := c.set.Load().Match(nil, mixedEvent(50, 100))
				if err != nil || !slices.Contains(ids, rules.ID(150)) {
					t.Errorf("an untouched rule did not match: %v, %v", ids, err)
					return
				}
			}
		})
	}
	for i := range 300 {
		p, err := rules.Parse([]byte(fmt.Sprintf(`{"detail":{"new%d":[%d],"tenant":["x"]}}`, i%7, i)))
		require.NoError(t, err)
		c.set.Store(c.set.Load().With([]rules.Rule{{ID: rules.ID(1000 + i), Pattern: p}}, rules.ID(1000+i-3)))
	}
	close(stop)
	wg.Wait()
	require.Equal(t, 103, c.set.Load().Len())
}

// BenchmarkWith answers what changing one rule of a hundred thousand costs: replacing it, again and again.
func BenchmarkWith(b *testing.B) {
	for _, s := range shapes()[:3] {
		b.Run(s.name, func(b *testing.B) {
			const n = 100_000
			base, _, _ := compiled(b, s, n)
			var fresh []rules.Rule
			for i := range 1000 {
				p, err := rules.Parse([]byte(s.rule(i, n)))
				require.NoError(b, err)
				fresh = append(fresh, rules.Rule{ID: rules.ID(i), Pattern: p})
			}
			var spent []time.Duration
			b.ReportAllocs()
			set, i := base, 0
			for b.Loop() {
				if i%1000 == 0 {
					set = base // as if it had been compiled anew
				}
				start := time.Now()
				set = set.With(fresh[i%1000:i%1000+1], rules.ID(i%1000))
				spent = append(spent, time.Since(start))
				i++
			}
			slices.Sort(spent)
			b.ReportMetric(float64(spent[len(spent)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(spent[len(spent)*99/100].Microseconds()), "p99-µs")
		})
	}
}
