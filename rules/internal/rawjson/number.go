package rawjson

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unsafe"
)

// A Decimal is a JSON number compared by its decimal value: 300, 300.0 and 3e2 are equal, 9007199254740993 and
// 9007199254740992 are not, although the nearest float64 of both is the same.
//
// A number whose nearest float64 is infinite is not [Decimal.Finite]: it equals only a number written the same way and
// is neither above nor below any other, as AWS's engine has it.
//
// Nothing is rounded: the first 19 digits, which is what fits, and the power of ten settle almost every question, and
// where they do not the texts do. Parsing that is several times as fast as finding the nearest float64.
type Decimal struct {
	text   string
	digits uint64 // 0.d₁d₂…d₁₉ × 10^power; d₁ is not zero unless the number is
	power  int32
	class  class
	below  bool // below zero
}

// class is how much of a number its digits and power say.
type class uint8

const (
	complete class = iota // everything
	longer                // there are more digits than 19
	minute                // the power is out of range, far below; the texts decide
	infinite              // the nearest float64 is infinite, or the text is no number
)

// DecimalKey is the same for equal numbers, and nearly always different for others.
type DecimalKey struct {
	digits uint64
	power  int32
	class  class
	below  bool
}

const (
	wholeDigits  = 19
	zeroPower    = math.MinInt32 // sorts zero below all positive numbers
	minutePower  = zeroPower + 1
	infinitePow  = 310 // 0.1e310 is beyond every float64
	lowestPower  = -1 << 30
	fastExponent = 1 << 20 // exponents beyond are left to strconv
)

// powersOfTen are those that fit 64 bits.
var powersOfTen = [...]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// ParseDecimal returns the number that text, a number by JSON's grammar, stands for. It keeps text.
func ParseDecimal(text string) Decimal {
	var r numberReader
	at := 0
	if at < len(text) && text[at] == '-' {
		r.below = true
		at++
	}
	at = r.run(text, at)
	if at < len(text) && text[at] == '.' {
		before := at
		if fraction := len(text) - at - 1; fraction > 8 && fraction <= wholeDigits && r.rest(text, fraction) {
			at = len(text)
		} else {
			at = r.run(text, at+1)
		}
		r.exponent = before + 1 - at
	}
	if r.count == 0 || r.count > wholeDigits {
		return parseLong(text)
	}
	if at < len(text) {
		if at = r.power(text, at); at < len(text) {
			return parseLong(text)
		}
	}
	return r.decimal(text)
}

// numberReader reads numbers of up to 19 digits.
type numberReader struct {
	value    uint64
	count    int // digits read
	exponent int
	below    bool
}

// run reads digits, eight at a time, and returns where they end. Beyond 19 only their count is right.
func (r *numberReader) run(text string, at int) int {
	from := at
	for at+8 <= len(text) && text[at+3] != '.' {
		v := binary.LittleEndian.Uint64(unsafe.Slice(unsafe.StringData(text[at:]), 8))
		if leadingDigits(v) < 8 {
			break
		}
		r.value = r.value*1e8 + eightDigits(v)
		at += 8
	}
	for at < len(text) && isDigit(text[at]) {
		r.value = r.value*10 + uint64(text[at]-'0')
		at++
	}
	r.count += at - from
	return at
}

// rest reads the last n characters of text, more than 8, if they are all digits.
func (r *numberReader) rest(text string, n int) bool {
	t := unsafe.Slice(unsafe.StringData(text), len(text))
	value, bad := r.value, uint64(0)
	at := len(t) - n
	for ; at+8 <= len(t); at += 8 {
		v := binary.LittleEndian.Uint64(t[at:])
		bad |= others(v)
		value = value*1e8 + eightDigits(v)
	}
	if k := len(t) - at; k > 0 {
		read := uint64(1)<<(8*(8-k)) - 1 // the bytes read before
		v := binary.LittleEndian.Uint64(t[len(t)-8:])&^read | lows*'0'&read
		bad |= others(v)
		value = value*powersOfTen[k] + eightDigits(v)
	}
	if bad != 0 {
		return false
	}
	r.value = value
	r.count += n
	return true
}

// eightDigits returns the number that eight digits, the first in the lowest byte of v, are: pairs become numbers up to
// 99, pairs of these up to 9999, and so on.
func eightDigits(v uint64) uint64 {
	v -= lows * '0'
	v = v*10 + v>>8
	v = (v & 0x000000FF000000FF * (100 + 1000000<<32)) + (v >> 16 & 0x000000FF000000FF * (1 + 10000<<32))
	return v >> 32
}

// power reads e, its sign and its digits, and returns where they end; before them if they are too many.
func (r *numberReader) power(text string, at int) int {
	if text[at]|0x20 != 'e' {
		return at
	}
	digits, negative := at+1, false
	if digits < len(text) && (text[digits] == '+' || text[digits] == '-') {
		negative = text[digits] == '-'
		digits++
	}
	e := 0
	for i := digits; i < len(text); i++ {
		if !isDigit(text[i]) || e > fastExponent {
			return at
		}
		e = e*10 + int(text[i]-'0')
	}
	if negative {
		e = -e
	}
	r.exponent += e
	return len(text)
}

// decimal returns the number read.
func (r *numberReader) decimal(text string) Decimal {
	if r.value == 0 {
		return Decimal{text: text, power: zeroPower}
	}
	n := bits.Len64(r.value) * 1233 >> 12 // the number of digits of value, perhaps one less
	if n < len(powersOfTen) && r.value >= powersOfTen[n] {
		n++
	}
	d := Decimal{text: text, digits: r.value * powersOfTen[wholeDigits-n], power: int32(n + r.exponent), below: r.below}
	if d.power >= infinitePow-1 {
		return parseLong(text)
	}
	return d
}

