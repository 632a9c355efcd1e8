package rawjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// A Checker checks a text as [Scan] does, value by value, so that a reader can look at some of them in the same pass.
// It is fast and does not explain: every method answers -1 or false both for what Scan refuses and for the rare things
// it leaves to Scan, such as keys with escapes and objects of many keys. What it accepts, Scan accepts.
//
// The methods take indexes into the text, and return the index behind what they have checked.
type Checker struct {
	b      []byte
	limits Limits
	depth  int
	keys   int
	open   int // names of all open objects, the innermost one's last: in few, or, if they are more, in many
	few    [32]name
	many   []name
	large  printSet // of objects of more than manyKeys keys
	opened uint64   // arrays and objects so far
}

// A name is the key of a member of an open object.
type name struct {
	mark       uint64 // equal for equal keys
	start, end int32
}

// A Frame is an open object.
type Frame struct {
	first  int
	seen   uint64 // a bit for each key; one that is not set is of no key
	number uint64 // of the array or object in the text
}

// manyKeys is the number of keys of one object from which on a hash table is better than comparing each with each.
const manyKeys = 64

// Reset begins with another text. It must not be longer than 2 GiB.
func (c *Checker) Reset(text []byte, limits Limits) {
	c.b, c.limits = text, limits
	c.depth, c.keys = 0, 0
	c.open = 0
	c.opened = 0
	c.large.reset()
}

// Valid reports whether the whole text is one value.
func (c *Checker) Valid() bool {
	i := c.Value(c.Space(0))
	return i >= 0 && c.Space(i) == len(c.b)
}

// Space steps over white space.
func (c *Checker) Space(i int) int {
	if i < len(c.b) && c.b[i] > ' ' {
		return i
	}
	return SkipSpace(c.b, i)
}

// Value checks the value at i.
func (c *Checker) Value(i int) int {
	b := c.b
	if uint(i) >= uint(len(b)) {
		return -1
	}
	at := b[i]
	if at == '-' || isDigit(at) {
		return c.number(i)
	}
	switch at {
	case '"':
		if i = c.text(i + 1); i < 0 {
			return -1
		}
		return i + 1
	case '{':
		return c.object(i)
	case '[':
		return c.array(i)
	case 't', 'n':
		if word := string(b[i:min(i+4, len(b))]); word == "true" || word == "null" {
			return i + 4
		}
		return -1
	case 'f':
		if string(b[i:min(i+5, len(b))]) == "false" {
			return i + 5
		}
		return -1
	default:
		return -1
	}
}

// Open enters an array or object.
func (c *Checker) Open() (Frame, bool) {
	c.depth++
	c.opened++
	return Frame{first: c.open, number: c.opened}, c.depth <= c.limits.Depth
}

// Close leaves it.
func (c *Checker) Close(f Frame) {
	c.depth--
	c.open = f.first
}

func (c *Checker) object(i int) int {
	f, ok := c.Open()
	if !ok {
		return -1
	}
	b := c.b
	i = c.Space(i + 1)
	if i < len(b) && b[i] == '}' {
		c.Close(f)
		return i + 1
	}
	for {
		end := c.Name(&f, i)
		if end < 0 {
			return -1
		}
		i = c.Colon(end)
		if i < len(b) && (b[i]-'0' < 10 || b[i] == '-') { // spares a call
			i = c.number(i)
		} else {
			i = c.Value(i)
		}
		if i < 0 {
			return -1
		}
		if i = c.Space(i); i >= len(c.b) || c.b[i] != ',' {
			break
		}
		i = c.Space(i + 1)
	}
	c.Close(f)
	if i >= len(c.b) || c.b[i] != '}' {
		return -1
	}
	return i + 1
}

