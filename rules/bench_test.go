package rules_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/seed567880c8/turnout/rules"
)

// A contender is one way to work through events.
type contender struct {
	name string
	run  func(event []byte)
	// nanoseconds per event, once raced.
	cost float64
}

// raceChunk is the number of events that a contender works through at a stretch.
const raceChunk = 50

// race lets contenders work through the same events in turns, so that what else the machine does hits all alike. What
// counts is, for each stretch of events, a contender's best time: other programs can only add to it.
func race(b *testing.B, events [][]byte, contenders []contender) {
	b.Helper()
	best := make([][]time.Duration, len(contenders))
	for b.Loop() {
		for chunk := 0; chunk*raceChunk < len(events); chunk++ {
			stretch := events[chunk*raceChunk : min(len(events), (chunk+1)*raceChunk)]
			for i := range contenders {
				start := time.Now()
				for _, event := range stretch {
					contenders[i].run(event)
				}
				spent := time.Since(start)
				if len(best[i]) <= chunk {
					best[i] = append(best[i], spent)
				}
				best[i][chunk] = min(best[i][chunk], spent)
			}
		}
	}
	for i := range contenders {
		var sum time.Duration
		for _, d := range best[i] {
			sum += d
		}
		contenders[i].cost = float64(sum.Nanoseconds()) / float64(len(events))
	}
}

// sink keeps the compiler from dropping what is measured.
type sink struct{ n int }

// yardsticks are what matching is measured against: two validators and a count of one byte.
func yardsticks(s *sink) []contender {
	return []contender{
		{name: "gjson", run: func(event []byte) {
			if gjson.ValidBytes(event) {
				s.n++
			}
		}},
		{name: "json", run: func(event []byte) {
			if json.Valid(event) {
				s.n++
			}
		}},
		{name: "count", run: func(event []byte) { s.n += bytes.Count(event, []byte{'"'}) }},
	}
}

func matching(s *sink, set *rules.Set) contender {
	var ids []rules.ID
	return contender{name: "match", run: func(event []byte) {
		ids, _ = set.Match(ids[:0], event)
		s.n += len(ids)
	}}
}

// benchmarkRace reports a contender beside the yardsticks, and others beside gjson: how many times as fast they are.
func benchmarkRace(b *testing.B, s *sink, events [][]byte, c contender, others ...contender) {
	b.Helper()
	size := 0
	for _, event := range events {
		size += len(event)
		c.run(event)
	}
	all := append(append([]contender{c}, yardsticks(s)...), others...)
	perEvent := testing.AllocsPerRun(5, func() {
		for _, event := range events[:min(len(events), 100)] {
			c.run(event)
		}
	}) / float64(min(len(events), 100))
	race(b, events, all)
	cost := all[0].cost
	b.ReportMetric(0, "ns/op") // a round of everybody: says nothing
	b.ReportMetric(cost, "ns/event")
	b.ReportMetric(1e9/cost, "events/s")
	b.ReportMetric(float64(size)/float64(len(events))/cost, "GB/s")
	b.ReportMetric(perEvent, "allocs/event")
	for _, y := range all[1:4] {
		b.ReportMetric(y.cost/cost, "x-"+y.name)
	}
	for _, o := range all[4:] {
		b.ReportMetric(o.cost, o.name+"-ns/event")
		b.ReportMetric(all[1].cost/o.cost, o.name+"-x-gjson")
	}
}

// lotsOfObjects returns the city lots in the form that event-ruler's benchmark gives them: without white space, the
// geometry first, coordinates as objects.
func lotsOfObjects(t testing.TB) [][]byte {
	t.Helper()
	type lot struct {
		Type       string          `json:"type"`
		Properties json.RawMessage `json:"properties"`
		Geometry   struct {
			Type        string            `json:"type"`
			Coordinates [][][]json.Number `json:"coordinates"`
		} `json:"geometry"`
	}
	var events [][]byte
	for _, event := range cityLots(t) {
		var l lot
		require.NoError(t, json.Unmarshal(event, &l))
		var points []string
		for _, p := range l.Geometry.Coordinates[0] {
			points = append(points, fmt.Sprintf(`{"x":%s,"y":%s,"z":0}`, p[0], p[1]))
		}
		var properties bytes.Buffer
		require.NoError(t, json.Compact(&properties, l.Properties))
		events = append(events, fmt.Appendf(nil,
			`{"geometry":{"coordinates":[%s],"firstCoordinates":%s,"type":"%s"},"properties":%s,"type":"Feature"}`,
			bytes.Join(toBytes(points), []byte(",")), points[0], l.Geometry.Type, properties.Bytes()))
	}
	return events
}

func toBytes(all []string) [][]byte {
	var b [][]byte
	for _, s := range all {
		b = append(b, []byte(s))
	}
	return b
}

