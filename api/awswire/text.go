package awswire

import "unicode/utf8"

// AppendJSONString appends s as a JSON string with quotes. Bytes that are not
// UTF-8 become U+FFFD; nothing is escaped that JSON does not require.
func AppendJSONString[T string | []byte](dst []byte, s T) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := plainEnd(s, 0); i < len(s); i = plainEnd(s, i) {
		c := s[i]
		if c >= utf8.RuneSelf {
			size := runeLen(s[i:])
			if size > 0 {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			if c >= utf8.RuneSelf {
				dst = append(dst, "\ufffd"...)
				break
			}
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// runeLen returns the length of the rune that s begins with, 0 when s does not begin with one.
func runeLen[T string | []byte](s T) int {
	var first [utf8.UTFMax]byte
	n := copy(first[:], s)
	r, size := utf8.DecodeRune(first[:n])
	if r == utf8.RuneError && size <= 1 {
		return 0
	}
	return size
}

// xmlEscape returns what stands for the ASCII character c in XML, "" for c itself.
func xmlEscape(c byte) string {
	switch {
	case c == '&':
		return "&amp;"
	case c == '<':
		return "&lt;"
	case c == '>':
		return "&gt;"
	case c == '"':
		return "&quot;"
	case c == '\r':
		return "&#13;"
	case c < ' ' && c != '\t' && c != '\n':
		return "\ufffd"
	default:
		return ""
	}
}

// AppendXMLText appends s as XML character data. A carriage return is written
// as a reference, because a parser would otherwise turn it into a line feed;
// what XML 1.0 cannot carry becomes U+FFFD.
func AppendXMLText[T string | []byte](dst []byte, s T) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		esc, size := xmlEscape(c), 1
		if c >= utf8.RuneSelf {
			size = runeLen(s[i:])
			if size == 0 || size == 3 && c == 0xEF && s[i+1] == 0xBF && s[i+2] >= 0xBE { // U+FFFE, U+FFFF
				esc, size = "\ufffd", max(size, 1)
			}
		}
		if esc != "" {
			dst = append(dst, s[start:i]...)
			dst = append(dst, esc...)
			start = i + size
		}
		i += size
	}
	return append(dst, s[start:]...)
}