func (c *Checker) array(i int) int {
	f, ok := c.Open()
	if !ok {
		return -1
	}
	b := c.b
	i = c.Space(i + 1)
	if i < len(b) && b[i] == ']' {
		c.Close(f)
		return i + 1
	}
	for {
		if i < len(b) && (b[i]-'0' < 10 || b[i] == '-') { // spares a call
			i = c.number(i)
		} else {
			i = c.Value(i)
		}
		if i < 0 {
			return -1
		}
		if i = c.Space(i); i >= len(b) || b[i] != ',' {
			break
		}
		i = c.Space(i + 1)
	}
	c.Close(f)
	if i >= len(c.b) || c.b[i] != ']' {
		return -1
	}
	return i + 1
}

// Name checks the key at i, its opening quote, and that the object has no other like it. It returns the index of the
// closing quote. Keys with escapes are left to Scan.
func (c *Checker) Name(f *Frame, i int) int {
	b := c.b
	if uint(i) >= uint(len(b)) || b[i] != '"' {
		return -1
	}
	if c.keys++; c.keys > c.limits.Keys {
		return -1
	}
	// Byte by byte: that which key comes next, and so its length, is foreseen by the processor, while with masks
	// everything behind would have to wait for the length.
	start := i + 1
	var mark uint64
	for i = start; i < len(b); i++ {
		at := b[i]
		if at == '"' {
			return c.note(f, mark, start, i)
		}
		if at-' ' >= utf8.RuneSelf-' ' || at == '\\' {
			break
		}
		mark = bits.RotateLeft64(mark, 9) ^ uint64(at)
	}
	end := c.text(start)
	if end < 0 || bytes.IndexByte(b[start:end], '\\') >= 0 {
		return -1
	}
	mark = 0
	for _, at := range b[start:end] {
		mark = bits.RotateLeft64(mark, 9) ^ uint64(at)
	}
	return c.note(f, mark, start, end)
}

// note remembers a key, unless the object has it already.
func (c *Checker) note(f *Frame, mark uint64, start, end int) int {
	bit := uint64(1) << (mark * golden >> 58)
	if (f.seen&bit != 0 || c.open-f.first >= manyKeys) && c.known(f, mark, start, end) {
		return -1
	}
	f.seen |= bit
	k := name{mark, int32(start), int32(end)}
	if c.open < len(c.few) {
		c.few[c.open] = k
	} else {
		c.many = append(c.many[:c.open-len(c.few)], k)
	}
	c.open++
	return end
}

// known reports whether the object has a key already. Of an object of many keys it says so too when it is in doubt,
// and leaves it to Scan.
func (c *Checker) known(f *Frame, mark uint64, start, end int) bool {
	if n := c.open - f.first; n >= manyKeys {
		if n == manyKeys {
			for j := f.first; j < c.open; j++ {
				c.large.add(f.number, c.name(j).mark)
			}
		}
		return !c.large.add(f.number, mark)
	}
	for j := f.first; j < c.open; j++ {
		if s := c.name(j); s.mark == mark && string(c.b[s.start:s.end]) == string(c.b[start:end]) {
			return true
		}
	}
	return false
}

func (c *Checker) name(j int) *name {
	if j < len(c.few) {
		return &c.few[j]
	}
	return &c.many[j-len(c.few)]
}

// golden spreads numbers over the high bits of a product.
const golden = 0x9E3779B97F4A7C15

// A printSet is a hash table of the marks of large objects' keys.
type printSet struct {
	slots []uint64 // 0 for none
	used  int
}

func (t *printSet) reset() {
	if t.used > 0 {
		clear(t.slots)
		t.used = 0
	}
}

// add enters a mark and reports whether it is new and found a place near its own: somebody may know the hash function.
func (t *printSet) add(object, mark uint64) bool {
	const near = 32
	if 2*t.used >= len(t.slots) {
		old := t.slots
		t.slots, t.used = make([]uint64, max(4*manyKeys, 4*len(old))), 0
		for _, entry := range old {
			if entry != 0 && !t.put(entry, near) {
				return false
			}
		}
	}
	return t.put((mark*golden^object)*golden|1, near)
}

