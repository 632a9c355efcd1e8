package eventlog_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
)

// harness is a log over a store, driven batch by batch as the loop drives it.
type harness struct {
	t     require.TestingT
	fs    *pebblestore.Memory
	store store.Store
	log   *eventlog.Log
}

func newHarness(t require.TestingT) *harness {
	h := &harness{t: t, fs: pebblestore.NewMemory()}
	h.open()
	return h
}

func openStore(t require.TestingT, fs *pebblestore.Memory) store.Store {
	s, err := pebblestore.Open(pebblestore.Config{Dir: "data", FS: fs})
	require.NoError(t, err)
	return s
}

func (h *harness) open() {
	h.store = openStore(h.t, h.fs)
	log, err := eventlog.Load(h.store)
	require.NoError(h.t, err)
	h.log = log
}

// crash goes back to what was synced and opens it.
func (h *harness) crash() {
	clone := h.fs.PowerLoss(0, nil)
	h.close()
	h.fs = clone
	h.open()
}

func (h *harness) close() { require.NoError(h.t, h.store.Close()) }

// batch runs f in one batch and commits it.
func (h *harness) batch(f func(tx *partition.Tx)) {
	tx := &partition.Tx{Batch: h.store.NewBatch()}
	f(tx)
	h.log.Flush(tx)
	if !tx.Batch.Empty() {
		require.NoError(h.t, h.store.Commit(tx.Batch))
	}
	require.NoError(h.t, tx.Batch.Close())
}

func (h *harness) get(ref eventlog.Ref) ([]byte, error) { return eventlog.Get(h.store, nil, ref) }

// stored counts the events in the store, whoever refers to them.
func (h *harness) stored() int {
	n := 0
	pairs, failed := h.store.Scan([]byte{'e'}, []byte{'e' + 1})
	for range pairs {
		n++
	}
	require.NoError(h.t, failed())
	return n
}

// fill appends events that nobody keeps until the newest segment is sealed.
func (h *harness) fill(tx *partition.Tx, last eventlog.Ref) {
	for ref := last; ref%eventlog.SegmentEvents != eventlog.SegmentEvents-1; {
		ref = h.log.Append(tx, []byte("filler"))
	}
}

func TestAppendStoresABodyOnceAndGivesRisingRefs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer h.close()
	var refs []eventlog.Ref
	h.batch(func(tx *partition.Tx) {
		for i := range 3 {
			ref := h.log.Append(tx, fmt.Appendf(nil, "body %d", i))
			h.log.Retain(tx, 1, ref)
			h.log.Retain(tx, 2, ref)
			refs = append(refs, ref)
		}
	})
	require.Equal(t, []eventlog.Ref{1, 2, 3}, refs, "refs rise by one and zero is none")
	require.Equal(t, 3, h.stored(), "a body is stored once, however many owners refer to it")
	got, err := eventlog.Get(h.store, []byte("> "), refs[1])
	require.NoError(t, err)
	require.Equal(t, "> body 1", string(got), "Get appends")
	_, err = h.get(4)
	require.ErrorIs(t, err, store.ErrNotFound, "a ref never given out is not found")
	require.Equal(t, eventlog.Stats{Appended: 3, Bytes: 18, Segments: 1, Pairs: 2}, h.log.Stats())
}

func TestScanYieldsWhatIsStoredInOrder(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer h.close()
	h.batch(func(tx *partition.Tx) {
		for i := range 5 {
			h.log.Retain(tx, 1, h.log.Append(tx, fmt.Appendf(nil, "body %d", i+1)))
		}
	})
	var got []string
	events, failed := eventlog.Scan(h.store, 2, 5)
	for ref, body := range events {
		got = append(got, fmt.Sprint(ref, " ", string(body)))
	}
	require.NoError(t, failed())
	require.Equal(t, []string{"2 body 2", "3 body 3", "4 body 4"}, got)
	for range events {
		break
	}
	require.NoError(t, failed())
}

func TestASegmentIsCollectedWhenItIsSealedAndUnreferenced(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer h.close()
	var ref eventlog.Ref
	h.batch(func(tx *partition.Tx) {
		ref = h.log.Append(tx, []byte("kept"))
		h.log.Retain(tx, 7, ref)
	})
	h.batch(func(tx *partition.Tx) { h.fill(tx, ref) })
	require.Equal(t, eventlog.SegmentEvents-1, h.stored(), "one reference keeps a segment")

	h.batch(func(tx *partition.Tx) {
		h.log.Release(tx, 7, ref)
		h.log.Retain(tx, 8, ref)
	})
	_, err := h.get(ref)
	require.NoError(t, err, "an event passes from one owner to another within a batch")

	h.crash()
	h.batch(func(tx *partition.Tx) { h.log.Release(tx, 8, ref) })
	require.Zero(t, h.stored(), "the last release deletes the segment")
	require.Equal(t, eventlog.Stats{Collected: 1, Segments: 1}, h.log.Stats())

	h.crash()
	h.batch(func(tx *partition.Tx) {
		require.EqualValues(t, eventlog.SegmentEvents, h.log.Append(tx, nil), "refs are not used again after everything was collected")
	})
}

