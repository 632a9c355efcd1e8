package awswire

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed567880c8/turnout"
)

// Bounds of a query-protocol request.
const (
	formPairsMax = 4_000  // ten batch entries with ten attributes of three parameters need some 450
	formIndexMax = 99_999 // of a list element
)

// Form holds the parameters of the query protocol, sorted by name. Lists are
// flattened there: AttributeName.1, Attribute.1.Name and so on.
type Form struct {
	pairs []formPair
}

type formPair struct {
	key   string
	value []byte
}

// ParseForm parses urlencoded parameters from each source. A parameter that an
// earlier source has hides one of a later source; the same parameter twice in
// one source with different values is an error (CodeMalformedRequest), as are
// bad percent escapes and text that is not UTF-8.
func ParseForm(sources ...string) (*Form, error) {
	texts := make([][]byte, len(sources))
	for i, s := range sources {
		texts[i] = []byte(s)
	}
	return parseForm(texts...)
}

// parseForm is ParseForm. The Form shares no memory with the sources.
func parseForm(sources ...[]byte) (*Form, error) {
	f := &Form{}
	for _, s := range sources {
		if len(s) == 0 {
			continue
		}
		from := len(f.pairs)
		if err := f.parse(s); err != nil {
			return nil, err
		}
		added := f.pairs[from:]
		slices.SortStableFunc(added, func(a, b formPair) int { return strings.Compare(a.key, b.key) })
		for i := 1; i < len(added); i++ {
			if added[i].key == added[i-1].key && !bytes.Equal(added[i].value, added[i-1].value) {
				return nil, turnout.Errorf(turnout.CodeMalformedRequest, "The parameter %q is given twice.", added[i].key)
			}
		}
	}
	slices.SortStableFunc(f.pairs, func(a, b formPair) int { return strings.Compare(a.key, b.key) })
	f.pairs = slices.CompactFunc(f.pairs, func(a, b formPair) bool { return a.key == b.key })
	return f, nil
}

func (f *Form) parse(s []byte) error {
	arena := make([]byte, 0, len(s)) // decoding never lengthens, so the arena never moves
	f.pairs = slices.Grow(f.pairs, min(bytes.Count(s, []byte{'&'})+1, formPairsMax))
	for pair := range bytes.SplitSeq(s, []byte{'&'}) {
		if len(pair) == 0 {
			continue
		}
		if len(f.pairs) >= formPairsMax {
			return turnout.Errorf(turnout.CodeMalformedRequest, "The request has more than %d parameters.", formPairsMax)
		}
		rawKey, rawValue, _ := bytes.Cut(pair, []byte{'='})
		from := len(arena)
		var ok bool
		arena, ok = unescape(arena, rawKey)
		middle := len(arena)
		if ok {
			arena, ok = unescape(arena, rawValue)
		}
		key, value := arena[from:middle], arena[middle:len(arena):len(arena)]
		if !ok || !utf8.Valid(key) || !utf8.Valid(value) {
			return turnout.Errorf(turnout.CodeMalformedRequest, "The request parameters are not valid: a name or value is not percent-encoded UTF-8.")
		}
		f.pairs = append(f.pairs, formPair{key: string(key), value: value})
	}
	return nil
}

// unescape appends s with + and %XX decoded.
func unescape(dst, s []byte) ([]byte, bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '+':
			dst = append(dst, ' ')
		case '%':
			if i+2 >= len(s) {
				return dst, false
			}
			high, low := hexValue(s[i+1]), hexValue(s[i+2])
			if high < 0 || low < 0 {
				return dst, false
			}
			dst = append(dst, byte(high<<4|low))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst, true
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

func (f *Form) search(key string) (int, bool) {
	return slices.BinarySearchFunc(f.pairs, key, func(p formPair, k string) int { return strings.Compare(p.key, k) })
}

// Bytes returns the value of a parameter and whether it is present.
func (f *Form) Bytes(key string) ([]byte, bool) {
	i, ok := f.search(key)
	if !ok {
		return nil, false
	}
	return f.pairs[i].value, true
}

// Get returns the value of a parameter and whether it is present.
func (f *Form) Get(key string) (string, bool) {
	v, ok := f.Bytes(key)
	return string(v), ok
}

// Len returns the number of parameters.
func (f *Form) Len() int { return len(f.pairs) }

// Names returns the names of the list elements under prefix in the order of
// their indexes: for MessageAttribute and the parameters
// MessageAttribute.10.Name, MessageAttribute.2.Name it returns
// MessageAttribute.2 and MessageAttribute.10. Indexes need not be dense.
func (f *Form) Names(prefix string) []string {
	type element struct {
		index int
		name  string
	}
	dotted := prefix + "."
	from, _ := f.search(dotted)
	var elements []element
	for _, p := range f.pairs[from:] {
		rest, ok := strings.CutPrefix(p.key, dotted)
		if !ok {
			break
		}
		digits, _, _ := strings.Cut(rest, ".")
		index, err := strconv.Atoi(digits)
		if err != nil || index < 0 || index > formIndexMax || digits[0] == '+' {
			continue // not a list element, and AWS ignores parameters it does not know
		}
		elements = append(elements, element{index, p.key[:len(dotted)+len(digits)]})
	}
	slices.SortStableFunc(elements, func(a, b element) int { return cmp.Compare(a.index, b.index) })
	elements = slices.CompactFunc(elements, func(a, b element) bool { return a.index == b.index })
	names := make([]string, len(elements))
	for i, e := range elements {
		names[i] = e.name
	}
	return names
}
