package apidestination_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/apidestination"
	"github.com/seed567880c8/turnout/sinks/sinktest"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

const connectionARN = "arn:aws:events:us-east-1:000000000000:connection/c/1"

// fixed is the one connection that there is.
type fixed struct{ c *apidestination.Connection }

func (f fixed) Connection(arn string) (*apidestination.Connection, error) {
	if arn != connectionARN || f.c == nil {
		return nil, turnout.Errorf(turnout.CodeNotFound, "Connection c is deauthorized.")
	}
	return f.c, nil
}

func localClient(t testing.TB, change ...func(*webhook.Config)) *webhook.Client {
	t.Helper()
	cfg := webhook.Config{AllowHTTP: true, AllowCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for _, f := range change {
		f(&cfg)
	}
	c := webhook.NewClient(cfg)
	t.Cleanup(c.Close)
	return c
}

func newSink(t testing.TB, cfg apidestination.Config, url, method string, auth turnout.ConnectionAuth) *apidestination.Sink {
	t.Helper()
	c, err := apidestination.NewConnection(&turnout.Connection{Auth: auth}, cfg, nil)
	require.NoError(t, err)
	s, err := apidestination.New(&turnout.APIDestination{Endpoint: url, HTTPMethod: method, ConnectionARN: connectionARN}, fixed{c}, cfg)
	require.NoError(t, err)
	return s
}

func basic() turnout.ConnectionAuth {
	return turnout.ConnectionAuth{Type: turnout.AuthBasic, Username: "user", Password: "p4ssw0rd"}
}

// wire writes a request as it arrived, but for what the transport makes of it.
func wire(r *http.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.RequestURI)
	keys := make([]string, 0, len(r.Header))
	for key := range r.Header {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		for _, value := range r.Header[key] {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	if body, _ := io.ReadAll(r.Body); len(body) > 0 {
		fmt.Fprintf(&b, "\n%s\n", body)
	}
	return b.String()
}

// TestRequests shows what a server receives. The one command, deliver, takes
//
//	endpoint METHOD PATH    what is appended to the server's URL
//	auth JSON               turnout.ConnectionAuth; absent: none can be used
//	target JSON             HttpParameters of the target
//	body TEXT
//	trace TEXT
//	strict                  as with StrictAWS
func TestRequests(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/requests", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return deliver(t, d.Input) })
	})
}

func deliver(t *testing.T, input string) string {
	t.Helper()
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, wire(r)) }))
	defer server.Close()
	cfg := apidestination.Config{Client: localClient(t)}
	destination := turnout.APIDestination{Endpoint: server.URL, HTTPMethod: http.MethodPost, ConnectionARN: connectionARN}
	delivery := sinks.Delivery{ID: "delivery-1", Attempt: 2, Body: []byte(`{"id":"e"}`)}
	var auth *turnout.ConnectionAuth
	for line := range strings.SplitSeq(input, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "endpoint":
			method, path, _ := strings.Cut(rest, " ")
			destination.HTTPMethod, destination.Endpoint = method, server.URL+path
		case "auth":
			auth = new(turnout.ConnectionAuth)
			require.NoError(t, json.Unmarshal([]byte(rest), auth))
		case "target":
			delivery.Parameters = []byte(rest)
		case "body":
			delivery.Body = []byte(rest)
		case "trace":
			delivery.TraceHeader = rest
		case "strict":
			cfg.StrictAWS = true
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	var connection *apidestination.Connection
	if auth != nil {
		var err error
		if connection, err = apidestination.NewConnection(&turnout.Connection{Auth: *auth}, cfg, nil); err != nil {
			return "connection: " + err.Error() + "\n"
		}
	}
	sink, err := apidestination.New(&destination, fixed{connection}, cfg)
	if err != nil {
		return "destination: " + strings.ReplaceAll(err.Error(), server.URL, "SERVER") + "\n"
	}
	r := sink.Attempt(t.Context(), delivery)
	if r.Failure != nil {
		return fmt.Sprintf("%s permanent=%v: %s\n", r.Failure.Code, r.Failure.Permanent, r.Failure.Message)
	}
	require.Len(t, got, 1)
	return got[0]
}

func suite() sinktest.Config {
	return sinktest.Config{New: func(t testing.TB, e sinktest.Endpoint) sinks.Sink {
		client := localClient(t, func(c *webhook.Config) { c.Roots, c.AllowCIDRs = e.Roots(), e.Networks() })
		return newSink(t, apidestination.Config{Client: client}, e.URL, http.MethodPost, basic())
	}}
}

