package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/store"
)

func testBatch(t *testing.T, newDisk func(*testing.T) Disk) {
	s := open(t, newDisk(t))
	b := s.NewBatch()
	require.True(t, b.Empty())
	require.NoError(t, s.Commit(b), "an empty batch commits")
	require.NoError(t, b.Close())

	b = s.NewBatch()
	empty := b.Len()
	key, value := []byte("key"), []byte("value")
	b.Set(key, value)
	require.False(t, b.Empty())
	require.GreaterOrEqual(t, b.Len(), empty+len(key)+len(value), "Len counts what is logged")
	copy(key, "xxx")
	copy(value, "xxxxx")
	require.Empty(t, scan(t, s, allLower, allUpper), "nothing shows before the commit")
	require.NoError(t, s.Commit(b))
	require.NoError(t, b.Close())
	require.Equal(t, []string{"key=value"}, scan(t, s, allLower, allUpper), "keys and values were copied")

	b = s.NewBatch()
	b.Set([]byte("given up"), nil)
	b.DeleteRange([]byte(allLower), []byte(allUpper))
	require.False(t, b.Empty())
	require.NoError(t, b.Close())
	require.Equal(t, []string{"key=value"}, scan(t, s, allLower, allUpper), "a batch that is not committed has no effect")

	b = s.NewBatch()
	require.True(t, b.Empty(), "a new batch holds nothing of an old one")
	b.Delete([]byte("never stored"))
	require.False(t, b.Empty(), "a deletion is a change, whether the key exists or not")
	require.NoError(t, s.Commit(b))
	require.NoError(t, b.Close())
	require.Equal(t, []string{"key=value"}, scan(t, s, allLower, allUpper))
}

func testBatchOrder(t *testing.T, newDisk func(*testing.T) Disk) {
	s := open(t, newDisk(t))
	put(t, s, "gone", "old", "back", "old", "changed", "old")
	commit(t, s, func(b store.Batch) {
		b.Set([]byte("changed"), []byte("first"))
		b.Set([]byte("changed"), []byte("second"))
		b.Delete([]byte("back"))
		b.Set([]byte("back"), []byte("again"))
		b.Set([]byte("gone"), []byte("again"))
		b.Delete([]byte("gone"))
		b.Set([]byte("brief"), []byte("x"))
		b.Delete([]byte("brief"))
	})
	require.Equal(t, []string{"back=again", "changed=second"}, scan(t, s, allLower, allUpper),
		"the last change of a key in a batch wins")
}

func testDeleteRange(t *testing.T, newDisk func(*testing.T) Disk) {
	s := open(t, newDisk(t))
	put(t, s, "a", "1", "b", "2", "b\xff", "2b", "c", "3", "d", "4")
	commit(t, s, func(b store.Batch) { b.DeleteRange([]byte("b"), []byte("c")) })
	require.Equal(t, []string{"a=1", "c=3", "d=4"}, scan(t, s, allLower, allUpper), "lower is in the range, upper is not")

	commit(t, s, func(b store.Batch) {
		b.Set([]byte("x1"), []byte("early"))
		b.DeleteRange([]byte("c"), []byte("z"))
		b.Set([]byte("d"), []byte("late"))
		b.Set([]byte("x2"), []byte("late"))
	})
	require.Equal(t, []string{"a=1", "d=late", "x2=late"}, scan(t, s, allLower, allUpper),
		"a range deletion covers what came before it in the batch, not what comes after")
	_, err := s.Get(nil, []byte("c"))
	require.ErrorIs(t, err, store.ErrNotFound)

	commit(t, s, func(b store.Batch) {
		b.DeleteRange([]byte("d"), []byte("d"))
		b.DeleteRange([]byte("z"), []byte("a"))
		b.DeleteRange([]byte("a"), nil)
	})
	require.Equal(t, []string{"a=1", "d=late", "x2=late"}, scan(t, s, allLower, allUpper), "an empty range deletes nothing")

	commit(t, s, func(b store.Batch) {
		b.DeleteRange([]byte("a"), []byte("m"))
		b.DeleteRange([]byte("c"), []byte("z"))
	})
	require.Empty(t, scan(t, s, allLower, allUpper), "ranges may overlap")
	put(t, s, "d", "new")
	require.Equal(t, []string{"d=new"}, scan(t, s, allLower, allUpper), "a deleted range can be filled again")
}
