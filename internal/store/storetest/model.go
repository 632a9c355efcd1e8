package storetest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/store"
)

// model is what a store should hold.
type model map[string]string

func (m model) pairs() []pair {
	var want []pair
	for _, k := range slices.Sorted(maps.Keys(m)) {
		want = append(want, pair{k, m[k]})
	}
	return want
}

// change is one change of a batch.
type change struct {
	kind       byte // 's'et, 'd'elete, delete 'r'ange
	key, other string
}

func (c change) addTo(b store.Batch) {
	switch c.kind {
	case 's':
		b.Set([]byte(c.key), []byte(c.other))
	case 'd':
		b.Delete([]byte(c.key))
	case 'r':
		b.DeleteRange([]byte(c.key), []byte(c.other))
	}
}

func (c change) applyTo(m model) {
	switch c.kind {
	case 's':
		m[c.key] = c.other
	case 'd':
		delete(m, c.key)
	case 'r':
		maps.DeleteFunc(m, func(k, _ string) bool { return c.key <= k && k < c.other })
	}
}

// numberKey holds the number of the newest batch of a history.
const numberKey = "#"

// batchOf returns batch n, from 1, of the history that seed stands for. Its
// last change stores n itself, so a half-applied batch cannot pass for a whole one.
func batchOf(seed, n uint64) []change {
	rng := rand.New(rand.NewPCG(seed, n))
	key := func() string { return fmt.Sprintf("k%02d", rng.IntN(60)) }
	var all []change
	for range 1 + rng.IntN(8) {
		switch p := rng.IntN(100); {
		case p < 60:
			size := rng.IntN(300)
			if rng.IntN(100) == 0 {
				size = 150_000 // more than half of a small table in memory, which is written another way
			}
			all = append(all, change{'s', key(), strings.Repeat(string(rune('a'+n%26)), size)})
		case p < 85:
			all = append(all, change{'d', key(), ""})
		default:
			from, to := key(), key()
			all = append(all, change{'r', min(from, to), max(from, to)})
		}
	}
	return append(all, change{'s', numberKey, string(binary.BigEndian.AppendUint64(nil, n))})
}

// commitNumber commits batch n of a history.
func commitNumber(s store.Store, seed, n uint64) error {
	b := s.NewBatch()
	for _, c := range batchOf(seed, n) {
		c.addTo(b)
	}
	if err := s.Commit(b); err != nil {
		return err
	}
	return b.Close()
}

// history is a sequence of batches and what the first n of them leave.
type history struct {
	seed, n uint64
	want    model
}

func newHistory(seed uint64) *history { return &history{seed: seed, want: model{}} }

// advance goes on to batch n.
func (h *history) advance(n uint64) {
	for ; h.n < n; h.n++ {
		for _, c := range batchOf(h.seed, h.n+1) {
			c.applyTo(h.want)
		}
	}
}

// check requires that r holds exactly what some number of batches leave, not
// fewer than were there at the last check, and returns the number.
func (h *history) check(t require.TestingT, r store.Reader) uint64 {
	var n uint64
	number, err := r.Get(nil, []byte(numberKey))
	if err == nil {
		n = binary.BigEndian.Uint64(number)
	} else {
		require.ErrorIs(t, err, store.ErrNotFound)
	}
	require.GreaterOrEqual(t, n, h.n, "seed %d: what was there is still there", h.seed)
	h.advance(n)
	require.True(t, slices.Equal(h.want.pairs(), pairs(t, r, allLower, allUpper)),
		"seed %d: the store holds exactly what the first %d batches leave", h.seed, n)
	return n
}

func testRandomBatches(t *testing.T, newDisk func(*testing.T) Disk) {
	const seed, batches = 7, 400
	s := open(t, newDisk(t))
	h := newHistory(seed)
	for n := range uint64(batches) {
		require.NoError(t, commitNumber(s, seed, n+1))
		if n%20 != 0 {
			continue
		}
		require.Equal(t, n+1, h.check(t, s))
		key, _, err := s.Last([]byte("k"), []byte("k30"))
		below := slices.DeleteFunc(h.want.pairs(), func(p pair) bool { return p.key < "k" || p.key >= "k30" })
		if len(below) == 0 {
			require.ErrorIs(t, err, store.ErrNotFound)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, below[len(below)-1].key, string(key), "the last key after %d batches", n+1)
	}
}

func testReopen(t *testing.T, newDisk func(*testing.T) Disk) {
	const seed = 11
	d, h, n := newDisk(t), newHistory(seed), uint64(0)
	for _, more := range []uint64{0, 1, 40, 0, 120} {
		s, err := d.Open()
		require.NoError(t, err)
		require.Equal(t, n, h.check(t, s), "every commit survives a restart")
		for range more {
			n++
			require.NoError(t, commitNumber(s, seed, n))
		}
		require.NoError(t, s.Close())
	}
	require.Equal(t, n, h.check(t, open(t, d)))
}

// testReadersAndWriter has readers look at whole histories while batches are committed.
func testReadersAndWriter(t *testing.T, newDisk func(*testing.T) Disk) {
	const seed, batches, readers = 3, 150, 3
	s := open(t, newDisk(t))
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			var r failer // a test may only be failed from its own goroutine
			defer r.report(t)
			h := newHistory(seed)
			for r.failed == "" {
				view := s.Snapshot()
				h.check(&r, view)
				require.NoError(&r, view.Close())
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := range uint64(batches) {
		require.NoError(t, commitNumber(s, seed, n+1))
	}
	close(done)
	wg.Wait()
	require.Equal(t, uint64(batches), newHistory(seed).check(t, s))
}

// failer lets a goroutine that is not the test's use require.
type failer struct{ failed string }

// Errorf notes the first failure.
func (f *failer) Errorf(format string, args ...any) {
	if f.failed == "" {
		f.failed = fmt.Sprintf(format, args...)
	}
}

// FailNow does nothing: the loop looks at failed.
func (*failer) FailNow() {}

func (f *failer) report(t *testing.T) {
	t.Helper()
	if f.failed != "" {
		t.Error(f.failed)
	}
}
