package awswire

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/seed567880c8/turnout"
)

// Bounds of a JSON request. They are far beyond what any operation needs and
// keep a hostile document from costing more than its size.
const (
	jsonDepthMax  = 100
	jsonKeysMax   = 10_000
	jsonNumberMax = 64 // bytes
	jsonScanKeys  = 16 // an object with more keys than this looks for duplicates in a map
)

// JSONReader reads one JSON document from front to back without reflection.
// It is strict: invalid UTF-8, unpaired surrogates, duplicate keys, trailing
// data and documents deeper than 100 levels are errors.
//
// The first error sticks: every later call does nothing and reports absence,
// so that a decoder may check once, with End. Slices it returns may share
// memory with the document, which must not change while they are in use.
type JSONReader struct {
	data  []byte
	pos   int
	err   error
	depth int
	fresh bool   // the container just opened has had no element yet
	arena []byte // strings that held escapes, decoded; never longer than data

	keys     []jsonSpan // keys of the open objects, innermost last
	frames   []jsonFrame
	keysSeen int

	keysBuf   [24]jsonSpan
	framesBuf [8]jsonFrame
}

type jsonSpan struct{ start, end int } // the decoded key: in data, or in arena when start is negative

type jsonFrame struct {
	keysFrom int                 // index into keys of the object's first key
	seen     map[string]struct{} // instead of the list, when there are many
	object   bool
}

// NewJSONReader returns a reader at the start of data.
func NewJSONReader(data []byte) *JSONReader {
	r := &JSONReader{data: data}
	r.keys, r.frames = r.keysBuf[:0], r.framesBuf[:0]
	return r
}

// Err returns the first error: a *turnout.Error with CodeMalformedRequest, or nil.
func (r *JSONReader) Err() error { return r.err }

// Fail makes err the reader's error unless it has one already.
func (r *JSONReader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *JSONReader) malformed(format string, args ...any) {
	if r.err == nil {
		r.err = turnout.Errorf(turnout.CodeMalformedRequest, "The request body is not valid JSON: %s at byte %d.", fmt.Sprintf(format, args...), r.pos)
	}
}

// End returns the first error, or an error when anything but white space follows the document.
func (r *JSONReader) End() error {
	r.space()
	if r.err == nil && r.pos < len(r.data) {
		r.malformed("unexpected data after the document")
	}
	return r.err
}

