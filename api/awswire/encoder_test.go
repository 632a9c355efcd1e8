package awswire_test

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/awswire"
)

func TestAppendEpoch(t *testing.T) {
	t.Parallel()
	for text, at := range map[string]time.Time{
		"0":              time.Unix(0, 0),
		"1700000000":     time.Unix(1700000000, 0),
		"1700000000.001": time.UnixMilli(1700000000001),
		"1700000000.120": time.Unix(1700000000, 120_900_000),
		"-1":             time.Unix(-1, 0),
	} {
		require.Equal(t, text, string(awswire.AppendEpoch(nil, at)))
	}
}

// FuzzAppendXMLText proves that text survives a parser of XML, carriage returns included.
func FuzzAppendXMLText(f *testing.F) {
	for _, seed := range []string{"", "plain", "<&>\"'", "\r\n\r", "é😀", "\x00\x01\x1f", "\xff", "\ufffe\uffff\ufffd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		encoded := awswire.AppendXMLText([]byte("<a>"), s)
		require.Equal(t, encoded, awswire.AppendXMLText([]byte("<a>"), []byte(s)))
		var got string
		require.NoError(t, xml.Unmarshal(append(encoded, "</a>"...), &got), "%q", encoded)
		want := strings.Map(func(r rune) rune {
			switch {
			case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0xfffe, r == 0xffff:
				return utf8.RuneError
			}
			return r
		}, s)
		require.Equal(t, want, got)
	})
}
