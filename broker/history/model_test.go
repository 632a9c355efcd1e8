package history_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/internal/partition"
)

var buses = []turnout.BusName{busNamed("a"), busNamed("b"), busNamed("c")}

// TestHistoryAgainstAModel publishes to random buses, lets time pass, forgets
// buses and loses power, and compares what is read with a list.
func TestHistoryAgainstAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := history.Config{Retention: 10 * time.Minute, BytesMax: 150 << 10}
		h := newHarness(t, cfg)
		defer h.close()
		model := map[turnout.BusName][]event{}
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				padding := rapid.SampledFrom([]int{1, 100, 3000}).Draw(t, "padding")
				h.batch(func(tx *partition.Tx) {
					for range rapid.IntRange(1, 10).Draw(t, "events") {
						to := rapid.SliceOfNDistinct(rapid.SampledFrom(buses), 1, 3, rapid.ID).Draw(t, "buses")
						targets := rapid.SliceOfN(rapid.Uint64Range(1, 1000), 0, 3).Draw(t, "targets")
						e := h.publish(tx, padding, targets, to...)
						for _, bus := range to {
							model[bus] = append(model[bus], e)
						}
					}
				})
			},
			"wait": func(t *rapid.T) {
				h.now = h.now.Add(rapid.SampledFrom([]time.Duration{1e6, 1e9, 6e10, 3e11}).Draw(t, "for"))
				h.batch(func(*partition.Tx) {})
			},
			"forget": func(t *rapid.T) {
				bus := rapid.SampledFrom(buses).Draw(t, "bus")
				h.batch(func(tx *partition.Tx) { h.log.Forget(tx, bus) })
				delete(model, bus)
			},
			"crash": func(*rapid.T) { h.crash() },
			"": func(t *rapid.T) {
				check(t, h, model)
			},
		})
		h.now = h.now.Add(time.Hour)
		h.batch(func(*partition.Tx) {})
		require.Zero(t, h.stored('i'))
		require.LessOrEqual(t, h.stored('e'), eventlog.SegmentEvents)
	})
}

// check compares each bus with the model. Old events may be gone, but only the
// oldest, and none of the last ten minutes unless there was too much.
func check(t *rapid.T, h *harness, model map[turnout.BusName][]event) {
	full := max(h.before, h.log.Stats().Bytes) > h.cfg.BytesMax // so the oldest may have gone now
	h.before = h.log.Stats().Bytes
	for _, bus := range buses {
		events := model[bus]
		got, at := h.read(bus, history.Position{}, forever)
		gone := len(events) - len(got)
		require.GreaterOrEqual(t, gone, 0)
		for i, e := range events[:gone] {
			if !full {
				require.False(t, e.at.Add(h.cfg.Retention).After(h.now), "event %d went too early", i)
			}
		}
		for i, e := range events[gone:] {
			require.Equal(t, e.body, got[i])
			require.Equal(t, e.at, at[i].Time())
		}
		model[bus] = slices.Clone(events[gone:])
		if n := len(model[bus]); n > 0 {
			e := model[bus][rapid.IntRange(0, n-1).Draw(t, "event to find")]
			found := h.find(e.id)
			i := slices.IndexFunc(found, func(f history.Entry) bool { return f.Bus == bus })
			require.GreaterOrEqual(t, i, 0, "an event that is there is found by its id")
			require.Equal(t, e.ref, found[i].Ref)
			require.ElementsMatch(t, e.targets, found[i].Targets)
		}
	}
}
