package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/seed567880c8/turnout/loadtest/internal/histogram"
)

// result is what a scenario found: figures whose names end in their unit.
type result struct {
	scenario string
	steady   bool // has the columns of the common table
	names    []string
	values   map[string]float64
}

func (r *result) set(name string, v float64) {
	if r.values == nil {
		r.values = map[string]float64{}
	}
	if _, ok := r.values[name]; !ok {
		r.names = append(r.names, name)
	}
	r.values[name] = v
}

func (r *result) latency(prefix string, h *histogram.Histogram) {
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50_ms", 0.5}, {"p99_ms", 0.99}, {"p999_ms", 0.999}} {
		r.set(prefix+q.name, float64(h.Quantile(q.q))/float64(time.Millisecond))
	}
}

// steadyResult puts Turnout's figures beside the ceiling's. The ratio is the
// median of the rounds'.
func steadyResult(p plan, s settings, got, ceiling *measurement, ratio float64) *result {
	r := &result{steady: true}
	per := float64(p.messages)
	r.set("requests_per_s", got.rate())
	r.set("messages_per_s", got.rate()*per)
	if p.deliveries != nil {
		r.set("targets", float64(p.deliveries(s)))
		r.set("deliveries_per_s", got.rate()*per*float64(p.deliveries(s)))
	}
	r.latency("", &got.latency)
	if got.used.known {
		r.set("cpu_us_per_request", float64(got.used.cpu.Microseconds())/float64(got.ops))
		r.set("written_bytes_per_message", float64(got.used.written)/float64(got.ops)/per)
	}
	if got.used.logged > 0 {
		r.set("logged_bytes_per_message", got.used.logged/float64(got.ops)/per)
		r.set("operations_per_batch", got.used.decided/got.used.batches)
	}
	r.set("ceiling_requests_per_s", ceiling.rate())
	r.latency("ceiling_", &ceiling.latency)
	if ceiling.used.known {
		r.set("ceiling_cpu_us_per_request", float64(ceiling.used.cpu.Microseconds())/float64(ceiling.ops))
	}
	r.set("ratio", ratio)
	return r
}

// printer writes results as they come: one JSON line each, or lines for
// people, with the steady ones gathered in one table at the end.
type printer struct {
	out    io.Writer
	json   bool
	steady []*result
}

func (p *printer) print(r *result) error {
	switch {
	case p.json:
		line := map[string]any{
			"scenario": r.scenario, "at": time.Now().UTC().Format(time.RFC3339),
			"go": runtime.Version(), "os": runtime.GOOS + "/" + runtime.GOARCH, "cpus": runtime.NumCPU(),
		}
		for name, v := range r.values {
			line[name] = rounded(v)
		}
		return json.NewEncoder(p.out).Encode(line)
	case r.steady:
		p.steady = append(p.steady, r)
		_, err := fmt.Fprintf(p.out, "%s: %.0f requests/s, %.0f %% of the ceiling\n", r.scenario, r.values["requests_per_s"], 100*r.values["ratio"])
		return err
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\n%s\n", r.scenario) // errors show in Flush
	for _, name := range r.names {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", name, number(r.values[name]))
	}
	return w.Flush()
}

// columns are those of the table, by the name of the figure.
func columns() [][2]string {
	return [][2]string{
		{"requests_per_s", "requests/s"},
		{"messages_per_s", "messages/s"},
		{"p50_ms", "p50 ms"},
		{"p99_ms", "p99 ms"},
		{"p999_ms", "p99.9 ms"},
		{"cpu_us_per_request", "CPU µs/req"},
		{"logged_bytes_per_message", "log B/msg"},
		{"written_bytes_per_message", "disk B/msg"},
		{"operations_per_batch", "ops/batch"},
		{"ceiling_requests_per_s", "ceiling req/s"},
		{"ceiling_p99_ms", "its p99 ms"},
		{"ceiling_cpu_us_per_request", "its CPU µs"},
		{"ratio", "ratio"},
	}
}

func (p *printer) flush() error {
	if len(p.steady) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cell func(c [2]string) string) {
		for _, c := range columns() {
			_, _ = io.WriteString(w, "\t"+cell(c))
		}
		_, _ = io.WriteString(w, "\t\n")
	}
	_, _ = io.WriteString(w, "\nscenario")
	row(func(c [2]string) string { return c[1] })
	for _, r := range p.steady {
		_, _ = io.WriteString(w, r.scenario)
		row(func(c [2]string) string {
			v, ok := r.values[c[0]]
			if !ok {
				return "–"
			}
			return number(v)
		})
	}
	return w.Flush()
}

func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// rounded keeps as many digits as a measurement has.
func rounded(v float64) float64 {
	if v >= 1000 {
		return math.Round(v)
	}
	return math.Round(v*1000) / 1000
}
