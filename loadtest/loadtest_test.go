package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// capture serves answer and hands over the requests.
func capture(t *testing.T, answer string) (host string, requests <-chan *http.Request) {
	t.Helper()
	got := make(chan *http.Request, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		got <- r
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), got
}

func connect(t *testing.T, host string) *conn {
	t.Helper()
	c, err := dial(t.Context(), host)
	require.NoError(t, err)
	t.Cleanup(c.close)
	return c
}

func TestRequestsAreWhatAnSDKSends(t *testing.T) {
	t.Parallel()
	host, requests := capture(t, "{}")
	c := connect(t, host)
	bodies := map[string][]byte{
		"SendMessage":      sendBody("http://q", 100, 1),
		"SendMessageBatch": sendBatchBody("http://q", 10, 100, 1),
		"ReceiveMessage":   receiveBody("http://q", 10, 1),
		"PutEvents":        putEventsBody("bus", 10, 100, 1),
	}
	for operation, body := range bodies {
		require.True(t, json.Valid(body), "%s: %s", operation, body)
		_, err := c.do(sqsAPI().request(host, operation, body))
		require.NoError(t, err)
		r := <-requests
		require.Equal(t, "AmazonSQS."+operation, r.Header.Get("X-Amz-Target"))
		require.Equal(t, "application/x-amz-json-1.0", r.Header.Get("Content-Type"))
		require.Contains(t, r.Header.Get("Authorization"), "Credential=000000000000/")
		got, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, string(body), string(got))
	}
}

func TestDeleteRequestsNameEveryHandle(t *testing.T) {
	t.Parallel()
	host, requests := capture(t, "{}")
	c := connect(t, host)
	d := newDeleter(host, "http://q")
	for _, hs := range [][][]byte{{[]byte("one")}, {[]byte("a"), []byte("b")}} {
		_, err := c.do(d.request(hs))
		require.NoError(t, err)
		var in struct {
			QueueURL      string `json:"QueueUrl"`
			ReceiptHandle string
			Entries       []struct{ ReceiptHandle string }
		}
		require.NoError(t, json.NewDecoder((<-requests).Body).Decode(&in))
		require.Equal(t, "http://q", in.QueueURL)
		if len(hs) == 1 {
			require.Equal(t, "one", in.ReceiptHandle)
		} else {
			require.Len(t, in.Entries, 2)
			require.Equal(t, "b", in.Entries[1].ReceiptHandle)
		}
	}
}

func TestConnReadsBothFormsOfBody(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"with a length": 100, "in chunks": 100_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := text(size, 1)
			host, _ := capture(t, want)
			c := connect(t, host)
			for range 2 {
				got, err := c.do(sqsAPI().request(host, "X", nil))
				require.NoError(t, err)
				require.Equal(t, want, string(got))
			}
		})
	}
}

func TestConnReportsAnErrorAnswer(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	_, err := connect(t, host).do(sqsAPI().request(host, "X", nil))
	require.ErrorContains(t, err, "status 404")
}

func TestHandlesAreFoundWithTheirEscapes(t *testing.T) {
	t.Parallel()
	body := []byte(`{"Messages":[{"Body":"say \"ReceiptHandle\"","ReceiptHandle":"a\/b"},{"ReceiptHandle" : "c"}]}`)
	var got []string
	for _, h := range handles(nil, []byte(strings.ReplaceAll(string(body), `\"ReceiptHandle\"`, `it`))) {
		got = append(got, string(h))
	}
	require.Equal(t, []string{`a\/b`, "c"}, got)
	require.Empty(t, handles(nil, []byte(`{}`)))
}

// Two servers that do nothing are equally fast, and every plan runs on them.
func TestEveryPlanRunsAgainstNothing(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(newNothingServer(100))
	t.Cleanup(srv.Close)
	p := &process{name: nothingCommand, host: strings.TrimPrefix(srv.URL, "http://")}
	l := &lab{settings: settings{concurrency: 2, payload: 100, duration: 10 * time.Millisecond, rounds: 2}}
	for name, plan := range map[string]plan{
		"send": sendPlan(), "send-batch": sendBatchPlan(), "receive": receivePlan(1), "receive-batch": receivePlan(10),
		"cycle": cyclePlan(), "put-events": putEventsPlan(1),
	} {
		plan.setUp = func(_ context.Context, t *target) error {
			t.queueURL = "http://" + t.host + "/000000000000/loadtest"
			return nil
		}
		r, err := runSteady(t.Context(), l, plan, p, p)
		require.NoError(t, err, name)
		require.Positive(t, r.values["requests_per_s"], name)
		require.Positive(t, r.values["ratio"], name)
	}
}

