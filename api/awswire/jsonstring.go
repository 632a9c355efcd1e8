package awswire

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// plainEnd returns the index of the first byte of s, from i on, that a JSON
// string cannot hold as it is or that is not ASCII: a quote, a backslash, a
// control character or part of a longer rune. It looks at eight bytes at a time:
// a byte of the sum below has its high bit set if and only if it, or a lower
// one, is such a byte, so the lowest bit set tells where the first one is.
func plainEnd[T string | []byte](s T, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		special := (x | (x - ones*' ') | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones)) & highs
		if special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' && s[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// str reads the string whose opening quote is at pos.
func (r *JSONReader) str() ([]byte, bool) {
	start := r.pos + 1
	ascii := true
	for i := start; ; i++ {
		if i = plainEnd(r.data, i); i >= len(r.data) {
			break
		}
		switch c := r.data[i]; {
		case c == '"':
			s := r.data[start:i:i]
			if !ascii && !utf8.Valid(s) {
				r.malformed("a string is not valid UTF-8")
				return nil, false
			}
			r.pos = i + 1
			return s, true
		case c == '\\':
			return r.escaped(start, i)
		case c < ' ':
			r.pos = i
			r.malformed("a string holds a control character")
			return nil, false
		default:
			ascii = false
		}
	}
	r.pos = len(r.data)
	r.malformed("unexpected end")
	return nil, false
}

// escaped reads the rest of a string into the arena; the first backslash is at i.
func (r *JSONReader) escaped(start, i int) ([]byte, bool) {
	if r.arena == nil {
		// Decoding never lengthens a string, so the arena never grows and
		// what it handed out stays where it is.
		r.arena = make([]byte, 0, len(r.data))
	}
	from := len(r.arena)
	arena := append(r.arena, r.data[start:i]...) //nolint:gocritic // kept in a variable: a field costs a write barrier each time
	defer func() { r.arena = arena }()
	for i < len(r.data) {
		switch c := r.data[i]; {
		case c == '"':
			s := arena[from:len(arena):len(arena)]
			if !utf8.Valid(s) {
				r.malformed("a string is not valid UTF-8")
				return nil, false
			}
			r.pos = i + 1
			return s, true
		case c < ' ':
			r.pos = i
			r.malformed("a string holds a control character")
			return nil, false
		case c != '\\':
			end := plainEnd(r.data, i+1) // c itself may be part of a longer rune
			arena = append(arena, r.data[i:end]...)
			i = end
		case i+1 < len(r.data) && unescaped(r.data[i+1]) != 0:
			arena = append(arena, unescaped(r.data[i+1]))
			i += 2
		default:
			u, n := r.unicodeEscape(i)
			if n == 0 {
				return nil, false
			}
			arena = utf8.AppendRune(arena, u)
			i += n
		}
	}
	r.pos = len(r.data)
	r.malformed("unexpected end")
	return nil, false
}

// unescaped returns what c stands for after a backslash, 0 when that is not one byte.
func unescaped(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return 0
	}
}

// unicodeEscape decodes the \uXXXX at i, or the pair of them that makes one
// rune, and returns its length, 0 after an error.
func (r *JSONReader) unicodeEscape(i int) (u rune, n int) {
	r.pos = i
	switch {
	case i+1 >= len(r.data):
		r.malformed("unexpected end")
		return 0, 0
	case r.data[i+1] != 'u':
		r.malformed("unknown escape sequence")
		return 0, 0
	}
	u, ok := hex4(r.data[i+2:])
	if !ok {
		r.malformed("bad \\u escape")
		return 0, 0
	}
	if !utf16.IsSurrogate(u) {
		return u, 6
	}
	if rest := r.data[i+6:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
		if low, ok := hex4(rest[2:]); ok {
			if full := utf16.DecodeRune(u, low); full != utf8.RuneError {
				return full, 12
			}
		}
	}
	r.malformed("unpaired surrogate")
	return 0, 0
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var u rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		u = u<<4 | rune(c)
	}
	return u, true
}
