package rawjson

import (
	"fmt"
	"hash/maphash"
	"unicode/utf8"
)

// Limits bounds what [Scan] accepts. All three must be positive.
type Limits struct {
	// Depth is the number of arrays and objects that may be open at once.
	Depth int
	// Keys is the number of object keys in the whole text.
	Keys int
	// Digits is the number of digits in one number, exponent included.
	Digits int
}

// A SyntaxError says what is wrong with a text and where.
type SyntaxError struct {
	// Reason is the complaint, without the place.
	Reason string
	// Offset is the place: the number of bytes before it.
	Offset int
}

// Error returns the reason and the offset.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at offset %d", e.Reason, e.Offset) }

// Scan reports whether data is one JSON value by RFC 8259 and nothing else, within the limits, in valid UTF-8, with no
// key twice in one object (keys are compared after decoding escapes). The error is a *[SyntaxError].
//
// The cost is linear in len(data) whatever it holds: there is no recursion, nesting costs one small frame per level up
// to the limit, and keys of large objects are compared through a hash with a random seed.
//
// A [Checker] looks first; the scan written to explain runs only for what that does not accept.
func Scan(data []byte, limits Limits) error {
	var c Checker
	c.Reset(data, limits)
	if c.Valid() {
		return nil
	}
	return explain(data, limits)
}

// explain is Scan without the Checker.
func explain(data []byte, limits Limits) error {
	s := scanner{b: data, limits: limits}
	if err := s.run(); err != nil {
		return err
	}
	return nil
}

// A frame is one open array or object.
type frame struct {
	keys   int32 // how many keys of objects around it are open: where its own begin; -1 for an array
	serial int32 // distinguishes the objects in the hash table
	hashed bool  // whether this object's keys are in the hash table
}

// A key is the name of one member of an open object: a part of the text, or of scanner.decoded when it held escapes.
type key struct {
	start, end int32
	decoded    bool
}

// wanted says what may come next.
type wanted uint8

const (
	wantValue     wanted = iota
	wantElement          // a value or the end of the array
	wantKey              // a key, after a comma
	wantFirstKey         // a key or the end of the object
	wantSeparator        // a comma or the end of what is open
	wantNothing          // only white space
)

// linearKeys is the number of keys up to which comparing each with each is cheaper than hashing them.
const linearKeys = 24

// scanner is one scan. What small texts need lies in the scanner itself, which is on the stack; the slices beside it
// take over when that is too little.
type scanner struct {
	b      []byte
	i      int
	limits Limits

	depth     int // open arrays and objects
	shallow   [16]frame
	deep      []frame // the frames behind those of shallow
	openKeys  int     // keys of all open objects, innermost last
	fewKeys   [48]key
	manyKeys  []key  // all of them, instead of fewKeys, if not nil
	decoded   []byte // the decoded names of keys with escapes
	totalKeys int
	serial    int32
	table     keyTable
}

// top returns the innermost frame.
func (s *scanner) top() *frame {
	if s.depth <= len(s.shallow) {
		return &s.shallow[s.depth-1]
	}
	return &s.deep[s.depth-1-len(s.shallow)]
}

func (s *scanner) push(f frame) {
	if s.depth < len(s.shallow) {
		s.shallow[s.depth] = f
	} else {
		s.deep = append(s.deep[:s.depth-len(s.shallow)], f)
	}
	s.depth++
}

// siblings returns the keys of the innermost object.
func (s *scanner) siblings(f *frame) []key {
	if s.manyKeys != nil {
		return s.manyKeys[f.keys:s.openKeys]
	}
	return s.fewKeys[f.keys:s.openKeys]
}

func (s *scanner) pushKey(k key) {
	switch {
	case s.manyKeys != nil:
		s.manyKeys = append(s.manyKeys[:s.openKeys], k)
	case s.openKeys < len(s.fewKeys):
		s.fewKeys[s.openKeys] = k
	default:
		s.manyKeys = append(make([]key, 0, 4*len(s.fewKeys)), s.fewKeys[:]...)
		s.manyKeys = append(s.manyKeys, k)
	}
	s.openKeys++
}

func (s *scanner) run() *SyntaxError {
	want := wantValue
	for {
		s.i = SkipSpace(s.b, s.i)
		if s.i >= len(s.b) {
			if want == wantNothing {
				return nil
			}
			return s.fail("unexpected end of JSON")
		}
		var err *SyntaxError
		switch want {
		case wantValue, wantElement:
			want, err = s.value(want == wantElement)
		case wantKey, wantFirstKey:
			want, err = s.member(want == wantFirstKey)
		case wantSeparator:
			want, err = s.separator()
		case wantNothing:
			err = s.unexpected("the end")
		}
		if err != nil {
			return err
		}
	}
}

