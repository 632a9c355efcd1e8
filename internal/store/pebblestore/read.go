package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed567880c8/turnout/internal/store"
)

// Get appends the value of key to dst and returns the result, or store.ErrNotFound.
func (s *Store) Get(dst, key []byte) ([]byte, error) { return get(s.db, dst, key) }

// Scan yields the pairs with lower ≤ key < upper as they were when it began.
func (s *Store) Scan(lower, upper []byte) (pairs iter.Seq2[[]byte, []byte], err func() error) {
	return scan(s.db, lower, upper)
}

// Last returns copies of the greatest key with lower ≤ key < upper and its value, or store.ErrNotFound.
func (s *Store) Last(lower, upper []byte) (key, value []byte, err error) {
	return last(s.db, lower, upper)
}

// Snapshot returns a view of what is committed.
func (s *Store) Snapshot() store.Snapshot { return snapshot{s.db.NewSnapshot()} }

type snapshot struct{ *pebble.Snapshot }

// Get appends the value of key to dst and returns the result, or store.ErrNotFound.
func (s snapshot) Get(dst, key []byte) ([]byte, error) { return get(s.Snapshot, dst, key) }

// Scan yields the pairs with lower ≤ key < upper.
func (s snapshot) Scan(lower, upper []byte) (pairs iter.Seq2[[]byte, []byte], err func() error) {
	return scan(s.Snapshot, lower, upper)
}

// Last returns copies of the greatest key with lower ≤ key < upper and its value, or store.ErrNotFound.
func (s snapshot) Last(lower, upper []byte) (key, value []byte, err error) {
	return last(s.Snapshot, lower, upper)
}

func get(r pebble.Reader, dst, key []byte) ([]byte, error) {
	value, closer, err := r.Get(key)
	if err != nil {
		return dst, readError(err)
	}
	dst = append(dst, value...)
	return dst, readError(closer.Close())
}

func scan(r pebble.Reader, lower, upper []byte) (iter.Seq2[[]byte, []byte], func() error) {
	var failed error
	pairs := func(yield func(key, value []byte) bool) {
		failed = nil
		it, err := iterator(r, lower, upper)
		if it == nil {
			failed = err
			return
		}
		defer func() { failed = readError(errors.Join(failed, it.Close())) }()
		for ok := it.First(); ok; ok = it.Next() {
			value, err := it.ValueAndErr()
			if err != nil {
				failed = err
				return
			}
			if !yield(it.Key(), value) {
				return
			}
		}
	}
	return pairs, func() error { return failed }
}

func last(r pebble.Reader, lower, upper []byte) (key, value []byte, err error) {
	it, err := iterator(r, lower, upper)
	if it == nil {
		return nil, nil, foundNothing(err)
	}
	defer func() {
		if cerr := it.Close(); cerr != nil {
			key, value, err = nil, nil, readError(cerr)
		}
	}()
	if !it.Last() {
		return nil, nil, foundNothing(it.Error())
	}
	got, err := it.ValueAndErr()
	if err != nil {
		return nil, nil, readError(err)
	}
	return bytes.Clone(it.Key()), bytes.Clone(got), nil
}

// iterator returns nil for an empty range, which Pebble would take for an
// unbounded one if upper is empty.
func iterator(r pebble.Reader, lower, upper []byte) (*pebble.Iterator, error) {
	if bytes.Compare(lower, upper) >= 0 {
		return nil, nil
	}
	if len(lower) == 0 {
		lower = nil // the same to Pebble, except that its own checks trip over an empty bound
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, readError(err)
	}
	return it, nil
}

// foundNothing is ErrNotFound, unless a fault is the reason.
func foundNothing(err error) error {
	if err == nil {
		return store.ErrNotFound
	}
	return readError(err)
}

func readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pebble.ErrNotFound):
		return store.ErrNotFound
	}
	return fmt.Errorf("read store: %w", err)
}
