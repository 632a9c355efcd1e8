package eventbridge

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

var caller = turnout.Scope{Account: "000000000000", Region: "us-east-1"}

func decodePublication(t *testing.T, body string) *publication {
	t.Helper()
	p := &publication{scope: caller, traceHeader: "Root=request"}
	require.True(t, p.decode(awswire.NewJSONReader([]byte(body))))
	return p
}

func TestPutEventsDecodesEveryMember(t *testing.T) {
	t.Parallel()
	p := decodePublication(t, `{"Entries":[
		{"Source":"s","DetailType":"t","Detail":"{\"a\":\"\\u00e9\"}"},
		{"Source":"s","DetailType":"t","Detail":"{}","Resources":["x","y"],"EventBusName":"b","TraceHeader":"Root=own","Time":1700000000.25},
		{"Source":"s","DetailType":"t","Detail":"{}","Resources":null,"EventBusName":"arn:aws:events:us-east-1:111111111111:event-bus/b","Time":"2023-11-14T23:13:20+01:00","Extra":[{}]}]}`)
	require.Equal(t, 3, p.count)

	first := p.entries[0].event
	require.Equal(t, turnout.EventEntry{
		Bus: turnout.BusName{Scope: caller, Name: "default"}, Account: caller.Account,
		Source: "s", DetailType: "t", Detail: []byte(`{"a":"\u00e9"}`), Resources: []string{}, TraceHeader: "Root=request",
	}, first)

	second := p.entries[1].event
	require.Equal(t, []string{"x", "y"}, second.Resources)
	require.Equal(t, "b", second.Bus.Name)
	require.Equal(t, "Root=own", second.TraceHeader)
	require.Equal(t, time.UnixMilli(1_700_000_000_250).UTC(), second.Time)

	third := p.entries[2].event
	require.Equal(t, "111111111111", third.Bus.Account)
	require.Equal(t, caller.Account, third.Account, "an event shows who published it, on whosever bus")
	require.Equal(t, time.Unix(1_700_000_000, 0).UTC(), third.Time)
	require.NotNil(t, third.Resources)
}

// discard is a broker that accepts every event.
type discard struct{ Broker }

func (discard) Publish(_ context.Context, entries []turnout.EventEntry) ([]turnout.PublishedEvent, error) {
	out := make([]turnout.PublishedEvent, len(entries))
	for i := range out {
		out[i].ID = "f81d4fae-7dec-4d0a-a765-00a0c91e6bf6"
	}
	return out, nil
}

// The size that counts is EventBridge's: 14 bytes for a time and the UTF-8
// lengths of source, detail type, detail and resources, of all entries together.
func TestPutEventsLimitsTheSizeOfAllEntries(t *testing.T) {
	t.Parallel()
	op := New(discard{}, Config{EntriesBytesMax: 100}).Operations["PutEvents"]
	send := func(pad int) error {
		// 7 bytes for pad 0: s, t and {"":""} without its two bytes of text; twice 40 more.
		body := fmt.Sprintf(`{"Entries":[
			{"Source":"s","DetailType":"t","Detail":"{\"%s\":1}","Time":1700000000,"Resources":["%s"]},
			{"Source":"s","DetailType":"t","Detail":"{}"}]}`, strings.Repeat("x", pad), strings.Repeat("é", 10))
		_, err := op(t.Context(), &awswire.Request{Scope: caller, Body: []byte(body)})
		return err
	}
	fixed := len("st{\"\":1}") + 14 + 20 + len("st{}")
	require.NoError(t, send(100-fixed), "exactly the limit")
	require.ErrorContains(t, send(101-fixed), "Total size of the entries in the request is over the limit.")
}

func TestPutEventsDefaultLimitIsOneMiB(t *testing.T) {
	t.Parallel()
	require.Equal(t, 1<<20, Config{}.withDefaults().EntriesBytesMax)
}

// FuzzPutEvents proves that the decoder by hand and the model agree on what is
// acceptable and on what it says.
func FuzzPutEvents(f *testing.F) {
	f.Add(`{"Entries":[{"Source":"s","DetailType":"t","Detail":"{}","Time":1,"Resources":["a"],"EventBusName":"b","TraceHeader":"x"}],"EndpointId":"a.b"}`)
	f.Add(`{"Entries":[{"Time":"1970-01-01T00:00:00Z","EventBusName":"arn:aws:events:us-east-1:000000000000:event-bus/x"},{}]}`)
	f.Add(`{"Entries":[null]}`)
	f.Add(`{"Entries":[{},{},{},{},{},{},{},{},{},{},{}]}`)
	f.Add(`{"Entries":[{"Resources":[null],"TraceHeader":"","EventBusName":""}],"EndpointId":""}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, body string) {
		p := publication{scope: caller}
		ok := p.decode(awswire.NewJSONReader([]byte(body)))
		in, err := shape.Decode(putEventsInput, []byte(body))
		require.Equal(t, err == nil, ok, "the model says: %v", err)
		if !ok {
			return
		}
		entries := in.List("Entries")
		require.Len(t, entries, p.count)
		require.Equal(t, in.Field("EndpointId") != nil, p.endpoint)
		for i, e := range entries {
			ev := &p.entries[i].event
			require.Equal(t, e.Str("Source"), ev.Source)
			require.Equal(t, e.Str("DetailType"), ev.DetailType)
			require.Equal(t, e.Str("Detail"), string(ev.Detail))
			require.Equal(t, e.Str("TraceHeader"), ev.TraceHeader)
			require.Len(t, ev.Resources, len(e.List("Resources")))
			require.Equal(t, e.Field("Time") == nil, ev.Time.IsZero())
			if e.Field("Time") != nil {
				require.Equal(t, e.Field("Time").Number, ev.Time.UnixMilli())
			}
		}
	})
}

// BenchmarkPutEvents answers what the API costs of a publish: decoding a
// request and handing its entries on. Bodies are of 1 KB, one and ten a request.
func BenchmarkPutEvents(b *testing.B) {
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			detail := `{\"order\":\"1234\",\"note\":\"` + strings.Repeat("x", 950) + `\"}`
			entry := `{"Source":"com.example.orders","DetailType":"OrderPlaced","EventBusName":"orders","Detail":"` + detail + `"}`
			body := []byte(`{"Entries":[` + strings.TrimSuffix(strings.Repeat(entry+",", n), ",") + `]}`)
			op := New(discard{}, Config{}).Operations["PutEvents"]
			r := &awswire.Request{Scope: caller, Body: body}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := op(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
