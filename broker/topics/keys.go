package topics

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// The keys, numbers big-endian so that byte order is numeric order. A topic has
// a number, never used again, so that everything of it goes by a DeleteRange.
//
//	'p' 'a' topic4 ms6 seq8        → an archived message, in the stored form of package notification
//	'p' 'd' topic4 span4 hash16    → a deduplication id: ms6, seq8, message id 16
//	'p' 'g' topic4                 → ghostRecord: a deleted topic, some of whose subscriptions can be read
//	'p' 'k'                        → the signing key and its certificate, PEM
//	'p' 'm'                        → metaRecord
//	'p' 'q' topic4                 → seq8: the next sequence of a FIFO topic
//	'p' 'r' topic4 subscription    → replayRecord
//	'p' 's' topic4 subscription    → subscriptionRecord
//	'p' 't' topic4                 → topicRecord
//	'p' 'x'                        → 32 bytes: the secret that confirmation tokens are authenticated with
const (
	prefix           = 'p'
	kindArchived     = 'a'
	kindDedup        = 'd'
	kindGhost        = 'g'
	kindKey          = 'k'
	kindMeta         = 'm'
	kindSequence     = 'q'
	kindReplay       = 'r'
	kindSubscription = 's'
	kindTopic        = 't'
	kindSecret       = 'x'
)

func plainKey(kind byte) []byte { return []byte{prefix, kind} }

func appendTopicKey(dst []byte, kind byte, topic uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, prefix, kind), topic)
}

// topicRange returns the range of everything of one kind that a topic has.
func topicRange(kind byte, topic uint32) (lower, upper []byte) {
	upper = appendTopicKey(nil, kind, topic)
	for i := len(upper) - 1; ; i-- { // the kind's byte is never 0xff
		if upper[i]++; upper[i] != 0 {
			break
		}
	}
	return appendTopicKey(nil, kind, topic), upper
}

func subscriptionKey(kind byte, topic uint32, id string) []byte {
	return append(appendTopicKey(nil, kind, topic), id...)
}

// position is a place in a topic's archive.
type position struct {
	at  int64 // Unix ms
	seq uint64
}

func (p position) before(q position) bool { return p.at < q.at || p.at == q.at && p.seq < q.seq }

func appendArchivedKey(dst []byte, topic uint32, p position) []byte {
	dst = append6(appendTopicKey(dst, kindArchived, topic), p.at)
	return binary.BigEndian.AppendUint64(dst, p.seq)
}

const archivedKeyBytes = 2 + 4 + 6 + 8

func parseArchivedKey(key []byte) (p position, err error) {
	if len(key) != archivedKeyBytes {
		return p, fmt.Errorf("topics: key %x has an unknown form", key)
	}
	return position{at: read6(key[6:]), seq: binary.BigEndian.Uint64(key[12:])}, nil
}

func appendDedupKey(dst []byte, topic uint32, span int64) []byte {
	return binary.BigEndian.AppendUint32(appendTopicKey(dst, kindDedup, topic), uint32(span))
}

// append6 appends a time in milliseconds: 48 bits last until the year 10889.
func append6(dst []byte, ms int64) []byte {
	return append(dst, byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms))
}

func read6(b []byte) int64 {
	return int64(b[0])<<40 | int64(b[1])<<32 | int64(b[2])<<24 | int64(b[3])<<16 | int64(b[4])<<8 | int64(b[5])
}

// splitKey returns the kind of a key, the topic's number, and what follows. A
// key of nothing but a kind has neither.
func splitKey(key []byte) (kind byte, topic uint32, rest []byte, err error) {
	if len(key) >= 2 && key[0] == prefix {
		switch kind = key[1]; kind {
		case kindKey, kindMeta, kindSecret:
			if len(key) == 2 {
				return kind, 0, nil, nil
			}
		case kindGhost, kindSequence, kindTopic:
			if len(key) == 6 {
				return kind, binary.BigEndian.Uint32(key[2:]), nil, nil
			}
		case kindArchived, kindDedup, kindReplay, kindSubscription:
			if len(key) > 6 {
				return kind, binary.BigEndian.Uint32(key[2:]), key[6:], nil
			}
		}
	}
	return 0, 0, nil, fmt.Errorf("topics: key %x has an unknown form", key)
}

// identity tells apart subscriptions of a topic: there is one for each endpoint.
func identity(protocol, endpoint string) string { return protocol + "\x00" + endpoint }

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// isFIFO reports whether a queue or topic is one by its name.
func isFIFO(name string) bool { return strings.HasSuffix(name, ".fifo") }
