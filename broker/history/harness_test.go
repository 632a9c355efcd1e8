package history_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
)

// harness is a history over a store, driven batch by batch as the loop drives it.
type harness struct {
	t      require.TestingT
	cfg    history.Config
	fs     *pebblestore.Memory
	store  store.Store
	events *eventlog.Log
	log    *history.Log
	now    time.Time
	seq    int
	before int64 // the bytes at the last check against a model
}

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newHarness(t require.TestingT, cfg history.Config) *harness {
	h := &harness{t: t, cfg: cfg, fs: pebblestore.NewMemory(), now: began}
	h.open()
	return h
}

func (h *harness) open() {
	var err error
	h.store, err = pebblestore.Open(pebblestore.Config{Dir: "data", FS: h.fs, MemTableBytes: 1 << 20, CacheBytes: 1 << 20})
	require.NoError(h.t, err)
	h.events, err = eventlog.Load(h.store)
	require.NoError(h.t, err)
	h.log, err = history.Load(partition.New(h.store, partition.Config{}), h.store, h.events, h.cfg)
	require.NoError(h.t, err)
}

func (h *harness) close() { require.NoError(h.t, h.store.Close()) }

// crash goes back to what was synced and opens it.
func (h *harness) crash() {
	clone := h.fs.PowerLoss(0, nil)
	h.close()
	h.fs = clone
	h.open()
}

// batch runs f in one batch and commits it.
func (h *harness) batch(f func(tx *partition.Tx)) {
	tx := &partition.Tx{Now: h.now, Batch: h.store.NewBatch()}
	for due := h.log.Due(); !due.IsZero() && !due.After(h.now); due = h.log.Due() {
		before := h.log.Stats()
		h.log.Tick(tx)
		h.log.Flush(tx)
		if h.log.Stats() == before {
			break // the chunk closes with the next millisecond
		}
	}
	f(tx)
	h.log.Flush(tx)
	h.events.Flush(tx)
	if !tx.Batch.Empty() {
		require.NoError(h.t, h.store.Commit(tx.Batch))
	}
	require.NoError(h.t, tx.Batch.Close())
}

// event is what a test remembers of an event.
type event struct {
	id      string
	body    string
	at      time.Time
	ref     eventlog.Ref
	targets []uint64
}

// publish appends an event that came by some buses.
func (h *harness) publish(tx *partition.Tx, padding int, targets []uint64, buses ...turnout.BusName) event {
	h.seq++
	id := turnout.UUID([16]byte{byte(h.seq), byte(h.seq >> 8), byte(h.seq >> 16), 15: 7})
	e := event{id: id, body: fmt.Sprintf(`{"version":"0","id":"%s","pad":"%0*d"}`, id, padding, h.seq), at: tx.Now, targets: slices.Clone(targets)}
	e.ref = h.events.Append(tx, []byte(e.body))
	for _, bus := range buses {
		h.log.Append(tx, bus, id, e.ref, len(e.body), targets)
	}
	return e
}

func (h *harness) snapshot(f func(s store.Snapshot)) {
	s := h.store.Snapshot()
	f(s)
	require.NoError(h.t, s.Close())
}

// read returns the bodies of a bus's events in a time range.
func (h *harness) read(bus turnout.BusName, from history.Position, to time.Time) (bodies []string, at []history.Position) {
	h.snapshot(func(s store.Snapshot) {
		entries, failed := h.log.Entries(s, bus, from, to)
		for e := range entries {
			body, err := eventlog.Get(s, nil, e.Ref)
			require.NoError(h.t, err, "what is in the history has a body")
			require.Len(h.t, body, e.SizeBytes)
			require.Equal(h.t, bus, e.Bus)
			bodies, at = append(bodies, string(body)), append(at, e.Position)
		}
		require.NoError(h.t, failed())
	})
	return bodies, at
}

func (h *harness) find(id string) (found []history.Entry) {
	h.snapshot(func(s store.Snapshot) {
		var err error
		found, err = h.log.Find(s, id)
		require.NoError(h.t, err)
	})
	return found
}

// stored counts the records with a prefix.
func (h *harness) stored(prefix byte) int {
	n := 0
	pairs, failed := h.store.Scan([]byte{prefix}, []byte{prefix + 1})
	for range pairs {
		n++
	}
	require.NoError(h.t, failed())
	return n
}

var scope = turnout.Scope{Account: "000000000000", Region: "us-east-1"}

func busNamed(name string) turnout.BusName { return turnout.BusName{Scope: scope, Name: name} }

var forever = began.AddDate(100, 0, 0)
