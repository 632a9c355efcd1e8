package awswire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// decode reads a document into what encoding/json would make of it.
func decode(d *awswire.JSONReader) any {
	switch c := kind(d); c {
	case '{':
		m := map[string]any{}
		if !d.Object() {
			return nil
		}
		for {
			key, ok := d.Key()
			if !ok {
				return m
			}
			name := string(key)
			m[name] = decode(d)
		}
	case '[':
		list := []any{}
		if !d.Array() {
			return nil
		}
		for d.Elem() {
			list = append(list, decode(d))
		}
		return list
	case '"':
		s, _ := d.String()
		return string(s)
	case 't', 'f':
		v, _ := d.Bool()
		return v
	case 'n':
		d.Null()
		return nil
	default:
		return json.Number(d.Raw())
	}
}

// kind looks at the next value's first byte by reading a copy of the reader.
func kind(d *awswire.JSONReader) byte {
	ahead := *d
	raw := ahead.Raw()
	if raw == nil {
		return 'n'
	}
	return raw[0]
}

func TestJSONReaderRefuses(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		``:                                "unexpected end",
		` `:                               "unexpected end",
		`{`:                               "unexpected end",
		`{"a"`:                            "unexpected end",
		`{"a":`:                           "unexpected end",
		`{"a":1`:                          "unexpected end",
		`"abc`:                            "unexpected end",
		`"abc\`:                           "unexpected end",
		`{"a":1,}`:                        "expected a key",
		`{a:1}`:                           "expected a key",
		`{"a" 1}`:                         "expected ':'",
		`{"a":1 "b":2}`:                   "expected ','",
		`[1,]`:                            "unexpected token",
		`[1 2]`:                           "expected ','",
		`[1`:                              "unexpected end",
		`{} x`:                            "unexpected data",
		`{}{}`:                            "unexpected data",
		`nul`:                             "unexpected token",
		`True`:                            "unexpected token",
		`'a'`:                             "unexpected token",
		`01`:                              "malformed number",
		`-`:                               "malformed number",
		`1.`:                              "malformed number",
		`.5`:                              "unexpected token",
		`1e`:                              "malformed number",
		`+1`:                              "unexpected token",
		`NaN`:                             "unexpected token",
		strings.Repeat("9", 65):           "64 characters",
		"\"a\tb\"":                        "control character",
		"\"\\n\x01\"":                     "control character",
		`"\x"`:                            "unknown escape",
		`"\u12"`:                          "bad \\u escape",
		`"\u12zz"`:                        "bad \\u escape",
		`"\ud800"`:                        "unpaired surrogate",
		`"\udc00\ud800"`:                  "unpaired surrogate",
		`"\ud800\u0041"`:                  "unpaired surrogate",
		"\"\xff\"":                        "not valid UTF-8",
		"\"\\n\xc3\"":                     "not valid UTF-8",
		`{"a":1,"a":2}`:                   "duplicate key",
		`{"a":1,"\u0061":2}`:              "duplicate key",
		`{"\u0061":1,"\u0061":2}`:         "duplicate key",
		`{"x":{"a":1,"b":{"a":1},"a":2}}`: "duplicate key",
		strings.Repeat("[", 101):          "100 levels",
		strings.Repeat(`{"a":`, 101):      "100 levels",
		manyKeys(10_001):                  "10000 keys",
		manyKeys(100)[:len(manyKeys(100))-1] + `,"k7":1}`: "duplicate key",
	} {
		d := awswire.NewJSONReader([]byte(document))
		d.Skip()
		err := d.End()
		require.ErrorContains(t, err, want, document)
		var coded *turnout.Error
		require.ErrorAs(t, err, &coded)
		require.Equal(t, turnout.CodeMalformedRequest, coded.Code)
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestJSONReaderTakesWhatIsLegal(t *testing.T) {
	t.Parallel()
	for _, document := range []string{
		` { "a" : [ 1 , -2.5e+3 , true , false , null , "x" , { } , [ ] ] } `,
		`"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00é😀"`,
		`{"a":{"b":1},"c":{"b":1}}`,
		strings.Repeat("[", 100) + strings.Repeat("]", 100),
		manyKeys(10_000),
		`-0`, `0.5`, `1E400`,
	} {
		d := awswire.NewJSONReader([]byte(document))
		got := decode(d)
		require.NoError(t, d.End(), document)
		require.Equal(t, reference(t, document), got, document)
	}
}

func reference(t *testing.T, document string) (want any) {
	t.Helper()
	r := json.NewDecoder(strings.NewReader(document))
	r.UseNumber()
	require.NoError(t, r.Decode(&want))
	return want
}

func TestJSONReaderConvertsAsAWS(t *testing.T) {
	t.Parallel()
	text := func(document string) (string, bool, error) {
		d := awswire.NewJSONReader([]byte(document))
		s, ok := d.String()
		return string(s), ok, d.End()
	}
	for document, want := range map[string]string{`"x"`: "x", `12.50`: "12.50", `true`: "true", `false`: "false"} {
		got, ok, err := text(document)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	_, ok, err := text(`null`)
	require.NoError(t, err)
	require.False(t, ok, "null is absence")
	_, _, err = text(`{}`)
	require.EqualError(t, err, "Start of structure or map found where not expected.")
	_, _, err = text(`[]`)
	require.EqualError(t, err, "Start of list found where not expected.")

	for document, want := range map[string]string{
		`"1"`: "STRING_VALUE can not be converted to an Integer", `true`: "TRUE_VALUE can not be converted to an Integer",
		`1.5`: "NUMBER_VALUE can not be converted to an Integer", `2147483648`: "NUMBER_VALUE can not be converted to an Integer",
		`1e99`: "NUMBER_VALUE can not be converted to an Integer",
	} {
		d := awswire.NewJSONReader([]byte(document))
		_, ok := d.Int()
		require.False(t, ok)
		require.EqualError(t, d.End(), want)
	}
	for document, want := range map[string]int{`-2147483648`: -1 << 31, `5.0`: 5, `1e3`: 1000} {
		d := awswire.NewJSONReader([]byte(document))
		n, ok := d.Int()
		require.True(t, ok)
		require.NoError(t, d.End())
		require.Equal(t, want, n)
	}
	d := awswire.NewJSONReader([]byte(`[1.25,"x"]`))
	require.True(t, d.Array())
	require.True(t, d.Elem())
	f, _ := d.Float()
	require.InDelta(t, 1.25, f, 0)
	require.True(t, d.Elem())
	_, ok = d.Bool()
	require.False(t, ok)
	require.EqualError(t, d.Err(), "STRING_VALUE can not be converted to a Boolean")
	_, ok = d.Key()
	require.False(t, ok, "after an error nothing is read")
}

// FuzzJSONReader compares the reader with encoding/json: whatever both take
// they read alike, and what only encoding/json takes is on the list of what the
// reader is stricter about.
func FuzzJSONReader(f *testing.F) {
	for _, seed := range []string{
		`{"QueueUrl":"http://x/1/q","MessageBody":"h\u00e9llo\n","DelaySeconds":1,"a":[1,2.5,-3e4,null,true]}`,
		`{"a":1,"a":2}`, `"\ud83d\ude00"`, `"\ud800"`, "\"\xff\"", `[[[[]]]]`, `{"":{}}`, ` [ ] `, `1e5`, `{"a":"b"`, `"\u0000"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		before := bytes.Clone(document)
		d := awswire.NewJSONReader(document)
		d.Skip()
		skipErr := d.End()
		require.Equal(t, before, document, "the document is not changed")

		var want any
		r := json.NewDecoder(bytes.NewReader(document))
		r.UseNumber()
		valid := json.Valid(document)
		if valid {
			require.NoError(t, r.Decode(&want))
		}
		if skipErr != nil {
			require.True(t, !valid || stricter(skipErr.Error()), "%q: %v", document, skipErr)
			return
		}
		require.True(t, valid, "%q", document)
		require.True(t, utf8.Valid(document) || !strings.Contains(string(document), `"`))
		d = awswire.NewJSONReader(document)
		got := decode(d)
		require.NoError(t, d.End())
		require.Equal(t, want, got, "%q", document)
	})
}

