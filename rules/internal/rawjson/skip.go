package rawjson

import (
	"encoding/binary"
	"math/bits"
)

// A Kind is what a token or a value is.
type Kind uint8

// The kinds. End is the end of the text; Name is the key of an object's member, a String in any other place is a value.
const (
	End Kind = iota
	ObjectStart
	ObjectEnd
	ArrayStart
	ArrayEnd
	Name
	String
	Number
	True
	False
	Null
)

// KindOf returns the kind of the value that begins with the byte c; End when no value does.
func KindOf(c byte) Kind {
	switch c {
	case '{':
		return ObjectStart
	case '[':
		return ArrayStart
	case '"':
		return String
	case 't':
		return True
	case 'f':
		return False
	case 'n':
		return Null
	}
	if c == '-' || isDigit(c) {
		return Number
	}
	return End
}

// Skip returns the index behind the value that begins at b[i]. It trusts that b has passed [Scan] and looks only for
// the value's end; on a text that has not, it returns -1 or an index within b, of no meaning.
func Skip(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch KindOf(b[i]) {
	case String:
		end, _ := StringEnd(b, i+1)
		if end < 0 {
			return -1
		}
		return end + 1
	case ObjectStart, ArrayStart:
		return SkipOpen(b, i+1)
	case Number:
		return NumberEnd(b, i)
	case True, Null:
		return within(b, i+4)
	case False:
		return within(b, i+5)
	default:
		return -1
	}
}

func within(b []byte, i int) int {
	if i > len(b) {
		return -1
	}
	return i
}

// NumberEnd returns the index behind the number at b[i], in a text that has passed [Scan].
func NumberEnd(b []byte, i int) int {
	for i+24 <= len(b) {
		// The three looks do not wait for each other.
		first := behindNumber(binary.LittleEndian.Uint64(b[i:]))
		second := behindNumber(binary.LittleEndian.Uint64(b[i+8:]))
		third := behindNumber(binary.LittleEndian.Uint64(b[i+16:]))
		switch {
		case first != 0:
			return i + bits.TrailingZeros64(first)>>3
		case second != 0:
			return i + 8 + bits.TrailingZeros64(second)>>3
		case third != 0:
			return i + 16 + bits.TrailingZeros64(third)>>3
		}
		i += 24
	}
	for i < len(b) && b[i] > ' ' && b[i] != ',' && b[i]|0x20 != '}' {
		i++
	}
	return i
}

// behindNumber marks the first byte of v that can stand behind a number: a comma, a closing bracket or white space.
func behindNumber(v uint64) uint64 {
	return zeroBytes(v^lows*',') | zeroBytes((v|lows*0x20)^lows*'}') | (v-lows*(' '+1))&^v&highs
}

// leadingDigits returns how many of the eight characters in v, the first in its lowest byte, are digits before the
// first that is none.
func leadingDigits(v uint64) int { return bits.TrailingZeros64(others(v)) >> 3 }

// others marks the bytes of v that are no digits.
func others(v uint64) uint64 {
	// A digit xor '0' is at most 9, so that adding 0x76 leaves the top bit alone.
	x := v ^ lows*'0'
	return (x&^uint64(highs) + lows*0x76 | v) & highs
}

// SkipOpen returns the index behind the array or object that is open at b[i], just behind its bracket or between two
// of its members: it counts brackets outside strings, which in a checked text pair up. It returns -1 if nothing closes
// it.
func SkipOpen(b []byte, i int) int { return skipOpen(b, i) }
