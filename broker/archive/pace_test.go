package archive

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// pace replays events published at the given times and returns when each was
// replayed, in ms since the start.
func pace(p *pacer, published []int64, step int) (replayed []int64) {
	now := time.UnixMilli(1_000_000)
	began := now
	for i := 0; i < len(published); {
		n, wait := p.allow(now, min(step, len(published)-i), func(k int) int64 { return published[i+k] })
		for range n {
			replayed = append(replayed, now.Sub(began).Milliseconds())
		}
		i += n
		p.replayed(n)
		now = now.Add(wait)
	}
	return replayed
}

func TestPacing(t *testing.T) {
	t.Parallel()
	same := make([]int64, 5)
	for _, c := range []struct {
		name      string
		pacer     pacer
		published []int64
		want      []int64
	}{
		{"none", pacer{}, same, []int64{0, 0, 0, 0, 0}},
		{"a rate: the first at once, then one after another", pacer{perSecond: 2}, same, []int64{0, 500, 1000, 1500, 2000}},
		{"real time, from the first event on", pacer{lapse: 1}, []int64{5000, 5010, 7000}, []int64{0, 10, 2000}},
		{"twice as fast", pacer{lapse: 2}, []int64{5000, 5200, 7000}, []int64{0, 100, 1000}},
		{"half as fast", pacer{lapse: 0.5}, []int64{0, 100}, []int64{0, 200}},
		{"both: whichever is slower", pacer{perSecond: 1, lapse: 1}, []int64{0, 10, 5000}, []int64{0, 1000, 5000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := pace(&c.pacer, c.published, 10)
			require.Len(t, got, len(c.want))
			for i := range got {
				require.InDelta(t, c.want[i], got[i], 1, "event %d", i)
			}
		})
	}
}

// TestARateIsNeverExceeded: in any second no more than the rate, and one batch at the start.
func TestARateIsNeverExceeded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(1, 5000).Draw(t, "rate")
		n := rapid.IntRange(1, 3000).Draw(t, "events")
		got := pace(&pacer{perSecond: rate}, make([]int64, n), rapid.IntRange(1, 1000).Draw(t, "step"))
		require.Len(t, got, n, "all are replayed")
		for i, at := range got {
			earliest := float64(i) / float64(rate) * 1000
			require.GreaterOrEqual(t, float64(at)+1, earliest, "event %d", i)
			require.LessOrEqual(t, float64(at), earliest+1000/paceBatch+20+2*1000/float64(rate), "event %d is not late", i)
		}
	})
}

func TestAReplayYieldsToLiveTraffic(t *testing.T) {
	t.Parallel()
	require.Zero(t, yield(0, time.Millisecond))
	require.Zero(t, yield(15, time.Millisecond), "a few waiting operations are normal")
	require.Equal(t, time.Millisecond, yield(16, time.Millisecond))
	require.Equal(t, 8*time.Millisecond, yield(100_000, time.Millisecond))
}

func TestBatchesShrinkWithTheFanOut(t *testing.T) {
	t.Parallel()
	require.Equal(t, passageEventsMax, limitFor(100, 100, 0))
	require.Equal(t, 20, limitFor(100, 10_000, 0))
	require.Equal(t, 1, limitFor(1, 1_000_000, 1000))
	require.Equal(t, passageEventsMax, limitFor(100, 0, 0))
	require.Equal(t, passageEventsMax/4, limitFor(100, 100, busy), "and while others wait")
}

func FuzzParseBucket(f *testing.F) {
	f.Add(appendBucketKey(nil, 7, 1_767_000_000_000), appendBucket(nil, &bucket{last: 1_767_000_000_001, events: 2, bytes: 3}))
	f.Add(appendBucketKey(nil, 7, 1), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		number, b, err := parseBucket(key, value)
		if err != nil {
			return
		}
		again, same, err := parseBucket(appendBucketKey(nil, number, b.from), appendBucket(nil, &b))
		require.NoError(t, err)
		require.Equal(t, number, again)
		require.Equal(t, b, same)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("ra000000000000\x00us-east-1\x00a"), []byte(`{"v":1,"number":1,"bus":"arn:aws:events:us-east-1:000000000000:event-bus/default","created_at":1}`))
	f.Add([]byte("rp000000000000\x00us-east-1\x00r"), []byte(`{"v":1,"source":"x","from":1,"to":2,"bus":"arn:aws:events:us-east-1:000000000000:event-bus/default","queue":"arn:aws:sqs:us-east-1:000000000000:q","state":"RUNNING","started_at":3,"next":{"at":4}}`))
	f.Add([]byte("rp\x00\x00"), []byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if a, err := decodeArchive(key, value); err == nil {
			again, err := decodeArchive(archiveKey(a.ArchiveName), a.encode())
			require.NoError(t, err)
			require.Equal(t, a.number, again.number)
			require.Equal(t, a.Bus, again.Bus)
		}
		if r, err := decodeReplay(key, value); err == nil {
			again, err := decodeReplay(replayKey(r.ReplayName), r.encode())
			require.NoError(t, err)
			require.Equal(t, r.next, again.next)
			require.Equal(t, r.ReplaySpec.Bus, again.ReplaySpec.Bus)
		}
	})
}

func TestJoinPattern(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"":                               `{"replay-name":[{"exists":false}]}`,
		`{"source":["{"]}`:               `{"replay-name":[{"exists":false}],"source":["{"]}`,
		` { "$or":[{"a":[1]}]} `:         `{"replay-name":[{"exists":false}], "$or":[{"a":[1]}]} `,
		`{"replay-name":["x"]}`:          `{"replay-name":["x"]}`,
		`{"detail":{"replay-name":[1]}}`: `{"replay-name":[{"exists":false}],"detail":{"replay-name":[1]}}`,
	} {
		require.Equal(t, want, joinPattern(pattern))
	}
}