func TestUnknownScenarioAndFlagsAreRefused(t *testing.T) {
	t.Parallel()
	s, names, err := parse([]string{"-concurrency", "8", "send"})
	require.NoError(t, err)
	require.Equal(t, 8, s.concurrency)
	require.Equal(t, []string{"send"}, names)
	for _, args := range [][]string{{"-o", "xml"}, {"-concurrency", "0"}, {"-duration", "-1s"}} {
		_, _, err := parse(args)
		require.Error(t, err, args)
	}
	require.ErrorContains(t, run(t.Context(), s, []string{"nonsense"}, io.Discard), "no scenario")
	_, err = running("ftp://x", 0)
	require.Error(t, err)
}

func TestDeliveriesAreRead(t *testing.T) {
	t.Parallel()
	host, requests := capture(t, `{"FailedEntryCount":0}`)
	c := &course{target: &target{process: &process{host: host}}, detail: "filler"}
	want := []mark{{seq: 1, at: 1767225600123456789, to: 3, group: 4}, {seq: 5}}
	require.NoError(t, c.publish(connect(t, host), want...))
	var in struct{ Entries []struct{ Detail string } }
	require.NoError(t, json.NewDecoder((<-requests).Body).Decode(&in))
	for i, e := range in.Entries {
		require.True(t, json.Valid([]byte(e.Detail)))
		require.Equal(t, want[i], readMark([]byte(e.Detail)))
	}
	require.Equal(t, mark{seq: -1, at: -1, to: -1, group: -1}, readMark([]byte(`{"seq":x}`)))
}

func TestLedger(t *testing.T) {
	t.Parallel()
	g := &ledger{counts: map[int64]int{}, last: map[int]int64{}}
	for _, m := range []mark{{seq: 0, group: 0}, {seq: 2, group: 0}, {seq: 1, group: 1}, {seq: 1, group: 1}, {seq: 0, group: 0}, {seq: 3, group: 1}} {
		g.add(m)
	}
	require.Zero(t, g.disorder, "a repetition is no disorder, and groups do not wait for each other")
	require.EqualValues(t, 1, g.missing(5))
	g.add(mark{seq: 4, group: 2})
	g.add(mark{seq: -2, group: 2})
	require.Equal(t, 1, g.disorder)

	began := time.Now()
	g.times = nil
	for _, second := range []int{0, 10, 11, 12, 13, 30, 31, 40} {
		g.times = append(g.times, began.Add(time.Duration(second)*time.Second))
	}
	n, highest := g.figures(began.Add(time.Second), began.Add(35*time.Second), 2*time.Second)
	require.Equal(t, 6, n)
	require.InDelta(t, 1.5, highest, 1e-9, "three within two seconds")
}

func TestPacer(t *testing.T) {
	t.Parallel()
	began := time.Now()
	p := &pacer{began: began, each: 10 * time.Millisecond, end: 20, event: func(seq int64) mark { return mark{seq: seq} }}
	first, ok := p.take(time.Time{}, 1)
	require.True(t, ok)
	require.Equal(t, []mark{{at: began.UnixNano()}}, first)
	due, _ := p.take(began.Add(25*time.Millisecond), 9)
	require.Equal(t, []mark{{seq: 1, at: began.Add(10 * time.Millisecond).UnixNano()}, {seq: 2, at: began.Add(20 * time.Millisecond).UnixNano()}}, due)
	none, _ := p.take(began.Add(25*time.Millisecond), 9)
	require.Empty(t, none)
	many, _ := p.take(began.Add(time.Hour), 9)
	require.Len(t, many, 9)
	rest, _ := p.take(time.Time{}, 9)
	require.Len(t, rest, 8)
	_, ok = p.take(time.Time{}, 1)
	require.False(t, ok)
}
