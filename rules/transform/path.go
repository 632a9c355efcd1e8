package transform

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// A Kind is what a value is.
type Kind uint8

// The kinds of values. Missing is that of no value.
const (
	Missing Kind = iota
	String
	Number
	Bool
	Null
	Object
	Array
)

// A Path selects a part of an event: $ is the event, $.detail a member, $.detail.items[0] an element of an array,
// $['any key'] a member whose key has other characters than letters, digits and - _ / : $ #. A step * or [*] stands
// for all members or elements; the path then selects an array of all values found. This is the part of JSONPath that
// EventBridge knows.
//
// A Path is immutable. The zero value is not a path; see [ParsePath].
type Path struct {
	text  string
	steps []step
}

// A step goes from a value to one in it, or to all.
type step struct {
	key   string
	index int
	kind  stepKind
}

type stepKind uint8

const (
	toKey stepKind = iota
	toIndex
	toAll
)

// longestPath is AWS's limit on the length of a path, in characters.
const longestPath = 256

// ParsePath parses a path of at most 256 characters. The error is an *[Error] that says what is wrong and where.
func ParsePath(text string) (Path, error) {
	if n := utf8.RuneCountInString(text); n > longestPath {
		return Path{}, &Error{fmt.Sprintf("path has %d characters, at most %d are allowed", n, longestPath)}
	}
	if !utf8.ValidString(text) {
		return Path{}, &Error{"path is not valid UTF-8"}
	}
	p := pathParser{text: text}
	if !p.take("$") {
		return Path{}, p.fail("a path begins with $")
	}
	for p.i < len(text) {
		s, err := p.step()
		if err != nil {
			return Path{}, err
		}
		p.steps = append(p.steps, s)
	}
	return Path{text, p.steps}, nil
}

type pathParser struct {
	text  string
	i     int
	steps []step
}

func (p *pathParser) fail(reason string) error {
	return &Error{fmt.Sprintf("%s (at character %d of %q)", reason, utf8.RuneCountInString(p.text[:p.i])+1, p.text)}
}

func (p *pathParser) take(prefix string) bool {
	if !strings.HasPrefix(p.text[p.i:], prefix) {
		return false
	}
	p.i += len(prefix)
	return true
}

func (p *pathParser) step() (step, error) {
	switch {
	case p.take(".."):
		return step{}, p.fail("recursive descent (..) is not supported")
	case p.take(".*"):
		return step{kind: toAll}, nil
	case p.take("."):
		return p.dotted()
	case p.take("[*]"):
		return step{kind: toAll}, nil
	case p.take("['"):
		return p.quoted('\'')
	case p.take(`["`):
		return p.quoted('"')
	case p.take("[?"):
		return step{}, p.fail("filters ([?…]) are not supported")
	case p.take("["):
		return p.indexed()
	}
	return step{}, p.fail("a step begins with . or [")
}

// dotted reads a key behind a dot.
func (p *pathParser) dotted() (step, error) {
	from := p.i
	for i, r := range p.text[from:] {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_/:$#", r) {
			break
		}
		p.i = from + i + utf8.RuneLen(r)
	}
	if p.i == from {
		return step{}, p.fail("a dot is followed by a key of letters, digits and - _ / : $ #; other keys go into ['…']")
	}
	return step{key: p.text[from:p.i]}, nil
}

// quoted reads a key in brackets behind the opening quote. A backslash stands before a quote or backslash in the key.
func (p *pathParser) quoted(quote byte) (step, error) {
	var key strings.Builder
	for ; p.i < len(p.text); p.i++ {
		switch c := p.text[p.i]; c {
		case quote:
			p.i++
			if !p.take("]") {
				return step{}, p.fail("a quoted key ends with ] (several keys are not supported)")
			}
			return step{key: key.String()}, nil
		case '\\':
			if p.i++; p.i == len(p.text) {
				return step{}, p.fail("the path ends in a quoted key")
			}
			key.WriteByte(p.text[p.i])
		default:
			key.WriteByte(c)
		}
	}
	return step{}, p.fail("the path ends in a quoted key")
}

// indexed reads an index behind the opening bracket.
func (p *pathParser) indexed() (step, error) {
	digits, _, _ := strings.Cut(p.text[p.i:], "]")
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return step{}, p.fail("brackets hold an index from 0 up, a key in quotes or *; ranges and lists are not supported")
	}
	p.i += len(digits)
	if !p.take("]") {
		return step{}, p.fail("the path ends in brackets")
	}
	return step{index: int(n), kind: toIndex}, nil
}

