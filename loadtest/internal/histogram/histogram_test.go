package histogram

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuantilesAreClose(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var h, other Histogram
	var all []time.Duration
	for i := range 50_000 {
		d := time.Duration(r.ExpFloat64() * float64(3*time.Millisecond))
		all = append(all, d)
		if i%2 == 0 {
			h.Add(d)
		} else {
			other.Add(d)
		}
	}
	h.Merge(&other)
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999} {
		exact := all[int(q*float64(len(all)))]
		require.InEpsilon(t, exact, h.Quantile(q), 0.02, "quantile %v", q)
	}
	require.Equal(t, all[len(all)-1], h.Quantile(1))
	require.Zero(t, (&Histogram{}).Quantile(0.99), "no latencies, no quantile")
}

func TestBucketsCoverEveryDuration(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{-1, 0, 1, tick, 63 * tick, 64 * tick, 65 * tick, 127 * tick, 128 * tick, time.Second, 100 * time.Hour} {
		b := bucketOf(d)
		require.LessOrEqual(t, max(d, 0).Truncate(tick), upper(b), "%v", d)
		if b > 0 {
			require.Greater(t, max(d, 0), upper(b-1), "%v", d)
		}
	}
}