func TestTheNewestSegmentStaysUntilItIsSealed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer h.close()
	var ref eventlog.Ref
	h.batch(func(tx *partition.Tx) {
		ref = h.log.Append(tx, []byte("short-lived"))
		h.log.Retain(tx, 1, ref)
	})
	h.batch(func(tx *partition.Tx) { h.log.Release(tx, 1, ref) })
	require.Equal(t, 1, h.stored(), "the newest segment is not collected")
	h.crash()
	h.batch(func(tx *partition.Tx) {
		require.Equal(t, ref+1, h.log.Append(tx, nil), "refs go on after a restart without references")
		h.fill(tx, ref+1)
	})
	require.Zero(t, h.stored(), "sealing an unreferenced segment deletes it")
}

func TestReleaseAllFreesEverySegmentOfAnOwner(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer h.close()
	for range 3 {
		h.batch(func(tx *partition.Tx) {
			ref := h.log.Append(tx, []byte("x"))
			h.log.Retain(tx, 1, ref)
			h.log.Retain(tx, 1, ref)
			h.fill(tx, ref)
		})
	}
	require.Equal(t, 4, h.log.Stats().Segments)
	h.batch(func(tx *partition.Tx) {
		h.log.ReleaseAll(tx, 1)
		h.log.ReleaseAll(tx, 2) // holds nothing
	})
	require.Zero(t, h.stored())
	require.Zero(t, h.log.Stats().Pairs)
}

func TestBrokenReferencesPanic(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	defer h.close()
	h.batch(func(tx *partition.Tx) {
		ref := h.log.Append(tx, nil)
		require.Panics(t, func() { h.log.Retain(tx, 1, 0) }, "zero names no event")
		require.Panics(t, func() { h.log.Retain(tx, 1, ref+1) }, "an event that was never appended")
		require.Panics(t, func() { h.log.Release(tx, 1, ref) }, "an owner that holds nothing")
		h.log.Retain(tx, 1, ref)
		h.log.Release(tx, 1, ref)
		require.Panics(t, func() { h.log.Release(tx, 1, ref) }, "a second release")
	})
}

func TestLoadRefusesForeignRecords(t *testing.T) {
	t.Parallel()
	for name, record := range map[string]struct{ key, value []byte }{
		"a key of another length": {[]byte("gabc"), []byte{1}},
		"a count of zero":         {append([]byte("g"), make([]byte, 12)...), []byte{0}},
		"bytes after the count":   {[]byte("g"), []byte{1, 1}},
		"an event key too short":  {[]byte("e\xff"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openStore(t, pebblestore.NewMemory())
			b := s.NewBatch()
			b.Set(record.key, record.value)
			require.NoError(t, s.Commit(b))
			require.NoError(t, b.Close())
			_, err := eventlog.Load(s)
			require.Error(t, err, "a corrupt record is an error, not a guess")
			require.NoError(t, s.Close())
		})
	}
}

// model is what a Log promises: for every owner the references it holds.
type model struct {
	*harness
	held   map[uint32][]eventlog.Ref
	bodies map[eventlog.Ref][]byte
	last   eventlog.Ref
}

func (m *model) drawOwner(rt *rapid.T) uint32 { return rapid.Uint32Range(1, 4).Draw(rt, "owner") }

// act runs one random operation in tx.
func (m *model) act(rt *rapid.T, tx *partition.Tx) {
	switch rapid.SampledFrom([]string{"publish", "publish", "publish", "fill", "release", "release", "move", "releaseAll"}).Draw(rt, "action") {
	case "publish":
		body := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(rt, "body")
		m.last = m.log.Append(tx, body)
		for range rapid.IntRange(0, 3).Draw(rt, "targets") {
			m.retain(tx, m.drawOwner(rt), m.last, body)
		}
	case "fill":
		m.fill(tx, m.last)
		m.last |= eventlog.SegmentEvents - 1
	case "release":
		m.release(rt, tx)
	case "move":
		if ref, ok := m.release(rt, tx); ok {
			m.retain(tx, m.drawOwner(rt), ref, m.bodies[ref])
		}
	case "releaseAll":
		id := m.drawOwner(rt)
		m.log.ReleaseAll(tx, id)
		delete(m.held, id)
	}
}

