package sns

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestJacksonTexts has what Jackson 2.15 says of each text, with the place.
func TestJacksonTexts(t *testing.T) {
	t.Parallel()
	const valid = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
	for _, c := range []struct {
		text, message string
		line, column  int
	}{
		{"", "No content to map due to end-of-input", 1, 1},
		{" \n ", "No content to map due to end-of-input", 2, 2},
		{"{invalid", "Unexpected character ('i' (code 105)): was expecting double-quote to start field name", 1, 2},
		{"this is not json", "Unrecognized token 'this': was expecting " + valid, 1, 5},
		{"nul", "Unrecognized token 'nul': was expecting " + valid, 1, 4},
		{`{"a": truex}`, "Unrecognized token 'truex': was expecting " + valid, 1, 12},
		{`{"a": True1}`, "Unrecognized token 'True1': was expecting " + valid, 1, 12},
		{`[,]`, "Unexpected character (',' (code 44)): expected a valid value " + valid, 1, 2},
		{`[1,]`, "Unexpected character (']' (code 93)): expected a valid value " + valid, 1, 4},
		{"'a'", "Unexpected character (''' (code 39)): expected a valid value " + valid, 1, 1},
		{`{"a":"b",}`, "Unexpected character ('}' (code 125)): was expecting double-quote to start field name", 1, 10},
		{`{"a" "b"}`, `Unexpected character ('"' (code 34)): was expecting a colon to separate field name and value`, 1, 6},
		{"{\n\"a\":\n\"b\" \"c\"}", `Unexpected character ('"' (code 34)): was expecting comma to separate Object entries`, 3, 5},
		{`["é" 1]`, "Unexpected character ('1' (code 49)): was expecting comma to separate Array entries", 1, 6},
		{`["😀" 1]`, "Unexpected character ('1' (code 49)): was expecting comma to separate Array entries", 1, 7},
		{`["a" €]`, "Unexpected character ('€' (code 8364 / 0x20ac)): was expecting comma to separate Array entries", 1, 6},
		{"[1 \x00]", "Unexpected character ((CTRL-CHAR, code 0)): was expecting comma to separate Array entries", 1, 4},
		{`{"a":[1}`, "Unexpected close marker '}': expected ']' (for Array starting at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 6])", 1, 8},
		{`{"a": "b"`, "Unexpected end-of-input: expected close marker for Object (start marker at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 1])", 1, 10},
		{`{"a":`, "Unexpected end-of-input within/between Object entries", 1, 6},
		{`{"a"`, "Unexpected end-of-input within/between Object entries", 1, 5},
		{`{"a":1,`, "Unexpected end-of-input within/between Object entries", 1, 8},
		{`[1,`, "Unexpected end-of-input within/between Array entries", 1, 4},
		{`{"a`, "Unexpected end-of-input in field name", 1, 4},
		{`["a`, "Unexpected end-of-input: was expecting closing quote for a string value", 1, 4},
		{"[\"a\nb\"]", "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be escaped using backslash to be included in string value", 2, 1},
		{`["\x"]`, "Unrecognized character escape 'x' (code 120)", 1, 5},
		{`["\`, "Unexpected end-of-input in character escape sequence", 1, 4},
		{`["\u12`, "Unexpected end-of-input in character escape sequence", 1, 7},
		{`["\u12g4"]`, "Unexpected character ('g' (code 103)): expected a hex-digit for character escape sequence", 1, 7},
		{`[01]`, "Invalid numeric value: Leading zeroes not allowed", 1, 3},
		{`[-]`, "Unexpected character (']' (code 93)) in numeric value: expected digit (0-9) to follow minus sign, for valid numeric value", 1, 3},
		{`[1.]`, "Unexpected character (']' (code 93)) in numeric value: Decimal point not followed by a digit", 1, 4},
		{`[1e+]`, "Unexpected character (']' (code 93)) in numeric value: Exponent indicator not followed by a digit", 1, 5},
		{`-`, "Unexpected end-of-input in a Number value", 1, 2},
		{`{} {}`, "Unexpected character ('{' (code 123)): was expecting the end of the document", 1, 4},
		{strings.Repeat("[", 1001), "Document nesting depth (1001) exceeds the maximum allowed (1000, from `StreamReadConstraints.getMaxNestingDepth()`)", 1, 1001},
	} {
		want := refused("X: failed to parse JSON. %s\n at "+jsonSource, c.message, c.line, c.column)
		require.EqualError(t, checkJSON("X", c.text), want.Error(), c.text)
	}
	for _, text := range []string{
		"{}", " [ ] ", `{"a":{"b":[1,-0.5e+10,true,false,null,"\u00e9\n\"/\/"]},"a":1}`, "0", `"x"`, strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
	} {
		require.NoError(t, checkJSON("X", text), text)
	}
}

// FuzzCheckJSON compares the checker with encoding/json: they take the same
// texts, and the place of a fault lies in the text.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"a":[1,2.5e-3,"é\u00e9"],"b":null}`, "{invalid", `{"a":"b",}`, "[01]", "[-1.]", `"\ud800"`, "tru", "[1}", "\u00a0", "1 2", `{"a"  :  1 }`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 900 { // deeper than either parser lets documents be
			return
		}
		c := jsonChecker{text: text}
		c.document()
		require.Equal(t, json.Valid([]byte(text)), c.fault == nil, "%q", text)
		if c.fault == nil {
			return
		}
		require.GreaterOrEqual(t, c.fault.at, 0)
		require.LessOrEqual(t, c.fault.at, len(text))
		require.NotEmpty(t, c.fault.message)
		require.ErrorContains(t, checkJSON("X", text), "line: ")
	})
}
