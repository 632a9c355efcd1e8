package eventlog

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzLoadCount(f *testing.F) {
	f.Add([]byte("g"), []byte{1})
	f.Add([]byte("g"), []byte{0x80, 0x20})
	f.Add(appendCountKey(nil, pairName{owner: 7, segment: 3}), []byte{0xff, 1})
	f.Add(appendCountKey(nil, pairName{owner: 7, segment: 3}), []byte{0})
	f.Add([]byte("gowner"), []byte{1, 1})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		l := &Log{next: 1, segments: map[uint64]*segment{}, owners: map[uint32]*owner{}}
		if err := l.loadCount(key, value); err != nil {
			require.Empty(t, l.segments, "a refused record changes nothing")
			return
		}
		if len(key) == 1 {
			require.Equal(t, value, appendNext(nil, l.next), "a stored ref reads back as it was written")
			return
		}
		for id, o := range l.owners {
			p := o.pairs[0]
			require.Equal(t, key[1:], appendCountKey(nil, pairName{owner: id, segment: p.segment})[1:])
			require.Equal(t, value, appendCount(nil, p.count), "a stored count reads back as it was written")
			require.Equal(t, p.count, l.segments[p.segment].total)
		}
	})
}
