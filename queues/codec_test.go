package queues

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/eventlog"
)

func FuzzParseRecord(f *testing.F) {
	for _, r := range []record{
		{body: []byte("body")},
		{event: 7},
		{body: []byte("b"), groupID: "g", dedupID: "d", traceHeader: "t", senderID: "s", sentAt: 1 << 40},
		{body: []byte("b"), attributes: []turnout.MessageAttribute{{Name: "n", Type: "String", Value: []byte("v")}}},
		{event: 9, moved: &moved{receives: 3, sourceARN: "arn:aws:sqs:us-east-1:000000000000:q"}},
	} {
		f.Add(r.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			require.ErrorIs(t, err, errRecord)
			return
		}
		again, err := parseRecord(r.append(nil))
		require.NoError(t, err)
		require.Equal(t, r.append(nil), again.append(nil), "what parses is written as it was read")
	})
}

func FuzzParseState(f *testing.F) {
	s := stateRecord{at: 1 << 40, visibleAt: 1<<40 + 30_000, receivedAt: 1 << 40, firstAt: 1<<40 - 5, receives: 3, epoch: 2, sentAt: 1<<40 - 9, event: 7, group: "g"}
	f.Add(s.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseState(b)
		if err != nil {
			require.ErrorIs(t, err, errRecord)
			return
		}
		again, err := parseState(s.append(nil))
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}

func FuzzParseLedger(f *testing.F) {
	f.Add(ledger{nextSeq: 9, count: 4, head: position{at: 1 << 40, seq: 3}, stateFloor: 2, lastAt: 1 << 40, purged: 5, delayed: true}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseLedger(b)
		if err != nil {
			require.ErrorIs(t, err, errRecord)
			return
		}
		again, err := parseLedger(l.append(nil))
		require.NoError(t, err)
		require.Equal(t, l, again)
	})
}

// testEngine has what receipt handles and message ids need.
func testEngine() *Engine {
	e := &Engine{}
	e.secret.macs.New = func() any { return hmac.New(sha256.New, []byte("secret")) }
	return e
}

func FuzzDecodeHandle(f *testing.F) {
	e := testEngine()
	f.Add(e.encodeHandle(handle{queue: 1, seq: 2, epoch: 3}))
	f.Add("garbage")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := e.decodeHandle(s)
		if err != nil {
			return
		}
		// Base64 has several texts for one value; the value must be ours.
		again, err := e.decodeHandle(e.encodeHandle(h))
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}

func TestHandleIsBound(t *testing.T) {
	t.Parallel()
	e := testEngine()
	rapid.Check(t, func(t *rapid.T) {
		h := handle{
			queue: rapid.Uint32().Draw(t, "queue"),
			seq:   rapid.Uint64Max(1<<48-1).Draw(t, "seq"),
			epoch: rapid.Uint32().Draw(t, "epoch"),
		}
		text := e.encodeHandle(h)
		got, err := e.decodeHandle(text)
		require.NoError(t, err)
		require.Equal(t, h, got)
		i := rapid.IntRange(0, len(text)-2).Draw(t, "altered") // the last character is padding
		altered := []byte(text)
		altered[i] = rapid.SampledFrom([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")).
			Filter(func(c byte) bool { return c != text[i] }).Draw(t, "to")
		if changed, err := e.decodeHandle(string(altered)); err == nil {
			require.Equal(t, h, changed, "a handle cannot be altered")
		}
	})
}

func TestMessageKeysSortByPosition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) position {
			return position{at: rapid.Int64Range(0, 1<<48-1).Draw(t, name+" at"), seq: rapid.Uint64Max(1<<48-1).Draw(t, name+" seq")}
		}
		a, b := draw("a"), draw("b")
		ka, kb := appendMessageKey(nil, 7, a), appendMessageKey(nil, 7, b)
		require.Equal(t, a.before(b), bytes.Compare(ka, kb) < 0)
		id, pos, ok := parseMessageKey(ka)
		require.True(t, ok)
		require.Equal(t, uint32(7), id)
		require.Equal(t, a, pos)
	})
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	text := rapid.StringN(0, 20, 40)
	rapid.Check(t, func(t *rapid.T) {
		r := record{
			body:    []byte(text.Draw(t, "body")),
			groupID: text.Draw(t, "group"), dedupID: text.Draw(t, "dedup"),
			traceHeader: text.Draw(t, "trace"), senderID: text.Draw(t, "sender"),
			sentAt: rapid.Int64Range(0, 1<<48).Draw(t, "sent"),
		}
		if rapid.Bool().Draw(t, "event") {
			r.event, r.body = eventlog.Ref(rapid.Uint64Range(1, 1<<60).Draw(t, "ref")), nil
		}
		for range rapid.IntRange(0, 3).Draw(t, "attributes") {
			r.attributes = append(r.attributes, turnout.MessageAttribute{
				Name: text.Draw(t, "name"), Type: text.Draw(t, "type"), Value: []byte(text.Draw(t, "value")),
			})
		}
		got, err := parseRecord(r.append(nil))
		require.NoError(t, err)
		require.Equal(t, r.append(nil), got.append(nil))
		require.Equal(t, r.event, got.event)
		require.Equal(t, string(r.body), string(got.body))
	})
}
