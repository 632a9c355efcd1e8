package filterpolicy

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// appendAttributes appends the JSON object that policies see of a message's
// attributes: strings, numbers, and arrays of these and of true, false and
// null. Attributes of other types are not there, nor is a Number or an array
// that cannot be read as one.
func appendAttributes(dst []byte, attributes []turnout.MessageAttribute) []byte {
	dst = append(dst, '{')
	empty := len(dst)
	for i := range attributes {
		a := &attributes[i]
		from := len(dst)
		if from > empty {
			dst = append(dst, ',')
		}
		dst = append(rawjson.AppendQuoted(dst, a.Name), ':')
		var ok bool
		if dst, ok = appendValue(dst, a); !ok {
			dst = dst[:from]
		}
	}
	return append(dst, '}')
}

func appendValue(dst []byte, a *turnout.MessageAttribute) (_ []byte, ok bool) {
	kind, _, _ := strings.Cut(a.Type, ".")
	switch {
	case a.Type == "String.Array":
		return appendArray(dst, a.Value)
	case kind == "String":
		return rawjson.AppendQuoted(dst, strings.ToValidUTF8(string(a.Value), "\uFFFD")), true
	case kind == "Number":
		return appendNumber(dst, string(a.Value))
	}
	return dst, false
}

// appendArray appends the scalars of a JSON array.
func appendArray(dst, text []byte) ([]byte, bool) {
	if !isEvent(append(append([]byte(`{"":`), text...), '}')) {
		return dst, false
	}
	array := gjson.ParseBytes(text)
	if !array.IsArray() {
		return dst, false
	}
	dst = append(dst, '[')
	empty := len(dst)
	array.ForEach(func(_, element gjson.Result) bool {
		if element.Type == gjson.JSON {
			return true
		}
		if len(dst) > empty {
			dst = append(dst, ',')
		}
		dst = append(dst, element.Raw...)
		return true
	})
	return append(dst, ']'), true
}

// appendNumber appends a number in JSON's form of what SNS takes for one: also
// with a plus sign, leading zeros, and without digits on one side of the point.
func appendNumber(dst []byte, text string) ([]byte, bool) {
	from := len(dst)
	text = strings.TrimSpace(text)
	negative := strings.HasPrefix(text, "-")
	if negative || strings.HasPrefix(text, "+") {
		text = text[1:]
	}
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i+1:]
		if exponent = strings.TrimPrefix(exponent, "+"); !digits(strings.TrimPrefix(exponent, "-")) || strings.TrimPrefix(exponent, "-") == "" {
			return dst, false
		}
	}
	whole, part, _ := strings.Cut(mantissa, ".")
	if whole+part == "" || !digits(whole) || !digits(part) {
		return dst, false
	}
	if negative {
		dst = append(dst, '-')
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	dst = append(dst, whole...)
	if part != "" {
		dst = append(append(dst, '.'), part...)
	}
	if exponent != "" {
		dst = append(append(dst, 'e'), exponent...)
	}
	return dst, len(dst)-from <= numberMax
}

// numberMax bounds the characters of a number.
const numberMax = 256

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
