package rawjson

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// Tokens hands out a JSON text token by token. It is for texts of a few kilobytes that people write: its errors have
// the wording, and [Tokens.Offset] the peculiarities, of the parser behind AWS's EventBridge (Jackson), whose messages
// users and tools compare.
//
// The zero value is not usable; see [NewTokens].
type Tokens struct {
	b       []byte
	i       int // behind the last token read, pending ones included
	depth   int
	open    []byte // '{' and '[', outermost first
	first   bool   // nothing has been read in the innermost array or object
	current token
	pending token // the value that follows a Name; Jackson reads it with the name
	waiting bool  // pending holds a token
	done    bool  // the outermost value is complete
}

type token struct {
	kind       Kind
	start, end int
	place      int // what Offset answers
	escaped    bool
}

// NewTokens returns a reader of text that lets at most depth arrays and objects be open at once.
func NewTokens(text []byte, depth int) *Tokens { return &Tokens{b: text, depth: depth} }

// Fork returns a reader that stands where t stands and goes its own way: for looking ahead.
func (t *Tokens) Fork() *Tokens {
	fork := *t
	fork.open = slices.Clone(t.open)
	return &fork
}

// Offset returns how many bytes Jackson says it has consumed after the last token: behind the token, except that of a
// string only the opening quote counts until [Tokens.Text] reads it, and that a Name includes its colon and the
// beginning of the value behind it.
func (t *Tokens) Offset() int { return t.current.place }

// Text returns the decoded characters of a Name or String and the source of any other token.
func (t *Tokens) Text() string {
	c := &t.current
	if c.kind != Name && c.kind != String {
		return string(t.b[c.start:c.end])
	}
	if c.kind == String {
		c.place = c.end
	}
	raw := t.b[c.start+1 : c.end-1]
	if !c.escaped {
		return string(raw)
	}
	text, _ := AppendUnescaped(nil, raw)
	return string(text)
}

// Next reads the next token and returns its kind, End behind the outermost value or when there is none. The error is a
// *[SyntaxError].
func (t *Tokens) Next() (Kind, error) {
	if t.waiting {
		t.waiting = false
		t.current = t.pending
		return t.current.kind, nil
	}
	c, err := t.next()
	if err != nil {
		return End, err
	}
	if c.kind == Name {
		if t.pending, err = t.memberValue(); err != nil {
			return End, err
		}
		t.waiting = true
		c.place = t.pending.place
	}
	t.current = c
	return c.kind, nil
}

func (t *Tokens) next() (token, error) {
	t.i = SkipSpace(t.b, t.i)
	if len(t.open) == 0 {
		return t.outermost()
	}
	if t.i >= len(t.b) {
		return token{}, t.endOfInput()
	}
	object := t.open[len(t.open)-1] == '{'
	switch c := t.b[t.i]; {
	case c == '}' && object, c == ']' && !object:
		return t.closing(), nil
	case t.first:
		t.first = false
	case c != ',' && object:
		return token{}, t.unexpected("was expecting comma to separate Object entries")
	case c != ',':
		return token{}, t.unexpected("was expecting comma to separate Array entries")
	default:
		t.i = SkipSpace(t.b, t.i+1)
	}
	if object {
		return t.name()
	}
	return t.value()
}

// outermost reads a token outside all arrays and objects.
func (t *Tokens) outermost() (token, error) {
	switch {
	case t.i >= len(t.b):
		return token{kind: End, start: t.i, end: t.i, place: t.i}, nil
	case t.done:
		return token{}, t.unexpected("expected nothing after the end of the outermost value")
	default:
		return t.value()
	}
}

// name reads the key of a member.
func (t *Tokens) name() (token, error) {
	if t.i >= len(t.b) {
		return token{}, t.endOfInput()
	}
	if t.b[t.i] != '"' {
		return token{}, t.unexpected("was expecting double-quote to start field name")
	}
	c, err := t.str()
	c.kind = Name
	return c, err
}

func (t *Tokens) closing() token {
	kind := ArrayEnd
	if t.b[t.i] == '}' {
		kind = ObjectEnd
	}
	t.open = t.open[:len(t.open)-1]
	t.first = false
	t.done = len(t.open) == 0
	t.i++
	return token{kind: kind, start: t.i - 1, end: t.i, place: t.i}
}

// memberValue reads the colon behind a name and the value behind the colon.
func (t *Tokens) memberValue() (token, error) {
	t.i = SkipSpace(t.b, t.i)
	if t.i >= len(t.b) {
		return token{}, t.endOfInput()
	}
	if t.b[t.i] != ':' {
		return token{}, t.unexpected("was expecting a colon to separate field name and value")
	}
	t.i = SkipSpace(t.b, t.i+1)
	return t.value()
}

