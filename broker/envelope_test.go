package broker_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/broker"
)

func FuzzAppendQuoted(f *testing.F) {
	for _, s := range []string{"", "plain", `q"\`, "a\nb\tc\r", "\x00\x1f\x7f", "é€😀", "bad \xff\xc3", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := broker.AppendQuoted([]byte("x"), s)
		var got string
		require.NoError(t, json.Unmarshal(quoted[1:], &got), "%q", quoted)
		require.Equal(t, string([]rune(s)), got, "what is not UTF-8 is replaced, everything else stays")
	})
}

func FuzzAppendCompact(f *testing.F) {
	for _, s := range []string{`{}`, ` { "a" : [ 1 , 2 ] } `, "{\"a b\":\"c \\\" \\\\\" ,\n\"d\":\t1e5\r}", `"  "`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if !json.Valid(src) {
			return
		}
		var want bytes.Buffer
		require.NoError(t, json.Compact(&want, src))
		require.Equal(t, "x"+want.String(), string(broker.AppendCompact([]byte("x"), src)))
	})
}