// cityKinds are five rules of each kind of operator over [lotsOfObjects], after the benchmark of event-ruler.
func cityKinds() []struct {
	name  string
	rules []string
} {
	property := func(name string, alternatives ...string) []string {
		var all []string
		for _, a := range alternatives {
			all = append(all, fmt.Sprintf(`{"properties":{"%s":[%s]}}`, name, a))
		}
		return all
	}
	return []struct {
		name  string
		rules []string
	}{
		{"exact", property("MAPBLKLOT", `"1430022"`, `"2607117"`, `"2607218"`, `"3745012"`, `"VACSTWIL"`)},
		{"wildcard", property("MAPBLKLOT", `{"wildcard":"143*"}`, `{"wildcard":"2*0*1*7"}`, `{"wildcard":"*218"}`, `{"wildcard":"3*5*2"}`, `{"wildcard":"VA*IL"}`)},
		{"prefix", property("STREET", `{"prefix":"AC"}`, `{"prefix":"BL"}`, `{"prefix":"DR"}`, `{"prefix":"FU"}`, `{"prefix":"RH"}`)},
		{"suffix", property("STREET", `{"suffix":"ON"}`, `{"suffix":"KE"}`, `{"suffix":"MM"}`, `{"suffix":"ING"}`, `{"suffix":"GO"}`)},
		{"equals-ignore-case", property("STREET", `{"equals-ignore-case":"jefferson"}`, `{"equals-ignore-case":"bEaCh"}`, `{"equals-ignore-case":"HyDe"}`, `{"equals-ignore-case":"CHESTNUT"}`, `{"equals-ignore-case":"ST"}`)},
		{"numeric", []string{
			`{"geometry":{"type":["Polygon"],"firstCoordinates":{"x":[{"numeric":["=",-122.42916360922355]}]}}}`,
			`{"geometry":{"type":["MultiPolygon"],"firstCoordinates":{"z":[{"numeric":["=",0]}]}}}`,
			`{"geometry":{"firstCoordinates":{"x":[{"numeric":["<",-122.41600944012424]}]}}}`,
			`{"geometry":{"firstCoordinates":{"x":[{"numeric":[">",-122.41600944012424]}]}}}`,
			`{"geometry":{"firstCoordinates":{"x":[{"numeric":[">",-122.46471267081272,"<",-122.4063085128395]}]}}}`,
		}},
		{"anything-but", property("STREET", `{"anything-but":["FULTON"]}`, `{"anything-but":["MASON"]}`, `{"anything-but":["WASHINGTON","LANSING"]}`, `{"anything-but":["MISSION","TURK"]}`, `{"anything-but":["UNKNOWN","GEARY"]}`)},
		{"anything-but-prefix", property("STREET", `{"anything-but":{"prefix":"FULTO"}}`, `{"anything-but":{"prefix":"MA"}}`, `{"anything-but":{"prefix":"WAS"}}`, `{"anything-but":{"prefix":"M"}}`, `{"anything-but":{"prefix":["UN","G"]}}`)},
		{"arrays", []string{
			`{"geometry":{"type":["Polygon"],"coordinates":{"x":[{"numeric":["=",-122.42916360922355]}]}}}`,
			`{"geometry":{"type":["MultiPolygon"],"coordinates":{"y":[{"numeric":["=",37.729900216217324]}]}}}`,
			`{"geometry":{"coordinates":{"x":[{"numeric":["<",-122.41600944012424]}]}}}`,
			`{"geometry":{"coordinates":{"x":[{"numeric":[">",-122.41600944012424]}]}}}`,
			`{"geometry":{"coordinates":{"x":[{"numeric":[">",-122.46471267081272,"<",-122.4063085128395]}]}}}`,
		}},
	}
}

// BenchmarkCity answers what a bus with few rules costs: five rules of each kind, all kinds but arrays (partial), and
// all (combo), over 2,000 lots; and what it costs to check the events too.
func BenchmarkCity(b *testing.B) {
	events := lotsOfObjects(b)
	var partial, combo []string
	for _, k := range cityKinds() {
		b.Run(k.name, func(b *testing.B) { benchmarkCity(b, events, k.rules) })
		combo = append(combo, k.rules...)
		if k.name != "arrays" {
			partial = append(partial, k.rules...)
		}
	}
	b.Run("partial", func(b *testing.B) { benchmarkCity(b, events, partial) })
	b.Run("combo", func(b *testing.B) { benchmarkCity(b, events, combo) })
}

func benchmarkCity(b *testing.B, events [][]byte, patterns []string) {
	b.Helper()
	var s sink
	set := compile(b, patterns...)
	var ids []rules.ID
	benchmarkRace(b, &s, events, matching(&s, set), contender{name: "checked", run: func(event []byte) {
		ids, _ = set.ScanMatch(ids[:0], event, rules.EventLimits{})
		s.n += len(ids)
	}})
}

// BenchmarkScan answers what the strict check alone costs, over the same lots.
func BenchmarkScan(b *testing.B) {
	var s sink
	scan := contender{name: "scan", run: func(event []byte) {
		if rules.Scan(event) == nil {
			s.n++
		}
	}}
	b.Run("lots", func(b *testing.B) { benchmarkRace(b, &s, lotsOfObjects(b), scan) })
	b.Run("lots-spaced", func(b *testing.B) { benchmarkRace(b, &s, cityLots(b), scan) })
	var mixed [][]byte
	for i := range 1000 {
		mixed = append(mixed, mixedEvent(i*37, 1000))
	}
	b.Run("events", func(b *testing.B) { benchmarkRace(b, &s, mixed, scan) })
}
