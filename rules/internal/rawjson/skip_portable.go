package rawjson

import (
	"encoding/binary"
	"math/bits"
)

// A skipState is where stepping over an array or object stands between two blocks of 64 bytes.
type skipState struct {
	depth    uint64 // brackets open
	inString uint64 // all ones inside a string, else 0
	escaped  uint64 // 1 if the next byte is escaped by a backslash, else 0
	read     uint64 // bytes
}

// skipOpenPortable is skipOpen without the processor's vectors.
func skipOpenPortable(b []byte, i int) int {
	state := skipState{depth: 1}
	if end := skipBlocksPortable(b[i:], &state); end >= 0 {
		return i + end
	}
	return skipRest(b, i, &state)
}

// skipRest goes on behind the last whole block of the array or object that was open at b[i].
func skipRest(b []byte, i int, state *skipState) int {
	depth := state.depth
	i += int(state.read)
	if state.inString != 0 {
		end, _ := StringEnd(b, i+int(state.escaped))
		if end < 0 {
			return -1
		}
		i = end + 1
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			end, _ := StringEnd(b, i+1)
			if end < 0 {
				return -1
			}
			i = end
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// skipBlocksPortable goes over as many whole blocks of 64 bytes as there are and returns the index behind the bracket
// that closes the outermost array or object, or -1 if that is in none of them. It marks quotes and brackets in one bit
// mask each, takes out escaped quotes, gets the inside of strings as the parity of the quotes before, and counts the
// brackets that remain; so the cost of a block hardly depends on what is in it.
func skipBlocksPortable(b []byte, state *skipState) int {
	at := 0
	for ; at+64 <= len(b); at += 64 {
		block := (*[64]byte)(b[at:])
		quotes, opening, closing, backslashes := blockMasks(block)
		if backslashes || state.escaped != 0 {
			quotes &^= escapedIn(backslashMask(block), state)
		}
		inside := parity(quotes) ^ state.inString
		state.inString = uint64(int64(inside) >> 63)
		opening &^= inside
		closing &^= inside
		closed := uint64(bits.OnesCount64(closing))
		if closed < state.depth {
			state.depth += uint64(bits.OnesCount64(opening)) - closed
			continue
		}
		for passed := uint64(0); closing != 0; passed++ {
			bit := bits.TrailingZeros64(closing)
			before := uint64(bits.OnesCount64(opening & (1<<bit - 1)))
			if state.depth+before-passed == 1 {
				return at + bit + 1
			}
			closing &= closing - 1
		}
		state.depth += uint64(bits.OnesCount64(opening)) - closed
	}
	state.read = uint64(at)
	return -1
}

const topByte = 0xFF << 56

// gather brings the top bits of eight bytes together in the top byte of a product.
const gather = 0x0002040810204081

// zeroBytesExactly marks the bytes of x that are zero, and no others.
func zeroBytesExactly(x uint64) uint64 {
	return ^((x&^highs + ^uint64(highs)) | x) & highs
}

// blockMasks marks the quotes and brackets of a block, and tells whether there is any backslash. It has no branches that
// depend on the text: they would cost more than they save.
func blockMasks(block *[64]byte) (quotes, opening, closing uint64, backslashes bool) {
	var back uint64
	for i := 0; i < 64; i += 8 {
		v := binary.LittleEndian.Uint64(block[i : i+8])
		quotes = quotes>>8 | zeroBytesExactly(v^lows*'"')*gather&topByte
		back |= zeroBytes(v ^ lows*'\\')
		// Brackets differ from braces in 0x20, opening from closing ones in 0x06. Outside strings no other byte of
		// JSON becomes one of them so.
		brackets := zeroBytesExactly((v|lows*0x20)&^uint64(lows*0x06) ^ lows*('{'&^0x06))
		closes := brackets & (v << 5) // of these two bits, closing ones have 0x04
		opening = opening>>8 | (brackets^closes)*gather&topByte
		closing = closing>>8 | closes*gather&topByte
	}
	return quotes, opening, closing, back != 0
}

func backslashMask(block *[64]byte) uint64 {
	var mask uint64
	for i := 0; i < 64; i += 8 {
		v := binary.LittleEndian.Uint64(block[i:])
		mask |= (zeroBytesExactly(v^lows*'\\') * gather >> 56) << i
	}
	return mask
}

// escapedIn marks the bytes of a block behind a backslash that is not itself escaped.
func escapedIn(backslashes uint64, state *skipState) uint64 {
	// Adding a run of backslashes to the places behind them carries to its end; whether that is an odd or an even
	// place tells whether the last backslash escapes what follows.
	const odd = 0xAAAAAAAAAAAAAAAA
	escaping := backslashes &^ state.escaped
	ends := (escaping<<1 | odd) - escaping ^ odd
	escaped := ends ^ (backslashes | state.escaped)
	state.escaped = ends & backslashes >> 63
	return escaped
}

// parity sets each bit to the parity of the bits of x up to it.
func parity(x uint64) uint64 {
	for n := 1; n < 64; n *= 2 {
		x ^= x << n
	}
	return x
}
