package pebblestore

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReclaimGivesBackWhatWasDeleted(t *testing.T) {
	t.Parallel()

	s, err := Open(Config{Dir: "data", FS: NewMemory(), MemTableBytes: 256 << 10})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	const n, size = 120, 32 << 10
	random := rand.NewChaCha8([32]byte{})
	value := make([]byte, size)
	key := func(i int) []byte { return binary.BigEndian.AppendUint32([]byte{'m'}, uint32(i)) }
	change := func(f func(b *batch)) {
		b := s.NewBatch().(*batch)
		f(b)
		require.NoError(t, s.Commit(b))
		require.NoError(t, b.Close())
	}
	for i := range n {
		_, _ = random.Read(value) // never fails
		change(func(b *batch) { b.Set(key(i), value) })
	}
	require.NoError(t, s.Reclaim(t.Context()))
	require.Greater(t, s.tableBytes(), uint64(n*size*9/10), "what is not deleted stays")
	change(func(b *batch) {
		for i := range n - 10 {
			b.Delete(key(i))
		}
	})
	require.NoError(t, s.Reclaim(t.Context()))
	require.Less(t, s.tableBytes(), uint64(20*size), "the space of what was deleted is free again")
	for i := range n {
		_, err := s.Get(nil, key(i))
		if i < n-10 {
			require.Error(t, err)
		} else {
			require.NoError(t, err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	change(func(b *batch) { b.Delete(key(n - 1)) })
	require.ErrorIs(t, s.Reclaim(ctx), context.Canceled)
}

// tableBytes returns the size of the tables that hold the present data.
func (s *Store) tableBytes() (n uint64) {
	for _, l := range s.db.Metrics().Levels {
		n += uint64(l.TablesSize)
	}
	return n
}