// anew makes each attempt with a sink that has asked for no token yet.
type anew func() sinks.Sink

func (f anew) Attempt(ctx context.Context, d sinks.Delivery) sinks.Result { return f().Attempt(ctx, d) }

// authoritySuite has the suite's endpoint be the authorization endpoint. The
// API behind it is never reached.
func authoritySuite() sinktest.Config {
	return sinktest.Config{New: func(t testing.TB, e sinktest.Endpoint) sinks.Sink {
		client := localClient(t, func(c *webhook.Config) { c.Roots, c.AllowCIDRs = e.Roots(), e.Networks() })
		return anew(func() sinks.Sink {
			return newSink(t, apidestination.Config{Client: client}, "http://127.0.0.1:1025/", http.MethodPost, turnout.ConnectionAuth{
				Type: turnout.AuthOAuth, ClientID: "c", ClientSecret: "cl1ent-s3cret", AuthorizationEndpoint: e.URL, HTTPMethod: http.MethodPost,
			})
		})
	}}
}

func TestSinkConformance(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, suite())
}

func TestHostileEndpointsCostLittleMemory(t *testing.T) { //nolint:paralleltest // it measures the whole process
	sinktest.Allocations(t, suite())
}

func TestHostileAuthoritiesCostLittleMemory(t *testing.T) { //nolint:paralleltest // it measures the whole process
	sinktest.Allocations(t, authoritySuite())
}

func TestUnauthorizedIsWorthAnotherAttempt(t *testing.T) {
	t.Parallel()
	for status, permanent := range map[int]bool{401: false, 407: false, 409: false, 403: true, 422: true} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		s := newSink(t, apidestination.Config{Client: localClient(t)}, server.URL, http.MethodPost, basic())
		r := s.Attempt(t.Context(), sinks.Delivery{ID: "d"})
		server.Close()
		require.Equal(t, status, r.Status)
		require.NotNil(t, r.Failure)
		require.Equal(t, permanent, r.Failure.Permanent, "status %d", status)
	}
}

func TestEchoedSecretsAreNotRecorded(t *testing.T) {
	t.Parallel()
	const canary = "canary-5up3r-s3cr3t"
	auths := map[string]turnout.ConnectionAuth{
		"basic":     {Type: turnout.AuthBasic, Username: "user", Password: canary},
		"api key":   {Type: turnout.AuthAPIKey, APIKeyName: "x-key", APIKeyValue: canary},
		"parameter": {Type: turnout.AuthBasic, Username: "u", Password: "pppppp", Invocation: turnout.HTTPParameters{Header: []turnout.Parameter{{Key: "X-A", Value: canary, Secret: true}}}},
	}
	for name, auth := range auths {
		for _, cut := range []int{0, 1000, 1013} { // where the excerpt cuts the secret
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = io.WriteString(w, strings.Repeat(".", cut))
				for _, key := range []string{"Authorization", "X-Key", "X-A"} {
					_, _ = io.WriteString(w, r.Header.Get(key))
				}
			}))
			s := newSink(t, apidestination.Config{Client: localClient(t)}, server.URL, http.MethodPost, auth)
			r := s.Attempt(t.Context(), sinks.Delivery{ID: "d"})
			server.Close()
			require.Equal(t, http.StatusInternalServerError, r.Status)
			require.NotContains(t, string(r.Excerpt), canary[:6], "%s at %d", name, cut)
			require.NotContains(t, fmt.Sprintf("%+v", r.Failure), canary)
		}
	}
}

func TestSignedRequestsVerify(t *testing.T) {
	t.Parallel()
	const first = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	const second = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	var verified []error
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		for _, text := range []string{first, second} {
			key, err := webhook.ParseKey(text)
			if err == nil {
				err = webhook.Verify([]webhook.Key{key}, r.Header, body, time.Now())
			}
			verified = append(verified, err)
		}
		if r.Header.Get("webhook-id") != "delivery-1" {
			verified = append(verified, fmt.Errorf("webhook-id is %q", r.Header.Get("webhook-id")))
		}
	}))
	defer server.Close()
	for _, strict := range []bool{false, true} {
		s := newSink(t, apidestination.Config{Client: localClient(t), StrictAWS: strict}, server.URL, http.MethodPost, turnout.ConnectionAuth{
			Type: turnout.AuthAPIKey, APIKeyName: "Webhook-Signature", APIKeyValue: first + " " + second,
			Invocation: turnout.HTTPParameters{Body: []turnout.Parameter{{Key: "k", Value: "v"}}},
		})
		r := s.Attempt(t.Context(), sinks.Delivery{ID: "delivery-1", Attempt: 1, Body: []byte(`{"a":1}`)})
		require.Nil(t, r.Failure)
	}
	require.Equal(t, []error{nil, nil, nil, nil}, verified, "a receiver that knows either key accepts")
}

