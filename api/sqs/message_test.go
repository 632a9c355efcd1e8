package sqs

import (
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
)

func text(name, kind, value string) turnout.MessageAttribute {
	return turnout.MessageAttribute{Name: name, Type: kind, Value: []byte(value)}
}

// TestDigestAttributes checks digests that AWS was observed to answer.
func TestDigestAttributes(t *testing.T) {
	t.Parallel()
	for want, attributes := range map[string][]turnout.MessageAttribute{
		"235c5c510d26fb653d073faed50ae77c": {text("timestamp", "Number", "1493147359900")},
		"a45daa70926828a2f0a1db3418e6feb4": {text("k", "String", "x")},
		"5ae4d5d7636402d80f4eb6d213245a88": {text("AWSTraceHeader", "String", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")},
		"4c360f3fdafd970e05fae2f149d997f5": {text("General", "String", "Kenobi"), text("Hello", "String", "There"), text("Help.Me", "String", "Me")},
		"83fee93c1bcd8b9a5a923ffacdc636c7": {text("Hello", "String", "There"), text("Help.Me", "String", "Me")},
		"ae7155c6026991b6d54b11589678bf9c": {text("Foo", "String", "Bar")},
		"8cbe4db156db8a94db8b801b7addb984": {text("attr1", "Binary", "traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01")},
	} {
		d := digestAttributes(attributes)
		require.Equal(t, want, hex.EncodeToString(d.sum[:]), "%v", attributes)
	}
	require.False(t, digestAttributes(nil).given)
	long := []turnout.MessageAttribute{text("k", "String", strings.Repeat("x", 1000))}
	require.True(t, digestAttributes(long).given)
}

func TestIsNumber(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"0", "-1", "+1", "1.5", ".5", "5.", "1e5", "-1.5E-10", "12345678901234567890123456789012345678"} {
		require.True(t, isNumber([]byte(s)), s)
	}
	for _, s := range []string{"", "-", ".", "e5", "1e", "1e+", "0x10", "NaN", "Infinity", "1_000", " 1", "1 ", "1,5"} {
		require.False(t, isNumber([]byte(s)), s)
	}
}

// FuzzIsXMLText compares the check of bytes with the definition by code points.
func FuzzIsXMLText(f *testing.F) {
	for _, seed := range []string{"", "plain\t\r\n", "\x00", "\x1f", "\x7f", "\ufffe", "\uffff", "\ufffd", "\U0010ffff", "\uf000", "é\uffbf"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return // the readers let none pass
		}
		want := true
		for _, r := range s {
			want = want && (r == 9 || r == 10 || r == 13 || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000)
		}
		require.Equal(t, want, isXMLText([]byte(s)), "%q", s)
	})
}
