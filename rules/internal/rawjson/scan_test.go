package rawjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

var defaults = rawjson.Limits{Depth: 100, Keys: 10_000, Digits: 64}

func TestScanAcceptsJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `true`, `false`, `null`, " \t\r\n{ } \n",
		`{"a":1,"b":[1,2.5,-3e10,1E+2,0.1e-7],"c":{"a":null}}`,
		`"\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00"`, `"\ud800"`, "\"\u007f\u00e9\u65e5\U0001f600\"",
		`{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}`, `{"":{"":0}}`,
		strings.Repeat("[", 100) + strings.Repeat("]", 100),
		strings.Repeat("[", 20) + `{"a":{"a":1}},[1,2],{"a":[{}],"b":2},[[3],{"a":4}]` + strings.Repeat("]", 20),
		strings.Repeat("9", 64), "0." + strings.Repeat("3", 63),
	} {
		require.NoError(t, rawjson.Scan([]byte(text), defaults), "%s", text)
		require.True(t, json.Valid([]byte(text)), "%s", text)
	}
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, reason string
		offset       int
	}{
		{``, "unexpected end of JSON", 0},
		{`  `, "unexpected end of JSON", 2},
		{`{`, "unexpected end of JSON", 1},
		{`{"a"`, "unexpected end of JSON", 4},
		{`{"a":`, "unexpected end of JSON", 5},
		{`[1,`, "unexpected end of JSON", 3},
		{`"abc`, "unexpected end of JSON in a string", 4},
		{`"abc\`, "invalid escape in a string", 4},
		{`"a\x"`, "invalid escape in a string", 2},
		{`"a\u12g4"`, "invalid escape in a string", 2},
		{"\"a\nb\"", "unescaped control character in a string", 2},
		{"\"a\xffb\"", "invalid UTF-8 in a string", 2},
		{"\"\u00e9\xc3\"", "invalid UTF-8 in a string", 3},
		{"\"\xed\xa0\x80\"", "invalid UTF-8 in a string", 1},
		{`{} x`, "unexpected character 'x', expected the end", 3},
		{`{}{}`, "unexpected character '{', expected the end", 2},
		{"\xef\xbb\xbf{}", "unexpected character '\\ufeff', expected a value", 0},
		{"\xff", "unexpected byte 0xff, expected a value", 0},
		{`{a:1}`, "unexpected character 'a', expected a key", 1},
		{`{"a" 1}`, "unexpected character '1', expected ':'", 5},
		{`{"a":1 "b":2}`, `unexpected character '"', expected ',' or '}'`, 7},
		{`{"a":1]`, "unexpected character ']', expected ',' or '}'", 6},
		{`[1 2]`, "unexpected character '2', expected ',' or ']'", 3},
		{`[1}`, "unexpected character '}', expected ',' or ']'", 2},
		{`{"a":1,}`, "unexpected character '}', expected a key", 7},
		{`[1,]`, "unexpected character ']', expected a value", 3},
		{`[tru]`, "unexpected character 't', expected a value", 1},
		{`nul`, "unexpected character 'n', expected a value", 0},
		{`01`, "invalid number", 0},
		{`-`, "invalid number", 0},
		{`1.`, "invalid number", 0},
		{`1e`, "invalid number", 0},
		{`1e+`, "invalid number", 0},
		{`+1`, "unexpected character '+', expected a value", 0},
		{`.5`, "unexpected character '.', expected a value", 0},
		{strings.Repeat("9", 65), "number longer than 64 digits", 0},
		{"1e" + strings.Repeat("0", 64), "number longer than 64 digits", 0},
		{`{"a":1,"a":2}`, `duplicate key "a"`, 7},
		{`{"a":1,"\u0061":2}`, `duplicate key "a"`, 7},
		{`{"x":{"k":[{"a":1}],"k":2}}`, `duplicate key "k"`, 20},
		{`{"":1,"":2}`, `duplicate key ""`, 6},
		{strings.Repeat("[", 101), "nesting deeper than 100 levels", 100},
		{strings.Repeat(`{"a":`, 101), "nesting deeper than 100 levels", 500},
	} {
		err, ok := errors.AsType[*rawjson.SyntaxError](rawjson.Scan([]byte(c.text), defaults))
		require.True(t, ok, "accepted %s", c.text)
		require.Equal(t, c.reason, err.Reason, "%s", c.text)
		require.Equal(t, c.offset, err.Offset, "%s", c.text)
	}
}

// object returns an object with the keys k0 … and what is given behind them.
func object(keys int, more string) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"k` + strconv.Itoa(i) + `":{"k0":1}`)
	}
	return append(append(b.Bytes(), more...), '}')
}

