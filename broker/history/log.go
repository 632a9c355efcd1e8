package history

import (
	"cmp"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
)

// Config bounds the history. The zero value of a field is its default.
type Config struct {
	// Off keeps nothing, and drops what was kept before.
	Off bool
	// Retention is how long events are kept at least, counted from their
	// publish. They go in chunks, so some stay up to a 96th of it longer, but
	// no more than an hour. Default 24 h.
	Retention time.Duration
	// BytesMax bounds the bodies and records of all buses together; beyond it
	// the oldest events go, whatever their age. An event that came by several
	// buses counts on each. Default 1 GiB.
	BytesMax int64
}

const (
	retentionDefault = 24 * time.Hour
	bytesDefault     = 1 << 30

	chunkEventsMax = 1 << 16
	chunkBytesMin  = 64 << 10
	chunkBytesMax  = 16 << 20
	groupBytesMax  = 64 << 10
	entryBytes     = 40 // what the records of an event come to, about
)

func (c Config) withDefaults() Config {
	c.Retention = cmp.Or(c.Retention, retentionDefault)
	c.BytesMax = cmp.Or(c.BytesMax, bytesDefault)
	return c
}

// chunkSpan is how long a chunk takes events.
func (c Config) chunkSpan() time.Duration { return min(max(c.Retention/96, time.Second), time.Hour) }

// chunkBytes is how much a chunk takes.
func (c Config) chunkBytes() int64 { return min(max(c.BytesMax/64, chunkBytesMin), chunkBytesMax) }

// Log is the history of every bus.
//
// Time is cut into chunks, one after another for all buses together: a chunk
// ends when it has taken enough events or bytes, or after its span. Within a
// chunk the keys are ordered by bus and time, so a bus is read by one seek a
// chunk, and an event is found by its id with one seek a chunk. A chunk goes
// whole, by two range deletions and one release for each segment of the event
// log it refers to; how many events it has of each segment is counted while it
// is open and stored when it is closed. So neither expiry nor the bound in
// bytes ever reads what it removes, or what was removed before.
//
// Refused: keys by bus and time alone, whose expiry needs a range and a count of
// references for each bus; one record for each event and bus instead of for
// each batch and bus, which is half as much again to log under load.
//
// Everything belongs to the partition's loop but Stats and the functions in
// read.go. In memory are the names of the buses and a summary of each chunk,
// a few hundred.
type Log struct {
	cfg    Config
	events *eventlog.Log

	chunks []*chunk // oldest first; only the last may be open
	next   uint32   // the next chunk's number
	bytes  int64    // of all chunks
	count  uint64   // events of all chunks

	buses   map[uint32]*bus // by number; those that are forgotten, too
	numbers map[turnout.BusName]*bus
	newest  uint32 // the greatest number of a bus

	at    int64 // Unix ms of the newest group
	group uint32
	dirty []*bus // have a group in the current batch

	key, value []byte // scratch

	view  atomic.Pointer[[]span] // of chunks, for readers
	names struct {               // the buses that are not forgotten, for readers
		mu      sync.RWMutex
		numbers map[turnout.BusName]uint32
		names   map[uint32]turnout.BusName
	}
	stats counters
}

// chunk is the summary of a stretch of time. Times are Unix ms.
type chunk struct {
	id       uint32
	closed   bool
	from     int64 // of the first event
	last     int64 // of the last event
	events   uint64
	bytes    int64
	segments []segmentCount // of the event log, by first use
}

type segmentCount struct {
	segment, events uint64
}

// span is what a reader needs of a chunk.
type span struct {
	id   uint32
	from int64
}

// bus is one bus, under a number for short keys.
type bus struct {
	number  uint32
	name    turnout.BusName
	current bool   // is in numbers: not forgotten
	chunk   uint32 // the last that has events of it

	// The group of the current batch.
	group   uint32
	entries uint32
	ref     eventlog.Ref
	value   []byte
}

type counters struct {
	events, bytes, chunks, oldest, appended atomic.Int64
}

