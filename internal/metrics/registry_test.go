package metrics

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
)

// page returns the lines of the page that begin with prefix.
func page(t *testing.T, r *Registry, prefix string) []string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

func TestRequests(t *testing.T) {
	t.Parallel()

	r := New("1.2.3")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r.Observe(Request{Service: "sqs", Operation: "SendMessage", Status: 200, BytesIn: 10, BytesOut: 20, Duration: 2 * time.Millisecond})
			}
		})
	}
	wg.Wait()
	r.Observe(Request{Service: "sqs", Operation: "SendMessage", Status: 400, Error: "QueueDoesNotExist", Duration: 30 * time.Second})
	r.Observe(Request{Status: 404, Error: "UnknownOperationException"})

	require.Equal(t, []string{
		`turnout_http_requests_total{code="200",operation="SendMessage",service="sqs"} 800`,
		`turnout_http_requests_total{code="400",operation="SendMessage",service="sqs"} 1`,
		`turnout_http_requests_total{code="404",operation="",service=""} 1`,
	}, page(t, r, "turnout_http_requests_total"))
	require.Equal(t, []string{
		`turnout_http_request_errors_total{error="QueueDoesNotExist",operation="SendMessage",service="sqs"} 1`,
		`turnout_http_request_errors_total{error="UnknownOperationException",operation="",service=""} 1`,
	}, page(t, r, "turnout_http_request_errors_total"))
	require.Contains(t, page(t, r, "turnout_http_request_bytes_total"), `turnout_http_request_bytes_total{operation="SendMessage",service="sqs"} 8000`)
	histogram := page(t, r, `turnout_http_request_duration_seconds_bucket{operation="SendMessage"`)
	require.Contains(t, histogram, `turnout_http_request_duration_seconds_bucket{operation="SendMessage",service="sqs",le="0.001"} 0`)
	require.Contains(t, histogram, `turnout_http_request_duration_seconds_bucket{operation="SendMessage",service="sqs",le="0.0025"} 800`)
	require.Contains(t, histogram, `turnout_http_request_duration_seconds_bucket{operation="SendMessage",service="sqs",le="25"} 800`)
	require.Contains(t, histogram, `turnout_http_request_duration_seconds_bucket{operation="SendMessage",service="sqs",le="+Inf"} 801`)
	require.Len(t, page(t, r, `turnout_build_info{go="go1`), 1)
	require.NotEmpty(t, page(t, r, "go_goroutines"))
}

func TestSources(t *testing.T) {
	t.Parallel()

	r := New("v")
	sent := Counter("turnout_messages_sent_total", "Messages.")
	depth := Gauge("turnout_queue_messages", "Messages.", "state")
	sync := Histogram("turnout_store_sync_duration_seconds", "Syncs.")
	r.Add([]*Family{sent, depth, sync}, func(e Emitter) {
		e.Value(sent, 5)
		e.Value(depth, 7, "visible")
		e.Histogram(sync, 3, 1.5, []float64{0.001, 1}, []uint64{1, 2})
	})
	require.Equal(t, []string{"turnout_messages_sent_total 5"}, page(t, r, "turnout_messages_sent_total"))
	require.Equal(t, []string{`turnout_queue_messages{state="visible"} 7`}, page(t, r, "turnout_queue_messages"))
	require.Equal(t, []string{
		`turnout_store_sync_duration_seconds_bucket{le="0.001"} 1`,
		`turnout_store_sync_duration_seconds_bucket{le="1"} 2`,
		`turnout_store_sync_duration_seconds_bucket{le="+Inf"} 3`,
		`turnout_store_sync_duration_seconds_sum 1.5`,
		`turnout_store_sync_duration_seconds_count 3`,
	}, page(t, r, "turnout_store_sync_duration_seconds_"))
	require.Panics(t, func() { r.Add([]*Family{Counter("turnout_messages_sent_total", "Messages.")}, func(Emitter) {}) })

	r.Observe(Request{Service: "sqs", Operation: "SendMessage", Status: 500, Error: "x"})
	gathered, err := r.registry.Gather()
	require.NoError(t, err)
	problems, err := promlint.NewWithMetricFamilies(gathered).Lint()
	require.NoError(t, err)
	require.Empty(t, problems, "names follow Prometheus's conventions")
}

func BenchmarkObserve(b *testing.B) {
	r := New("v")
	q := Request{Service: "sqs", Operation: "SendMessage", Status: 200, BytesIn: 1024, BytesOut: 300, Duration: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		r.Observe(q)
	}
}
