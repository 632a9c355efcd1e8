package archive

import (
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
)

// Append archives an event that was published at a time, which is tx.Now. It
// belongs to the loop and is CodeNotFound for an archive that does not exist.
func (a *Archives) Append(tx *partition.Tx, name turnout.ArchiveName, at time.Time, _ string, body []byte) error {
	one := a.archives[name]
	if one == nil {
		return errArchiveNotFound(name)
	}
	now := at.UnixMilli()
	if now > one.at {
		one.at, one.n = now, 0
	}
	a.key = appendEventKey(a.key[:0], one.number, one.at, one.n)
	tx.Batch.Set(a.key, body)
	one.n++
	b := a.bucketFor(one)
	b.last = one.at
	b.events++
	b.bytes += int64(len(body))
	one.events++
	one.bytes += int64(len(body))
	if !one.dirty {
		one.dirty = true
		a.dirty = append(a.dirty, one)
	}
	a.stats.appended.Add(1)
	return nil
}

// bucketFor returns the bucket that the newest event of an archive belongs to.
func (a *Archives) bucketFor(one *archive) *bucket {
	if n := len(one.buckets); n > 0 {
		b := &one.buckets[n-1]
		if one.at == b.last || one.at < b.from+one.bucketSpan().Milliseconds() {
			return b
		}
	}
	one.buckets = append(one.buckets, bucket{from: one.at, last: one.at})
	if len(one.buckets) == 1 {
		a.due = earlier(a.due, one.expiry())
	}
	return &one.buckets[len(one.buckets)-1]
}

// bucketSpan is how long a bucket takes events. What is too old goes by the
// bucket, so it is a 24th of the retention; a day at most bounds the buckets in
// memory to one a day, and an hour at least those of a short retention.
func (a *archive) bucketSpan() time.Duration {
	if a.Retention == 0 {
		return 24 * time.Hour
	}
	return min(max(a.Retention/24, time.Hour), 24*time.Hour)
}

// expiry returns when the oldest bucket is too old; the zero time is never.
func (a *archive) expiry() time.Time {
	if a.Retention == 0 || len(a.buckets) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(a.buckets[0].last).Add(a.Retention)
}

// earlier returns the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Due returns when something becomes too old, or earlier.
func (a *Archives) Due() time.Time { return a.due }

// nextDue looks when Tick has something to do.
func (a *Archives) nextDue() (due time.Time) {
	for _, one := range a.archives {
		due = earlier(due, one.expiry())
	}
	for _, r := range a.replays {
		due = earlier(due, r.expiry())
	}
	return due
}

// Tick removes the buckets and the records of replays that are too old.
func (a *Archives) Tick(tx *partition.Tx) {
	for _, one := range a.archives {
		for {
			if expiry := one.expiry(); expiry.IsZero() || expiry.After(tx.Now) {
				break
			}
			a.dropOldest(tx, one)
		}
	}
	for name, r := range a.replays {
		if expiry := r.expiry(); !expiry.IsZero() && !expiry.After(tx.Now) {
			delete(a.replays, name)
			tx.Batch.Delete(replayKey(name))
		}
	}
	a.due = a.nextDue()
}

func (a *Archives) dropOldest(tx *partition.Tx, one *archive) {
	b := one.buckets[0]
	tx.Batch.DeleteRange(appendEventKey(nil, one.number, b.from, 0), appendEventKey(nil, one.number, b.last+1, 0))
	tx.Batch.Delete(appendBucketKey(nil, one.number, b.from))
	one.buckets = one.buckets[1:]
	one.events -= b.events
	one.bytes -= b.bytes
}

// Flush writes the sums of the archives that the batch added to.
func (a *Archives) Flush(tx *partition.Tx) {
	for _, one := range a.dirty {
		one.dirty = false
		if one.gone {
			continue
		}
		b := &one.buckets[len(one.buckets)-1]
		a.key = appendBucketKey(a.key[:0], one.number, b.from)
		a.value = appendBucket(a.value[:0], b)
		tx.Batch.Set(a.key, a.value)
	}
	a.dirty = a.dirty[:0]
}

var _ partition.Part = (*Archives)(nil)

type counters struct {
	archives, appended, running                    atomic.Int64
	completed, cancelled, failed, events, delivers atomic.Uint64
}

// Stats counts what archives and replays have done since New.
type Stats struct {
	Archives  int64  // now
	Archived  int64  // events copied into archives
	Running   int64  // replays under way now
	Completed uint64 // replays that ended as they should
	Cancelled uint64 // replays that were cancelled
	Failed    uint64 // replays that failed
	Replayed  uint64 // events replayed
	Delivered uint64 // deliveries made of them
}

// Stats may be called from any goroutine.
func (a *Archives) Stats() Stats {
	s := &a.stats
	return Stats{
		Archives: s.archives.Load(), Archived: s.appended.Load(), Running: s.running.Load(),
		Completed: s.completed.Load(), Cancelled: s.cancelled.Load(), Failed: s.failed.Load(),
		Replayed: s.events.Load(), Delivered: s.delivers.Load(),
	}
}

func (a *Archives) updateStats() {
	a.stats.archives.Store(int64(len(a.archives)))
	running := int64(0)
	for _, r := range a.replays {
		if !r.ended() {
			running++
		}
	}
	a.stats.running.Store(running)
}
