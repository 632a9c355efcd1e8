package history

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/store"
)

// Position is where an event stands in the history of its bus. Positions order
// the events of a bus as they were published.
type Position struct {
	At    int64  // Unix ms of the publish
	Group uint32 // of the batch, within the millisecond
	Index uint32 // within the group
}

// At returns the position before every event published at t or later.
func At(t time.Time) Position { return Position{At: unixMilliUp(t)} }

// Next returns the position right behind p.
func (p Position) Next() Position { return Position{At: p.At, Group: p.Group, Index: p.Index + 1} }

// Time returns when the event at the position was published.
func (p Position) Time() time.Time { return time.UnixMilli(p.At).UTC() }

// unixMilliUp rounds up: an event's time is whole milliseconds.
func unixMilliUp(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.Sub(time.UnixMilli(ms)) > 0 {
		ms++
	}
	return ms
}

// Entry is an event in the history of a bus.
type Entry struct {
	Bus turnout.BusName
	Position
	Ref       eventlog.Ref // its text, for eventlog.Get with the same Reader
	SizeBytes int          // of its text
	Targets   []uint64     // the numbers of the targets that it was delivered to
}

// Entries yields the events that came by a bus, in order, from a position up
// to but without a time. Targets are valid until the next step. After an error
// it yields nothing more; the error is returned by the function that Entries
// returns. r should be a Snapshot, so that the texts are there too.
//
// It seeks once for each chunk of the time asked for, of which there is at
// least one an hour, and reads nothing of other buses.
func (h *Log) Entries(r store.Reader, name turnout.BusName, from Position, to time.Time) (iter.Seq[Entry], func() error) {
	var failed error
	entries := func(yield func(Entry) bool) {
		number, ok := h.number(name)
		if !ok {
			return
		}
		end := unixMilliUp(to)
		g := groupReader{name: name, from: from, end: end}
		for i, spans := 0, *h.view.Load(); i < len(spans); i++ {
			lower, upper, ok := groupRange(spans, i, number, from, end)
			if !ok {
				continue
			}
			g.began = spans[i].from
			pairs, scanFailed := r.Scan(lower, upper)
			for key, value := range pairs {
				var more bool
				if more, failed = g.read(key, value, yield); failed != nil || !more {
					return
				}
			}
			if failed = scanFailed(); failed != nil {
				return
			}
		}
	}
	return entries, func() error { return failed }
}

func (h *Log) number(name turnout.BusName) (uint32, bool) {
	h.names.mu.RLock()
	defer h.names.mu.RUnlock()
	n, ok := h.names.numbers[name]
	return n, ok
}

// groupRange returns the keys of a bus in chunk i that may hold what was asked for.
func groupRange(spans []span, i int, bus uint32, from Position, end int64) (lower, upper []byte, ok bool) {
	s := spans[i]
	if s.from >= end || i+1 < len(spans) && spans[i+1].from <= from.At {
		return nil, nil, false
	}
	ms, group := int64(0), uint32(0)
	if from.At > s.from {
		ms, group = from.At-s.from, from.Group
	}
	if ms > math.MaxUint32 {
		return nil, nil, false
	}
	lower = appendGroupKey(nil, s.id, bus, uint32(ms), group)
	upper = appendOrdinal(appendKey(nil, kindGroup, s.id), bus)
	if ms := end - s.from; ms <= math.MaxUint32 {
		return lower, appendOrdinal(upper, uint32(ms)), true
	}
	return lower, append(upper, 0xff), true // no ordinal begins so
}

// groupReader takes groups apart.
type groupReader struct {
	name    turnout.BusName
	began   int64 // of the chunk
	from    Position
	end     int64
	targets []uint64
}

// read yields the events of a group; more is false if the consumer has enough.
func (g *groupReader) read(key, value []byte, yield func(Entry) bool) (more bool, err error) {
	_, ms, group, err := parseGroupKey(key)
	if err != nil {
		return false, err
	}
	e := Entry{Bus: g.name, Position: Position{At: g.began + int64(ms), Group: group}}
	d := decoder{rest: value}
	for ; !d.done(); e.Index++ {
		e.Ref, e.SizeBytes, g.targets = d.entry(e.Ref, g.targets[:0])
		if d.failed {
			return false, fmt.Errorf("%w: group %x", errRecord, key)
		}
		if e.compare(g.from) < 0 || e.At >= g.end {
			continue
		}
		e.Targets = g.targets
		if !yield(e) {
			return false, nil
		}
	}
	return true, nil
}

func (p Position) compare(o Position) int {
	return cmp.Or(cmp.Compare(p.At, o.At), cmp.Compare(p.Group, o.Group), cmp.Compare(p.Index, o.Index))
}

