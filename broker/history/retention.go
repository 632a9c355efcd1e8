package history

import (
	"time"

	"github.com/seed567880c8/turnout/internal/partition"
)

// dropsMax bounds the chunks that go in one batch, so that publishes are not
// held up when much goes at once.
const dropsMax = 16

// Due returns when the oldest chunk is too old, or the open one must be
// closed; at once, if there is too much.
func (h *Log) Due() time.Time {
	if len(h.chunks) == 0 {
		return time.Time{}
	}
	oldest := h.chunks[0]
	if h.cfg.Off || oldest.closed && h.bytes > h.cfg.BytesMax {
		return time.UnixMilli(oldest.from)
	}
	due := oldest.last + h.cfg.Retention.Milliseconds()
	if c := h.open(); c != nil {
		end := c.from + h.cfg.chunkSpan().Milliseconds()
		if c == oldest || end < due {
			due = end
		}
	}
	return time.UnixMilli(due)
}

// Tick closes the open chunk after its span and drops chunks that are too old
// or too much.
func (h *Log) Tick(tx *partition.Tx) {
	now := tx.Now.UnixMilli()
	if c := h.open(); c != nil && (h.cfg.Off || now > c.last && h.isFull(c, now)) {
		h.close(tx, c)
	}
	n := 0
	for n < min(dropsMax, len(h.chunks)) && h.isSpent(h.chunks[n], now) {
		h.drop(tx, h.chunks[n])
		n++
	}
	if n == 0 {
		return
	}
	h.chunks = h.chunks[n:]
	h.dropBuses(tx)
	h.publishView()
}

// isSpent reports whether the oldest chunk is to go.
func (h *Log) isSpent(c *chunk, now int64) bool {
	return c.closed && (h.cfg.Off || h.bytes > h.cfg.BytesMax || now >= c.last+h.cfg.Retention.Milliseconds())
}

func (h *Log) drop(tx *partition.Tx, c *chunk) {
	for _, kind := range []byte{kindID, kindGroup} {
		tx.Batch.DeleteRange(appendKey(nil, kind, c.id), appendKey(nil, kind, c.id+1))
	}
	tx.Batch.Delete(appendKey(nil, kindChunk, c.id))
	for _, s := range c.segments {
		h.events.ReleaseMany(tx, Owner, s.segment, s.events)
	}
	h.bytes -= c.bytes
	h.count -= c.events
}

// dropBuses takes away the numbers of buses that have no events left.
func (h *Log) dropBuses(tx *partition.Tx) {
	for number, b := range h.buses {
		if len(h.chunks) > 0 && b.chunk >= h.chunks[0].id {
			continue
		}
		delete(h.buses, number)
		if b.current {
			h.unname(b)
		}
		tx.Batch.Delete(appendKey(nil, kindBus, number))
	}
}

var _ partition.Part = (*Log)(nil)
