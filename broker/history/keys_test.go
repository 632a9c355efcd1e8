package history

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout/broker/eventlog"
)

func TestOrdinalsSortAsNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(0, 1<<15), rapid.SampledFrom([]uint32{127, 128, 1<<14 - 1, 1 << 14, 1<<21 - 1, 1 << 21, 1<<28 - 1, 1 << 28, math.MaxUint32}))
		a, b := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		left, right := appendOrdinal(nil, a), appendOrdinal(nil, b)
		require.Equal(t, a < b, bytes.Compare(left, right) < 0)
		got, size := ordinal(append(left, 1, 2, 3))
		require.Equal(t, a, got)
		require.Equal(t, len(left), size)
	})
}

func FuzzParseGroupKey(f *testing.F) {
	f.Add(appendGroupKey(nil, 1, 2, 300_000, 70_000))
	f.Add([]byte("ie"))
	f.Fuzz(func(t *testing.T, key []byte) {
		bus, ms, group, err := parseGroupKey(key)
		if err != nil {
			return
		}
		again := appendGroupKey(nil, 0, bus, ms, group)
		b, m, g, err := parseGroupKey(again)
		require.NoError(t, err)
		require.Equal(t, []uint32{bus, ms, group}, []uint32{b, m, g})
	})
}

func FuzzParseChunk(f *testing.F) {
	f.Add(appendChunk(nil, &chunk{from: 1_767_000_000_000}))
	f.Add(appendChunk(nil, &chunk{from: 1, closed: true, last: 2, events: 3, bytes: 4, segments: []segmentCount{{5, 6}, {7, 8}}}))
	f.Add([]byte{recordVersion, 1, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := parseChunk(1, value)
		if err != nil {
			return
		}
		again, err := parseChunk(1, appendChunk(nil, c))
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

func FuzzGroup(f *testing.F) {
	group := appendEntry(nil, 0, 1<<40, 1000, []uint64{1, 2, 1 << 50})
	f.Add(appendEntry(group, 1<<40, 1<<40-1, 0, nil))
	f.Add([]byte{0})
	f.Add([]byte{2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, value []byte) {
		d := decoder{rest: value}
		var again []byte
		var ref eventlog.Ref
		for !d.done() {
			previous := ref
			var size int
			var targets []uint64
			if ref, size, targets = d.entry(ref, nil); d.failed {
				return
			}
			again = appendEntry(again, previous, ref, size, targets)
		}
		require.LessOrEqual(t, len(again), len(value), "what is read is written as short or shorter")
	})
}

func FuzzParseBusName(f *testing.F) {
	f.Add([]byte("000000000000\x00us-east-1\x00default"))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, value []byte) {
		if name, err := parseBusName(value); err == nil {
			require.Equal(t, value, appendBusName(nil, name))
		}
	})
}
