package histogram

import (
	"math/bits"
	"time"
)

// Histogram counts latencies in buckets that are at most 1.6 % wide, from
// 100 ns to hours, in constant memory. Its zero value is empty.
type Histogram struct {
	buckets [subBuckets * 64]uint32
	n       uint64
	max     time.Duration
}

const (
	subBits    = 6 // 64 buckets for each power of two
	subBuckets = 1 << subBits
	tick       = 100 * time.Nanosecond
)

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0) / tick)
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return (shift+1)<<subBits + int(v>>shift) - subBuckets
}

// upper is the largest duration of a bucket.
func upper(bucket int) time.Duration {
	if bucket < subBuckets {
		return time.Duration(bucket) * tick
	}
	shift := bucket>>subBits - 1
	v := uint64(bucket&(subBuckets-1)+subBuckets+1)<<shift - 1
	return time.Duration(v) * tick
}

// Add counts one latency.
func (h *Histogram) Add(d time.Duration) {
	h.buckets[bucketOf(d)]++
	h.n++
	h.max = max(h.max, d)
}

// N is how many latencies were counted.
func (h *Histogram) N() uint64 { return h.n }

// Merge counts what another histogram has counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, c := range o.buckets {
		h.buckets[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// Quantile returns the latency that the share q of all do not exceed; 0 when there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	want := uint64(q * float64(h.n))
	var seen uint64
	for i, c := range h.buckets {
		if seen += uint64(c); c > 0 && seen > want {
			return min(upper(i), h.max)
		}
	}
	return h.max
}
