package schedules

import (
	"cmp"
	"container/heap"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/rules/schedule"
)

// Config configures Schedules. The zero value of a field is its default.
type Config struct {
	// Log takes what an operator should hear of. Default: nothing.
	Log *slog.Logger
	// CatchUpMax is how late a tick may fire that could not fire in time:
	// because the server was down, its clock was put forward or its disk was
	// full. Of the ticks that a rule missed only the newest fires, and only if
	// it is no older. At least a minute, which is the precision that AWS
	// promises. Default 15 minutes.
	CatchUpMax time.Duration
	// FiringMax bounds the ticks that are being delivered at the same time.
	// Default 64: they share the sync of a batch.
	FiringMax int
}

func (c Config) withDefaults() Config {
	c.CatchUpMax = max(cmp.Or(c.CatchUpMax, 15*time.Minute), time.Minute)
	c.FiringMax = cmp.Or(c.FiringMax, 64)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Schedules fires scheduled rules. It is a Part of the partition, and Run
// delivers what the loop finds due.
//
// For each rule the store holds one record: since when the rule counts, and up
// to which instant its ticks are settled, that is fired or given up. The record
// changes in the batch that puts or deletes the rule, and in the batch that
// delivers a tick; so a tick has been delivered if and only if it is settled,
// whenever the power fails. Settled never goes back, so a clock that is set
// back fires nothing again, and a tick that is on its way while its rule is
// disabled, deleted or given another schedule is refused on the loop, because
// that settles what was before.
//
// A rule is in exactly one of these states: off (disabled, or never due again);
// waiting, in the heap by the time at which it is looked at next; or firing,
// in the list ready or in the hands of Run.
//
// All fields but ready and stats belong to the partition's loop.
type Schedules struct {
	cfg    Config
	loop   *partition.Partition
	broker Broker

	rules   map[turnout.RuleName]*rule
	waiting waitingHeap
	unsaved []*rule // their records are to be written

	ready struct {
		mu    sync.Mutex
		ticks []tick
		wake  chan struct{} // capacity 1: a token says that ticks is not empty
	}
	stats struct {
		rules                  atomic.Int64
		fired, skipped, failed atomic.Uint64
	}
}

// rule is one rule with a schedule.
type rule struct {
	name       turnout.RuleName
	expression string
	schedule   *schedule.Schedule
	enabled    bool
	anchor     time.Time // since when rate(…) counts: whole seconds
	settled    time.Time // no tick up to here fires any more

	failures int       // of the present tick
	at       time.Time // when to look at it next
	index    int       // in the heap; -1 is not there
}

// tick is a tick of a rule on its way to the targets.
type tick struct {
	rule   turnout.RuleName
	anchor time.Time // of the rule
	at     time.Time
}

// New returns the schedules of the rules that b has. The loop must not run
// yet; New's result must be added to it.
func New(loop *partition.Partition, r store.Reader, b Broker, cfg Config) (*Schedules, error) {
	s := &Schedules{cfg: cfg.withDefaults(), loop: loop, broker: b, rules: make(map[turnout.RuleName]*rule)}
	s.ready.wake = make(chan struct{}, 1)
	now := loop.Now()
	for _, known := range b.ScheduledRules() {
		if err := s.load(r, &known, now); err != nil {
			return nil, err
		}
	}
	b.OnRuleChange(s.changed)
	return s, nil
}

// load takes a rule with the record that the store has of it. One that has
// none, or that of another schedule, begins now.
func (s *Schedules) load(r store.Reader, known *turnout.Rule, now time.Time) error {
	rec, found, err := readRecord(r, known.RuleName)
	if err != nil {
		return err
	}
	n := s.add(known)
	if n == nil {
		return nil
	}
	n.enabled = known.State != turnout.RuleDisabled
	n.anchor, n.settled = time.UnixMilli(rec.Anchor).UTC(), time.UnixMilli(rec.Settled).UTC()
	if !found || rec.Expression != n.expression {
		n.anchor, n.settled = begin(now), now
		s.unsaved = append(s.unsaved, n)
	}
	s.await(n, time.Time{})
	return nil
}

// begin is the anchor of a rule that begins now: the time of an event has
// whole seconds.
func begin(now time.Time) time.Time { return now.Truncate(time.Second) }

// add makes a rule, off for the moment. An expression that cannot be read,
// which the APIs do not let pass, gives none.
func (s *Schedules) add(known *turnout.Rule) *rule {
	parsed, err := schedule.Parse(known.Schedule)
	if err != nil {
		s.cfg.Log.Error("a rule has a schedule that cannot be read, it will not fire",
			slog.String("rule", known.ARN()), slog.String("error", err.Error()))
		return nil
	}
	n := &rule{name: known.RuleName, expression: known.Schedule, schedule: parsed, index: -1}
	s.rules[n.name] = n
	s.stats.rules.Store(int64(len(s.rules)))
	return n
}

// changed is told of every change of a rule, in the batch of the change.
func (s *Schedules) changed(tx *partition.Tx, name turnout.RuleName, r *turnout.Rule) {
	prior := s.rules[name]
	if r == nil || r.Schedule == "" {
		s.remove(tx, prior)
		return
	}
	n := prior
	if prior == nil || prior.expression != r.Schedule {
		s.remove(tx, prior)
		if n = s.add(r); n == nil {
			return
		}
		n.anchor = begin(tx.Now)
	}
	enabled := r.State != turnout.RuleDisabled
	if n == prior && n.enabled == enabled {
		return
	}
	// Neither ticks of before it was created or changed nor those that came
	// while it was disabled count as missed.
	n.enabled, n.settled, n.failures = enabled, tx.Now, 0
	s.save(tx, n)
	s.await(n, time.Time{})
}

func (s *Schedules) remove(tx *partition.Tx, r *rule) {
	if r == nil {
		return
	}
	if r.index >= 0 {
		heap.Remove(&s.waiting, r.index)
	}
	delete(s.rules, r.name)
	s.stats.rules.Store(int64(len(s.rules)))
	tx.Batch.Delete(recordKey(r.name))
}

// save writes a rule's record.
func (s *Schedules) save(tx *partition.Tx, r *rule) {
	tx.Batch.Set(recordKey(r.name), encodeRecord(r))
}

// await puts a rule where it belongs: into the heap, to be looked at when its
// next tick is due but not before a given time, or nowhere.
func (s *Schedules) await(r *rule, notBefore time.Time) {
	next, ok := r.schedule.Next(r.anchor, r.settled)
	switch {
	case !ok || !r.enabled:
		if r.index >= 0 {
			heap.Remove(&s.waiting, r.index)
		}
		return
	case next.Before(notBefore):
		next = notBefore
	}
	r.at = next
	if r.index >= 0 {
		heap.Fix(&s.waiting, r.index)
		return
	}
	heap.Push(&s.waiting, r)
}

// Due returns when the next rule is due, the zero time if none ever is.
func (s *Schedules) Due() time.Time {
	switch {
	case len(s.unsaved) > 0:
		return time.Unix(0, 0)
	case len(s.waiting) > 0:
		return s.waiting[0].at
	}
	return time.Time{}
}

// tickMax bounds the rules that one Tick looks at, so that the loop stays free
// for others when very many are due in the same minute.
const tickMax = 1000

// Tick hands the rules that are due to Run.
func (s *Schedules) Tick(tx *partition.Tx) {
	for _, r := range s.unsaved {
		if s.rules[r.name] == r {
			s.save(tx, r)
		}
	}
	s.unsaved = nil
	for range tickMax {
		if len(s.waiting) == 0 || s.waiting[0].at.After(tx.Now) {
			return
		}
		r := s.waiting[0]
		at, ok := newest(r.schedule, r.anchor, r.settled, tx.Now)
		if !ok || tx.Now.Sub(at) > s.cfg.CatchUpMax {
			s.skip(r, tx.Now)
			continue
		}
		heap.Pop(&s.waiting)
		s.hand(tick{rule: r.name, anchor: r.anchor, at: at})
	}
}

// skip gives up the ticks of a rule up to now. It need not be durable: after a
// restart they are older still.
func (s *Schedules) skip(r *rule, now time.Time) {
	missed, _ := r.schedule.Next(r.anchor, r.settled)
	s.stats.skipped.Add(1)
	s.cfg.Log.Warn("a scheduled rule missed its ticks and skips them",
		slog.String("rule", r.name.ARN()), slog.Time("first_missed", missed))
	r.settled, r.failures = now, 0
	s.await(r, time.Time{})
}

// newest returns the last tick after settled and not after now.
func newest(s *schedule.Schedule, anchor, settled, now time.Time) (at time.Time, ok bool) {
	if at, ok = s.Next(anchor, settled); !ok || at.After(now) {
		return time.Time{}, false
	}
	// at is a tick, and none is between high and now. Ticks are a minute apart.
	for high := now; high.Sub(at) >= time.Minute; {
		middle := at.Add(high.Sub(at) / 2)
		if next, ok := s.Next(anchor, middle); ok && !next.After(now) {
			at = next
		} else {
			high = middle
		}
	}
	return at, true
}

// Flush does nothing: records are written as they change.
func (s *Schedules) Flush(*partition.Tx) {}

var _ partition.Part = (*Schedules)(nil)

// Stats counts what scheduled rules have done since the process started.
type Stats struct {
	Rules   int    // rules with a schedule, disabled ones too
	Fired   uint64 // ticks delivered
	Skipped uint64 // times that a rule gave up ticks because they were too old
	Failed  uint64 // deliveries of ticks that failed and were or will be tried again
}

// Stats may be called from any goroutine.
func (s *Schedules) Stats() Stats {
	return Stats{
		Rules:   int(s.stats.rules.Load()),
		Fired:   s.stats.fired.Load(),
		Skipped: s.stats.skipped.Load(),
		Failed:  s.stats.failed.Load(),
	}
}

// waitingHeap orders rules by when to look at them.
type waitingHeap []*rule

func (h *waitingHeap) Len() int           { return len(*h) }
func (h *waitingHeap) Less(i, j int) bool { return (*h)[i].at.Before((*h)[j].at) }
func (h *waitingHeap) Swap(i, j int) {
	rules := *h
	rules[i], rules[j] = rules[j], rules[i]
	rules[i].index, rules[j].index = i, j
}

// Push is for package heap.
func (h *waitingHeap) Push(x any) {
	r, ok := x.(*rule)
	if !ok {
		panic(fmt.Sprintf("schedules: %T in the heap", x))
	}
	r.index = len(*h)
	*h = append(*h, r)
}

// Pop is for package heap.
func (h *waitingHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	r.index = -1
	return r
}
