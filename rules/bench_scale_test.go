package rules_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules"
)

var (
	regions  = []string{"eu-west-1", "eu-north-1", "us-east-1", "us-west-2", "ap-south-1", "ap-east-1", "sa-east-1", "af-south-1", "me-south-1", "ca-central-1"}
	statuses = []string{"created", "paid", "shipped", "failed", "done"}
)

// A shape makes the i-th of n rules.
type shape struct {
	name string
	rule func(i, n int) string
}

// shapes are what buses with many rules look like.
func shapes() []shape {
	random := func(i int) *rand.Rand { return rand.New(rand.NewPCG(uint64(i), 13)) }
	return []shape{
		{"account", func(i, _ int) string {
			return fmt.Sprintf(`{"account":["%012d"],"detail-type":["Type%d"]}`, i/20, i%20)
		}},
		{"exact", func(i, n int) string {
			r := random(i)
			return fmt.Sprintf(`{"source":["svc.%d"],"detail-type":["Type%d"],"detail":{"tenant":["t%06d"]}}`, r.IntN(50), r.IntN(20), i%(n/4+1))
		}},
		{"mixed", func(i, n int) string {
			r := random(i)
			low := r.IntN(900)
			return fmt.Sprintf(`{"source":["svc.%d"],"region":[{"prefix":"%s"}],"detail":{"tenant":["t%06d"],"status":[{"anything-but":["%s"]}],"amount":[{"numeric":[">",%d,"<=",%d]}]}}`,
				r.IntN(50), regions[r.IntN(10)][:3], i%(n/4+1), statuses[r.IntN(5)], low, low+1+r.IntN(300))
		}},
		{"wildcards", func(i, _ int) string {
			return fmt.Sprintf(`{"detail":{"path":[{"wildcard":"/api/*/item%d/*"}]}}`, i)
		}},
		{"ranges", func(i, n int) string {
			low := 1000 * random(i).Float64()
			return fmt.Sprintf(`{"detail":{"amount":[{"numeric":[">=",%.2f,"<",%.2f]}]}}`, low, low+max(0.01, 1000/float64(n)))
		}},
		{"affixes", func(i, _ int) string {
			if i%2 == 0 {
				return fmt.Sprintf(`{"detail":{"order":[{"prefix":"o-%06d"}]}}`, i)
			}
			return fmt.Sprintf(`{"detail":{"order":[{"suffix":"%05d7"}]}}`, i)
		}},
		{"low-cardinality", func(i, _ int) string {
			return fmt.Sprintf(`{"source":["svc.%d"],"detail-type":["Type%d"],"region":["%s"],"detail":{"status":["%s"],"size":[%d]}}`,
				i%50, i/50%20, regions[i/1000%10], statuses[i/10_000%5], i/50_000)
		}},
	}
}

// busEvents returns events of about 620 bytes, half of which have the source, type and tenant of one of n rules.
func busEvents(count, n int) [][]byte {
	r := rand.New(rand.NewPCG(99, 1))
	var events [][]byte
	for i := range count {
		k := r.IntN(n)
		rule := rand.New(rand.NewPCG(uint64(k), 13))
		source, kind := rule.IntN(50), rule.IntN(20)
		if i%2 == 0 {
			source, kind = r.IntN(50), r.IntN(20)
		}
		events = append(events, fmt.Appendf(nil, `{"version":"0","id":"%08x-5c4d-4bb1-a1b9-%012x","detail-type":"Type%d","source":"svc.%d","account":"%012d","time":"2025-11-11T21:29:54Z","region":"%s","resources":["arn:aws:ec2:us-east-1:123456789012:instance/i-%017x"],"detail":{"order":"o-%09d","items":[{"sku":"SKU-%06d","qty":%d,"price":%.2f},{"sku":"SKU-000001","qty":1,"price":9.99}],"user":{"id":"u%07d","name":"Some Body","tags":["gold","newsletter"]},"tenant":"t%06d","status":"%s","size":%d,"amount":%.2f,"path":"/api/v%d/item%d/detail","note":"The quick brown fox jumps over the lazy dog, \"twice\"."}}`,
			r.Uint32(), r.Int64N(1<<47), kind, source, k/20, regions[r.IntN(10)], r.Int64(), r.IntN(1e9), r.IntN(1e6), 1+r.IntN(5), 100*r.Float64(), r.IntN(1e7),
			k%(n/4+1), statuses[r.IntN(5)], r.IntN(2), 1000*r.Float64(), r.IntN(9), r.IntN(2*n)))
	}
	return events
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// compiled returns a set of n rules of a shape, with what it cost: the bytes that are kept when only the set is, the
// memory of one matcher included, and the time to parse and compile a rule.
func compiled(t testing.TB, s shape, n int) (set *rules.Set, bytesPerRule, microsecondsPerRule float64) {
	t.Helper()
	texts := make([][]byte, n)
	for i := range texts {
		texts[i] = []byte(s.rule(i, n))
	}
	before := heapInUse()
	all := make([]rules.Rule, n)
	best := time.Hour
	for range 3 { // the best counts
		start := time.Now()
		for i := range texts {
			p, err := rules.Parse(texts[i])
			require.NoError(t, err)
			all[i] = rules.Rule{ID: rules.ID(i), Pattern: p}
		}
		set = rules.Compile(all)
		best = min(best, time.Since(start))
	}
	_, err := set.Match(nil, busEvents(1, n)[0])
	require.NoError(t, err)
	clear(all)
	after := heapInUse()
	runtime.KeepAlive(texts)
	return set, float64(after-before) / float64(n), float64(best.Microseconds()) / float64(n)
}

// BenchmarkScale answers what the number of rules costs an event, in shapes that buses have: time beside that for a
// hundred rules of the same shape, memory and building. Events with more than ten matches are left out.
func BenchmarkScale(b *testing.B) {
	for _, s := range shapes() {
		b.Run(s.name, func(b *testing.B) {
			sizes := []int{1, 100, 1_000, 10_000, 100_000}
			var k sink
			var contenders []contender
			events := busEvents(4000, 100_000)
			for _, n := range sizes {
				set, size, build := compiled(b, s, n)
				var ids []rules.ID
				kept := events[:0:0]
				for _, e := range events {
					ids, _ = set.Match(ids[:0], e)
					if len(ids) <= 10 {
						kept = append(kept, e)
					}
				}
				events = kept
				contenders = append(contenders, matching(&k, set))
				if n == sizes[len(sizes)-1] {
					b.Logf("%d rules: %.0f B and %.2f µs to build a rule, %d events", n, size, build, len(events))
					b.ReportMetric(size, "B/rule")
					b.ReportMetric(build, "build-µs/rule")
				}
			}
			require.NotEmpty(b, events)
			contenders = append(contenders, yardsticks(&k)[0])
			race(b, events, contenders)
			b.ReportMetric(0, "ns/op")
			for i, n := range sizes {
				b.ReportMetric(contenders[i].cost, fmt.Sprintf("ns/event-%d", n))
				b.ReportMetric(contenders[i].cost/contenders[1].cost, fmt.Sprintf("x-of-100-%d", n))
			}
			b.ReportMetric(contenders[len(sizes)].cost/contenders[1].cost, "x-gjson-100")
		})
	}
}