// String returns the path as it was given to [ParsePath].
func (p Path) String() string { return p.text }

// Extract returns the JSON of the value the path selects in an event, and its kind. It is a part of event's memory,
// except for a path with *, for which an array is made. ok is false when there is no such value.
//
// The event must have passed rules.Scan.
func (p Path) Extract(event []byte) (value []byte, kind Kind, ok bool) {
	w := walker{b: event}
	from, end := rawjson.SkipSpace(event, 0), len(event)
	if len(p.steps) == 0 {
		end = rawjson.Skip(event, from)
	}
	if from >= end || !w.walk(from, end, p.steps) {
		return nil, Missing, false
	}
	return w.value, kindOf(w.value), true
}

// Text returns the value that the path selects as text: the characters of a string, the JSON of anything else. ok is
// false when there is no such value.
func (p Path) Text(event []byte) (text string, ok bool) {
	value, kind, ok := p.Extract(event)
	if kind == String {
		characters, _ := rawjson.AppendUnescaped(nil, value[1:len(value)-1])
		return string(characters), ok
	}
	return string(value), ok
}

func kindOf(value []byte) Kind {
	switch rawjson.KindOf(value[0]) {
	case rawjson.String:
		return String
	case rawjson.Number:
		return Number
	case rawjson.True, rawjson.False:
		return Bool
	case rawjson.Null:
		return Null
	case rawjson.ObjectStart:
		return Object
	default:
		return Array
	}
}

// walker follows a path.
type walker struct {
	b     []byte
	value []byte // what was found
}

// walk follows steps from the value b[from:end] and reports whether they lead to a value.
func (w *walker) walk(from, end int, steps []step) bool {
	if len(steps) == 0 {
		w.value = w.b[from:end]
		return true
	}
	s := steps[0]
	if s.kind == toAll {
		return w.all(from, steps[1:])
	}
	found := false
	w.each(from, func(key []byte, escaped bool, index, from, end int) bool {
		if !s.leadsTo(key, escaped, index) {
			return true
		}
		found = w.walk(from, end, steps[1:])
		return false
	})
	return found
}

// all follows steps from every member or element and puts what is found into an array.
func (w *walker) all(from int, steps []step) bool {
	array := []byte{'['}
	w.each(from, func(_ []byte, _ bool, _, from, end int) bool {
		if w.walk(from, end, steps) {
			if len(array) > 1 {
				array = append(array, ',')
			}
			array = append(array, w.value...)
		}
		return true
	})
	if len(array) == 1 {
		return false
	}
	w.value = append(array, ']')
	return true
}

// leadsTo reports whether the step goes to a member with that key, or, when key is nil, to an element.
func (s *step) leadsTo(key []byte, escaped bool, index int) bool {
	if key == nil {
		return s.kind == toIndex && s.index == index
	}
	if s.kind != toKey {
		return false
	}
	if !escaped {
		return s.key == string(key)
	}
	characters, _ := rawjson.AppendUnescaped(nil, key)
	return s.key == string(characters)
}

// each calls yield with every member of the object or element of the array at b[i], until it returns false. Elements
// have no key (nil), members the index -1.
func (w *walker) each(i int, yield func(key []byte, escaped bool, index, from, end int) bool) {
	kind := rawjson.KindOf(w.b[i])
	if kind != rawjson.ObjectStart && kind != rawjson.ArrayStart {
		return
	}
	i = rawjson.SkipSpace(w.b, i+1)
	for index := 0; i < len(w.b) && w.b[i] != '}' && w.b[i] != ']'; index++ {
		var key []byte
		escaped, number := false, index
		if kind == rawjson.ObjectStart {
			var end int
			if end, escaped = rawjson.StringEnd(w.b, i+1); end < 0 {
				return
			}
			key, number = w.b[i+1:end], -1
			i = rawjson.SkipSpace(w.b, rawjson.SkipSpace(w.b, end+1)+1) // behind the colon
		}
		end := rawjson.Skip(w.b, i)
		if end < 0 || !yield(key, escaped, number, i, end) {
			return
		}
		if i = rawjson.SkipSpace(w.b, end); i < len(w.b) && w.b[i] == ',' {
			i = rawjson.SkipSpace(w.b, i+1)
		}
	}
}
