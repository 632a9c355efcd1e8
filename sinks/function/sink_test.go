package function_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/function"
	"github.com/seed567880c8/turnout/sinks/sinktest"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

const arn = "arn:aws:lambda:us-east-1:000000000000:function:orders"

func newSink(t testing.TB, cfg function.Config, wc webhook.Config) *function.Sink {
	t.Helper()
	wc.AllowHTTP = true
	if wc.AllowCIDRs == nil {
		wc.AllowCIDRs = webhook.LocalNetworks()
	}
	cfg.Client = webhook.NewClient(wc)
	t.Cleanup(cfg.Client.Close)
	s, err := function.New(cfg)
	require.NoError(t, err)
	return s
}

func suite(kind function.Invocation) sinktest.Config {
	return sinktest.Config{
		Delivery: sinks.Delivery{Endpoint: arn, Body: []byte(`{"order":1}`)},
		New: func(t testing.TB, e sinktest.Endpoint) sinks.Sink {
			t.Helper()
			return newSink(t, function.Config{Endpoint: e.URL, Invocation: kind}, webhook.Config{AllowCIDRs: e.Networks(), Roots: e.Roots()})
		},
	}
}

func TestSink(t *testing.T) {
	t.Parallel()

	for _, kind := range []function.Invocation{function.Event, function.RequestResponse} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			sinktest.Run(t, suite(kind))
		})
	}
}

func TestSinkAllocations(t *testing.T) { //nolint:paralleltest // it measures the whole process
	sinktest.Allocations(t, suite(function.Event))
}

// endpoint answers as told and keeps the last request.
type endpoint struct {
	*httptest.Server
	mu   sync.Mutex
	last *http.Request
	body string
}

func serve(t *testing.T, answer http.HandlerFunc) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		e.last, e.body = r, string(body)
		e.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

