package rawjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// View returns b as a string without copying it. The string is valid only as long as b is not written to.
func View(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// SkipSpace returns the first index from i on that is not JSON white space.
func SkipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// zeroBytes marks the lowest byte of x that is zero (bytes above it may be marked wrongly).
func zeroBytes(x uint64) uint64 { return (x - lows) & ^x & highs }

// indexSpecial returns the first index from i on that ends a run of plain string characters: a quote, a backslash, a
// control character and, if wanted, a byte outside ASCII; len(b) when there is none. It looks at eight bytes at a time.
func indexSpecial(b []byte, i int, stopAtHigh bool) int {
	var high uint64
	if stopAtHigh {
		high = highs
	}
	for i+8 <= len(b) {
		v := binary.LittleEndian.Uint64(b[i:])
		control := (v - lows*' ') & ^v & highs
		if m := zeroBytes(v^lows*'"') | zeroBytes(v^lows*'\\') | control | v&high; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(b) {
		if c := b[i]; c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf && stopAtHigh {
			return i
		}
		i++
	}
	return i
}

// NameEnd is StringEnd for keys. It goes byte by byte: which key comes next, and so its length, the processor often
// foresees, while with masks everything behind has to wait for the length.
func NameEnd(b []byte, i int) (end int, escaped bool) {
	for end = i; end < len(b); end++ {
		switch b[end] {
		case '"':
			return end, false
		case '\\':
			return StringEnd(b, end)
		}
	}
	return -1, false
}

// StringEnd returns the index of the quote that closes the string whose first character is b[i], and whether the
// string holds escapes; -1 when nothing closes it.
func StringEnd(b []byte, i int) (end int, escaped bool) {
	for {
		for i+8 <= len(b) {
			v := binary.LittleEndian.Uint64(b[i:])
			if m := zeroBytes(v^lows*'"') | zeroBytes(v^lows*'\\'); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i >= len(b) {
			return -1, false
		}
		if b[i] == '"' {
			return i, escaped
		}
		escaped = true
		i += 2
	}
}

// escapeLen returns the length of the escape sequence b begins with, 0 if it is none that JSON knows.
func escapeLen(b []byte) int {
	if len(b) < 2 || b[0] != '\\' {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b[2:]); ok {
			return 6
		}
	}
	return 0
}

// AppendUnescaped appends the characters that raw, the inside of a JSON string, stands for. A surrogate without its
// partner becomes U+FFFD. It returns false when raw holds an escape that JSON does not know.
func AppendUnescaped(dst, raw []byte) ([]byte, bool) {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		n := escapeLen(raw[i:])
		if n == 0 {
			return dst, false
		}
		if n == 2 {
			dst = append(dst, unescaped(raw[i+1]))
			i += n
			continue
		}
		r, _ := hex4(raw[i+2:])
		i += n
		if utf16.IsSurrogate(r) {
			low := rune(utf8.RuneError)
			if escapeLen(raw[i:]) == 6 {
				low, _ = hex4(raw[i+2:])
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 6
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, true
}

func unescaped(c byte) byte {
	switch c {
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
	}
	return c
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

// AppendQuoted appends text as a JSON string. The text must be valid UTF-8.
func AppendQuoted(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
