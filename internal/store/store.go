package store

import (
	"errors"
	"iter"
)

// ErrNotFound is returned by Get for a key that is not stored. Any other error
// of a Reader is a fault of the storage and never means that a key is missing.
var ErrNotFound = errors.New("store: key not found")

// Reader reads keys in byte order. A range is half open, and one whose lower
// bound is not below its upper one holds nothing; so there is no range without
// an upper bound.
type Reader interface {
	// Get appends the value of key to dst and returns the result, or ErrNotFound.
	Get(dst, key []byte) ([]byte, error)
	// Scan yields the pairs with lower ≤ key < upper in key order. The slices
	// are valid until the next step. After an error it yields nothing more;
	// the error is returned by the function that Scan returns.
	Scan(lower, upper []byte) (pairs iter.Seq2[[]byte, []byte], err func() error)
	// Last returns copies of the greatest key with lower ≤ key < upper and its value, or ErrNotFound.
	Last(lower, upper []byte) (key, value []byte, err error)
}

// Snapshot is a view of every batch committed before it was taken, and of none after.
type Snapshot interface {
	Reader
	// Close releases the view. Every snapshot must be closed before the store is.
	Close() error
}

// Batch gathers changes. Later ones win over earlier ones for the same key; a
// Set after a DeleteRange that covers its key survives. Keys and values are
// copied. A Batch is used by one goroutine at a time and is not readable.
type Batch interface {
	Set(key, value []byte)
	Delete(key []byte)
	// DeleteRange removes every key with lower ≤ key < upper.
	DeleteRange(lower, upper []byte)
	// Empty reports whether the batch holds no change.
	Empty() bool
	// Len is the size in bytes of what would be logged.
	Len() int
	// Close releases a batch, committed or not.
	Close() error
}

// Store is a durable ordered map.
type Store interface {
	Reader
	NewBatch() Batch
	// Commit makes b durable and visible, whole or not at all. When it returns
	// nil the batch survives a power loss; readers may see it a little earlier.
	// Batches take effect in the order in which Commit is called; one goroutine
	// calls it. After an error nothing is known about b and the process must
	// end: it can no longer promise anything.
	Commit(b Batch) error
	Snapshot() Snapshot
	// Usage reports the space of the volume that holds the data.
	Usage() (Usage, error)
	// Close ends background work and releases the store. What is committed is
	// durable before. No other method may run during or after it.
	Close() error
}

// Usage is the space of a volume in bytes.
type Usage struct {
	FreeBytes  uint64 // available to this process
	TotalBytes uint64
}
