package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/seed567880c8/turnout/internal/store"
)

// The keys, big-endian so that byte order is numeric order:
//
//	'e' | ref8                    → the body, as it is
//	'g' | owner4 | segment8       → uvarint: the owner's references into the segment, > 0
//	'g'                           → uvarint: the first ref of the newest segment
//
// The value of an event is its body and nothing else, so that it is written
// and read without a copy; an index by bus or time belongs under a prefix of its own.
const (
	prefixEvent = 'e'
	prefixCount = 'g'

	eventKeyBytes = 1 + 8
	countKeyBytes = 1 + 4 + 8
)

func appendEventKey(dst []byte, ref Ref) []byte {
	return binary.BigEndian.AppendUint64(append(dst, prefixEvent), uint64(ref))
}

func appendCountKey(dst []byte, name pairName) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, prefixCount), name.owner)
	return binary.BigEndian.AppendUint64(dst, name.segment)
}

func appendCount(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

func appendNext(dst []byte, next Ref) []byte { return binary.AppendUvarint(dst, uint64(next)) }

// decodeUvarint reads a number > 0 in its shortest form, the only one that is written.
func decodeUvarint(value []byte) (uint64, error) {
	n, size := binary.Uvarint(value)
	if size <= 0 || size != len(value) || value[size-1] == 0 {
		return 0, fmt.Errorf("eventlog: %x is not a count", value)
	}
	return n, nil
}

// Load rebuilds the log that r stores; of an empty store it makes an empty
// log. It reads the counts and one event, never all of them.
func Load(r store.Reader) (*Log, error) {
	l := &Log{
		next:     1,
		segments: make(map[uint64]*segment),
		owners:   make(map[uint32]*owner),
	}
	pairs, failed := r.Scan([]byte{prefixCount}, []byte{prefixCount + 1})
	for key, value := range pairs {
		if err := l.loadCount(key, value); err != nil {
			return nil, err
		}
	}
	if err := failed(); err != nil {
		return nil, fmt.Errorf("eventlog: read the reference counts: %w", err)
	}
	if err := l.findNext(r); err != nil {
		return nil, err
	}
	l.segment(l.next.segment())
	l.stats.segments.Store(int64(len(l.segments)))
	return l, nil
}

func (l *Log) loadCount(key, value []byte) error {
	n, err := decodeUvarint(value)
	if err != nil {
		return fmt.Errorf("read the record of key %x: %w", key, err)
	}
	switch len(key) {
	case 1:
		l.next = Ref(n)
	case countKeyBytes:
		id := binary.BigEndian.Uint32(key[1:])
		seg := binary.BigEndian.Uint64(key[5:])
		o := l.owners[id]
		if o == nil {
			o = &owner{}
			l.owners[id] = o
		}
		o.pairs = append(o.pairs, pair{segment: seg, count: n}) // keys come sorted
		l.segment(seg).total += n
		l.stats.pairs.Add(1)
	default:
		return fmt.Errorf("eventlog: key %x has an unknown form", key)
	}
	return nil
}

// segment returns the segment of an id and makes it if there is none.
func (l *Log) segment(id uint64) *segment {
	s := l.segments[id]
	if s == nil {
		s = &segment{}
		l.segments[id] = s
	}
	return s
}

// findNext moves next beyond the newest event, if the newest segment has one.
func (l *Log) findNext(r store.Reader) error {
	key, _, err := r.Last(appendEventKey(nil, l.next), []byte{prefixEvent + 1})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("eventlog: find the newest event: %w", err)
	case len(key) != eventKeyBytes:
		return fmt.Errorf("eventlog: key %x has an unknown form", key)
	}
	l.next = Ref(binary.BigEndian.Uint64(key[1:])) + 1
	return nil
}

// Scan yields the events with from ≤ ref < to that are stored, in order. A body
// is valid until the next step. After an error it yields nothing more; the error
// is returned by the function that Scan returns. It may be called from any goroutine.
func Scan(r store.Reader, from, to Ref) (events iter.Seq2[Ref, []byte], err func() error) {
	var damaged error
	pairs, failed := r.Scan(appendEventKey(nil, from), appendEventKey(nil, to))
	events = func(yield func(Ref, []byte) bool) {
		for key, body := range pairs {
			if len(key) != eventKeyBytes {
				damaged = fmt.Errorf("eventlog: key %x has an unknown form", key)
				return
			}
			if !yield(Ref(binary.BigEndian.Uint64(key[1:])), body) {
				return
			}
		}
	}
	return events, func() error { return errors.Join(damaged, failed()) }
}
