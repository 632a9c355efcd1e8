package rawjson

import (
	"math"
	"strconv"
	"strings"
)

// A Decimal is a JSON number compared by its decimal value: 300, 300.0 and 3e2 are equal, 9007199254740993 and
// 9007199254740992 are not, although the nearest float64 of both is the same.
//
// A number whose nearest float64 is infinite is not [Decimal.Finite]: it equals only a number written the same way and
// is neither above nor below any other, as AWS's engine has it.
type Decimal struct {
	text  string
	float float64 // the nearest; comparing it settles almost every question
}

// ParseDecimal returns the number that text, a number by JSON's grammar, stands for. It keeps text.
func ParseDecimal(text string) Decimal {
	if f, ok := parseShort(text); ok {
		return Decimal{text, f}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) {
		f = math.Inf(1) // not a number by JSON's grammar: comparable with nothing
	}
	return Decimal{text, f}
}

// Text returns the number as it was written.
func (d Decimal) Text() string { return d.text }

// Float returns the nearest float64.
func (d Decimal) Float() float64 { return d.float }

// Finite reports whether the number is in the range of a float64 and so can be compared by value.
func (d Decimal) Finite() bool { return !math.IsInf(d.float, 0) }

// Equal reports whether the two are the same number.
func (d Decimal) Equal(e Decimal) bool {
	if d.text == e.text {
		return true
	}
	return d.Finite() && d.float == e.float && compareTexts(d.text, e.text) == 0
}

// Compare returns -1, 0 or 1 for d below, at or above e; both must be finite.
func (d Decimal) Compare(e Decimal) int {
	// Rounding to the nearest float64 keeps order, so floats that differ decide.
	switch {
	case d.float < e.float:
		return -1
	case d.float > e.float:
		return 1
	case d.text == e.text:
		return 0
	}
	return compareTexts(d.text, e.text)
}

// Representable reports whether a float64 holds the number: whether it is the float's exact value or the shortest
// decimal that rounds to it. AWS refuses other numbers as operands of numeric.
func (d Decimal) Representable() bool {
	if !d.Finite() {
		return false
	}
	shortest := strconv.FormatFloat(d.float, 'e', -1, 64)
	if compareTexts(shortest, d.text) == 0 {
		return true
	}
	const exactDigits = 766 // no float64 needs more
	exact := strconv.FormatFloat(d.float, 'e', exactDigits, 64)
	return compareTexts(exact, d.text) == 0
}

// parseShort parses what a float64 division or multiplication gets right in one rounding: up to 15 or so digits
// without an exponent, which is nearly every number in an event.
func parseShort(text string) (float64, bool) {
	i, negative := 0, strings.HasPrefix(text, "-")
	if negative {
		i = 1
	}
	var mantissa uint64
	digits, scale, point := 0, 0, false
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case isDigit(c):
			mantissa = mantissa*10 + uint64(c-'0')
			digits++
			if point {
				scale++
			}
		case c == '.' && !point:
			point = true
		default:
			return 0, false
		}
	}
	if digits == 0 || digits > 18 || mantissa >= 1<<53 {
		return 0, false
	}
	f := float64(mantissa) / powerOfTen(scale)
	if negative && f != 0 {
		f = -f
	}
	return f, true
}

// powerOfTen returns 10 to the n, exact for n up to 22.
func powerOfTen(n int) float64 {
	f := 1.0
	for range n {
		f *= 10
	}
	return f
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
