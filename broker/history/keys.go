package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
)

// The keys. Numbers of four and eight bytes are big-endian; an ordinal is a
// number in one to five bytes that sort as the numbers do.
//
//	'i' 'b' bus4                            → account NUL region NUL name, or nothing once the bus is forgotten
//	'i' 'c' chunk4                          → chunkRecord
//	'i' 'd' chunk4 hash8 bus-ordinal        → place of an event: uvarints ms, group, index
//	'i' 'e' chunk4 bus-ordinal ms-ordinal group-ordinal → group: events of one bus and batch
//
// ms counts from the beginning of the chunk; hash is the FNV-1a of the event's
// id; a group is numbered within its millisecond, over all buses; index counts
// within the group.
const (
	prefix = 'i'

	kindBus   = 'b'
	kindChunk = 'c'
	kindID    = 'd'
	kindGroup = 'e'
)

// Owner is the owner of references in the event log that the history is.
// Queues own references under their numbers, which rise from 1 and never come here.
const Owner uint32 = 1<<32 - 1

var errRecord = errors.New("history: a record is damaged")

func appendKey(dst []byte, kind byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, prefix, kind), n)
}

// keyBytes is the length of what appendKey appends.
const keyBytes = 2 + 4

func appendIDKey(dst []byte, chunk uint32, hash uint64, bus uint32) []byte {
	return appendOrdinal(binary.BigEndian.AppendUint64(appendKey(dst, kindID, chunk), hash), bus)
}

func appendGroupKey(dst []byte, chunk, bus, ms, group uint32) []byte {
	return appendOrdinal(appendOrdinal(appendOrdinal(appendKey(dst, kindGroup, chunk), bus), ms), group)
}

// parseGroupKey takes a group's key apart.
func parseGroupKey(key []byte) (bus, ms, group uint32, err error) {
	if len(key) < keyBytes {
		return 0, 0, 0, fmt.Errorf("%w: key %x", errRecord, key)
	}
	rest := key[keyBytes:]
	for _, n := range []*uint32{&bus, &ms, &group} {
		v, size := ordinal(rest)
		if size == 0 {
			return 0, 0, 0, fmt.Errorf("%w: key %x", errRecord, key)
		}
		*n, rest = v, rest[size:]
	}
	if len(rest) > 0 {
		return 0, 0, 0, fmt.Errorf("%w: key %x", errRecord, key)
	}
	return bus, ms, group, nil
}

// appendOrdinal appends n so that byte order is numeric order: the number of
// leading ones says how many bytes follow the first.
func appendOrdinal(dst []byte, n uint32) []byte {
	switch {
	case n < 1<<7:
		return append(dst, byte(n))
	case n < 1<<14:
		return append(dst, 0x80|byte(n>>8), byte(n))
	case n < 1<<21:
		return append(dst, 0xc0|byte(n>>16), byte(n>>8), byte(n))
	case n < 1<<28:
		return append(dst, 0xe0|byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, 0xf0), n)
}

// ordinal reads the ordinal that b begins with; size is 0 if there is none.
func ordinal(b []byte) (n uint32, size int) {
	if len(b) == 0 {
		return 0, 0
	}
	switch first := b[0]; {
	case first < 0x80:
		return uint32(first), 1
	case first < 0xc0 && len(b) >= 2:
		return uint32(first&0x3f)<<8 | uint32(b[1]), 2
	case first < 0xe0 && len(b) >= 3:
		return uint32(first&0x1f)<<16 | uint32(b[1])<<8 | uint32(b[2]), 3
	case first < 0xf0 && len(b) >= 4:
		return binary.BigEndian.Uint32(b) &^ 0xf000_0000, 4
	case first == 0xf0 && len(b) >= 5:
		return binary.BigEndian.Uint32(b[1:]), 5
	}
	return 0, 0
}

// hashID is FNV-1a. Event ids are random, so the hash only shortens them: two
// ids of one chunk and bus share it once in ten thousand million full chunks,
// and then Find misses the older.
func hashID(id string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return h
}

func appendBusName(dst []byte, b turnout.BusName) []byte {
	return append(append(append(append(append(dst, b.Account...), 0), b.Region...), 0), b.Name...)
}

func parseBusName(value []byte) (turnout.BusName, error) {
	names := strings.Split(string(value), "\x00")
	if len(names) != 3 {
		return turnout.BusName{}, fmt.Errorf("%w: bus %q", errRecord, value)
	}
	return turnout.BusName{Scope: turnout.Scope{Account: names[0], Region: names[1]}, Name: names[2]}, nil
}

// recordVersion is the version of chunk records; another is refused.
const recordVersion = 1

// appendChunk appends a chunkRecord: the version, when it begins, and once it
// is closed what it holds.
func appendChunk(dst []byte, c *chunk) []byte {
	dst = binary.AppendUvarint(append(dst, recordVersion), uint64(c.from))
	if !c.closed {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(c.last))
	dst = binary.AppendUvarint(dst, c.events)
	dst = binary.AppendUvarint(dst, uint64(c.bytes))
	dst = binary.AppendUvarint(dst, uint64(len(c.segments)))
	for _, s := range c.segments {
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, s.segment), s.events)
	}
	return dst
}

// parseChunk reads what appendChunk writes.
func parseChunk(id uint32, value []byte) (*chunk, error) {
	if len(value) == 0 || value[0] != recordVersion {
		return nil, fmt.Errorf("%w: chunk %d has an unknown version", errRecord, id)
	}
	d := decoder{rest: value[1:]}
	c := &chunk{id: id, from: int64(d.uvarint())}
	if c.closed = !d.done(); c.closed {
		c.last, c.events, c.bytes = int64(d.uvarint()), d.uvarint(), int64(d.uvarint())
		n := d.uvarint()
		for i := uint64(0); i < n && !d.failed; i++ {
			c.segments = append(c.segments, segmentCount{segment: d.uvarint(), events: d.uvarint()})
		}
	}
	if d.failed || !d.done() || c.from < 0 || c.last < 0 || c.bytes < 0 {
		return nil, fmt.Errorf("%w: chunk %d", errRecord, id)
	}
	return c, nil
}

// appendEntry appends an event to a group. Refs come mostly one after another,
// so the difference to the one before is short.
func appendEntry(dst []byte, previous, ref eventlog.Ref, size int, targets []uint64) []byte {
	dst = binary.AppendVarint(dst, int64(ref-previous))
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = binary.AppendUvarint(dst, uint64(len(targets)))
	for _, t := range targets {
		dst = binary.AppendUvarint(dst, t)
	}
	return dst
}

// entry reads the next event of a group. Targets are appended to dst.
func (d *decoder) entry(previous eventlog.Ref, dst []uint64) (ref eventlog.Ref, size int, targets []uint64) {
	ref = previous + eventlog.Ref(d.varint())
	size = int(d.uvarint())
	n := d.uvarint()
	for i := uint64(0); i < n && !d.failed; i++ {
		dst = append(dst, d.uvarint())
	}
	if ref == 0 || size < 0 {
		d.failed = true
	}
	return ref, size, dst
}

// decoder reads numbers; after a fault it yields zeros and failed is set.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) done() bool { return len(d.rest) == 0 }

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.failed, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.failed, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return n
}
