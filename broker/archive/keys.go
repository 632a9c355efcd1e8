package archive

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/seed567880c8/turnout"
)

// The keys. Numbers are big-endian; at is Unix ms in six bytes.
//
//	'r' 'a' account NUL region NUL name → archiveRecord
//	'r' 'b' archive4 at6                → bucket: uvarints of its last event's ms, its events, their bytes
//	'r' 'e' archive4 at6 n4             → an event as it was published
//	'r' 'm'                             → metaRecord
//	'r' 'p' account NUL region NUL name → replayRecord
//
// n counts the events of an archive within a millisecond.
const (
	prefix = 'r'

	kindArchive = 'a'
	kindBucket  = 'b'
	kindEvent   = 'e'
	kindMeta    = 'm'
	kindReplay  = 'p'

	separator = 0

	bucketKeyBytes = 2 + 4 + 6
	eventKeyBytes  = 2 + 4 + 6 + 4
)

var errRecord = errors.New("archive: a record is damaged")

func appendName(dst []byte, kind byte, scope turnout.Scope, name string) []byte {
	dst = append(append(append(dst, prefix, kind), scope.Account...), separator)
	return append(append(append(dst, scope.Region...), separator), name...)
}

func archiveKey(name turnout.ArchiveName) []byte {
	return appendName(nil, kindArchive, name.Scope, name.Name)
}

func replayKey(name turnout.ReplayName) []byte {
	return appendName(nil, kindReplay, name.Scope, name.Name)
}

// splitName returns the scope and name in the key of an archive or a replay.
func splitName(key []byte) (turnout.Scope, string, error) {
	if len(key) > 2 {
		if parts := strings.Split(string(key[2:]), string(rune(separator))); len(parts) == 3 {
			return turnout.Scope{Account: parts[0], Region: parts[1]}, parts[2], nil
		}
	}
	return turnout.Scope{}, "", fmt.Errorf("%w: key %q", errRecord, key)
}

// validName reports whether s can be part of a key. The APIs allow much less.
func validName(s string) bool { return s != "" && strings.IndexByte(s, separator) < 0 }

func appendNumber(dst []byte, kind byte, number uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, prefix, kind), number)
}

func append6(dst []byte, ms int64) []byte {
	return append(dst, byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms))
}

func read6(b []byte) int64 {
	return int64(binary.BigEndian.Uint16(b))<<32 | int64(binary.BigEndian.Uint32(b[2:]))
}

func appendBucketKey(dst []byte, number uint32, from int64) []byte {
	return append6(appendNumber(dst, kindBucket, number), from)
}

func appendEventKey(dst []byte, number uint32, at int64, n uint32) []byte {
	return binary.BigEndian.AppendUint32(append6(appendNumber(dst, kindEvent, number), at), n)
}

// parseEventKey returns when an event was published, and which of that millisecond it is.
func parseEventKey(key []byte) (at int64, n uint32, err error) {
	if len(key) != eventKeyBytes {
		return 0, 0, fmt.Errorf("%w: key %x", errRecord, key)
	}
	return read6(key[6:]), binary.BigEndian.Uint32(key[12:]), nil
}

func appendBucket(dst []byte, b *bucket) []byte {
	dst = binary.AppendUvarint(dst, uint64(b.last))
	dst = binary.AppendUvarint(dst, uint64(b.events))
	return binary.AppendUvarint(dst, uint64(b.bytes))
}

func parseBucket(key, value []byte) (number uint32, b bucket, err error) {
	if len(key) != bucketKeyBytes {
		return 0, bucket{}, fmt.Errorf("%w: key %x", errRecord, key)
	}
	b.from = read6(key[6:])
	rest := value
	for _, n := range []*int64{&b.last, &b.events, &b.bytes} {
		v, size := binary.Uvarint(rest)
		if size <= 0 || int64(v) < 0 {
			return 0, bucket{}, fmt.Errorf("%w: bucket %x", errRecord, key)
		}
		*n, rest = int64(v), rest[size:]
	}
	if len(rest) > 0 || b.last < b.from {
		return 0, bucket{}, fmt.Errorf("%w: bucket %x", errRecord, key)
	}
	return binary.BigEndian.Uint32(key[2:]), b, nil
}

// recordVersion is the version of the JSON records. One with another was
// written by another Turnout and is refused.
const recordVersion = 1

type versioned struct {
	Version int `json:"v"`
}

// encode returns a record as JSON. Text stays as it is, without HTML escapes.
func encode(record any) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(record); err != nil {
		panic(fmt.Sprintf("archive: encode %T: %v", record, err)) // plain data cannot fail
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})
}

func decode[T any](key, value []byte) (record T, err error) {
	var v versioned
	if err := json.Unmarshal(value, &v); err != nil {
		return record, fmt.Errorf("archive: record of key %q is damaged: %w", key, err)
	}
	if v.Version != recordVersion {
		return record, fmt.Errorf("archive: record of key %q has version %d; this Turnout knows version %d", key, v.Version, recordVersion)
	}
	if err := json.Unmarshal(value, &record); err != nil {
		return record, fmt.Errorf("archive: record of key %q is damaged: %w", key, err)
	}
	return record, nil
}