// Stats describes the history as of its last batch.
type Stats struct {
	Events   int64     // kept; one that came by several buses counts on each
	Bytes    int64     // of their bodies and records
	Chunks   int       // in which they go
	Oldest   time.Time // the publish of the oldest event; zero if there is none
	Appended int64     // events since Load
}

// Append remembers that an event came by a bus at tx.Now and was delivered to
// the targets with the given numbers. sizeBytes is the length of the event's
// text, which is ref in the event log; the history retains it.
func (h *Log) Append(tx *partition.Tx, name turnout.BusName, eventID string, ref eventlog.Ref, sizeBytes int, targets []uint64) {
	if h.cfg.Off {
		return
	}
	now := tx.Now.UnixMilli()
	c := h.chunkFor(tx, now)
	b := h.busNamed(tx, name)
	if b.entries == 0 || len(b.value) >= groupBytesMax {
		h.beginGroup(tx, b, now)
	}
	b.chunk = c.id

	h.key = appendIDKey(h.key[:0], c.id, hashID(eventID), b.number)
	h.value = binary.AppendUvarint(h.value[:0], uint64(now-c.from))
	h.value = binary.AppendUvarint(h.value, uint64(b.group))
	h.value = binary.AppendUvarint(h.value, uint64(b.entries))
	tx.Batch.Set(h.key, h.value)

	b.value = appendEntry(b.value, b.ref, ref, sizeBytes, targets)
	b.ref = ref
	b.entries++
	h.events.Retain(tx, Owner, ref)
	c.add(now, ref, sizeBytes)
	h.count++
	h.bytes += int64(sizeBytes) + entryBytes
	h.stats.appended.Add(1)
}

func (c *chunk) add(at int64, ref eventlog.Ref, sizeBytes int) {
	c.last = at
	c.events++
	c.bytes += int64(sizeBytes) + entryBytes
	segment := ref.Segment()
	for i := len(c.segments) - 1; i >= 0; i-- { // nearly always the last
		if c.segments[i].segment == segment {
			c.segments[i].events++
			return
		}
	}
	c.segments = append(c.segments, segmentCount{segment: segment, events: 1})
}

// beginGroup gives b a group of its own in the batch, and writes the one it has.
func (h *Log) beginGroup(tx *partition.Tx, b *bus, now int64) {
	if b.entries > 0 {
		h.writeGroup(tx, b)
	} else {
		h.dirty = append(h.dirty, b)
	}
	if now > h.at {
		h.at, h.group = now, 0
	}
	b.group = h.group
	h.group++
}

// writeGroup writes the group of a bus. All groups of a batch are of one chunk:
// one ends only where time goes on.
func (h *Log) writeGroup(tx *partition.Tx, b *bus) {
	c := h.chunks[len(h.chunks)-1]
	h.key = appendGroupKey(h.key[:0], c.id, b.number, uint32(h.at-c.from), b.group)
	tx.Batch.Set(h.key, b.value)
	b.value, b.entries, b.ref = b.value[:0], 0, 0
}

// chunkFor returns the chunk that takes events at a time.
func (h *Log) chunkFor(tx *partition.Tx, now int64) *chunk {
	if c := h.open(); c != nil {
		if now == c.last || !h.isFull(c, now) {
			return c
		}
		h.close(tx, c)
	}
	c := &chunk{id: h.next, from: now, last: now}
	h.next++
	h.chunks = append(h.chunks, c)
	h.storeChunk(tx, c)
	h.publishView()
	return c
}

// open returns the chunk that is open, or nil.
func (h *Log) open() *chunk {
	if n := len(h.chunks); n > 0 && !h.chunks[n-1].closed {
		return h.chunks[n-1]
	}
	return nil
}

func (h *Log) isFull(c *chunk, now int64) bool {
	return c.events >= chunkEventsMax || c.bytes >= h.cfg.chunkBytes() || now >= c.from+h.cfg.chunkSpan().Milliseconds()
}

