package sns

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// AWS reads JSON attributes with Jackson and hands its messages on, so that
// clients see them. checkJSON finds the first fault of a text in the order in
// which Jackson does, and says it in the same words, with the same place.
//
// It takes what RFC 8259 takes, nothing more: Jackson would not look at what
// follows the document, and would take a document of nothing.

// jsonDepthMax is how deep Jackson lets documents be.
const jsonDepthMax = 1000

// jsonSource is what Jackson says of a source that it must not show.
const jsonSource = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %d, column: %d]"

// jsonFault is the first fault of a document.
type jsonFault struct {
	message string
	at      int // byte index of the place it names
}

// jsonChecker walks over a document.
type jsonChecker struct {
	text  string
	pos   int
	open  []jsonOpen
	fault *jsonFault
}

// jsonOpen is an object or array that has not ended.
type jsonOpen struct {
	start int  // of its bracket
	close byte // that ends it
}

func (o jsonOpen) kind() string {
	if o.close == '}' {
		return "Object"
	}
	return "Array"
}

// checkJSON returns nil if text is one JSON document, and otherwise an error
// of an attribute in Jackson's words.
func checkJSON(attribute, text string) error {
	c := jsonChecker{text: text}
	c.document()
	if c.fault == nil {
		return nil
	}
	return refused("%s: failed to parse JSON. %s\n at %s", attribute, c.fault.message, c.place(c.fault.at))
}

// place describes a byte index as Jackson does: lines and columns count from
// one, columns in UTF-16 units.
func (c *jsonChecker) place(at int) string {
	line, column := 1, 1
	for i, r := range c.text {
		if i >= at {
			break
		}
		if r == '\n' {
			line, column = line+1, 1
			continue
		}
		column += utf16.RuneLen(r)
	}
	return fmt.Sprintf(jsonSource, line, column)
}

func (c *jsonChecker) fail(at int, format string, args ...any) {
	if c.fault == nil {
		c.fault = &jsonFault{fmt.Sprintf(format, args...), at}
	}
}

// unexpected reports the character at pos.
func (c *jsonChecker) unexpected(comment string) {
	r, _ := utf8.DecodeRuneInString(c.text[c.pos:])
	c.fail(c.pos, "Unexpected character (%s): %s", describe(r), comment)
}

// describe names a character as Jackson does; what Java needs two for is named by the first.
func describe(r rune) string {
	if high, _ := utf16.EncodeRune(r); high != utf8.RuneError {
		r = high
	}
	switch {
	case r < ' ':
		return fmt.Sprintf("(CTRL-CHAR, code %d)", r)
	case r > 255:
		return fmt.Sprintf("'%c' (code %d / 0x%x)", r, r, r)
	default:
		return fmt.Sprintf("'%c' (code %d)", r, r)
	}
}

// next skips white space and returns the byte at pos, 0 at the end.
func (c *jsonChecker) next() byte {
	for ; c.pos < len(c.text); c.pos++ {
		switch b := c.text[c.pos]; b {
		case ' ', '\t', '\n', '\r':
		case 0: // not the end
			return 1
		default:
			return b
		}
	}
	return 0
}

func (c *jsonChecker) document() {
	if c.next() == 0 {
		c.fail(len(c.text), "No content to map due to end-of-input")
		return
	}
	for c.value(); c.fault == nil && len(c.open) > 0; {
		c.inside(c.open[len(c.open)-1])
	}
	if c.fault == nil && c.next() != 0 {
		c.unexpected("was expecting the end of the document")
	}
}

// inside reads one step of a container: its end, or a comma and an element. At
// its start there is no comma.
func (c *jsonChecker) inside(o jsonOpen) {
	first := c.pos == o.start+1
	b := c.next()
	switch {
	case b == 0:
		c.fail(len(c.text), "Unexpected end-of-input: expected close marker for %s (start marker at %s)", o.kind(), c.place(o.start))
		return
	case b == o.close:
		c.pos++
		c.open = c.open[:len(c.open)-1]
		return
	case b == ']' || b == '}':
		c.fail(c.pos, "Unexpected close marker '%c': expected '%c' (for %s starting at %s)", b, o.close, o.kind(), c.place(o.start))
		return
	case !first && b != ',':
		c.unexpected("was expecting comma to separate " + o.kind() + " entries")
		return
	case !first:
		c.pos++
	}
	if o.close == '}' && !c.name(o) {
		return
	}
	if c.next() == 0 {
		c.fail(len(c.text), "Unexpected end-of-input within/between %s entries", o.kind())
		return
	}
	c.value()
}

