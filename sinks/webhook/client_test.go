package webhook_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// local is a client for endpoints on loopback.
func local(t testing.TB, cfg webhook.Config) *webhook.Client {
	t.Helper()
	cfg.AllowHTTP, cfg.AllowCIDRs = true, webhook.LocalNetworks()
	c := webhook.NewClient(cfg)
	t.Cleanup(c.Close)
	return c
}

// serveTLS starts an endpoint and returns it with the PEM of its authority.
func serveTLS(t testing.TB, configure func(*httptest.Server), handle http.HandlerFunc) (*httptest.Server, []byte) {
	t.Helper()
	s := httptest.NewUnstartedServer(handle)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if configure != nil {
		configure(s)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestDeadlinesAreExact(t *testing.T) {
	t.Parallel()

	// A network in memory, in virtual time: what the server writes, and when an
	// attempt must have ended.
	const ok = "HTTP/1.1 200 OK\r\n"
	every := func(pause time.Duration, piece string) func(net.Conn) {
		return func(c net.Conn) {
			for {
				time.Sleep(pause)
				if _, err := io.WriteString(c, piece); err != nil {
					return
				}
			}
		}
	}
	cases := []struct {
		name    string
		serve   func(net.Conn)
		dial    time.Duration // until a connection is made
		timeout time.Duration // of the request
		ctx     time.Duration
		took    time.Duration
		code    string // "" is success
	}{
		{name: "request's timeout", serve: func(net.Conn) {}, timeout: 5 * time.Second, took: 5 * time.Second, code: sinks.CodeTimeout},
		{name: "client's timeout", serve: func(net.Conn) {}, took: 30 * time.Second, code: sinks.CodeTimeout},
		{name: "context's deadline", serve: func(net.Conn) {}, ctx: 3 * time.Second, took: 3 * time.Second, code: sinks.CodeTimeout},
		{name: "timeout of hours", serve: func(net.Conn) {}, timeout: 3 * time.Hour, took: 3 * time.Hour, code: sinks.CodeTimeout},
		{name: "dial that hangs", dial: time.Hour, took: 10 * time.Second, code: sinks.CodeConnectionFailure},
		{name: "dial that hangs longer than the context", dial: time.Hour, ctx: time.Second, took: time.Second, code: sinks.CodeTimeout},
		{name: "dripping header", serve: every(time.Second, ok[:1]), timeout: 5 * time.Second, took: 5 * time.Second, code: sinks.CodeTimeout},
		{
			name: "dripping body after a good status", timeout: 5 * time.Second, took: 2 * time.Second,
			serve: func(c net.Conn) {
				_, _ = io.WriteString(c, ok+"Content-Length: 1000\r\n\r\n")
				every(100*time.Millisecond, "x")(c)
			},
		},
		{
			name: "late header, then body", timeout: 5 * time.Second, took: 5500 * time.Millisecond,
			serve: func(c net.Conn) {
				time.Sleep(4 * time.Second)
				_, _ = io.WriteString(c, ok+"Content-Length: 1\r\n\r\n")
				time.Sleep(1500 * time.Millisecond)
				_, _ = io.WriteString(c, "x")
			},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := local(t, webhook.Config{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
					select {
					case <-time.After(tc.dial):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					ours, theirs := net.Pipe()
					go func() {
						_, _ = theirs.Read(make([]byte, 4096))
						tc.serve(theirs)
						_, _ = io.Copy(io.Discard, theirs)
					}()
					return ours, nil
				}})
				ctx := t.Context()
				if tc.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.ctx)
					defer cancel()
				}
				start := time.Now()
				r := client.Do(ctx, &webhook.Request{URL: "http://hooks.example/", Timeout: tc.timeout})
				require.Equal(t, tc.took, time.Since(start))
				if tc.code == "" {
					require.Nil(t, r.Failure)
				} else {
					require.NotNil(t, r.Failure)
					require.Equal(t, tc.code, r.Failure.Code, r.Failure.Message)
					require.False(t, r.Failure.Permanent)
				}
				client.Close()
				time.Sleep(time.Minute) // all goroutines end, or the bubble fails
			})
		})
	}
}

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()

	cases := []struct {
		name  string
		body  int
		conns int32
	}{
		{"empty", 0, 1},
		{"short", 100, 1},
		{"16 KiB but one", 16<<10 - 1, 1},
		{"longer than is read", 1 << 20, 5},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var conns atomic.Int32
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(make([]byte, tc.body))
			}))
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					conns.Add(1)
				}
			}
			s.Start()
			t.Cleanup(s.Close)
			client := local(t, webhook.Config{})
			for range 5 {
				require.Nil(t, client.Do(t.Context(), &webhook.Request{URL: s.URL}).Failure)
			}
			require.Equal(t, tc.conns, conns.Load())
		})
	}
}