// value reads a scalar, or opens an array or object; s.i is at its first byte.
func (s *scanner) value(orEnd bool) (wanted, *SyntaxError) {
	var err *SyntaxError
	switch c := s.b[s.i]; {
	case c == '"':
		_, err = s.str()
	case c == '{':
		return wantFirstKey, s.open(int32(s.openKeys))
	case c == '[':
		return wantElement, s.open(-1)
	case c == ']' && orEnd:
		return s.closed()
	case c == '-' || isDigit(c):
		err = s.number()
	case c == 't':
		err = s.literal("true")
	case c == 'f':
		err = s.literal("false")
	case c == 'n':
		err = s.literal("null")
	default:
		err = s.unexpected("a value")
	}
	return s.after(), err
}

func (s *scanner) open(keys int32) *SyntaxError {
	if s.depth >= s.limits.Depth {
		return s.fail(fmt.Sprintf("nesting deeper than %d levels", s.limits.Depth))
	}
	s.serial++
	s.push(frame{keys: keys, serial: s.serial})
	s.i++
	return nil
}

// closed takes the closing bracket at s.i.
func (s *scanner) closed() (wanted, *SyntaxError) {
	if keys := s.top().keys; keys >= 0 {
		s.openKeys = int(keys)
	}
	s.depth--
	s.i++
	return s.after(), nil
}

// after is what may follow a complete value.
func (s *scanner) after() wanted {
	if s.depth == 0 {
		return wantNothing
	}
	return wantSeparator
}

func (s *scanner) separator() (wanted, *SyntaxError) {
	object := s.top().keys >= 0
	switch c := s.b[s.i]; {
	case c == ',' && object:
		s.i++
		return wantKey, nil
	case c == ',':
		s.i++
		return wantValue, nil
	case c == '}' && object, c == ']' && !object:
		return s.closed()
	case object:
		return 0, s.unexpected("',' or '}'")
	default:
		return 0, s.unexpected("',' or ']'")
	}
}

// member reads a key and its colon.
func (s *scanner) member(orEnd bool) (wanted, *SyntaxError) {
	if s.b[s.i] == '}' && orEnd {
		return s.closed()
	}
	if s.b[s.i] != '"' {
		return 0, s.unexpected("a key")
	}
	start := s.i + 1
	escaped, err := s.str()
	if err != nil {
		return 0, err
	}
	if err := s.noteKey(start, s.i-1, escaped); err != nil {
		return 0, err
	}
	s.i = SkipSpace(s.b, s.i)
	if s.i >= len(s.b) {
		return 0, s.fail("unexpected end of JSON")
	}
	if s.b[s.i] != ':' {
		return 0, s.unexpected("':'")
	}
	s.i++
	return wantValue, nil
}

// noteKey remembers the key b[start:end] of the innermost object and refuses one seen before.
func (s *scanner) noteKey(start, end int, escaped bool) *SyntaxError {
	if s.totalKeys++; s.totalKeys > s.limits.Keys {
		return &SyntaxError{fmt.Sprintf("more than %d keys", s.limits.Keys), start - 1}
	}
	k := key{start: int32(start), end: int32(end)}
	if escaped {
		from := len(s.decoded)
		s.decoded, _ = AppendUnescaped(s.decoded, s.b[start:end])
		k = key{start: int32(from), end: int32(len(s.decoded)), decoded: true}
	}
	if s.seen(s.top(), k) {
		return &SyntaxError{fmt.Sprintf("duplicate key %q", shortened(s.name(k))), start - 1}
	}
	s.pushKey(k)
	return nil
}

func (s *scanner) seen(f *frame, k key) bool {
	siblings := s.siblings(f)
	if len(siblings) < linearKeys {
		name := s.name(k)
		for _, other := range siblings {
			if other.end-other.start == k.end-k.start && string(s.name(other)) == string(name) {
				return true
			}
		}
		return false
	}
	if !f.hashed {
		f.hashed = true
		for _, other := range siblings {
			s.table.add(s, f.serial, other)
		}
	}
	return s.table.add(s, f.serial, k)
}

func (s *scanner) name(k key) []byte {
	if k.decoded {
		return s.decoded[k.start:k.end]
	}
	return s.b[k.start:k.end]
}

// A keyTable is one open-addressing hash table for the keys of all large objects of a text. Nothing is taken out of
// it: an object's serial number keeps it apart from the ones closed before, and the limit on keys bounds its size.
type keyTable struct {
	seed  maphash.Seed
	slots []keySlot
	used  int
}

