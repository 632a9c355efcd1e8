package history

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store"
)

// Load returns the history that r holds. events must have been loaded from the
// same r. The loop must not run yet; its time will not begin before the newest
// event's. Load reads the summaries, and the events of the chunk that was open.
func Load(loop *partition.Partition, r store.Reader, events *eventlog.Log, cfg Config) (*Log, error) {
	h := &Log{
		cfg: cfg.withDefaults(), events: events, next: 1,
		buses: make(map[uint32]*bus), numbers: make(map[turnout.BusName]*bus),
	}
	h.names.numbers, h.names.names = make(map[turnout.BusName]uint32), make(map[uint32]turnout.BusName)
	if err := h.load(r); err != nil {
		return nil, fmt.Errorf("load the history of events: %w", err)
	}
	if n := len(h.chunks); n > 0 {
		loop.NotBefore(time.UnixMilli(h.chunks[n-1].last))
	}
	h.publishView()
	h.updateStats()
	return h, nil
}

func (h *Log) load(r store.Reader) error {
	if err := scan(r, kindChunk, h.loadChunk); err != nil {
		return err
	}
	if c := h.open(); c != nil {
		if err := h.recount(r, c); err != nil {
			return err
		}
		h.bytes += c.bytes
		h.count += c.events
	}
	return scan(r, kindBus, h.loadBus)
}

// scan calls f for each record of a kind that is keyed by a number.
func scan(r store.Reader, kind byte, f func(number uint32, value []byte) error) error {
	pairs, failed := r.Scan([]byte{prefix, kind}, []byte{prefix, kind + 1})
	for key, value := range pairs {
		if len(key) != keyBytes {
			return fmt.Errorf("%w: key %x", errRecord, key)
		}
		if err := f(binary.BigEndian.Uint32(key[2:]), value); err != nil {
			return err
		}
	}
	return failed()
}

func (h *Log) loadChunk(id uint32, value []byte) error {
	c, err := parseChunk(id, value)
	if err != nil {
		return err
	}
	if h.open() != nil {
		return fmt.Errorf("%w: chunk %d begins before the one before it ends", errRecord, id)
	}
	h.chunks = append(h.chunks, c)
	h.next = id + 1
	h.bytes += c.bytes
	h.count += c.events
	return nil
}

// recount finds out what the open chunk holds.
func (h *Log) recount(r store.Reader, c *chunk) error {
	c.last = c.from
	pairs, failed := r.Scan(appendKey(nil, kindGroup, c.id), appendKey(nil, kindGroup, c.id+1))
	var targets []uint64
	for key, value := range pairs {
		_, ms, group, err := parseGroupKey(key)
		if err != nil {
			return err
		}
		at := c.from + int64(ms)
		if at > h.at {
			h.at, h.group = at, 0
		}
		if at == h.at {
			h.group = max(h.group, group+1)
		}
		last := max(c.last, at)
		d := decoder{rest: value}
		ref := eventlog.Ref(0)
		for !d.done() {
			var size int
			ref, size, targets = d.entry(ref, targets[:0])
			c.add(last, ref, size)
		}
		if d.failed {
			return fmt.Errorf("%w: group %x", errRecord, key)
		}
	}
	return failed()
}

func (h *Log) loadBus(number uint32, value []byte) error {
	b := &bus{number: number}
	if n := len(h.chunks); n > 0 {
		b.chunk = h.chunks[n-1].id // or an earlier one: then it is forgotten a little late
	}
	if len(value) > 0 {
		name, err := parseBusName(value)
		if err != nil {
			return err
		}
		b.name = name
		h.name(b)
	}
	h.buses[number] = b
	h.newest = number
	return nil
}