func TestServerThatClosesIdleConnections(t *testing.T) {
	t.Parallel()

	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	client := local(t, webhook.Config{})
	for range 20 {
		r := client.Do(t.Context(), &webhook.Request{URL: s.URL, Body: []byte("x")})
		require.Nil(t, r.Failure, "a connection that was closed meanwhile is no failure")
		s.CloseClientConnections()
	}
}

func TestServerThatDoesNotRead(t *testing.T) {
	t.Parallel()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	conns := make(chan net.Conn, 1) // the one connection
	go func() {
		if c, err := l.Accept(); err == nil {
			conns <- c
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, (<-conns).Close())
		require.NoError(t, l.Close())
	})
	client := local(t, webhook.Config{})
	r := client.Do(t.Context(), &webhook.Request{
		URL: "http://" + l.Addr().String(), Body: make([]byte, 32<<20), Timeout: 100 * time.Millisecond,
	})
	require.Equal(t, sinks.CodeTimeout, r.Failure.Code, "more than the sockets hold waits no longer than anything else")
}

func TestLongChainOfCertificates(t *testing.T) { //nolint:paralleltest // it measures the whole process
	certificate, key := pair(t, "x")
	leaf, err := tls.X509KeyPair(certificate, key)
	require.NoError(t, err)
	// As many as may be sent, and more.
	for _, n := range []int{32 << 10 / (len(leaf.Certificate[0]) + 5), 600} {
		long := leaf
		long.Certificate = slices.Repeat(leaf.Certificate, n)
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{long}})
		require.NoError(t, err)
		var done sync.WaitGroup
		done.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 1)) // shakes hands first
				_ = c.Close()
			}
		})
		client := local(t, webhook.Config{})
		least := uint64(1 << 62)
		for range 3 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r := client.Do(t.Context(), &webhook.Request{URL: "https://" + l.Addr().String()})
			runtime.ReadMemStats(&after)
			require.Equal(t, sinks.CodeConnectionFailure, r.Failure.Code)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		require.NoError(t, l.Close())
		done.Wait()
		t.Logf("%d certificates: %d KiB with the server's", n, least>>10)
		if n < 600 { // the server's share of more is more than the client's
			require.LessOrEqual(t, least, uint64(1<<20))
		}
	}
}

func TestClosedClient(t *testing.T) {
	t.Parallel()

	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			_ = http.NewResponseController(w).Flush()
			<-release
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	client := local(t, webhook.Config{BodyTimeout: time.Hour})
	done := make(chan sinks.Result, 1)
	go func() { done <- client.Do(t.Context(), &webhook.Request{URL: s.URL + "/hang"}) }()
	require.Nil(t, client.Do(t.Context(), &webhook.Request{URL: s.URL}).Failure)
	client.Close()
	r := client.Do(t.Context(), &webhook.Request{URL: s.URL})
	require.Equal(t, sinks.CodeInternalError, r.Failure.Code)
	require.False(t, r.Failure.Permanent)
	select {
	case <-done: // whatever it was: it did not wait an hour
	case <-time.After(10 * time.Second):
		t.Fatal("closing ends what is in use")
	}
	client.Close()
}

