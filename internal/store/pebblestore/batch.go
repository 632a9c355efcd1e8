package pebblestore

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed567880c8/turnout/internal/store"
)

// batch is a Pebble batch. Its errors, of which Pebble has none for the three
// kinds of change used here, are kept for Commit.
type batch struct {
	b   *pebble.Batch // nil once closed
	err error
}

// NewBatch returns an empty batch. Its buffer comes from a pool and goes back when it is closed.
func (s *Store) NewBatch() store.Batch { return &batch{b: s.db.NewBatch()} }

// Set stores value under key.
func (b *batch) Set(key, value []byte) { b.note(b.b.Set(key, value, nil)) }

// Delete removes key.
func (b *batch) Delete(key []byte) { b.note(b.b.Delete(key, nil)) }

// DeleteRange removes every key with lower ≤ key < upper.
func (b *batch) DeleteRange(lower, upper []byte) {
	if bytes.Compare(lower, upper) < 0 {
		b.note(b.b.DeleteRange(lower, upper, nil))
	}
}

func (b *batch) note(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Empty reports whether the batch holds no change.
func (b *batch) Empty() bool { return b.b.Empty() }

// Len is the size in bytes of what would be logged.
func (b *batch) Len() int { return b.b.Len() }

// Close releases the batch. Closing it again does nothing.
func (b *batch) Close() error {
	if b.b == nil {
		return nil
	}
	defer func() { b.b = nil }()
	return b.b.Close()
}

// Commit logs, syncs and applies a batch that NewBatch returned. An empty one
// costs nothing. After a failure of the disk it does not return: see fatal.go.
func (s *Store) Commit(changes store.Batch) error {
	b, ok := changes.(*batch)
	switch {
	case !ok:
		return fmt.Errorf("commit: a batch of another store (%T)", changes)
	case b.b == nil:
		return errors.New("commit: the batch is closed")
	case b.err != nil:
		return fmt.Errorf("commit: %w", b.err)
	case b.b.Empty():
		return nil
	}
	err := s.db.Apply(b.b, pebble.Sync)
	s.fatal.guard()
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