func TestInvoke(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		kind   function.Invocation
		status int
	}{{"", 202}, {function.Event, 202}, {function.RequestResponse, 200}, {function.DryRun, 204}} {
		e := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tc.status) })
		s := newSink(t, function.Config{Endpoint: e.URL, Invocation: tc.kind}, webhook.Config{})
		r := s.Attempt(t.Context(), sinks.Delivery{
			ID: "d-1", Attempt: 2, Endpoint: arn, Body: []byte(`{"a":1}`), TraceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793",
		})
		require.Nil(t, r.Failure)
		require.Equal(t, tc.status, r.Status)
		require.Equal(t, http.MethodPost, e.last.Method)
		require.Equal(t, "/2015-03-31/functions/orders/invocations", e.last.RequestURI)
		want := string(tc.kind)
		if want == "" {
			want = "Event"
		}
		require.Equal(t, want, e.last.Header.Get("X-Amz-Invocation-Type"))
		require.Equal(t, "application/json", e.last.Header.Get("Content-Type"))
		require.Equal(t, "Root=1-5759e988-bd862e3fe1be46a994272793", e.last.Header.Get("X-Amzn-Trace-Id"))
		require.Equal(t, "d-1", e.last.Header.Get("Turnout-Delivery-Id"))
		require.Equal(t, "2", e.last.Header.Get("Turnout-Delivery-Attempt"))
		require.Equal(t, `{"a":1}`, e.body)
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()

	e := serve(t, func(http.ResponseWriter, *http.Request) {})
	s := newSink(t, function.Config{
		Endpoint: e.URL + "/default",
		Endpoints: map[string]string{
			"named":       e.URL + "/named/",
			"named:v1":    e.URL + "/v1",
			arn + ":prod": e.URL + "/arn",
			"emulated":    e.URL + "/2015-03-31/functions/function/invocations",
		},
		Lookup: func(f turnout.FunctionName) string {
			if f.Name == "found" {
				return e.URL + "/found"
			}
			return ""
		},
	}, webhook.Config{})
	for name, want := range map[string]string{
		"other":          "/default/2015-03-31/functions/other/invocations",
		"other:$LATEST":  "/default/2015-03-31/functions/other/invocations?Qualifier=%24LATEST",
		"named":          "/named/2015-03-31/functions/named/invocations",
		"named:v1":       "/v1/2015-03-31/functions/named/invocations?Qualifier=v1",
		"named:v2":       "/named/2015-03-31/functions/named/invocations?Qualifier=v2",
		"orders:prod":    "/arn/2015-03-31/functions/orders/invocations?Qualifier=prod",
		"emulated":       "/2015-03-31/functions/function/invocations",
		"emulated:alias": "/2015-03-31/functions/function/invocations",
		"found":          "/found/2015-03-31/functions/found/invocations",
	} {
		r := s.Attempt(t.Context(), sinks.Delivery{Endpoint: "arn:aws:lambda:us-east-1:000000000000:function:" + name})
		require.Nil(t, r.Failure, name)
		require.Equal(t, want, e.last.RequestURI)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()

	s := newSink(t, function.Config{}, webhook.Config{})
	require.Equal(t, sinks.Result{Failure: &sinks.Failure{
		Code: sinks.CodeNoResource, Permanent: true,
		Message: "no endpoint is configured for function orders:v1; --function-endpoints orders:v1=URL sets one, --function-endpoint URL one for all",
	}}, s.Attempt(t.Context(), sinks.Delivery{Endpoint: arn + ":v1"}))

	for _, endpoint := range []string{
		"", "orders", "arn:aws:sqs:us-east-1:000000000000:orders", arn + ":a:b", arn + "/../x", arn + ":", arn + "?x",
		"arn:aws:lambda:us-east-1:000000000000:function:..", arn[:len(arn)-6] + strings.Repeat("x", 65),
	} {
		r := s.Attempt(t.Context(), sinks.Delivery{Endpoint: endpoint})
		require.Equal(t, sinks.CodeInvalidParameter, r.Failure.Code, endpoint)
		require.True(t, r.Failure.Permanent)
	}

	for kind, bytesMax := range map[function.Invocation]int{function.Event: 1 << 20, function.RequestResponse: 6 << 20} {
		e := serve(t, func(http.ResponseWriter, *http.Request) {})
		s := newSink(t, function.Config{Endpoint: e.URL, Invocation: kind}, webhook.Config{})
		require.Nil(t, s.Attempt(t.Context(), sinks.Delivery{Endpoint: arn, Body: make([]byte, bytesMax)}).Failure)
		r := s.Attempt(t.Context(), sinks.Delivery{Endpoint: arn, Body: make([]byte, bytesMax+1)})
		require.Equal(t, sinks.CodeLimitExceeded, r.Failure.Code)
		require.True(t, r.Failure.Permanent)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()

	long := strings.Repeat("x", 2000)
	cases := []struct {
		name      string
		status    int
		header    []string
		body      string
		code      string // "" is success
		permanent bool
	}{
		{name: "Lambda queued it", status: 202},
		{name: "Lambda ran it", status: 200, body: `{"ok":true}`},
		{name: "Lambda's function failed", status: 200, header: []string{"X-Amz-Function-Error", "Unhandled"}, body: `{"errorMessage":"x"}`, code: sinks.CodeErrorFromTarget},
		{name: "Lambda's function failed as it meant to", status: 200, header: []string{"X-Amz-Function-Error", "Handled"}, body: `"x"`, code: sinks.CodeErrorFromTarget},
		{name: "not JSON", status: 400, header: []string{"X-Amzn-Errortype", "InvalidRequestContentException"}, body: `{"Message":"x"}`, code: sinks.CodeErrorFromTarget, permanent: true},
		{name: "forbidden", status: 403, body: `{}`, code: sinks.CodeNoPermissions, permanent: true},
		{name: "no function", status: 404, body: `{"Message":"Function not found"}`, code: sinks.CodeNoResource, permanent: true},
		{name: "being updated", status: 409, body: `{}`, code: sinks.CodeErrorFromTarget},
		{name: "too large", status: 413, body: `{}`, code: sinks.CodeLimitExceeded, permanent: true},
		{name: "throttled", status: 429, body: `{}`, code: sinks.CodeThrottling},
		{name: "fault", status: 500, body: `{}`, code: sinks.CodeErrorFromTarget},
		{name: "unavailable", status: 502, code: sinks.CodeErrorFromTarget},

		{name: "emulator busy", status: 400, code: sinks.CodeThrottling},
		{name: "emulator ran it", status: 200, body: `null`},
		{name: "emulator timed out", status: 200, body: "Task timed out after 3.00 seconds", code: sinks.CodeTimeout},
		{name: "Python failed", status: 200, body: `{"errorMessage": "x", "errorType": "ValueError", "requestId": "1", "stackTrace": []}`, code: sinks.CodeErrorFromTarget},
		{name: "Node failed", status: 200, body: `{"errorType":"Error","errorMessage":"x","trace":["` + long + `"]}`, code: sinks.CodeErrorFromTarget},
		{name: "long message", status: 200, body: `{"errorMessage":"` + long + `","errorType":"E"}`, code: sinks.CodeErrorFromTarget},
		{name: "a result with a message", status: 200, body: `{"errorMessage":null,"errorType":null}`},
		{name: "a result with an error inside", status: 200, body: `{"ok":true,"errorMessage":"x","errorType":"y"}`},
		{name: "a result of one member", status: 200, body: `{"errorMessage":"x"}`},
		{name: "a list", status: 200, body: `["errorMessage","x"]`},
		{name: "no JSON", status: 200, body: `{"errorMessage`},
		{name: "queued with an error's form", status: 202, body: `{"errorMessage":"x","errorType":"y"}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for i := 0; i+1 < len(tc.header); i += 2 {
					w.Header().Set(tc.header[i], tc.header[i+1])
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			s := newSink(t, function.Config{Endpoint: e.URL}, webhook.Config{})
			r := s.Attempt(t.Context(), sinks.Delivery{ID: "d", Endpoint: arn, Body: []byte(`{}`)})
			require.Equal(t, tc.status, r.Status)
			if tc.code == "" {
				require.Nil(t, r.Failure)
				return
			}
			require.NotNil(t, r.Failure)
			require.Equal(t, tc.code, r.Failure.Code, r.Failure.Message)
			require.Equal(t, tc.permanent, r.Failure.Permanent)
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()

	_, err := function.New(function.Config{
		Endpoint: "localhost:9000", Endpoints: map[string]string{"f": "http://user:s3cret@host"}, Invocation: "Sometimes",
	})
	require.EqualError(t, err, `functions: the client is missing; invocation "Sometimes" is not Event, RequestResponse or DryRun; `+
		`the default endpoint is not an http or https URL without user information; `+
		`the endpoint of f is not an http or https URL without user information`)
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, "", `{"errorMessage":"x","errorType":"y"}`)
	f.Add(200, "Unhandled", "")
	f.Add(400, "", "")
	f.Add(200, "", `{"errorMessage":"`+strings.Repeat("\\", 1024))
	f.Add(202, "", "\xff")
	f.Fuzz(func(t *testing.T, status int, functionError, body string) {
		function.CheckJudge(t, status, functionError, body)
	})
}