func TestSettingsOfTLS(t *testing.T) {
	t.Parallel()
	certificate, key := clientCertificate(t)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM([]byte(certificate)))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // bad handshakes are meant
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	cfg := apidestination.Config{Client: localClient(t)}
	attempt := func(settings ...turnout.Parameter) *sinks.Failure {
		auth := basic()
		auth.Invocation.Body = settings // where AWS bounds no values
		return newSink(t, cfg, server.URL, http.MethodPost, auth).Attempt(t.Context(), sinks.Delivery{ID: "d"}).Failure
	}
	require.NotNil(t, attempt(), "the authority is unknown")
	require.NotNil(t, attempt(turnout.Parameter{Key: "turnout-tls-ca", Value: ca}), "the server asks for a certificate")
	forms := map[string]func(string) string{
		"lines":    func(s string) string { return s },
		"one line": func(s string) string { return strings.ReplaceAll(s, "\n", `\n`) },
		"base64":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	}
	for name, form := range forms {
		require.Nil(t, attempt(
			turnout.Parameter{Key: "turnout-tls-ca", Value: form(ca)},
			turnout.Parameter{Key: "Turnout-TLS-Certificate", Value: form(certificate)},
			turnout.Parameter{Key: "turnout-tls-key", Value: form(key), Secret: true},
		), name)
	}
}

// clientCertificate makes a certificate that is its own authority.
func clientCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	text, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}

func FuzzTargetParameters(f *testing.F) {
	f.Add([]byte(`{"PathParameterValues":["a"],"HeaderParameters":{"K":"v"},"QueryStringParameters":{"q":"1"}}`), "/a/*")
	f.Add([]byte(`{"PathParameterValues":["..","/"]}`), "/*/b*")
	f.Add([]byte(`{"HeaderParameters":{"A\r\nB":"c\r\nd"}}`), "/")
	f.Add([]byte(`[]`), "/%2a*?x=1&x=%zz")
	client := webhook.NewClient(webhook.Config{AllowHTTP: true})
	f.Cleanup(client.Close)
	cfg := apidestination.Config{Client: client}
	c, err := apidestination.NewConnection(&turnout.Connection{Auth: basic()}, cfg, nil)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, parameters []byte, path string) {
		d := turnout.APIDestination{Endpoint: "https://example.com" + path, HTTPMethod: http.MethodPost, ConnectionARN: connectionARN}
		s, err := apidestination.New(&d, fixed{c}, cfg)
		if err != nil {
			return
		}
		got, failure := s.Build(&sinks.Delivery{ID: "d", Body: []byte("{}"), Parameters: parameters}, c)
		if failure != nil {
			require.True(t, failure.Permanent)
			return
		}
		require.True(t, strings.HasPrefix(got.URL, "https://example.com"), "%q", got.URL)
		req, err := http.NewRequestWithContext(t.Context(), got.Method, got.URL, bytes.NewReader(got.Body))
		require.NoError(t, err, "%q", got.URL)
		require.Equal(t, "example.com", hostOf(req), "parameters do not change where the request goes")
		require.NotContains(t, req.URL.Path, "\r")
		for key, values := range got.Header {
			require.NotContains(t, key, "\n")
			for _, value := range values {
				require.NotContains(t, value, "\n")
			}
		}
	})
}

// hostOf leaves out what the fuzzer may have appended to the name or port.
func hostOf(r *http.Request) string {
	if strings.HasPrefix(r.URL.Host, "example.com") {
		return "example.com"
	}
	return r.URL.Host
}

func BenchmarkBuild(b *testing.B) {
	cfg := apidestination.Config{Client: localClient(b)}
	c, err := apidestination.NewConnection(&turnout.Connection{Auth: basic()}, cfg, nil)
	require.NoError(b, err)
	s, err := apidestination.New(&turnout.APIDestination{Endpoint: "https://example.com/orders/*", HTTPMethod: http.MethodPost, ConnectionARN: connectionARN}, fixed{c}, cfg)
	require.NoError(b, err)
	d := sinks.Delivery{ID: "d", Body: []byte(`{"a":1}`), Parameters: []byte(`{"PathParameterValues":["42"]}`)}
	b.ReportAllocs()
	for b.Loop() {
		_, failure := s.Build(&d, c)
		require.Nil(b, failure)
	}
}