// name reads the name of a member and the colon behind it.
func (c *jsonChecker) name(o jsonOpen) bool {
	switch c.next() {
	case 0:
		c.fail(len(c.text), "Unexpected end-of-input within/between %s entries", o.kind())
		return false
	case '"':
	default:
		c.unexpected("was expecting double-quote to start field name")
		return false
	}
	c.str("Unexpected end-of-input in field name", "name")
	if c.fault != nil {
		return false
	}
	switch c.next() {
	case 0:
		c.fail(len(c.text), "Unexpected end-of-input within/between %s entries", o.kind())
		return false
	case ':':
		c.pos++
		return true
	default:
		c.unexpected("was expecting a colon to separate field name and value")
		return false
	}
}

// value reads a string, number or word, or the bracket that opens a container.
func (c *jsonChecker) value() {
	switch b := c.next(); {
	case b == '{' || b == '[':
		if len(c.open) >= jsonDepthMax {
			c.fail(c.pos, "Document nesting depth (%d) exceeds the maximum allowed (%d, from `StreamReadConstraints.getMaxNestingDepth()`)",
				jsonDepthMax+1, jsonDepthMax)
			return
		}
		c.open = append(c.open, jsonOpen{c.pos, b + 2}) // '{'+2 is '}', '['+2 is ']'
		c.pos++
	case b == '"':
		c.str("Unexpected end-of-input: was expecting closing quote for a string value", "string value")
	case b == '-' || b >= '0' && b <= '9':
		c.number()
	default:
		c.word()
	}
}

// word reads true, false or null.
func (c *jsonChecker) word() {
	end := c.pos
	for i, r := range c.text[c.pos:] {
		if !unicode.IsLetter(r) && r != '_' && r != '$' && (i == 0 || !unicode.IsDigit(r)) {
			break
		}
		end = c.pos + i + utf8.RuneLen(r)
	}
	switch word := c.text[c.pos:min(end, len(c.text))]; word {
	case "true", "false", "null":
		c.pos = end
	case "":
		c.unexpected("expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')")
	default:
		const longest = 256
		if len(word) > longest {
			word = strings.ToValidUTF8(word[:longest], "") + "..."
		}
		c.fail(end, "Unrecognized token '%s': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", word)
	}
}

// str reads a string; unfinished is what is said of one without an end.
func (c *jsonChecker) str(unfinished, what string) {
	for c.pos++; c.pos < len(c.text); c.pos++ {
		switch b := c.text[c.pos]; {
		case b == '"':
			c.pos++
			return
		case b < ' ':
			c.fail(c.pos+1, "Illegal unquoted character (%s): has to be escaped using backslash to be included in %s", describe(rune(b)), what)
			return
		case b == '\\' && !c.escape():
			return
		}
	}
	c.fail(len(c.text), "%s", unfinished)
}

// escape reads the escape sequence at pos but for its last byte.
func (c *jsonChecker) escape() bool {
	c.pos++
	if c.pos >= len(c.text) {
		c.fail(len(c.text), "Unexpected end-of-input in character escape sequence")
		return false
	}
	switch b := c.text[c.pos]; b {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
	default:
		r, size := utf8.DecodeRuneInString(c.text[c.pos:])
		c.fail(c.pos+size, "Unrecognized character escape %s", describe(r))
		return false
	}
	for range 4 {
		c.pos++
		if c.pos >= len(c.text) {
			c.fail(len(c.text), "Unexpected end-of-input in character escape sequence")
			return false
		}
		if b := c.text[c.pos]; (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'f') {
			c.unexpected("expected a hex-digit for character escape sequence")
			return false
		}
	}
	return true
}

// number reads a number.
func (c *jsonChecker) number() {
	absent := ""
	if c.text[c.pos] == '-' {
		c.pos++
		absent = "expected digit (0-9) to follow minus sign, for valid numeric value"
	}
	from := c.pos
	c.digits(absent)
	if c.fault == nil && c.text[from] == '0' && c.pos > from+1 {
		c.fail(from+1, "Invalid numeric value: Leading zeroes not allowed")
	}
	if c.fault == nil && c.pos < len(c.text) && c.text[c.pos] == '.' {
		c.pos++
		c.digits("Decimal point not followed by a digit")
	}
	if c.fault == nil && c.pos < len(c.text) && c.text[c.pos]|0x20 == 'e' {
		c.pos++
		if c.pos < len(c.text) && (c.text[c.pos] == '-' || c.text[c.pos] == '+') {
			c.pos++
		}
		c.digits("Exponent indicator not followed by a digit")
	}
}

// digits reads one digit at least; absent is what is said when there is none.
func (c *jsonChecker) digits(absent string) {
	from := c.pos
	for c.pos < len(c.text) && c.text[c.pos] >= '0' && c.text[c.pos] <= '9' {
		c.pos++
	}
	switch {
	case c.pos > from:
	case c.pos >= len(c.text):
		c.fail(c.pos, "Unexpected end-of-input in a Number value")
	default:
		r, _ := utf8.DecodeRuneInString(c.text[c.pos:])
		c.fail(c.pos, "Unexpected character (%s) in numeric value: %s", describe(r), absent)
	}
}