func TestScanFindsDuplicatesAmongManyKeys(t *testing.T) {
	t.Parallel()
	for _, keys := range []int{1, 23, 24, 25, 47, 48, 49, 63, 64, 1000} {
		require.NoError(t, rawjson.Scan(object(keys, ""), defaults))
		require.NoError(t, rawjson.Scan(object(keys, `,"z":{"k0":1,"k1":2}`), defaults))
		require.Error(t, rawjson.Scan(object(keys, `,"k0":1`), defaults))
		require.Error(t, rawjson.Scan(object(keys, `,"k`+strconv.Itoa(keys-1)+`":1`), defaults))
		require.Error(t, rawjson.Scan(object(keys, `,"\u006b0":1`), defaults))
	}
}

func TestScanBoundsTheNumberOfKeys(t *testing.T) {
	t.Parallel()
	require.NoError(t, rawjson.Scan(object(5000, ""), defaults))
	require.ErrorContains(t, rawjson.Scan(object(5001, ""), defaults), "more than 10000 keys")
}

func TestScanStopsWhereALimitIsPassed(t *testing.T) {
	t.Parallel()
	const mebibyte = 1 << 20
	for _, c := range []struct {
		text   []byte
		offset int
	}{
		{bytes.Repeat([]byte("["), mebibyte), 1000},
		{bytes.Repeat([]byte(`{"":`), mebibyte/4), 4000},
		{bytes.Repeat([]byte("9"), mebibyte), 0},
	} {
		limits := rawjson.Limits{Depth: 1000, Keys: 10_000, Digits: 64}
		err, ok := errors.AsType[*rawjson.SyntaxError](rawjson.Scan(c.text, limits))
		require.True(t, ok)
		require.Equal(t, c.offset, err.Offset)
	}
}

func BenchmarkScanHostile(b *testing.B) {
	const mebibyte = 1 << 20
	limits := rawjson.Limits{Depth: 1000, Keys: 10_000, Digits: 64}
	for name, text := range map[string][]byte{
		"brackets": bytes.Repeat([]byte("["), mebibyte),
		"keys":     object(5000, ""),
		"digits":   bytes.Repeat([]byte("9"), mebibyte),
		"escapes":  bytes.Repeat([]byte(`"\u0000`), mebibyte/7),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = rawjson.Scan(text, limits)
			}
		})
	}
}

// model says what Scan must say, by means of encoding/json.
func model(text []byte, l rawjson.Limits) bool {
	if !json.Valid(text) || !utf8.Valid(text) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	type level struct {
		keys   map[string]bool // nil in an array
		wanted bool            // the next string is a key
	}
	var open []level
	keys := 0
	for {
		token, err := d.Token()
		if err != nil {
			return true
		}
		var top *level
		if len(open) > 0 {
			top = &open[len(open)-1]
		}
		if s, ok := token.(string); ok && top != nil && top.wanted {
			if keys++; top.keys[s] || keys > l.Keys {
				return false
			}
			top.keys[s] = true
			top.wanted = false
			continue
		}
		if top != nil && top.keys != nil {
			top.wanted = true
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{':
				open = append(open, level{map[string]bool{}, true})
			case '[':
				open = append(open, level{})
			default:
				open = open[:len(open)-1]
			}
			if len(open) > l.Depth {
				return false
			}
		case json.Number:
			digits := 0
			for _, c := range token {
				if '0' <= c && c <= '9' {
					digits++
				}
			}
			if digits > l.Digits {
				return false
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"b":[true,false,null,"x",-1.5e+3]}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `"\ud83d\ude00"`,
		"\"\xff\"", `[[[[1]]]]`, `{"a":{"b":{"c":{}}}}`, `123456789012345678901`, `[1,]`, `{"a":1}x`, `"\u00"`, "\"\t\"",
		`{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0,"l":0,"m":0,"n":0,"o":0,"p":0,"q":0,"r":0,"s":0,"t":0,"u":0,"v":0,"w":0,"x":0,"y":0,"a":1}`,
	} {
		f.Add([]byte(seed))
	}
	limits := rawjson.Limits{Depth: 20, Keys: 30, Digits: 20}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := rawjson.Scan(text, limits)
		require.Equal(t, model(text, limits), err == nil, "%q: %v", text, err)
		if err != nil {
			s, ok := errors.AsType[*rawjson.SyntaxError](err)
			require.True(t, ok)
			require.LessOrEqual(t, s.Offset, len(text))
			return
		}
		from := rawjson.SkipSpace(text, 0)
		end := rawjson.Skip(text, from)
		require.Equal(t, len(text), rawjson.SkipSpace(text, end), "Skip must find the end of a value that Scan accepts")
	})
}

func FuzzSkipStaysInBounds(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\"`), 0)
	f.Fuzz(func(t *testing.T, text []byte, from int) {
		if from < 0 || from > len(text) {
			return
		}
		end := rawjson.Skip(text, from)
		require.LessOrEqual(t, end, len(text))
	})
}
