package topics

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
)

func FuzzSplitKey(f *testing.F) {
	f.Add([]byte("pm"))
	f.Add(appendArchivedKey(nil, 7, position{at: 946684800000, seq: 3}))
	f.Add(append(appendDedupKey(nil, 7, 3155616), "0123456789abcdef"...))
	f.Add(subscriptionKey(kindSubscription, 7, "8c8f1c3e-0000-4000-8000-000000000000"))
	f.Add([]byte("pt\x00\x00"))
	f.Fuzz(func(t *testing.T, key []byte) {
		kind, topic, rest, err := splitKey(key)
		if err != nil {
			return
		}
		if kind == kindMeta || kind == kindKey || kind == kindSecret {
			require.Equal(t, key, plainKey(kind))
			return
		}
		require.Equal(t, key, append(appendTopicKey(nil, kind, topic), rest...), "a key is made of its parts")
		lower, upper := topicRange(kind, topic)
		require.LessOrEqual(t, bytes.Compare(lower, key), 0)
		require.Negative(t, bytes.Compare(key, upper), "a topic's range holds its keys")
		if at, err := parseArchivedKey(key); err == nil && kind == kindArchived {
			require.Equal(t, key, appendArchivedKey(nil, topic, at))
		}
	})
}

func FuzzDedupRecord(f *testing.F) {
	f.Add(append([]byte{0, 0x30, 0x26, 0xa0}, "0123456789abcdef"...), make([]byte, dedupValueBytes))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		d := dedup{span: 3155616}
		if d.load(key, value) != nil {
			require.Nil(t, d.now)
			return
		}
		for k, once := range d.now {
			require.Equal(t, key[4:], k[:])
			b := append(appendSequence(append6(nil, once.at), once.seq), once.id[:]...)
			require.Equal(t, value, b, "a stored id reads back as it was written")
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"v":1,"arn":"arn:aws:sns:us-east-1:000000000000:t.fifo","fifo":true,"archive_policy":"{\"MessageRetentionPeriod\":\"3\"}"}`))
	f.Add([]byte(`{"v":1,"topic_arn":"arn:aws:sns:us-east-1:000000000000:t","protocol":"sqs","endpoint":"arn:aws:sqs:us-east-1:000000000000:q","created_at":1,"state":"live"}`))
	f.Add([]byte(`{"v":1,"status":"Pending","next_at":1,"live_at":2,"live_seq":3}`))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if r, err := decode[topicRecord]([]byte("key"), value); err == nil {
			s := r.settings()
			_, _, _ = parseTopic(&s.Attributes)
		}
		r, err := decode[subscriptionRecord]([]byte("key"), value)
		if err != nil {
			return
		}
		sub, st, err := r.subscription("8c8f1c3e-0000-4000-8000-000000000000")
		if err != nil {
			return
		}
		s, err := (&Topics{}).compile(sub, st)
		if err != nil {
			return
		}
		s.until = fromMillis(r.Until)
		again, err := decode[subscriptionRecord]([]byte("key"), s.encode())
		require.NoError(t, err)
		back, _, err := again.subscription(sub.ID)
		require.NoError(t, err)
		require.Equal(t, s.Subscription, back, "a subscription reads back as it was written")
	})
}

func FuzzToken(f *testing.F) {
	now := time.UnixMilli(946684800000)
	topics := &Topics{secret: bytes.Repeat([]byte{7}, secretBytes)}
	const id = "8c8f1c3e-0000-4000-8000-000000000000"
	good, err := topics.token(id, now.Add(time.Hour))
	require.NoError(f, err)
	f.Add(good)
	f.Add(good[2:])
	f.Add("")
	f.Add(strings.Repeat("ab", tokenBytes))
	f.Fuzz(func(t *testing.T, token string) {
		got, err := topics.readToken(token, now)
		if err == nil {
			require.True(t, strings.EqualFold(token, good), "nobody makes a token without the secret")
			require.Equal(t, id, got)
			_, err := topics.readToken(token, now.Add(time.Hour))
			require.Error(t, err, "a token has an end")
			return
		}
		e := err.(*turnout.Error) //nolint:errorlint,forcetypeassert // it is made here
		require.Contains(t, []string{"Invalid token", "Invalid parameter: Token"}, e.Message)
	})
}

func FuzzPolicies(f *testing.F) {
	f.Add(`{"PointType":"Timestamp","StartingPoint":"2023-11-14T20:59:59.123Z","EndingPoint":"2023-11-15T00:00:00Z"}`)
	f.Add(`{"MessageRetentionPeriod":"30"}`)
	f.Add(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:q"}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseReplay(text); err == nil && p != nil {
			require.True(t, p.to.IsZero() || p.to.After(p.from))
		}
		if days, err := parseArchive(text); err == nil {
			require.LessOrEqual(t, days, 365*24*time.Hour)
		}
		if queues, err := parseRedrive(text, turnout.TopicName{Name: "t"}); err == nil && text != "" {
			require.Len(t, queues, 1)
		}
	})
}