func (t *printSet) put(entry uint64, near int) bool {
	mask := uint64(len(t.slots) - 1)
	for at := entry >> 32; near > 0; near-- {
		switch t.slots[at&mask] {
		case 0:
			t.slots[at&mask] = entry
			t.used++
			return true
		case entry:
			return false
		}
		at++
	}
	return false
}

// Colon steps over the colon behind the key whose closing quote is at i, and over white space.
func (c *Checker) Colon(i int) int {
	b := c.b
	i++
	if i+1 < len(b) && b[i] == ':' && b[i+1] > ' ' {
		return i + 1
	}
	return c.spacedColon(i)
}

func (c *Checker) spacedColon(i int) int {
	b := c.b
	if i = SkipSpace(b, i); i >= len(b) || b[i] != ':' {
		return len(b)
	}
	return SkipSpace(b, i+1)
}

// special marks the first byte of v that ends a run of plain characters of a string: a quote, a backslash or a control
// character. Bytes above it may be marked wrongly.
func special(v uint64) uint64 {
	return zeroBytes(v^lows*'"') | zeroBytes(v^lows*'\\') | (v-lows*' ')&^v&highs
}

// text checks the inside of a string that begins at i and returns the index of its closing quote.
func (c *Checker) text(i int) int {
	b := c.b
	start, beyondASCII := i, uint64(0)
	for {
		if i+8 <= len(b) {
			v := binary.LittleEndian.Uint64(b[i:])
			m := special(v)
			if m == 0 {
				beyondASCII |= v
				i += 8
				continue
			}
			beyondASCII |= v & (m&-m>>7 - 1)
			i += bits.TrailingZeros64(m) >> 3
		}
		if i >= len(b) {
			return -1
		}
		switch at := b[i]; {
		case at == '"':
			if beyondASCII&highs != 0 && !utf8.Valid(b[start:i]) {
				return -1
			}
			return i
		case at == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				return -1
			}
			i += n
		case at < ' ':
			return -1
		default:
			beyondASCII |= uint64(at)
			i++
		}
	}
}

// number checks the number at i: the usual ones here, the others in longNumber.
func (c *Checker) number(i int) int { //nolint:cyclop // it is called for most of the bytes there are, and calls cost
	b, start := c.b, i
	if b[i] == '-' {
		i++
	}
	if i+48 > len(b) {
		return c.longNumber(start)
	}
	from := i
	for isDigit(b[i]) && i < from+8 {
		i++
	}
	n := i - from
	if n == 0 || n == 8 || n > 1 && b[from] == '0' {
		return c.longNumber(start)
	}
	if b[i] == '.' {
		// The three looks do not wait for each other.
		i++
		first := others(binary.LittleEndian.Uint64(b[i:]))
		second := others(binary.LittleEndian.Uint64(b[i+8:]))
		third := others(binary.LittleEndian.Uint64(b[i+16:]))
		var k int
		switch {
		case first != 0:
			k = bits.TrailingZeros64(first) >> 3
		case second != 0:
			k = 8 + bits.TrailingZeros64(second)>>3
		default:
			k = 16 + bits.TrailingZeros64(third)>>3
		}
		if k == 0 || k == 24 {
			return c.longNumber(start)
		}
		i += k
		n += k
	}
	if b[i]|0x20 == 'e' || n > c.limits.Digits {
		return c.longNumber(start)
	}
	return i
}

func (c *Checker) longNumber(i int) int {
	b := c.b
	if b[i] == '-' {
		i++
	}
	from := i
	i = digitsEnd(b, i)
	digits := i - from
	if digits == 0 || digits > 1 && b[from] == '0' {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		from = i + 1
		if i = digitsEnd(b, from); i == from {
			return -1
		}
		digits += i - from
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from = i
		if i = digitsEnd(b, i); i == from {
			return -1
		}
		digits += i - from
	}
	if digits > c.limits.Digits {
		return -1
	}
	return i
}

// digitsEnd returns the index behind the digits at i.
func digitsEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		n := leadingDigits(binary.LittleEndian.Uint64(b[i:]))
		i += n
		if n < 8 {
			return i
		}
	}
	return skipDigits(b, i)
}