func (h *Log) close(tx *partition.Tx, c *chunk) {
	c.closed = true
	h.storeChunk(tx, c)
}

func (h *Log) storeChunk(tx *partition.Tx, c *chunk) {
	h.key = appendKey(h.key[:0], kindChunk, c.id)
	h.value = appendChunk(h.value[:0], c)
	tx.Batch.Set(h.key, h.value)
}

// busNamed returns a bus, under a new number if it is not known.
func (h *Log) busNamed(tx *partition.Tx, name turnout.BusName) *bus {
	if b := h.numbers[name]; b != nil {
		return b
	}
	h.newest++
	b := &bus{number: h.newest, name: name}
	h.buses[b.number] = b
	h.name(b)
	h.key = appendKey(h.key[:0], kindBus, b.number)
	h.value = appendBusName(h.value[:0], name)
	tx.Batch.Set(h.key, h.value)
	return b
}

// Forget makes the history of a bus unreadable, for a bus that is deleted: one
// that is created again under the name begins with none. Its events go when
// their time has come.
func (h *Log) Forget(tx *partition.Tx, name turnout.BusName) {
	b := h.numbers[name]
	if b == nil {
		return
	}
	h.unname(b)
	h.key = appendKey(h.key[:0], kindBus, b.number)
	tx.Batch.Set(h.key, nil)
}

// name lets a bus be found by its name.
func (h *Log) name(b *bus) {
	b.current = true
	h.numbers[b.name] = b
	h.names.mu.Lock()
	defer h.names.mu.Unlock()
	h.names.numbers[b.name], h.names.names[b.number] = b.number, b.name
}

func (h *Log) unname(b *bus) {
	b.current = false
	delete(h.numbers, b.name)
	h.names.mu.Lock()
	defer h.names.mu.Unlock()
	delete(h.names.numbers, b.name)
	delete(h.names.names, b.number)
}

// Reset drops the history of every bus.
func (h *Log) Reset(tx *partition.Tx) {
	tx.Batch.DeleteRange([]byte{prefix}, []byte{prefix + 1})
	h.events.ReleaseAll(tx, Owner)
	for _, b := range h.dirty {
		b.value, b.entries, b.ref = b.value[:0], 0, 0
	}
	h.chunks, h.dirty = nil, h.dirty[:0]
	h.bytes, h.count = 0, 0
	clear(h.buses)
	clear(h.numbers)
	h.names.mu.Lock()
	clear(h.names.numbers)
	clear(h.names.names)
	h.names.mu.Unlock()
	h.publishView()
}

// publishView shows readers which chunks there are.
func (h *Log) publishView() {
	spans := make([]span, len(h.chunks))
	for i, c := range h.chunks {
		spans[i] = span{id: c.id, from: c.from}
	}
	h.view.Store(&spans)
}

// Flush writes the groups of the batch. The log must be a part of the
// partition before the event log, which collects what Tick releases.
func (h *Log) Flush(tx *partition.Tx) {
	for _, b := range h.dirty {
		h.writeGroup(tx, b)
	}
	h.dirty = h.dirty[:0]
	h.updateStats()
}

func (h *Log) updateStats() {
	h.stats.events.Store(int64(h.count))
	h.stats.bytes.Store(h.bytes)
	h.stats.chunks.Store(int64(len(h.chunks)))
	oldest := int64(0)
	if len(h.chunks) > 0 {
		oldest = h.chunks[0].from
	}
	h.stats.oldest.Store(oldest)
}

// Stats may be called from any goroutine.
func (h *Log) Stats() Stats {
	s := Stats{
		Events:   h.stats.events.Load(),
		Bytes:    h.stats.bytes.Load(),
		Chunks:   int(h.stats.chunks.Load()),
		Appended: h.stats.appended.Load(),
	}
	if oldest := h.stats.oldest.Load(); oldest > 0 {
		s.Oldest = time.UnixMilli(oldest).UTC()
	}
	return s
}
