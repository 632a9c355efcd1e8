package demo

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/terminal"
)

// Report is what a run of the demo found.
type Report struct {
	OK              bool          `json:"ok"` // nothing differs
	Events          int           `json:"events"`
	Published       int           `json:"published"`
	Deliveries      int           `json:"deliveries"`
	DeadLettered    int           `json:"dead_lettered"`
	Seconds         float64       `json:"seconds"`         // from the first request to the last delivery
	PublishSeconds  float64       `json:"publish_seconds"` // until the last event was acknowledged
	EventsPerSecond float64       `json:"events_per_second"`
	P50Millis       float64       `json:"p50_ms"` // publish → receive, over all queues but the dead-letter queue
	P99Millis       float64       `json:"p99_ms"`
	Rules           []RuleReport  `json:"rules"`
	Queues          []QueueReport `json:"queues"`
	DifferenceCount int           `json:"difference_count"`
	Differences     []string      `json:"differences"` // the first thirty
}

// RuleReport compares one rule's matches with the expected ones.
type RuleReport struct {
	Name      string `json:"name"`
	Operators string `json:"operators"`
	Queue     string `json:"queue"`
	Matched   int    `json:"matched"`
	Expected  int    `json:"expected"`
}

// QueueReport compares one queue's deliveries with the expected ones.
type QueueReport struct {
	Name      string  `json:"name"`
	Delivered int     `json:"delivered"`
	Expected  int     `json:"expected"`
	P50Millis float64 `json:"p50_ms"` // publish → first receive
	P99Millis float64 `json:"p99_ms"`
}

// report compares what was seen with what was expected.
func (r *run) report(rs []*rule, publishTook time.Duration) *Report {
	took := time.Duration(r.lastSettled.Load())
	rep := &Report{
		Events: len(r.events), Published: int(r.published.Load()),
		Seconds: took.Seconds(), PublishSeconds: publishTook.Seconds(),
		Differences: []string{},
	}
	if took > 0 {
		rep.EventsPerSecond = float64(rep.Published) / took.Seconds()
	}
	if rep.Published != rep.Events {
		r.faults.addf("%d of %d events were published", rep.Published, rep.Events)
	}
	matched := map[string]int{}
	var all []time.Duration
	for _, t := range r.tallies {
		r.compare(t, matched)
		q := QueueReport{Name: t.queue.name, Delivered: t.deleted, Expected: r.expected.queue[t.queue.name]}
		sorted := sortedCopy(t.latencies)
		q.P50Millis, q.P99Millis = millis(percentile(sorted, 0.50)), millis(percentile(sorted, 0.99))
		rep.Queues = append(rep.Queues, q)
		rep.Deliveries += t.deleted
		if t.queue.name == deadQueue {
			rep.DeadLettered += t.deleted
		} else {
			all = append(all, sorted...)
		}
	}
	slices.Sort(all)
	rep.P50Millis, rep.P99Millis = millis(percentile(all, 0.50)), millis(percentile(all, 0.99))
	for _, rule := range rs {
		rep.Rules = append(rep.Rules, RuleReport{
			Name: rule.name, Operators: rule.operators, Queue: rule.queue, Matched: matched[rule.name], Expected: r.expected.rule[rule.name],
		})
	}
	rep.OK = r.faults.total == 0
	rep.DifferenceCount = r.faults.total
	rep.Differences = append(rep.Differences, r.faults.kept...)
	return rep
}

// compare looks for expected deliveries that were not made, adds the matches
// it sees to matched, and checks how often the refused messages came.
func (r *run) compare(t *tally, matched map[string]int) {
	for rule, seen := range t.seen {
		for n, was := range seen {
			if was {
				matched[rule]++
			} else if r.expected.has(t.queue.name, rule, n) {
				r.faults.addf("%s: event %d should have arrived by rule %s and did not", t.queue.name, n, rule)
			}
		}
	}
	for n, times := range t.receives {
		if t.queue.refuse != nil && t.queue.refuse(r.events[n]) && times != receivesMax {
			r.faults.addf("%s: event %d was received %d times before it was dead-lettered, not %d", t.queue.name, n, times, receivesMax)
		}
	}
}

func millis(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// Print writes the report for people.
func (rep *Report) Print(p *terminal.Printer) {
	mark := func(got, want int) terminal.Cell {
		if got == want {
			return terminal.Cell{Text: "ok", Paint: p.Green}
		}
		return terminal.Cell{Text: "DIFFERS", Paint: p.Red}
	}
	number := func(n int) terminal.Cell { return terminal.Cell{Text: terminal.Count(n)} }
	text := func(s string) terminal.Cell { return terminal.Cell{Text: s} }

	rules := terminal.Table{Columns: []terminal.Column{
		{Title: "rule"}, {Title: "shows"}, {Title: "queue"}, {Title: "matches", Right: true}, {Title: "expected", Right: true}, {Title: ""},
	}}
	for _, r := range rep.Rules {
		rules.Rows = append(rules.Rows, []terminal.Cell{
			text(r.Name), text(r.Operators), text(r.Queue), number(r.Matched), number(r.Expected), mark(r.Matched, r.Expected),
		})
	}
	queues := terminal.Table{Columns: []terminal.Column{
		{Title: "queue"},
		{Title: "delivered", Right: true},
		{Title: "expected", Right: true},
		{Title: ""},
		{Title: "p50 ms", Right: true},
		{Title: "p99 ms", Right: true},
	}}
	for _, q := range rep.Queues {
		queues.Rows = append(queues.Rows, []terminal.Cell{
			text(q.Name), number(q.Delivered), number(q.Expected), mark(q.Delivered, q.Expected),
			text(fmt.Sprintf("%.1f", q.P50Millis)), text(fmt.Sprintf("%.1f", q.P99Millis)),
		})
	}
	rules.Print(p)
	p.Printf("\n")
	queues.Print(p)
	p.Printf("\n")

	totals := terminal.Table{Columns: []terminal.Column{{Title: "total"}, {Title: "", Right: true}}}
	totals.Row("events in", terminal.Count(rep.Published))
	totals.Row("messages delivered", terminal.Count(rep.Deliveries))
	totals.Row("dead-lettered", terminal.Count(rep.DeadLettered))
	totals.Row("events/s, published to consumed", terminal.Count(int(rep.EventsPerSecond)))
	totals.Row("publish → receive, p50", fmt.Sprintf("%.1f ms", rep.P50Millis))
	totals.Row("publish → receive, p99", fmt.Sprintf("%.1f ms", rep.P99Millis))
	totals.Row("time", fmt.Sprintf("%.1f s", rep.Seconds))
	totals.Print(p)
	p.Printf("\n")

	if rep.OK {
		p.Printf("%s every count, every event and the order of each device are as computed from the input.\n", p.Green("OK:"))
		return
	}
	p.Printf("%s\n", p.Red(fmt.Sprintf("%s differences from what the input demands:", terminal.Count(rep.DifferenceCount))))
	for _, d := range rep.Differences {
		p.Printf("  %s\n", d)
	}
	if more := rep.DifferenceCount - len(rep.Differences); more > 0 {
		p.Printf("  … and %s more\n", terminal.Count(more))
	}
}
