package dispatch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
)

func sampleRoute() *route {
	r := &route{
		endpoint: "arn:endpoint", ruleARN: "arn:rule", targetARN: "arn:target", targetID: "t", parameters: []byte(`{}`),
		deadLetters: []turnout.QueueName{{Scope: turnout.Scope{Account: "1", Region: "r"}, Name: "q"}, {Name: "x"}},
		retriesMax:  185, ageMax: time.Hour,
	}
	r.lane = laneOf(r.endpoint, r.ageMax, r.fifo)
	return r
}

func sampleAttempt(o Outcome) AttemptRecord {
	r := AttemptRecord{
		EventID: "e", Attempt: 3, Outcome: o, Latency: 1500 * time.Microsecond, Status: 503,
		ErrorCode: "TIMEOUT", ErrorMessage: "no answer", Excerpt: []byte("sorry"),
	}
	switch o {
	case Retried:
		r.RetryAt = time.UnixMilli(1_700_000_000_000).UTC()
	case DeadLettered:
		r.DeadLetterQueue = turnout.QueueName{Scope: turnout.Scope{Account: "1", Region: "r"}, Name: "q"}
	case Delivered, Dropped:
	}
	return r
}

func TestStoredFormsReadBack(t *testing.T) {
	t.Parallel()
	for _, r := range []*route{sampleRoute(), {endpoint: "e", fifo: true, lane: laneOf("e", 0, true)}} {
		got, err := parseRoute(r.appendTo(nil))
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	for _, n := range []note{
		{route: 1, eventID: "0188d1b4-0000-4000-8000-00000000abcd"},
		{route: 1 << 40, eventID: "0188D1B4-0000-4000-8000-00000000ABCD", body: []byte{}},
		{route: 3, eventID: "", body: []byte("transformed")},
	} {
		got, err := parseNote(n.appendTo(nil))
		require.NoError(t, err)
		require.Equal(t, n, got)
	}
	require.Len(t, (&note{route: 1, eventID: "0188d1b4-0000-4000-8000-00000000abcd"}).appendTo(nil), 18, "a delivery of an event is this much")
	for _, o := range []Outcome{Retried, Delivered, DeadLettered, Dropped} {
		r := sampleAttempt(o)
		key := append(append6(appendAttemptKey(nil, 7, "e"), 1_600_000_000_000), make([]byte, 10)...)
		got, id, err := parseAttempt(key, r.appendTo(nil, 9, [16]byte{1}))
		require.NoError(t, err)
		require.EqualValues(t, 9, id)
		r.DeliveryID, r.At = turnout.UUID([16]byte{1}), time.UnixMilli(1_600_000_000_000).UTC()
		require.Equal(t, r, got)
		require.NotEqual(t, "unknown", o.String())
	}
}

func FuzzRoute(f *testing.F) {
	f.Add(sampleRoute().appendTo(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRoute(b)
		if err != nil {
			return
		}
		again, err := parseRoute(r.appendTo(nil))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

func FuzzNote(f *testing.F) {
	f.Add((&note{route: 5, eventID: "0188d1b4-0000-4000-8000-00000000abcd", body: []byte("b")}).appendTo(nil))
	f.Add((&note{route: 5, eventID: "x"}).appendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseNote(b)
		if err != nil {
			return
		}
		again, err := parseNote(n.appendTo(nil))
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
}

func FuzzAttempt(f *testing.F) {
	key := append(append6(appendAttemptKey(nil, 7, "e"), 1_600_000_000_000), make([]byte, 10)...)
	for _, o := range []Outcome{Retried, Delivered, DeadLettered, Dropped} {
		r := sampleAttempt(o)
		f.Add(key, r.appendTo(nil, 9, [16]byte{1}))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, id, err := parseAttempt(key, value)
		if err != nil {
			return
		}
		// The delivery's id is written as a UUID, which loses six bits.
		_, again, err := parseAttempt(key, r.appendTo(nil, id, [16]byte{}))
		require.NoError(t, err)
		require.Equal(t, id, again)
	})
}
