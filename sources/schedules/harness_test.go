package schedules_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/sources/schedules"
)

// epoch lies in the future, so that the partition, which is not run here, takes
// its time from the harness.
var epoch = time.Date(2050, 1, 1, 0, 0, 30, 0, time.UTC)

var (
	scope  = turnout.Scope{Account: "000000000000", Region: "us-east-1"}
	events = turnout.BusName{Scope: scope, Name: turnout.DefaultBus}
)

func named(rule string) turnout.RuleName { return turnout.RuleName{Bus: events, Name: rule} }

// harness is schedules over a store, driven in virtual time as the loop drives
// them. It is their broker, too: it keeps the rules and writes what is
// delivered into the store, in the batch that settles the tick.
type harness struct {
	t     require.TestingT
	cfg   schedules.Config
	log   bytes.Buffer
	fs    *pebblestore.Memory
	store *pebblestore.Store
	now   time.Time
	*schedules.Schedules

	rules     map[turnout.RuleName]turnout.Rule // as durable as the store: they are put one a batch
	changed   func(tx *partition.Tx, name turnout.RuleName, r *turnout.Rule)
	delivered int
	powerless bool // nothing is committed any more
}

func newHarness(t require.TestingT, cfg schedules.Config) *harness {
	h := &harness{t: t, cfg: cfg, fs: pebblestore.NewMemory(), now: epoch, rules: make(map[turnout.RuleName]turnout.Rule)}
	h.cfg.Log = slog.New(slog.NewTextHandler(&h.log, nil))
	h.open()
	return h
}

func (h *harness) open() {
	var err error
	h.store, err = pebblestore.Open(pebblestore.Config{Dir: "data", FS: h.fs, MemTableBytes: 1 << 20, CacheBytes: 1 << 20})
	require.NoError(h.t, err)
	loop := partition.New(h.store, partition.Config{})
	loop.NotBefore(h.now)
	h.powerless = false
	h.Schedules, err = schedules.New(loop, h.store, h, h.cfg)
	require.NoError(h.t, err)
	h.wake()
}

func (h *harness) close() { require.NoError(h.t, h.store.Close()) }

// restart loses power and opens again after a time. Whatever was under way
// when the power failed comes to nothing.
func (h *harness) restart(down time.Duration) {
	h.fs = h.fs.PowerLoss(0, nil)
	h.close()
	h.now = h.now.Add(down)
	h.open()
}

// batch runs f as one batch of the loop.
func (h *harness) batch(f func(tx *partition.Tx) error) error {
	tx := &partition.Tx{Now: h.now, Batch: h.store.NewBatch()}
	err := f(tx)
	if err == nil && !h.powerless {
		require.NoError(h.t, h.store.Commit(tx.Batch))
	}
	require.NoError(h.t, tx.Batch.Close())
	return err
}

// tick runs the loop once, as far as it is due.
func (h *harness) tick() {
	for due := h.Due(); !due.IsZero() && !due.After(h.now); due = h.Due() {
		require.NoError(h.t, h.batch(func(tx *partition.Tx) error {
			h.Tick(tx)
			return nil
		}))
	}
}

// wake runs the loop and delivers what is due.
func (h *harness) wake() {
	h.tick()
	h.FireReady(context.Background())
}

// pass lets time pass, with the loop waking whenever something is due.
func (h *harness) pass(d time.Duration) {
	end := h.now.Add(d)
	for due := h.Due(); !due.IsZero() && !due.After(end); due = h.Due() {
		h.now = due
		h.wake()
	}
	h.now = end
	h.wake()
}

// put puts a rule; an empty schedule deletes it.
func (h *harness) put(rule, schedule string, state turnout.RuleState) {
	name := named(rule)
	require.NoError(h.t, h.batch(func(tx *partition.Tx) error {
		if schedule == "" {
			delete(h.rules, name)
			h.changed(tx, name, nil)
			return nil
		}
		r := turnout.Rule{RuleName: name, Schedule: schedule, State: state}
		h.rules[name] = r
		h.changed(tx, name, &r)
		return nil
	}))
}

func (h *harness) ScheduledRules() []turnout.Rule {
	all := make([]turnout.Rule, 0, len(h.rules))
	for _, r := range h.rules {
		all = append(all, r)
	}
	return all
}

func (h *harness) OnRuleChange(changed func(*partition.Tx, turnout.RuleName, *turnout.Rule)) {
	h.changed = changed
}

func (h *harness) Fire(_ context.Context, rule turnout.RuleName, event []byte, then func(*partition.Tx) error) error {
	return h.batch(func(tx *partition.Tx) error {
		if err := then(tx); err != nil {
			return err
		}
		h.delivered++
		tx.Batch.Set(fmt.Appendf(nil, "z%s %09d", rule.Name, h.delivered), event)
		return nil
	})
}

// fired returns, for a rule, the times of the events in the store in the order of their delivery.
func (h *harness) fired(rule string) []time.Time {
	var all []time.Time
	ids := map[string]bool{}
	pairs, failed := h.store.Scan([]byte("z"+rule+" "), []byte("z"+rule+"!"))
	for _, text := range pairs {
		var e struct {
			ID   string
			Time time.Time
		}
		require.NoError(h.t, json.Unmarshal(text, &e))
		require.False(h.t, ids[e.ID], "id %s comes twice", e.ID)
		ids[e.ID] = true
		all = append(all, e.Time)
	}
	require.NoError(h.t, failed())
	return all
}