func stricter(message string) bool {
	for _, reason := range []string{"duplicate key", "unpaired surrogate", "not valid UTF-8", "64 characters", "100 levels", "10000 keys"} {
		if strings.Contains(message, reason) {
			return true
		}
	}
	return false
}

// FuzzAppendJSONString proves that what is written is read back, by
// encoding/json and by the reader here.
func FuzzAppendJSONString(f *testing.F) {
	for _, seed := range []string{"", "plain", "\"\\\n\r\t\x00\x1f\x7f", "é😀\u2028", "\xff\xc3", "\ufffd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := perByte(s)
		encoded := awswire.AppendJSONString(nil, s)
		require.Equal(t, encoded, awswire.AppendJSONString(nil, []byte(s)))
		var got string
		require.NoError(t, json.Unmarshal(encoded, &got), "%q", encoded)
		require.Equal(t, want, got)
		read, ok := awswire.NewJSONReader(encoded).String()
		require.True(t, ok)
		require.Equal(t, want, string(read))
	})
}

// perByte replaces each byte that is not UTF-8 on its own, where ToValidUTF8 replaces runs.
func perByte(s string) string {
	var b strings.Builder
	for _, r := range s { // an invalid byte is one U+FFFD here
		b.WriteRune(r)
	}
	return b.String()
}
