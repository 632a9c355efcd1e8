package history_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

func TestABusIsReadInOrderFromAnyPosition(t *testing.T) {
	t.Parallel()
	h := newHarness(t, history.Config{})
	defer h.close()
	a, b := busNamed("a"), busNamed("b")
	var bodies []string
	for range 5 {
		h.batch(func(tx *partition.Tx) {
			for range 3 {
				bodies = append(bodies, h.publish(tx, 1, nil, a).body)
				h.publish(tx, 1, nil, b)
			}
		})
		h.batch(func(tx *partition.Tx) { bodies = append(bodies, h.publish(tx, 1, nil, a).body) }) // the same millisecond
		h.now = h.now.Add(20 * time.Minute)                                                        // another chunk
	}
	got, at := h.read(a, history.Position{}, forever)
	require.Equal(t, bodies, got, "all events of the bus, in the order of their publish")
	for i := range at[1:] {
		got, _ := h.read(a, at[i], forever)
		require.Equal(t, bodies[i:], got, "from a position, with the event there")
		got, _ = h.read(a, at[i].Next(), forever)
		require.Equal(t, bodies[i+1:], got, "from behind a position")
	}
	from, to := began.Add(20*time.Minute), began.Add(60*time.Minute)
	got, _ = h.read(a, history.At(from), to)
	require.Equal(t, bodies[4:12], got, "from is inclusive, to is exclusive")
	got, _ = h.read(a, history.At(from.Add(1)), to.Add(1))
	require.Equal(t, bodies[8:16], got, "fractions of a millisecond count")
	got, _ = h.read(busNamed("other"), history.Position{}, forever)
	require.Empty(t, got)
}

func TestAllBusesAreReadByTime(t *testing.T) {
	t.Parallel()
	h := newHarness(t, history.Config{})
	defer h.close()
	var want []string
	for i := range 40 {
		h.batch(func(tx *partition.Tx) {
			want = append(want, h.publish(tx, 1, nil, busNamed(string(rune('a'+i*7%26)))).body)
		})
		h.now = h.now.Add(time.Minute)
	}
	h.snapshot(func(s store.Snapshot) {
		var got []string
		entries, failed := h.log.AllEntries(s, history.At(began.Add(5*time.Minute)), began.Add(35*time.Minute))
		for e := range entries {
			body, err := eventlog.Get(s, nil, e.Ref)
			require.NoError(t, err)
			got = append(got, string(body))
		}
		require.NoError(t, failed())
		require.Equal(t, want[5:35], got)
	})
}

func TestAnEventIsFoundByItsIDOnEveryBusItCameBy(t *testing.T) {
	t.Parallel()
	h := newHarness(t, history.Config{})
	defer h.close()
	a, b := busNamed("a"), busNamed("b")
	var wanted event
	for i := range 30 {
		h.batch(func(tx *partition.Tx) {
			for j := range 4 {
				e := h.publish(tx, 1, []uint64{1, 200, 1 << 40}, a, b)
				if i == 13 && j == 2 {
					wanted = e
				}
			}
		})
		h.now = h.now.Add(7 * time.Minute)
	}
	check := func(found []history.Entry) {
		require.Len(t, found, 2)
		for i, bus := range []turnout.BusName{a, b} {
			require.Equal(t, bus, found[i].Bus)
			require.Equal(t, wanted.ref, found[i].Ref)
			require.Equal(t, wanted.at, found[i].Time())
			require.Equal(t, wanted.targets, found[i].Targets, "what it was delivered to is known")
		}
	}
	check(h.find(wanted.id))
	h.snapshot(func(s store.Snapshot) {
		found, err := h.log.FindAt(s, wanted.id, wanted.at)
		require.NoError(t, err)
		check(found)
		found, err = h.log.FindAt(s, wanted.id, began.Add(-time.Hour))
		require.NoError(t, err)
		require.Empty(t, found)
	})
	require.Empty(t, h.find("6f1e0c1e-0000-4000-8000-000000000000"))
	h.crash()
	check(h.find(wanted.id))
}

func TestOldEventsGoWithTheirBodies(t *testing.T) {
	t.Parallel()
	h := newHarness(t, history.Config{Retention: time.Hour})
	defer h.close()
	bus := busNamed("a")
	for range 2 * eventlog.SegmentEvents / 64 {
		h.batch(func(tx *partition.Tx) {
			for range 64 {
				h.publish(tx, 1, nil, bus)
			}
		})
		h.now = h.now.Add(time.Minute)
	}
	got, at := h.read(bus, history.Position{}, forever)
	require.Less(t, len(got), 64*62, "events of the last hour are kept, and hardly more")
	require.GreaterOrEqual(t, len(got), 64*60)
	require.False(t, at[0].Time().After(h.now.Add(-time.Hour)), "every event of the last hour is there")
	h.now = h.now.Add(2 * time.Hour)
	h.batch(func(*partition.Tx) {})
	require.Zero(t, h.stored('i'), "nothing is left, not the names of the buses either")
	require.LessOrEqual(t, h.stored('e'), 1, "the bodies are gone, but for the newest segment")
	require.Zero(t, h.log.Stats().Events)
	require.Zero(t, h.log.Stats().Bytes)
	require.True(t, h.log.Due().IsZero(), "and there is nothing to wait for")
}