func (m *model) retain(tx *partition.Tx, id uint32, ref eventlog.Ref, body []byte) {
	m.log.Retain(tx, id, ref)
	m.held[id] = append(m.held[id], ref)
	m.bodies[ref] = body
}

func (m *model) release(rt *rapid.T, tx *partition.Tx) (eventlog.Ref, bool) {
	id := m.drawOwner(rt)
	if len(m.held[id]) == 0 {
		return 0, false
	}
	i := rapid.IntRange(0, len(m.held[id])-1).Draw(rt, "which")
	ref := m.held[id][i]
	m.log.Release(tx, id, ref)
	m.held[id] = slices.Delete(m.held[id], i, i+1)
	return ref, true
}

// check compares the log with what is held: everything held is readable, and
// nothing is stored but segments that are held and the newest one.
func (m *model) check(rt *rapid.T) {
	live := map[eventlog.Ref]bool{(m.last + 1) / eventlog.SegmentEvents: true}
	pairs := map[string]bool{}
	for id, refs := range m.held {
		for _, ref := range refs {
			got, err := m.get(ref)
			require.NoError(rt, err, "retained event %d is readable", ref)
			require.True(rt, bytes.Equal(m.bodies[ref], got), "event %d has its body", ref)
			live[ref/eventlog.SegmentEvents] = true
			pairs[fmt.Sprint(id, "/", ref/eventlog.SegmentEvents)] = true
		}
	}
	stats := m.log.Stats()
	require.Equal(rt, len(live), stats.Segments, "live segments are those referred to, and the newest")
	require.Equal(rt, len(pairs), stats.Pairs)
	found := map[eventlog.Ref]bool{}
	scan, failed := m.store.Scan([]byte{'e'}, []byte{'e' + 1})
	for key := range scan {
		var ref eventlog.Ref
		for _, b := range key[1:] {
			ref = ref<<8 | eventlog.Ref(b)
		}
		found[ref/eventlog.SegmentEvents] = true
	}
	require.NoError(rt, failed())
	for segment := range found {
		require.True(rt, live[segment], "segment %d was not collected", segment)
	}
}

func TestLogModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{harness: newHarness(rt), held: map[uint32][]eventlog.Ref{}, bodies: map[eventlog.Ref][]byte{}}
		defer m.close()
		for range rapid.IntRange(1, 8).Draw(rt, "batches") {
			m.batch(func(tx *partition.Tx) {
				for range rapid.IntRange(0, 5).Draw(rt, "operations") {
					m.act(rt, tx)
				}
			})
			if rapid.IntRange(0, 3).Draw(rt, "crash") == 0 {
				m.crash()
				m.batch(func(tx *partition.Tx) {
					next := m.log.Append(tx, nil)
					require.Equal(rt, m.last+1, next, "refs go on where they were")
					m.last = next
				})
			}
			m.check(rt)
		}
	})
}

func BenchmarkRetainRelease(b *testing.B) {
	for _, owners := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("owners=%d", owners), func(b *testing.B) {
			h := newHarness(b)
			defer h.close()
			tx := &partition.Tx{Batch: h.store.NewBatch()}
			ref := h.log.Append(tx, []byte("x"))
			for id := range owners {
				h.log.Retain(tx, uint32(id), ref)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				h.log.Retain(tx, uint32(i%owners), ref)
				h.log.Release(tx, uint32(i%owners), ref)
				i++
			}
		})
	}
}

// BenchmarkPublishBatch measures the log's part of a batch of 64 events with
// 10 references each, without the sync: what does it cost the loop?
func BenchmarkPublishBatch(b *testing.B) {
	h := newHarness(b)
	defer h.close()
	body := bytes.Repeat([]byte("x"), 1024)
	bytesLogged := 0
	b.ReportAllocs()
	for b.Loop() {
		tx := &partition.Tx{Batch: h.store.NewBatch()}
		for range 64 {
			ref := h.log.Append(tx, body)
			for id := range uint32(10) {
				h.log.Retain(tx, id, ref)
			}
			for id := range uint32(10) {
				h.log.Release(tx, id, ref)
			}
		}
		h.log.Flush(tx)
		bytesLogged += tx.Batch.Len()
		require.NoError(b, tx.Batch.Close())
	}
	b.ReportMetric(float64(bytesLogged)/float64(b.N*64), "bytes/event")
}
