package pebblestore

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Reclaim gives back the space of what was deleted, as far as it can without a
// look at everything that is stored. On its own the engine does so when enough
// else is written; with a disk so full that nothing else is, that would be never.
//
// It flushes the table in memory and compacts the key ranges in which tables
// hold deletions. It needs some free space itself, and returns when ctx ends.
func (s *Store) Reclaim(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("reclaim space: %w", err)
	}
	select {
	case <-flushed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	spans, err := s.deletedSpans()
	if err != nil {
		return fmt.Errorf("reclaim space: %w", err)
	}
	for _, span := range spans {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := s.db.Compact(ctx, span.Start, span.End, true); err != nil {
			return fmt.Errorf("reclaim space: %w", err)
		}
	}
	return nil
}

// deletedSpans returns the key ranges in which tables above the last level
// hold deletions, in order and without overlap. Deletions in the last level
// have nothing left to delete.
func (s *Store) deletedSpans() ([]pebble.KeyRange, error) {
	levels, err := s.db.SSTables(pebble.WithProperties())
	if err != nil {
		return nil, err
	}
	var spans []pebble.KeyRange
	for _, tables := range levels[:len(levels)-1] {
		for _, t := range tables {
			if t.Properties.NumDeletions > 0 {
				// The end is exclusive: the next key after the largest.
				spans = append(spans, pebble.KeyRange{Start: t.Smallest.UserKey, End: append(bytes.Clone(t.Largest.UserKey), 0)})
			}
		}
	}
	slices.SortFunc(spans, func(a, b pebble.KeyRange) int { return bytes.Compare(a.Start, b.Start) })
	merged := spans[:0]
	for _, span := range spans {
		if last := len(merged) - 1; last >= 0 && bytes.Compare(span.Start, merged[last].End) <= 0 {
			if bytes.Compare(merged[last].End, span.End) < 0 {
				merged[last].End = span.End
			}
			continue
		}
		merged = append(merged, span)
	}
	return merged, nil
}