func TestRequestHeaders(t *testing.T) {
	t.Parallel()

	var got http.Header
	var host, body string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, host = r.Header.Clone(), r.Host
		b, _ := io.ReadAll(r.Body)
		body = string(b)
	}))
	t.Cleanup(s.Close)
	client := local(t, webhook.Config{UserAgent: "Turnout/1"})
	r := client.Do(t.Context(), &webhook.Request{
		URL: s.URL + "/a%2Fb?x=1&y=%20", Body: []byte("body"), DeliveryID: "d-1", Attempt: 3,
		Header: http.Header{
			"x-lower": {"a", "b"}, "Content-Type": {"application/json"}, "Turnout-Delivery-Id": {"forged"},
			"Host": {"evil.example"}, "Connection": {"close"}, "Transfer-Encoding": {"chunked"}, "Content-Length": {"1"},
			"Upgrade": {"h2c"}, "Te": {"trailers"},
		},
	})
	require.Nil(t, r.Failure)
	require.Equal(t, "body", body)
	require.Equal(t, strings.TrimPrefix(s.URL, "http://"), host)
	require.Equal(t, http.Header{
		"X-Lower": {"a", "b"}, "Content-Type": {"application/json"}, "User-Agent": {"Turnout/1"}, "Content-Length": {"4"},
		"Turnout-Delivery-Id": {"d-1"}, "Turnout-Delivery-Attempt": {"3"},
	}, got)

	r = client.Do(t.Context(), &webhook.Request{URL: s.URL, Header: http.Header{"User-Agent": {"Amazon/EventBridge/ApiDestinations"}}})
	require.Nil(t, r.Failure)
	require.Equal(t, "Amazon/EventBridge/ApiDestinations", got.Get("User-Agent"))

	for name, header := range map[string]http.Header{
		"name": {"a b": {"x"}}, "empty name": {"": {"x"}}, "line break": {"X": {"a\r\nB: c"}}, "NUL": {"X": {"\x00"}},
		"too long": {"X": {strings.Repeat("x", 65<<10)}},
	} {
		r := client.Do(t.Context(), &webhook.Request{URL: s.URL, Header: header})
		require.NotNil(t, r.Failure, name)
		require.Equal(t, sinks.CodeInvalidParameter, r.Failure.Code, name)
		require.True(t, r.Failure.Permanent, name)
	}
	for _, method := range []string{"GE T", "\r\n"} {
		r := client.Do(t.Context(), &webhook.Request{URL: s.URL, Method: method})
		require.Equal(t, sinks.CodeInvalidParameter, r.Failure.Code)
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"} {
		require.Nil(t, client.Do(t.Context(), &webhook.Request{URL: s.URL, Method: method}).Failure, method)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()

	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Answer", "yes")
		switch r.URL.Path {
		case "/exact":
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 101))
		case "/large":
			_, _ = io.WriteString(w, strings.Repeat("x", 40<<10))
		case "/broken":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		case "/refused":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "no")
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		}
	}))
	t.Cleanup(s.Close)
	client := local(t, webhook.Config{})
	fetch := func(path string, bytesMax int) webhook.Answer {
		return client.Fetch(t.Context(), &webhook.Request{Method: http.MethodGet, URL: s.URL + path}, bytesMax)
	}

	a := fetch("/exact", 100)
	require.Nil(t, a.Failure)
	require.Len(t, a.Body, 100)
	require.Equal(t, "yes", a.Header.Get("X-Answer"))
	require.Equal(t, 200, a.Status)

	a = fetch("/large", 1<<20)
	require.Nil(t, a.Failure)
	require.Len(t, a.Body, 40<<10)
	require.Len(t, a.Excerpt, sinks.ExcerptBytesMax)

	for path, bytesMax := range map[string]int{"/long": 100, "/large": 20 << 10, "/endless": 1 << 30} {
		a = fetch(path, bytesMax)
		require.NotNil(t, a.Failure, path)
		require.Equal(t, sinks.CodeErrorFromTarget, a.Failure.Code)
		require.LessOrEqual(t, len(a.Body), min(bytesMax, 1<<20))
	}
	a = fetch("/broken", 1000)
	require.Equal(t, sinks.CodeConnectionFailure, a.Failure.Code)
	require.Equal(t, 200, a.Status)

	a = fetch("/refused", 1000)
	require.Equal(t, sinks.CodeNoPermissions, a.Failure.Code)
	require.Equal(t, "no", string(a.Body))
	require.Empty(t, fetch("/", 1000).Body)
}

func TestMessagesHoldNoSecrets(t *testing.T) {
	t.Parallel()

	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("do") {
		case "redirect":
			http.Redirect(w, r, "/"+r.URL.String(), http.StatusFound)
		case "abort":
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(s.Close)
	client := local(t, webhook.Config{})
	host := strings.TrimPrefix(s.URL, "http://")
	for _, u := range []string{
		s.URL + "/s3cret?token=s3cret&do=fail",
		s.URL + "/s3cret?token=s3cret&do=redirect",
		s.URL + "/s3cret?token=s3cret&do=abort",
		"http://s3cret:s3cret@" + host + "/",
		"http://127.0.0.1:1/s3cret?s3cret",
		"https://" + host + "/s3cret",
		"http://" + host + "/%zz?s3cret",
		"http://10.0.0.1:22/s3cret",
		"gopher://x/s3cret",
	} {
		r := client.Do(t.Context(), &webhook.Request{URL: u, Header: http.Header{"Authorization": {"s3cret"}}})
		require.NotNil(t, r.Failure, u)
		require.NotContains(t, r.Failure.Message, "s3cret")
	}
	r := client.Do(t.Context(), &webhook.Request{URL: s.URL, Header: http.Header{"X": {"s3cret\n"}}})
	require.NotContains(t, r.Failure.Message, "s3cret")
	r = client.Do(t.Context(), &webhook.Request{URL: "https://" + host, TLS: &webhook.TLSOptions{Key: []byte("s3cret")}})
	require.NotContains(t, r.Failure.Message, "s3cret")
}

func TestEnvironmentProxyIsNotUsed(t *testing.T) { //nolint:paralleltest // it sets the environment
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a proxy would connect in our place")
	}))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	client := webhook.NewClient(webhook.Config{AllowHTTP: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("dialled")
	}})
	t.Cleanup(client.Close)
	r := client.Do(t.Context(), &webhook.Request{URL: "http://hooks.example/"})
	require.Equal(t, "POST http://hooks.example: the connection failed: dialled", r.Failure.Message)
}