func TestTheBoundInBytesHolds(t *testing.T) {
	t.Parallel()
	const bytesMax = 1 << 20
	h := newHarness(t, history.Config{BytesMax: bytesMax})
	defer h.close()
	bus := busNamed("a")
	for i := range 3000 {
		h.batch(func(tx *partition.Tx) { h.publish(tx, 2000, nil, bus) })
		h.now = h.now.Add(time.Millisecond)
		if i > 1000 && i%100 == 0 {
			h.batch(func(*partition.Tx) {})
			require.LessOrEqual(t, h.log.Stats().Bytes, int64(bytesMax))
			require.Greater(t, h.log.Stats().Bytes, int64(bytesMax)*8/10, "the room is used")
		}
	}
	_, at := h.read(bus, history.Position{}, forever)
	require.Len(t, at, int(h.log.Stats().Events), "what is counted is what is there")
	require.Equal(t, h.now.Add(-time.Millisecond), at[len(at)-1].Time(), "the newest are kept")
}

func TestOffKeepsNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, history.Config{})
	defer h.close()
	h.batch(func(tx *partition.Tx) { h.publish(tx, 1, nil, busNamed("a")) })
	h.cfg.Off = true
	h.crash()
	h.batch(func(tx *partition.Tx) { h.publish(tx, 1, nil, busNamed("a")) })
	h.now = h.now.Add(time.Second)
	h.batch(func(*partition.Tx) {})
	require.Zero(t, h.stored('i'), "what was kept before goes")
}

func TestADeletedBusHasNoHistory(t *testing.T) {
	t.Parallel()
	h := newHarness(t, history.Config{Retention: time.Hour})
	defer h.close()
	a, b := busNamed("a"), busNamed("b")
	var gone, kept event
	h.batch(func(tx *partition.Tx) {
		gone, kept = h.publish(tx, 1, nil, a), h.publish(tx, 1, nil, b)
	})
	h.batch(func(tx *partition.Tx) { h.log.Forget(tx, a) })
	h.crash()
	var again event
	h.batch(func(tx *partition.Tx) { again = h.publish(tx, 1, nil, a) })
	got, _ := h.read(a, history.Position{}, forever)
	require.Equal(t, []string{again.body}, got, "a bus that is created again begins anew")
	require.Empty(t, h.find(gone.id))
	require.Len(t, h.find(kept.id), 1)
	h.now = h.now.Add(3 * time.Hour)
	h.batch(func(*partition.Tx) {})
	require.Zero(t, h.stored('i'))
}

func TestResetDropsEverything(t *testing.T) {
	t.Parallel()
	h := newHarness(t, history.Config{})
	defer h.close()
	h.batch(func(tx *partition.Tx) {
		h.publish(tx, 1, nil, busNamed("a"))
		h.log.Reset(tx)
	})
	require.Zero(t, h.stored('i'))
	var e event
	h.batch(func(tx *partition.Tx) { e = h.publish(tx, 1, nil, busNamed("a")) })
	h.crash()
	got, _ := h.read(busNamed("a"), history.Position{}, forever)
	require.Equal(t, []string{e.body}, got)
}

func TestTimeDoesNotGoBackAcrossARestart(t *testing.T) {
	t.Parallel()
	h := newHarness(t, history.Config{})
	defer h.close()
	h.now = time.Now().UTC().Add(time.Hour).Truncate(time.Millisecond)
	h.batch(func(tx *partition.Tx) { h.publish(tx, 1, nil, busNamed("a")) })
	loop := partition.New(h.store, partition.Config{})
	_, err := history.Load(loop, h.store, h.events, h.cfg)
	require.NoError(t, err)
	require.False(t, loop.Now().Before(h.now))
}

func TestADamagedRecordIsReported(t *testing.T) {
	t.Parallel()
	for name, key := range map[string][]byte{
		"chunk of an unknown version": []byte("ic\x00\x00\x00\x09"),
		"key of an unknown form":      []byte("ic\x00"),
		"bus without a name":          []byte("ib\x00\x00\x00\x09"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, history.Config{})
			defer h.close()
			b := h.store.NewBatch()
			b.Set(key, []byte("\x07damaged"))
			require.NoError(t, h.store.Commit(b))
			_, err := history.Load(partition.New(h.store, partition.Config{}), h.store, h.events, h.cfg)
			require.Error(t, err)
		})
	}
}