// AllEntries is Entries for every bus together: by millisecond, and within one
// by batch and bus. It holds the records of one chunk in memory, some MB at most.
func (h *Log) AllEntries(r store.Reader, from Position, to time.Time) (iter.Seq[Entry], func() error) {
	var failed error
	entries := func(yield func(Entry) bool) {
		g := groupReader{from: from, end: unixMilliUp(to)}
		spans := *h.view.Load()
		for i, s := range spans {
			if s.from >= g.end || i+1 < len(spans) && spans[i+1].from <= from.At {
				continue
			}
			var groups []group
			if groups, failed = readGroups(r, s); failed != nil {
				return
			}
			g.began = s.from
			for _, one := range groups {
				name, ok := h.nameOf(one.bus)
				if !ok {
					continue // the bus is deleted
				}
				g.name = name
				var more bool
				if more, failed = g.read(one.key, one.value, yield); failed != nil || !more {
					return
				}
			}
		}
	}
	return entries, func() error { return failed }
}

func (h *Log) nameOf(number uint32) (turnout.BusName, bool) {
	h.names.mu.RLock()
	defer h.names.mu.RUnlock()
	name, ok := h.names.names[number]
	return name, ok
}

// group is a group's record.
type group struct {
	bus, ms, number uint32
	key, value      []byte
}

// readGroups reads a chunk and sorts it by time.
func readGroups(r store.Reader, s span) ([]group, error) {
	var groups []group
	pairs, failed := r.Scan(appendKey(nil, kindGroup, s.id), appendKey(nil, kindGroup, s.id+1))
	for key, value := range pairs {
		bus, ms, number, err := parseGroupKey(key)
		if err != nil {
			return nil, err
		}
		groups = append(groups, group{bus: bus, ms: ms, number: number, key: bytes.Clone(key), value: bytes.Clone(value)})
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.number, b.number))
	})
	return groups, failed()
}

// Find returns the entries of an event, one for each bus that it came by, and
// none if the history does not know it. It seeks once for each chunk.
func (h *Log) Find(r store.Reader, eventID string) ([]Entry, error) {
	spans := *h.view.Load()
	for i := range slices.Backward(spans) {
		if found, err := h.findIn(r, spans[i], eventID); len(found) > 0 || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// FindAt is Find for an event of which the time of its publish is known: one seek.
func (h *Log) FindAt(r store.Reader, eventID string, at time.Time) ([]Entry, error) {
	spans := *h.view.Load()
	ms := at.UnixMilli()
	i := sort.Search(len(spans), func(i int) bool { return spans[i].from > ms })
	if i == 0 {
		return nil, nil
	}
	return h.findIn(r, spans[i-1], eventID)
}

func (h *Log) findIn(r store.Reader, s span, eventID string) ([]Entry, error) {
	hash := hashID(eventID)
	lower := appendIDKey(nil, s.id, hash, 0)
	upper := append(lower[:len(lower)-1:len(lower)-1], 0xff)
	var found []Entry
	pairs, failed := r.Scan(lower, upper)
	for key, value := range pairs {
		bus, size := ordinal(key[len(lower)-1:])
		d := decoder{rest: value}
		p := Position{At: s.from + int64(d.uvarint()), Group: uint32(d.uvarint()), Index: uint32(d.uvarint())}
		if size == 0 || d.failed || !d.done() {
			return nil, fmt.Errorf("%w: key %x", errRecord, key)
		}
		name, ok := h.nameOf(bus)
		if !ok {
			continue
		}
		e, err := entryAt(r, s, bus, p)
		if err != nil {
			return nil, err
		}
		if ok, err := isEvent(r, e.Ref, eventID); err != nil {
			return nil, err
		} else if ok {
			e.Bus = name
			found = append(found, e)
		}
	}
	return found, failed()
}

// entryAt reads one entry.
func entryAt(r store.Reader, s span, bus uint32, p Position) (Entry, error) {
	key := appendGroupKey(nil, s.id, bus, uint32(p.At-s.from), p.Group)
	value, err := r.Get(nil, key)
	if err != nil {
		return Entry{}, fmt.Errorf("read group %x of the history: %w", key, err)
	}
	e := Entry{Position: p}
	d := decoder{rest: value}
	for i := uint32(0); i <= p.Index && !d.failed; i++ {
		e.Ref, e.SizeBytes, e.Targets = d.entry(e.Ref, e.Targets[:0])
	}
	if d.failed {
		return Entry{}, fmt.Errorf("%w: group %x", errRecord, key)
	}
	return e, nil
}

// isEvent reports whether a stored event is the one with an id, not one whose id has the same hash.
func isEvent(r store.Reader, ref eventlog.Ref, eventID string) (bool, error) {
	text, err := eventlog.Get(r, nil, ref)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // r is no snapshot, and the event went meanwhile
	}
	if err != nil {
		return false, fmt.Errorf("read event %d: %w", ref, err)
	}
	return bytes.Contains(text, []byte(eventID)), nil
}