type keySlot struct {
	hash   uint64
	serial int32 // 0: empty
	key    key
}

// add puts in a key and reports whether the object has it already.
func (t *keyTable) add(s *scanner, serial int32, k key) bool {
	if t.slots == nil {
		t.seed = maphash.MakeSeed()
		t.slots = make([]keySlot, 64)
	}
	if t.used*2 >= len(t.slots) {
		old := t.slots
		t.slots = make([]keySlot, 4*len(old))
		for _, slot := range old {
			if slot.serial != 0 {
				t.slots[t.free(slot.hash)] = slot
			}
		}
	}
	name := s.name(k)
	hash := maphash.Bytes(t.seed, name) + uint64(serial)*0x9E3779B97F4A7C15
	mask := uint64(len(t.slots) - 1)
	for at := hash & mask; t.slots[at].serial != 0; at = (at + 1) & mask {
		slot := &t.slots[at]
		if slot.hash == hash && slot.serial == serial && string(s.name(slot.key)) == string(name) {
			return true
		}
	}
	t.slots[t.free(hash)] = keySlot{hash, serial, k}
	t.used++
	return false
}

func (t *keyTable) free(hash uint64) uint64 {
	mask := uint64(len(t.slots) - 1)
	at := hash & mask
	for t.slots[at].serial != 0 {
		at = (at + 1) & mask
	}
	return at
}

// str reads a string, s.i at its opening quote, and says whether it holds escapes.
func (s *scanner) str() (escaped bool, err *SyntaxError) {
	start := s.i + 1
	i, ascii := start, true
	for {
		i = indexSpecial(s.b, i, ascii)
		if i >= len(s.b) {
			s.i = len(s.b)
			return false, s.fail("unexpected end of JSON in a string")
		}
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			if !ascii {
				return escaped, s.utf8(start, i)
			}
			return escaped, nil
		case c == '\\':
			escaped = true
			n := escapeLen(s.b[i:])
			if n == 0 {
				s.i = i
				return false, s.fail("invalid escape in a string")
			}
			i += n
		case c < ' ':
			s.i = i
			return false, s.fail("unescaped control character in a string")
		default:
			ascii = false
			i++
		}
	}
}

func (s *scanner) utf8(from, to int) *SyntaxError {
	if utf8.Valid(s.b[from:to]) {
		return nil
	}
	for i := from; i < to; {
		r, n := utf8.DecodeRune(s.b[i:to])
		if r == utf8.RuneError && n == 1 {
			return &SyntaxError{"invalid UTF-8 in a string", i}
		}
		i += n
	}
	return nil
}

// number reads a number by RFC 8259's grammar.
func (s *scanner) number() *SyntaxError {
	end, digits := numberEnd(s.b, s.i)
	if digits > s.limits.Digits {
		return s.fail(fmt.Sprintf("number longer than %d digits", s.limits.Digits))
	}
	if end < 0 {
		return s.fail("invalid number")
	}
	s.i = end
	return nil
}

// numberEnd returns the end of the number at i, or -1 when it breaks the grammar, and the digits seen.
func numberEnd(b []byte, i int) (end, digits int) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	from := i
	i = skipDigits(b, i)
	digits = i - from
	if digits == 0 || digits > 1 && b[from] == '0' {
		return -1, digits
	}
	if i < len(b) && b[i] == '.' {
		from = i + 1
		i = skipDigits(b, from)
		if i == from {
			return -1, digits
		}
		digits += i - from
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from = i
		i = skipDigits(b, i)
		if i == from {
			return -1, digits
		}
		digits += i - from
	}
	return i, digits
}

func (s *scanner) literal(word string) *SyntaxError {
	if end := s.i + len(word); end <= len(s.b) && string(s.b[s.i:end]) == word {
		s.i = end
		return nil
	}
	return s.unexpected("a value")
}

func (s *scanner) fail(reason string) *SyntaxError { return &SyntaxError{reason, s.i} }

func (s *scanner) unexpected(expected string) *SyntaxError {
	r, n := utf8.DecodeRune(s.b[s.i:])
	if r == utf8.RuneError && n == 1 {
		return s.fail(fmt.Sprintf("unexpected byte 0x%02x, expected %s", s.b[s.i], expected))
	}
	return s.fail(fmt.Sprintf("unexpected character %q, expected %s", r, expected))
}

// shortened keeps an error message that quotes input to a readable length.
func shortened(name []byte) []byte {
	const longest = 64
	if len(name) > longest {
		return name[:longest]
	}
	return name
}