// pair is a self-signed certificate and its key, PEM.
func pair(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()

	certificate, key := pair(t, "turnout")
	clients := x509.NewCertPool()
	require.True(t, clients.AppendCertsFromPEM(certificate))
	var peer atomic.Value
	s, roots := serveTLS(t, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	}, func(_ http.ResponseWriter, r *http.Request) {
		peer.Store(r.TLS.PeerCertificates[0].Subject.CommonName + " " + r.Proto)
	})
	client := local(t, webhook.Config{})
	do := func(o *webhook.TLSOptions) *sinks.Failure {
		return client.Do(t.Context(), &webhook.Request{URL: s.URL, TLS: o}).Failure
	}

	require.Nil(t, do(&webhook.TLSOptions{Roots: roots, Certificate: certificate, Key: key}))
	require.Equal(t, "turnout HTTP/1.1", peer.Load())

	other, otherKey := pair(t, "somebody")
	for name, o := range map[string]*webhook.TLSOptions{
		"no certificate":      {Roots: roots},
		"another certificate": {Roots: roots, Certificate: other, Key: otherKey},
		"no authority":        {Certificate: certificate, Key: key},
		"another authority":   {Roots: other, Certificate: certificate, Key: key},
		"none":                nil,
	} {
		f := do(o)
		require.NotNil(t, f, name)
		require.Equal(t, sinks.CodeConnectionFailure, f.Code, name)
		require.False(t, f.Permanent, name)
	}
	for name, o := range map[string]*webhook.TLSOptions{
		"key of another":  {Roots: roots, Certificate: certificate, Key: otherKey},
		"no key":          {Roots: roots, Certificate: certificate},
		"no PEM":          {Roots: []byte("x")},
		"key as root":     {Roots: key},
		"certificate raw": {Certificate: []byte("x"), Key: []byte("y")},
	} {
		require.Error(t, o.Validate(), name)
		f := do(o)
		require.NotNil(t, f, name)
		require.Equal(t, sinks.CodeInvalidParameter, f.Code, name)
		require.True(t, f.Permanent, name)
	}
	require.NoError(t, (&webhook.TLSOptions{Roots: roots, Certificate: certificate, Key: key}).Validate())
	require.NoError(t, (*webhook.TLSOptions)(nil).Validate())
}

func TestTLSVersions(t *testing.T) {
	t.Parallel()

	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		s, roots := serveTLS(t, func(s *httptest.Server) {
			s.TLS = &tls.Config{MinVersion: version, MaxVersion: version} //nolint:gosec // the old versions are the test
		}, func(http.ResponseWriter, *http.Request) {})
		r := local(t, webhook.Config{}).Do(t.Context(), &webhook.Request{URL: s.URL, TLS: &webhook.TLSOptions{Roots: roots}})
		if good {
			require.Nil(t, r.Failure)
		} else {
			require.Equal(t, sinks.CodeConnectionFailure, r.Failure.Code)
		}
	}
}

func TestHTTP1Only(t *testing.T) {
	t.Parallel()

	var proto atomic.Value
	both, roots := serveTLS(t, func(s *httptest.Server) { s.EnableHTTP2 = true }, func(_ http.ResponseWriter, r *http.Request) {
		proto.Store(r.Proto)
	})
	client := local(t, webhook.Config{})
	require.Nil(t, client.Do(t.Context(), &webhook.Request{URL: both.URL, TLS: &webhook.TLSOptions{Roots: roots}}).Failure)
	require.Equal(t, "HTTP/1.1", proto.Load())
}

func TestServerNameIsTheHost(t *testing.T) {
	t.Parallel()

	var name atomic.Value
	s, roots := serveTLS(t, func(s *httptest.Server) {
		s.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			name.Store(h.ServerName)
			return nil, nil //nolint:nilnil // as crypto/tls documents: no other configuration
		}}
	}, func(http.ResponseWriter, *http.Request) {})
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	client := local(t, webhook.Config{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		require.Equal(t, "example.com:8443", addr)
		var d net.Dialer
		return d.DialContext(ctx, network, u.Host)
	}})
	r := client.Do(t.Context(), &webhook.Request{URL: "https://example.com:8443/", TLS: &webhook.TLSOptions{Roots: roots}})
	require.Nil(t, r.Failure) // the test server's certificate is for example.com
	require.Equal(t, "example.com", name.Load())
}
