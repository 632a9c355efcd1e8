package queues

import "encoding/binary"

// Key layout. Every key of one queue starts with a prefix byte and the queue's
// id, big-endian, so that a queue is one range per prefix and goes away with a
// DeleteRange. Times and sequences take six bytes: milliseconds until the year
// 10889, and 2.8e14 messages a queue; the bytes saved are a quarter of what a
// reference to an event costs in the log.
//
//	q | id4                   configuration (JSON)
//	h | id4                   ledger: counters and watermarks
//	m | id4 | at6 | seq6      a message, in the order in which it becomes available
//	s | id4 | seq6            a message that was received: visibility, receive count
//	x | id4 | span4 | hash16  a deduplication id, by five-minute span
//	t | id4 | started6 | uuid16  a message move task of the source queue
//	k | name                  the engine's own: next queue id, secret
const (
	prefixQueue   = 'q'
	prefixLedger  = 'h'
	prefixMessage = 'm'
	prefixState   = 's'
	prefixDedup   = 'x'
	prefixTask    = 't'
	prefixEngine  = 'k'
)

// position is where a message stands in its queue: by the time at which it
// becomes available, then by the order in which messages were sent.
type position struct {
	at  int64  // Unix milliseconds
	seq uint64 // 1, 2, … within the queue; never reused
}

func (p position) before(o position) bool {
	return p.at < o.at || p.at == o.at && p.seq < o.seq
}

// next is the least position behind p.
func (p position) next() position { return position{at: p.at, seq: p.seq + 1} }

const (
	messageKeyLen = 1 + 4 + 6 + 6
	stateKeyLen   = 1 + 4 + 6
)

func appendQueueKey(dst []byte, prefix byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, prefix), id)
}

func append6(dst []byte, v uint64) []byte {
	return append(dst, byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func read6(b []byte) uint64 {
	return uint64(b[0])<<40 | uint64(b[1])<<32 | uint64(b[2])<<24 | uint64(b[3])<<16 | uint64(b[4])<<8 | uint64(b[5])
}

func appendMessageKey(dst []byte, id uint32, p position) []byte {
	return append6(append6(appendQueueKey(dst, prefixMessage, id), uint64(p.at)), p.seq)
}

// parseMessageKey is the inverse of appendMessageKey; ok is false for any other key.
func parseMessageKey(key []byte) (id uint32, p position, ok bool) {
	if len(key) != messageKeyLen || key[0] != prefixMessage {
		return 0, position{}, false
	}
	p = position{at: int64(read6(key[5:])), seq: read6(key[11:])}
	return binary.BigEndian.Uint32(key[1:]), p, true
}

func appendStateKey(dst []byte, id uint32, seq uint64) []byte {
	return append6(appendQueueKey(dst, prefixState, id), seq)
}

// queueRange bounds every key of one queue under one prefix.
func queueRange(prefix byte, id uint32) (lower, upper []byte) {
	lower = appendQueueKey(nil, prefix, id)
	if id == 1<<32-1 {
		return lower, []byte{prefix + 1}
	}
	return lower, appendQueueKey(nil, prefix, id+1)
}
