package eventlog

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

// Ref names a stored event. Refs rise by one from event to event, are never
// reused, and fit 63 bits. Zero names no event.
type Ref uint64

// SegmentEvents is how many consecutive events are collected together. Larger
// segments mean fewer counters; smaller ones give space back sooner, because
// one event that is still referred to keeps its whole segment.
const SegmentEvents = 1 << segmentBits

const segmentBits = 12

// Segment returns the number of the segment that the event is collected with.
func (r Ref) Segment() uint64 { return uint64(r) >> segmentBits }

func (r Ref) segment() uint64 { return r.Segment() }

// Log appends events and counts the references to them.
//
// It belongs to the partition's loop: only Stats, and the function Get, may be
// called from elsewhere. All of its effects are in the batch of the operation
// that caused them, so a crash leaves events and counts as of one batch. Where a
// segment begins is stored when it does, so that refs are not used again after
// everything was collected.
//
// Counts are kept for each pair of owner and segment, not for each event: 24
// bytes of memory a pair, one 15-byte record a pair and batch that touched it.
// A count for each event was refused: it is a record for every delivery and
// every delete, and a map as large as the backlog.
//
// Invariants: a segment is in segments while it may hold events, and its total
// is the sum of its pairs' counts. A sealed segment – one that next has left
// behind – with total zero is deleted by the batch that made it so; the newest
// segment stays.
type Log struct {
	next     Ref // the event to be appended next, ≥ 1
	segments map[uint64]*segment
	owners   map[uint32]*owner

	// What the current batch touched, for Flush.
	dirtyPairs    []pairName
	dirtySegments []uint64
	sealed        bool // next entered a new segment: its start must be stored

	key   []byte // scratch
	value []byte // scratch
	stats counters
}

// segment is what memory holds of a segment.
type segment struct {
	total uint64 // references by all owners
	dirty bool   // is in dirtySegments
}

// owner holds the counts of one owner, sorted by segment.
type owner struct {
	pairs []pair
}

type pair struct {
	segment uint64
	count   uint64
	dirty   bool // is in dirtyPairs; a clean pair has count > 0
}

type pairName struct {
	owner   uint32
	segment uint64
}

type counters struct {
	appended, bytes, collected atomic.Uint64
	segments, pairs            atomic.Int64
}

// Stats describes a Log as of its last batch.
type Stats struct {
	Appended  uint64 // events appended since Load
	Bytes     uint64 // bytes of their bodies
	Collected uint64 // segments deleted since Load
	Segments  int    // segments that hold events, each of up to SegmentEvents
	Pairs     int    // counters in memory, one for each owner and segment it refers to
}

// Append stores body in tx's batch and returns its Ref. Until an owner retains
// it the event may be collected by a later batch, so retain it in the same operation.
func (l *Log) Append(tx *partition.Tx, body []byte) Ref {
	ref := l.next
	l.touchSegment(ref.segment())
	l.key = appendEventKey(l.key[:0], ref)
	tx.Batch.Set(l.key, body)
	l.next++
	if l.next.segment() != ref.segment() {
		l.sealed = true
		l.segments[l.next.segment()] = &segment{}
	}
	l.stats.appended.Add(1)
	l.stats.bytes.Add(uint64(len(body)))
	return ref
}

// Retain counts one more reference of owner to ref. The event must be one that
// was appended by this operation or that is retained already.
func (l *Log) Retain(_ *partition.Tx, ownerID uint32, ref Ref) {
	if ref == 0 || ref >= l.next {
		panic(fmt.Sprintf("eventlog: retain of event %d, which was never appended", ref))
	}
	l.touchSegment(ref.segment()).total++
	o := l.owners[ownerID]
	if o == nil {
		o = &owner{}
		l.owners[ownerID] = o
	}
	i, found := o.find(ref.segment())
	if !found {
		o.pairs = slices.Insert(o.pairs, i, pair{segment: ref.segment()})
		l.stats.pairs.Add(1)
	}
	o.pairs[i].count++
	l.touchPair(ownerID, &o.pairs[i])
}

// Release takes back one Retain of ref by owner.
func (l *Log) Release(tx *partition.Tx, ownerID uint32, ref Ref) {
	l.ReleaseMany(tx, ownerID, ref.segment(), 1)
}

// ReleaseMany takes back n Retains by owner of events in one segment, for an
// owner that knows how many it made and drops them together.
func (l *Log) ReleaseMany(_ *partition.Tx, ownerID uint32, segment, n uint64) {
	o := l.owners[ownerID]
	if o == nil {
		panic(fmt.Sprintf("eventlog: release in segment %d by owner %d, which holds none", segment, ownerID))
	}
	i, found := o.find(segment)
	if !found || o.pairs[i].count < n {
		panic(fmt.Sprintf("eventlog: release of %d events in segment %d by owner %d, which does not hold them", n, segment, ownerID))
	}
	l.touchSegment(segment).total -= n
	o.pairs[i].count -= n
	l.touchPair(ownerID, &o.pairs[i])
}

