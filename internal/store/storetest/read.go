package storetest

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/store"
)

func testGet(t *testing.T, newDisk func(*testing.T) Disk) {
	s := open(t, newDisk(t))
	_, err := s.Get(nil, []byte("a"))
	require.ErrorIs(t, err, store.ErrNotFound, "an empty store has no key")
	put(t, s, "a", "1", "b", "", "", "empty key", "a\x00", "zero byte", "\xfe\xff", "high bytes")

	for key, want := range map[string]string{"a": "1", "b": "", "": "empty key", "a\x00": "zero byte", "\xfe\xff": "high bytes"} {
		got, err := s.Get(nil, []byte(key))
		require.NoError(t, err, "key %q", key)
		require.Equal(t, want, string(got), "key %q", key)
	}
	_, err = s.Get(nil, []byte("aa"))
	require.ErrorIs(t, err, store.ErrNotFound, "a longer key is another key")

	dst := append(make([]byte, 0, 64), "head:"...)
	got, err := s.Get(dst, []byte("a"))
	require.NoError(t, err)
	require.Equal(t, "head:1", string(got), "Get appends")
	require.Same(t, &dst[0], &got[0], "Get uses the room that dst has")
	put(t, s, "a", "2")
	require.Equal(t, "head:1", string(got), "the value is a copy")
}

func testScan(t *testing.T, newDisk func(*testing.T) Disk) {
	s := open(t, newDisk(t))
	require.Empty(t, scan(t, s, allLower, allUpper), "an empty store")
	put(t, s, "b", "2", "a\xff", "1b", "c", "3", "a", "1", "b\x00", "2b", "d", "4")

	for name, c := range map[string]struct {
		lower, upper string
		want         []string
	}{
		"byte order":                 {allLower, allUpper, []string{"a=1", "a\xff=1b", "b=2", "b\x00=2b", "c=3", "d=4"}},
		"lower in, upper out":        {"b", "d", []string{"b=2", "b\x00=2b", "c=3"}},
		"bounds between keys":        {"a\x01", "b\x00", []string{"a\xff=1b", "b=2"}},
		"nothing between":            {"c\x00", "d", nil},
		"beyond the last":            {"e", allUpper, nil},
		"lower is upper":             {"b", "b", nil},
		"lower beyond upper":         {"c", "b", nil},
		"no upper bound is no range": {"a", "", nil},
	} {
		require.Equal(t, c.want, scan(t, s, c.lower, c.upper), name)
	}

	seq, failed := s.Scan([]byte("a"), []byte("d"))
	var seen []string
	for k := range seq {
		seen = append(seen, string(k))
		if len(seen) == 2 {
			break
		}
	}
	require.NoError(t, failed())
	require.Equal(t, []string{"a", "a\xff"}, seen, "a scan can be left early")
	seen = nil
	for k := range seq {
		seen = append(seen, string(k))
	}
	require.NoError(t, failed())
	require.Len(t, seen, 5, "and begun again")

	seen = nil
	for k := range seq {
		seen = append(seen, string(k))
		put(t, s, "bb", "new", "c", "changed")
	}
	require.NoError(t, failed())
	require.Equal(t, []string{"a", "a\xff", "b", "b\x00", "c"}, seen, "a scan does not see what is committed while it runs")
}

func testLast(t *testing.T, newDisk func(*testing.T) Disk) {
	s := open(t, newDisk(t))
	_, _, err := s.Last([]byte(allLower), []byte(allUpper))
	require.ErrorIs(t, err, store.ErrNotFound, "an empty store")
	put(t, s, "a", "1", "b", "2", "c", "3")

	for name, c := range map[string]struct{ lower, upper, key, value string }{
		"of all":             {allLower, allUpper, "c", "3"},
		"below the bound":    {allLower, "c", "b", "2"},
		"between keys":       {"a\x00", "b\x00", "b", "2"},
		"nothing there":      {"b\x00", "c", "", ""},
		"lower is upper":     {"b", "b", "", ""},
		"lower beyond upper": {"c", "a", "", ""},
	} {
		k, v, err := s.Last([]byte(c.lower), []byte(c.upper))
		if c.key == "" {
			require.ErrorIs(t, err, store.ErrNotFound, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, pair{c.key, c.value}, pair{string(k), string(v)}, name)
	}

	k, v, err := s.Last([]byte(allLower), []byte(allUpper))
	require.NoError(t, err)
	put(t, s, "c", "changed", "d", "4")
	require.Equal(t, pair{"c", "3"}, pair{string(k), string(v)}, "key and value are copies")
	commit(t, s, func(b store.Batch) { b.Delete([]byte("d")) })
	k, _, err = s.Last([]byte(allLower), []byte(allUpper))
	require.NoError(t, err)
	require.Equal(t, "c", string(k), "a deleted key is not the last")
}

func testSnapshot(t *testing.T, newDisk func(*testing.T) Disk) {
	s := open(t, newDisk(t))
	put(t, s, "a", "1", "b", "2")
	before := s.Snapshot()
	commit(t, s, func(b store.Batch) {
		b.Set([]byte("a"), []byte("changed"))
		b.Delete([]byte("b"))
		b.Set([]byte("c"), []byte("3"))
	})
	after := s.Snapshot()
	commit(t, s, func(b store.Batch) { b.DeleteRange([]byte("a"), []byte("z")) })

	require.Equal(t, []string{"a=1", "b=2"}, scan(t, before, allLower, allUpper), "a snapshot keeps what was there")
	require.Equal(t, []string{"a=changed", "c=3"}, scan(t, after, allLower, allUpper), "and has all that was committed before it")
	require.Empty(t, scan(t, s, allLower, allUpper), "while the store goes on")

	got, err := before.Get(nil, []byte("b"))
	require.NoError(t, err)
	require.Equal(t, "2", string(got))
	_, err = before.Get(nil, []byte("c"))
	require.ErrorIs(t, err, store.ErrNotFound)
	k, v, err := before.Last([]byte(allLower), []byte(allUpper))
	require.NoError(t, err)
	require.Equal(t, pair{"b", "2"}, pair{string(k), string(v)})
	require.NoError(t, before.Close())
	require.NoError(t, after.Close())
}

func testBigValues(t *testing.T, newDisk func(*testing.T) Disk) {
	d := newDisk(t)
	s, err := d.Open()
	require.NoError(t, err)
	sizes := map[string]int{"small": 1, "message": 1 << 20, "bigger": 1<<20 + 1, "huge": 3 << 20}
	value := func(key string) []byte { return bytes.Repeat([]byte(key), sizes[key]/len(key)) }
	commit(t, s, func(b store.Batch) {
		for key := range sizes {
			b.Set([]byte(key), value(key))
		}
	})
	check := func(s store.Store, when string) {
		for key := range sizes {
			got, err := s.Get(nil, []byte(key))
			require.NoError(t, err, "%s, %s", key, when)
			require.True(t, bytes.Equal(value(key), got), "%s is unchanged %s", key, when)
		}
	}
	check(s, "at once")
	require.NoError(t, s.Close())
	check(open(t, d), "after a restart")
}

func testUsage(t *testing.T, newDisk func(*testing.T) Disk) {
	s := open(t, newDisk(t))
	u, err := s.Usage()
	require.NoError(t, err)
	require.Positive(t, u.TotalBytes)
	require.LessOrEqual(t, u.FreeBytes, u.TotalBytes)
}