// parseLong is ParseDecimal for numbers of any length.
func parseLong(text string) Decimal {
	f, err := strconv.ParseFloat(text, 64)
	if math.IsInf(f, 0) || err != nil && !errors.Is(err, strconv.ErrRange) {
		return Decimal{text: text, class: infinite} // out of range, or not a number: comparable with nothing
	}
	p := takeApart(text)
	if p == (parts{}) {
		return Decimal{text: text, power: zeroPower}
	}
	d := Decimal{text: text, power: int32(max(p.magnitude, lowestPower)), below: p.negative}
	for i := range wholeDigits {
		d.digits = d.digits*10 + uint64(p.digit(i)-'0')
	}
	switch {
	case p.magnitude <= lowestPower:
		d.class, d.power, d.digits = minute, minutePower, 0
	case len(p.whole)+len(p.frac) > wholeDigits:
		d.class = longer
	}
	return d
}

// Text returns the number as it was written.
func (d *Decimal) Text() string { return d.text }

// Float returns the nearest float64, infinite if it is out of range.
func (d *Decimal) Float() float64 {
	f, err := strconv.ParseFloat(d.text, 64)
	if err != nil && !math.IsInf(f, 0) {
		return math.Inf(1)
	}
	return f
}

// Finite reports whether the number is in the range of a float64 and so can be compared by value.
func (d *Decimal) Finite() bool { return d.class != infinite }

// Key returns a key to look the number up by.
func (d *Decimal) Key() DecimalKey { return DecimalKey{d.digits, d.power, d.class, d.below} }

// Equal reports whether the two are the same number.
func (d *Decimal) Equal(e *Decimal) bool {
	if d.Key() != e.Key() {
		return false
	}
	switch d.class {
	case complete:
		return true
	case infinite:
		return d.text == e.text
	default:
		return compareTexts(d.text, e.text) == 0
	}
}

// Compare returns -1, 0 or 1 for d below, at or above e; both must be finite.
func (d *Decimal) Compare(e *Decimal) int {
	if d.below != e.below {
		return sign(d.below)
	}
	c := cmp.Compare(d.power, e.power)
	if c == 0 {
		c = cmp.Compare(d.digits, e.digits)
	}
	if c == 0 && (d.class != complete || e.class != complete) {
		return compareTexts(d.text, e.text)
	}
	if d.below {
		return -c
	}
	return c
}

// Representable reports whether a float64 holds the number: whether it is the float's exact value or the shortest
// decimal that rounds to it. AWS refuses other numbers as operands of numeric.
func (d *Decimal) Representable() bool {
	const always = 1e4 // 19 digits that end with four zeros are 15, and a float64 of usual size tells any 15 apart
	if d.class == complete && d.digits%always == 0 && (d.digits == 0 || -300 < d.power && d.power < 300) {
		return true
	}
	if !d.Finite() {
		return false
	}
	float := d.Float()
	shortest := strconv.FormatFloat(float, 'e', -1, 64)
	if compareTexts(shortest, d.text) == 0 {
		return true
	}
	const exactDigits = 766 // no float64 needs more
	exact := strconv.FormatFloat(float, 'e', exactDigits, 64)
	return compareTexts(exact, d.text) == 0
}

// parts is a decimal number taken apart: 0.d₁d₂d₃… × 10^magnitude, d₁ not zero unless the number is zero.
type parts struct {
	negative    bool
	whole, frac string // the digits, leading zeros of the number removed
	magnitude   int64
}

func takeApart(text string) parts {
	var p parts
	text, p.negative = strings.CutPrefix(text, "-")
	var exponent int64
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		// Out of range it saturates, which is as good as any value that large.
		exponent, _ = strconv.ParseInt(strings.TrimPrefix(text[at+1:], "+"), 10, 64)
		exponent = min(max(exponent, -1<<60), 1<<60)
		text = text[:at]
	}
	p.whole, p.frac, _ = strings.Cut(text, ".")
	p.whole = strings.TrimLeft(p.whole, "0")
	p.magnitude = int64(len(p.whole))
	if p.whole == "" {
		trimmed := strings.TrimLeft(p.frac, "0")
		p.magnitude = -int64(len(p.frac) - len(trimmed))
		p.frac = trimmed
	}
	p.frac = strings.TrimRight(p.frac, "0")
	if p.frac == "" {
		p.whole = strings.TrimRight(p.whole, "0")
	}
	if p.whole == "" && p.frac == "" {
		return parts{}
	}
	p.magnitude += exponent
	return p
}

// compareTexts compares two numbers by JSON's grammar as decimals.
func compareTexts(a, b string) int {
	p, q := takeApart(a), takeApart(b)
	pZero, qZero := p == parts{}, q == parts{}
	switch {
	case pZero && qZero:
		return 0
	case pZero:
		return sign(!q.negative)
	case qZero:
		return sign(p.negative)
	case p.negative != q.negative:
		return sign(p.negative)
	case p.magnitude != q.magnitude:
		return sign((p.magnitude < q.magnitude) != p.negative)
	}
	for i := range max(len(p.whole)+len(p.frac), len(q.whole)+len(q.frac)) {
		if c, d := p.digit(i), q.digit(i); c != d {
			return sign((c < d) != p.negative)
		}
	}
	return 0
}

func (p *parts) digit(i int) byte {
	if i < len(p.whole) {
		return p.whole[i]
	}
	if i -= len(p.whole); i < len(p.frac) {
		return p.frac[i]
	}
	return '0'
}

// sign returns -1 for below and 1 for not below.
func sign(below bool) int {
	if below {
		return -1
	}
	return 1
}