// value reads a scalar or an opening bracket.
func (t *Tokens) value() (token, error) {
	if t.i >= len(t.b) {
		return token{}, t.endOfInput()
	}
	var c token
	var err error
	switch kind := KindOf(t.b[t.i]); kind {
	case String:
		c, err = t.str()
	case ObjectStart, ArrayStart:
		return t.opening(kind)
	case Number:
		c, err = t.number()
	case True:
		c, err = t.word(kind, "true")
	case False:
		c, err = t.word(kind, "false")
	case Null:
		c, err = t.word(kind, "null")
	default:
		c, err = t.word(kind, "")
	}
	t.done = len(t.open) == 0
	return c, err
}

func (t *Tokens) opening(kind Kind) (token, error) {
	if len(t.open) >= t.depth {
		return token{}, &SyntaxError{fmt.Sprintf("Document nesting depth (%d) exceeds the maximum allowed (%d)", len(t.open)+1, t.depth), t.i + 1}
	}
	t.open = append(t.open, t.b[t.i])
	t.first = true
	t.i++
	return token{kind: kind, start: t.i - 1, end: t.i, place: t.i}, nil
}

func (t *Tokens) str() (token, error) {
	start := t.i
	escaped := false
	for i := start + 1; ; {
		i = indexSpecial(t.b, i, false)
		if i >= len(t.b) {
			return token{}, &SyntaxError{"Unexpected end-of-input: was expecting closing quote for a string value", len(t.b)}
		}
		switch c := t.b[i]; {
		case c == '"':
			t.i = i + 1
			if !utf8.Valid(t.b[start:t.i]) {
				return token{}, &SyntaxError{"Invalid UTF-8 in a string value", start + 1}
			}
			return token{kind: String, start: start, end: t.i, place: start + 1, escaped: escaped}, nil
		case c == '\\':
			n := escapeLen(t.b[i:])
			if n == 0 {
				return token{}, t.badEscape(i)
			}
			escaped = true
			i += n
		default:
			return token{}, &SyntaxError{fmt.Sprintf("Illegal unquoted character ((CTRL-CHAR, code %d)): "+
				"has to be escaped using backslash to be included in string value", c), i}
		}
	}
}

func (t *Tokens) badEscape(i int) error {
	if i+1 >= len(t.b) {
		return &SyntaxError{"Unexpected end-of-input in character escape sequence", len(t.b)}
	}
	r, _ := utf8.DecodeRune(t.b[i+1:])
	if r == 'u' {
		return &SyntaxError{"Unexpected character: expected a hex-digit for character escape sequence", i + 2}
	}
	return &SyntaxError{fmt.Sprintf("Unrecognized character escape '%c' (code %d)", r, r), i + 1}
}

func (t *Tokens) number() (token, error) {
	start := t.i
	end, _ := numberEnd(t.b, start)
	if end < 0 {
		return token{}, &SyntaxError{fmt.Sprintf("Invalid numeric value: '%s'", t.b[start:NumberEnd(t.b, start)]), start}
	}
	if end < len(t.b) && isWordByte(t.b[end]) {
		return token{}, t.unexpectedAt(end, "Expected space separating root-level values or a separator behind a number")
	}
	t.i = end
	return token{kind: Number, start: start, end: end, place: end}, nil
}

// word reads true, false or null, and refuses what else stands there.
func (t *Tokens) word(kind Kind, want string) (token, error) {
	const wanted = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
	start, end := t.i, t.i
	for end < len(t.b) && isWordByte(t.b[end]) {
		end++
	}
	if want != "" && string(t.b[start:end]) == want {
		t.i = end
		return token{kind: kind, start: start, end: end, place: end}, nil
	}
	if end == start {
		return token{}, t.unexpected("expected a valid value " + wanted)
	}
	return token{}, &SyntaxError{fmt.Sprintf("Unrecognized token '%s': was expecting %s", shortened(t.b[start:end]), wanted), end}
}

func isWordByte(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '$' || c >= utf8.RuneSelf
}

func (t *Tokens) endOfInput() error {
	what := "Object"
	if t.open[len(t.open)-1] == '[' {
		what = "Array"
	}
	return &SyntaxError{"Unexpected end-of-input: expected close marker for " + what, len(t.b)}
}

func (t *Tokens) unexpected(expected string) error { return t.unexpectedAt(t.i, expected) }

func (t *Tokens) unexpectedAt(i int, expected string) error {
	r, _ := utf8.DecodeRune(t.b[i:])
	return &SyntaxError{fmt.Sprintf("Unexpected character ('%c' (code %d)): %s", r, r, expected), i}
}