func (r *JSONReader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token, or 0 at the end or after an error.
func (r *JSONReader) peek() byte {
	if r.err != nil {
		return 0
	}
	r.space()
	if r.pos >= len(r.data) {
		r.malformed("unexpected end")
		return 0
	}
	return r.data[r.pos]
}

// Null consumes the next value if it is null and reports whether it did.
func (r *JSONReader) Null() bool {
	if r.peek() != 'n' {
		return false
	}
	return r.literal("null")
}

func (r *JSONReader) literal(word string) bool {
	if len(r.data)-r.pos < len(word) || string(r.data[r.pos:r.pos+len(word)]) != word {
		r.malformed("unexpected token")
		return false
	}
	r.pos += len(word)
	return true
}

// Object opens the next value as an object. It returns false for null, which
// the AWS protocols treat as absence, and after an error.
func (r *JSONReader) Object() bool { return r.open('{', "a Structure") }

// Array opens the next value as an array. It returns false for null and after an error.
func (r *JSONReader) Array() bool { return r.open('[', "a List") }

func (r *JSONReader) open(bracket byte, want string) bool {
	switch c := r.peek(); {
	case c == 0 || c == 'n' && r.Null():
		return false
	case c != bracket:
		r.wrongType(want)
		return false
	}
	if r.depth >= jsonDepthMax {
		r.malformed("more than %d levels", jsonDepthMax)
		return false
	}
	r.depth++
	r.pos++
	r.fresh = true
	r.frames = append(r.frames, jsonFrame{keysFrom: len(r.keys), object: bracket == '{'})
	return true
}

func (r *JSONReader) closeContainer() {
	f := r.frames[len(r.frames)-1]
	r.keys = r.keys[:f.keysFrom]
	r.frames = r.frames[:len(r.frames)-1]
	r.depth--
	r.pos++
	r.fresh = false
}

// next moves to the next element of the innermost container, or closes it and returns false.
func (r *JSONReader) next(closing byte) bool {
	c := r.peek()
	if c == 0 {
		return false
	}
	if c == closing {
		r.closeContainer()
		return false
	}
	if r.fresh {
		r.fresh = false
		return true
	}
	if c != ',' {
		r.malformed("expected ',' or %q", closing)
		return false
	}
	r.pos++
	return r.peek() != 0
}

// Elem moves to the next element of the array opened last. It returns false
// after the last one, having closed the array, and after an error.
func (r *JSONReader) Elem() bool { return r.next(']') }

// Key moves to the next member of the object opened last and returns its name.
// ok is false after the last one, the object then being closed, and after an error.
func (r *JSONReader) Key() (key []byte, ok bool) {
	if !r.next('}') {
		return nil, false
	}
	if r.data[r.pos] != '"' {
		r.malformed("expected a key")
		return nil, false
	}
	arenaFrom := len(r.arena)
	start := r.pos + 1
	key, ok = r.str()
	if !ok {
		return nil, false
	}
	span := jsonSpan{start: start, end: start + len(key)}
	if len(r.arena) > arenaFrom {
		span = jsonSpan{start: -arenaFrom - 1, end: arenaFrom + len(key)}
	}
	if !r.remember(key, span) {
		return nil, false
	}
	if r.peek() != ':' {
		r.malformed("expected ':'")
		return nil, false
	}
	r.pos++
	return key, true
}

func (r *JSONReader) span(s jsonSpan) []byte {
	if s.start < 0 {
		return r.arena[-s.start-1 : s.end]
	}
	return r.data[s.start:s.end]
}

// remember notes a key of the innermost object and reports whether it is new.
func (r *JSONReader) remember(key []byte, span jsonSpan) bool {
	if r.keysSeen++; r.keysSeen > jsonKeysMax {
		r.malformed("more than %d keys", jsonKeysMax)
		return false
	}
	f := &r.frames[len(r.frames)-1]
	duplicate := false
	switch own := r.keys[f.keysFrom:]; {
	case f.seen != nil:
		_, duplicate = f.seen[string(key)]
	case len(own) < jsonScanKeys:
		for _, s := range own {
			if bytes.Equal(r.span(s), key) {
				duplicate = true
				break
			}
		}
	default:
		f.seen = make(map[string]struct{}, 4*jsonScanKeys)
		for _, s := range own {
			f.seen[string(r.span(s))] = struct{}{}
		}
		_, duplicate = f.seen[string(key)]
	}
	if duplicate {
		r.malformed("duplicate key %q", key)
		return false
	}
	if f.seen != nil {
		f.seen[string(key)] = struct{}{}
		return true
	}
	r.keys = append(r.keys, span)
	return true
}

// wrongType records AWS's SerializationException for a value of another type than want, such as "an Integer".
func (r *JSONReader) wrongType(want string) {
	var got string
	switch c := r.data[r.pos]; {
	case c == '{':
		r.Fail(turnout.Errorf(turnout.CodeMalformedRequest, "Start of structure or map found where not expected."))
		return
	case c == '[':
		r.Fail(turnout.Errorf(turnout.CodeMalformedRequest, "Start of list found where not expected."))
		return
	case c == '"':
		got = "STRING_VALUE"
	case c == 't':
		got = "TRUE_VALUE"
	case c == 'f':
		got = "FALSE_VALUE"
	case c == '-' || c >= '0' && c <= '9':
		got = "NUMBER_VALUE"
	default:
		r.malformed("unexpected token")
		return
	}
	r.Fail(turnout.Errorf(turnout.CodeMalformedRequest, "%s can not be converted to %s", got, want))
}

// String reads a string. As AWS does, it takes a number or a boolean for the
// text it is written as. ok is false for null and after an error.
func (r *JSONReader) String() (s []byte, ok bool) {
	switch c := r.peek(); {
	case c == 0 || c == 'n' && r.Null():
		return nil, false
	case c == '"':
		return r.str()
	case c == 't' || c == 'f':
		start := r.pos
		_, ok = r.Bool()
		return r.data[start:r.pos:r.pos], ok
	case c == '-' || c >= '0' && c <= '9':
		return r.number("a String")
	default:
		r.wrongType("a String")
		return nil, false
	}
}

// number reads the text of a number. ok is false for null and after an error.
func (r *JSONReader) number(want string) (text []byte, ok bool) {
	switch c := r.peek(); {
	case c == 0 || c == 'n' && r.Null():
		return nil, false
	case c != '-' && (c < '0' || c > '9'):
		r.wrongType(want)
		return nil, false
	}
	start := r.pos
	switch {
	case !r.skipNumber():
		r.malformed("malformed number")
		return nil, false
	case r.pos-start > jsonNumberMax:
		r.malformed("a number of more than %d characters", jsonNumberMax)
		return nil, false
	}
	return r.data[start:r.pos], true
}

// skipNumber passes over a number and reports whether it is well-formed.
func (r *JSONReader) skipNumber() bool {
	if r.at('-') {
		r.pos++
	}
	if n := r.digits(); n == 0 || n > 1 && r.data[r.pos-n] == '0' {
		return false
	}
	if r.at('.') {
		r.pos++
		if r.digits() == 0 {
			return false
		}
	}
	if !r.at('e') && !r.at('E') {
		return true
	}
	r.pos++
	if r.at('+') || r.at('-') {
		r.pos++
	}
	return r.digits() > 0
}

func (r *JSONReader) at(c byte) bool { return r.pos < len(r.data) && r.data[r.pos] == c }

func (r *JSONReader) digits() int {
	start := r.pos
	for r.pos < len(r.data) && r.data[r.pos] >= '0' && r.data[r.pos] <= '9' {
		r.pos++
	}
	return r.pos - start
}

// Int reads an integer of 32 bits, the range of AWS's Integer. ok is false for null and after an error.
func (r *JSONReader) Int() (n int, ok bool) {
	text, ok := r.number("an Integer")
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(string(text), 10, 32)
	if err == nil {
		return int(i), true
	}
	// Some clients write whole numbers as 5.0.
	f, ferr := strconv.ParseFloat(string(text), 64)
	if ferr != nil || f != math.Trunc(f) || f < math.MinInt32 || f > math.MaxInt32 {
		r.Fail(turnout.Errorf(turnout.CodeMalformedRequest, "NUMBER_VALUE can not be converted to an Integer"))
		return 0, false
	}
	return int(f), true
}

// Float reads a number. ok is false for null and after an error.
func (r *JSONReader) Float() (f float64, ok bool) {
	text, ok := r.number("a Double")
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		r.Fail(turnout.Errorf(turnout.CodeMalformedRequest, "NUMBER_VALUE can not be converted to a Double"))
		return 0, false
	}
	return f, true
}

// Bool reads true or false. ok is false for null and after an error.
func (r *JSONReader) Bool() (v, ok bool) {
	switch r.peek() {
	case 0:
		return false, false
	case 'n':
		r.Null()
		return false, false
	case 't':
		return true, r.literal("true")
	case 'f':
		return false, r.literal("false")
	default:
		r.wrongType("a Boolean")
		return false, false
	}
}

// Skip reads the next value, whatever it is, as strictly as any other.
func (r *JSONReader) Skip() {
	switch c := r.peek(); c {
	case 0:
	case '{':
		r.Object()
		for {
			if _, ok := r.Key(); !ok {
				return
			}
			r.Skip()
		}
	case '[':
		r.Array()
		for r.Elem() {
			r.Skip()
		}
	case '"':
		r.str()
	case 't', 'f':
		r.Bool()
	case 'n':
		r.Null()
	default:
		r.number("a value")
	}
}

// Raw reads the next value and returns its text, or nil for null and after an error.
func (r *JSONReader) Raw() []byte {
	if r.peek() == 0 {
		return nil
	}
	start := r.pos
	r.Skip()
	if r.err != nil || string(r.data[start:r.pos]) == "null" {
		return nil
	}
	return r.data[start:r.pos:r.pos]
}
