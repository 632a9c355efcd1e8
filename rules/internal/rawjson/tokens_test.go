package rawjson_test

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

func TestTokensReportsPlacesAsJacksonDoes(t *testing.T) {
	t.Parallel()
	type step struct {
		kind   rawjson.Kind
		text   string
		before int // Offset before Text
		after  int // Offset after Text
	}
	tokens := rawjson.NewTokens([]byte(`{"a" : "x\u0079", "b":[12,true,null] , "c":{}} `), 10)
	for i, want := range []step{
		{rawjson.ObjectStart, "{", 1, 1},
		{rawjson.Name, "a", 8, 8},
		{rawjson.String, "xy", 8, 16},
		{rawjson.Name, "b", 23, 23},
		{rawjson.ArrayStart, "[", 23, 23},
		{rawjson.Number, "12", 25, 25},
		{rawjson.True, "true", 30, 30},
		{rawjson.Null, "null", 35, 35},
		{rawjson.ArrayEnd, "]", 36, 36},
		{rawjson.Name, "c", 44, 44},
		{rawjson.ObjectStart, "{", 44, 44},
		{rawjson.ObjectEnd, "}", 45, 45},
		{rawjson.ObjectEnd, "}", 46, 46},
		{rawjson.End, "", 47, 47},
	} {
		kind, err := tokens.Next()
		require.NoError(t, err)
		require.Equal(t, want, step{kind, want.text, tokens.Offset(), want.after}, "token %d", i)
		require.Equal(t, want.text, tokens.Text(), "token %d", i)
		require.Equal(t, want.after, tokens.Offset(), "token %d", i)
	}
}

func readAll(tokens *rawjson.Tokens) error {
	for {
		kind, err := tokens.Next()
		if err != nil || kind == rawjson.End {
			return err
		}
		tokens.Text()
	}
}

func TestTokensRefusesInJacksonsWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, reason string
		offset       int
	}{
		{`this is no JSON`, "Unrecognized token 'this': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", 4},
		{`{"not": closed mark"`, "Unrecognized token 'closed': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", 14},
		{`{'bad': 'quotation'}`, "Unexpected character (''' (code 39)): was expecting double-quote to start field name", 1},
		{`{"a":["x",]}`, "Unexpected character (']' (code 93)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", 10},
		{`{"a":1,}`, "Unexpected character ('}' (code 125)): was expecting double-quote to start field name", 7},
		{`{"a" 1}`, "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value", 5},
		{`{"a":1 "b":2}`, "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries", 7},
		{`[1 2]`, "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries", 3},
		{`["x"`, "Unexpected end-of-input: expected close marker for Array", 4},
		{`{"a":`, "Unexpected end-of-input: expected close marker for Object", 5},
		{`{`, "Unexpected end-of-input: expected close marker for Object", 1},
		{`["x`, "Unexpected end-of-input: was expecting closing quote for a string value", 3},
		{"[\"\n\"]", "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be escaped using backslash to be included in string value", 2},
		{`["\x"]`, "Unrecognized character escape 'x' (code 120)", 3},
		{`["\u12"]`, "Unexpected character: expected a hex-digit for character escape sequence", 4},
		{`["\`, "Unexpected end-of-input in character escape sequence", 3},
		{`[01]`, "Invalid numeric value: '01'", 1},
		{`[1x]`, "Unexpected character ('x' (code 120)): Expected space separating root-level values or a separator behind a number", 2},
		{`[[[[`, "Document nesting depth (4) exceeds the maximum allowed (3)", 4},
		{`{} {}`, "Unexpected character ('{' (code 123)): expected nothing after the end of the outermost value", 3},
		{"[\"\xff\"]", "Invalid UTF-8 in a string value", 2},
	} {
		err, ok := errors.AsType[*rawjson.SyntaxError](readAll(rawjson.NewTokens([]byte(c.text), 3)))
		require.True(t, ok, "accepted %s", c.text)
		require.Equal(t, c.reason, err.Reason, "%s", c.text)
		require.Equal(t, c.offset, err.Offset, "%s", c.text)
	}
}

func FuzzTokens(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":"x\n"}],"c":null}`, `[]`, `"x"`, `{"a":1}}`, `{"a":`, `[1,,2]`, `{"\u0061":true}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := readAll(rawjson.NewTokens(text, 1<<20))
		valid := json.Valid(text) && utf8.Valid(text)
		if len(text) == rawjson.SkipSpace(text, 0) {
			valid = true // no tokens
		}
		require.Equal(t, valid, err == nil, "%q: %v", text, err)
		if err != nil {
			s, ok := errors.AsType[*rawjson.SyntaxError](err)
			require.True(t, ok)
			require.LessOrEqual(t, s.Offset, len(text))
		}
	})
}

func FuzzUnescape(f *testing.F) {
	for _, seed := range []string{`a\n\u00e9`, `\ud83d\ude00`, `\ud800x`, `\ud800\ud800`, `\udc00`, `\ud800\u0041`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		quoted := append(append([]byte{'"'}, raw...), '"')
		var want string
		if !utf8.Valid(raw) || json.Unmarshal(quoted, &want) != nil {
			return
		}
		got, ok := rawjson.AppendUnescaped(nil, raw)
		require.True(t, ok)
		require.Equal(t, want, string(got))

		again := rawjson.AppendQuoted(nil, want)
		var back string
		require.NoError(t, json.Unmarshal(again, &back))
		require.Equal(t, want, back)
	})
}
