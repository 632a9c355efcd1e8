package storetest

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// powerLosses is how many times testPowerLoss pulls the plug. A store that does
// not sync its commits fails at the first, one that does not sync the entry of
// a directory it creates too; the rest is for what is rarer.
const powerLosses = 40

// testPowerLoss loses power at random moments under a writer, again and again
// on what the loss before has left. Every batch that was acknowledged must be
// there, in order and whole; one that was not may be, also whole.
func testPowerLoss(t *testing.T, newDisk func(*testing.T) Disk) {
	disk, ok := newDisk(t).(PowerLossDisk)
	if !ok {
		t.Skip("this disk cannot lose power; the suite on one that can covers it")
	}
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, 0))
	h := newHistory(seed)
	losses := powerLosses
	if testing.Short() {
		losses /= 4
	}
	for loss := range losses {
		keep := []int{0, 10, 50, 90}[loss%4]
		var acked, begun uint64
		disk, acked, begun = writeAndLosePower(t, disk, seed, h.n, keep, rng)
		s, err := disk.Open()
		require.NoError(t, err, "loss %d, %d %% kept: the store opens", loss, keep)
		n := h.check(t, s)
		require.GreaterOrEqual(t, n, acked, "loss %d, %d %% kept: what was acknowledged is there", loss, keep)
		require.LessOrEqual(t, n, begun, "loss %d, %d %% kept: nothing else is", loss, keep)
		require.NoError(t, s.Close())
	}
}

// writeAndLosePower commits batches from n+1 on and returns the disk that a
// power loss in between leaves, how many batches were acknowledged before it,
// and how many were begun when it was over.
func writeAndLosePower(t *testing.T, disk PowerLossDisk, seed, n uint64, keep int, rng *rand.Rand) (after PowerLossDisk, acked, begun uint64) {
	t.Helper()
	s, err := disk.Open()
	require.NoError(t, err)
	var began, done atomic.Uint64
	began.Store(n)
	done.Store(n)
	stop, ended := make(chan struct{}), make(chan error, 1)
	progress := make(chan struct{}, 1) // a token: a batch was acknowledged
	go func() {
		for i := n + 1; ; i++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			began.Store(i)
			if err := commitNumber(s, seed, i); err != nil {
				ended <- err
				return
			}
			done.Store(i)
			select {
			case progress <- struct{}{}:
			default:
			}
		}
	}()
	for want := n + rng.Uint64N(40); done.Load() < want; {
		<-progress
	}
	for range rng.IntN(50) {
		runtime.Gosched() // somewhere inside a commit
	}
	acked = done.Load()
	lost := disk.PowerLoss(keep, rng)
	begun = began.Load()
	close(stop)
	require.NoError(t, <-ended)
	require.NoError(t, s.Close())
	next, ok := lost.(PowerLossDisk)
	require.True(t, ok, "a disk that has lost power can lose it again")
	return next, acked, begun
}