// ReleaseAll takes back every Retain of owner, in time that depends on the
// number of segments it refers to, not of events.
func (l *Log) ReleaseAll(_ *partition.Tx, ownerID uint32) {
	o := l.owners[ownerID]
	if o == nil {
		return
	}
	for i := range o.pairs {
		p := &o.pairs[i]
		l.touchSegment(p.segment).total -= p.count
		p.count = 0
		l.touchPair(ownerID, p)
	}
}

// Due is never: the log does nothing by itself.
func (l *Log) Due() time.Time { return time.Time{} }

// Tick does nothing.
func (l *Log) Tick(*partition.Tx) {}

// Flush writes the counts that changed and deletes the segments that nobody
// refers to. It runs once for each batch, after its operations, so that an
// event may pass from one owner to another within a batch.
func (l *Log) Flush(tx *partition.Tx) {
	for _, name := range l.dirtyPairs {
		l.flushPair(tx, name)
	}
	l.dirtyPairs = l.dirtyPairs[:0]
	for _, id := range l.dirtySegments {
		s := l.segments[id]
		s.dirty = false
		if s.total == 0 && id < l.next.segment() {
			l.collect(tx, id)
		}
	}
	l.dirtySegments = l.dirtySegments[:0]
	if l.sealed {
		l.sealed = false
		l.value = appendNext(l.value[:0], l.next)
		tx.Batch.Set([]byte{prefixCount}, l.value)
	}
	l.stats.segments.Store(int64(len(l.segments)))
}

func (l *Log) flushPair(tx *partition.Tx, name pairName) {
	o := l.owners[name.owner]
	i, _ := o.find(name.segment)
	p := &o.pairs[i]
	p.dirty = false
	l.key = appendCountKey(l.key[:0], name)
	if p.count > 0 {
		l.value = appendCount(l.value[:0], p.count)
		tx.Batch.Set(l.key, l.value)
		return
	}
	tx.Batch.Delete(l.key)
	o.remove(i)
	l.stats.pairs.Add(-1)
	if len(o.pairs) == 0 {
		delete(l.owners, name.owner)
	}
}

func (l *Log) collect(tx *partition.Tx, id uint64) {
	first := Ref(id << segmentBits)
	tx.Batch.DeleteRange(appendEventKey(nil, first), appendEventKey(nil, first+SegmentEvents))
	delete(l.segments, id)
	l.stats.collected.Add(1)
}

// Stats may be called from any goroutine.
func (l *Log) Stats() Stats {
	return Stats{
		Appended:  l.stats.appended.Load(),
		Bytes:     l.stats.bytes.Load(),
		Collected: l.stats.collected.Load(),
		Segments:  int(l.stats.segments.Load()),
		Pairs:     int(l.stats.pairs.Load()),
	}
}

func (l *Log) touchSegment(id uint64) *segment {
	s := l.segments[id]
	if s == nil {
		panic(fmt.Sprintf("eventlog: segment %d is used after it was collected", id))
	}
	if !s.dirty {
		s.dirty = true
		l.dirtySegments = append(l.dirtySegments, id)
	}
	return s
}

func (l *Log) touchPair(ownerID uint32, p *pair) {
	if !p.dirty {
		p.dirty = true
		l.dirtyPairs = append(l.dirtyPairs, pairName{owner: ownerID, segment: p.segment})
	}
}

// find returns where the pair of a segment is, or belongs. Most calls are for
// the newest segment (deliveries) or the oldest (deletes).
func (o *owner) find(id uint64) (int, bool) {
	n := len(o.pairs)
	switch {
	case n == 0 || id > o.pairs[n-1].segment:
		return n, false
	case id == o.pairs[n-1].segment:
		return n - 1, true
	case id == o.pairs[0].segment:
		return 0, true
	}
	return slices.BinarySearchFunc(o.pairs, id, func(p pair, id uint64) int { return cmp.Compare(p.segment, id) })
}

// remove drops pair i. The oldest goes by reslicing, so a long backlog is
// consumed without moving the rest.
func (o *owner) remove(i int) {
	if i == 0 {
		o.pairs = o.pairs[1:]
		return
	}
	o.pairs = slices.Delete(o.pairs, i, i+1)
}

var _ partition.Part = (*Log)(nil)

// Get appends the body of ref to dst and returns the result. It returns
// store.ErrNotFound once the last reference is released and the segment
// collected: a reader that races with a delete must expect it. It may be
// called from any goroutine.
func Get(r store.Reader, dst []byte, ref Ref) ([]byte, error) {
	return r.Get(dst, appendEventKey(make([]byte, 0, eventKeyBytes), ref))
}
