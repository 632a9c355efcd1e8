package storetest

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/store"
)

// Disk is the place where one store lives.
type Disk interface {
	// Open opens the store, which it creates if there is none. It is called
	// again once the store it returned is closed.
	Open() (store.Store, error)
}

// PowerLossDisk is a Disk that can lose power. The part of the suite about
// power losses runs for these only.
type PowerLossDisk interface {
	Disk
	// PowerLoss returns the disk as a power loss at this moment might leave it,
	// with keepPercent of 100 of what was written and not synced. It is called
	// while the store is in use, and the disk itself goes on.
	PowerLoss(keepPercent int, rng *rand.Rand) Disk
}

// Run runs the suite. newDisk returns an empty disk.
func Run(t *testing.T, newDisk func(t *testing.T) Disk) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, func(*testing.T) Disk){
		"get":                  testGet,
		"scan":                 testScan,
		"last":                 testLast,
		"batch":                testBatch,
		"batch order":          testBatchOrder,
		"delete range":         testDeleteRange,
		"big values":           testBigValues,
		"snapshot":             testSnapshot,
		"readers and a writer": testReadersAndWriter,
		"random batches":       testRandomBatches,
		"reopen":               testReopen,
		"usage":                testUsage,
		"power loss":           testPowerLoss,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newDisk)
		})
	}
}

// open opens the store on a disk and closes it when the test ends; that fails
// if a scan or a snapshot has been left open.
func open(t *testing.T, d Disk) store.Store {
	t.Helper()
	s, err := d.Open()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(), "the store closes with nothing left open") })
	return s
}

// commit commits what change adds to a batch.
func commit(t require.TestingT, s store.Store, change func(store.Batch)) {
	b := s.NewBatch()
	change(b)
	require.NoError(t, s.Commit(b))
	require.NoError(t, b.Close())
}

// put stores pairs, given as key, value, key, value….
func put(t *testing.T, s store.Store, pairs ...string) {
	t.Helper()
	commit(t, s, func(b store.Batch) {
		for i := 0; i < len(pairs); i += 2 {
			b.Set([]byte(pairs[i]), []byte(pairs[i+1]))
		}
	})
}

// pair is what a scan yields.
type pair struct{ key, value string }

// all bounds every key that the suite uses.
const (
	allLower = ""
	allUpper = "\xff\xff\xff\xff"
)

// scan collects a range, "key=value" each.
func scan(t require.TestingT, r store.Reader, lower, upper string) []string {
	var got []string
	for _, p := range pairs(t, r, lower, upper) {
		got = append(got, p.key+"="+p.value)
	}
	return got
}

func pairs(t require.TestingT, r store.Reader, lower, upper string) []pair {
	var got []pair
	seq, failed := r.Scan([]byte(lower), []byte(upper))
	for k, v := range seq {
		got = append(got, pair{string(k), string(v)})
	}
	require.NoError(t, failed())
	return got
}
