package sinktest

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/sinks"
)

// Endpoint is where the sink under test has to deliver to.
type Endpoint struct {
	// URL has no path. It is http or https, on a port of loopback.
	URL string
	// RootsPEM are the certificate authorities to trust; nil is those of the system.
	RootsPEM []byte
}

// Roots returns RootsPEM as a pool; nil if there are none.
func (e Endpoint) Roots() *x509.CertPool {
	if e.RootsPEM == nil {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(e.RootsPEM)
	return pool
}

// Networks are the networks that the sink must be allowed to connect to.
func (e Endpoint) Networks() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// Config describes the sink under test.
type Config struct {
	// New returns a sink that delivers to e. What it needs closed, it leaves to
	// t.Cleanup.
	New func(t testing.TB, e Endpoint) sinks.Sink
	// Delivery is what is delivered, with an id and a count of attempts of the
	// suite's. Its zero value is a small JSON object.
	Delivery sinks.Delivery
	// IDHeader is the header of a request that names the delivery; "" is
	// Turnout-Delivery-Id.
	IDHeader string
}

func withDefaults(c Config) Config {
	if c.Delivery.Body == nil {
		c.Delivery.Body = []byte(`{"hello":"world"}`)
	}
	if c.IDHeader == "" {
		c.IDHeader = "Turnout-Delivery-Id"
	}
	return c
}

// returnsWithin is the bound on what must come back at once: generous, for
// machines that are busy. That it is a tenth of a second, tests in virtual time
// can show.
const returnsWithin = 10 * time.Second

// Run runs the suite, but for what Allocations does.
func Run(t *testing.T, cfg Config) {
	cfg = withDefaults(cfg)
	t.Run("success", func(t *testing.T) { t.Parallel(); cfg.success(t) })
	t.Run("status", func(t *testing.T) { t.Parallel(); cfg.statuses(t) })
	t.Run("redirect", func(t *testing.T) { t.Parallel(); cfg.redirect(t) })
	t.Run("hostile", func(t *testing.T) { t.Parallel(); cfg.hostile(t) })
	t.Run("cancel", func(t *testing.T) { t.Parallel(); cfg.cancel(t) })
	t.Run("tls", func(t *testing.T) { t.Parallel(); cfg.tls(t) })
	t.Run("refused", func(t *testing.T) { t.Parallel(); cfg.connectionRefused(t) })
	t.Run("concurrent", func(t *testing.T) { t.Parallel(); cfg.concurrent(t) })
}

// delivery returns the delivery named id in its attempt.
func (c *Config) delivery(id string, attempt int) sinks.Delivery {
	d := c.Delivery
	d.ID, d.Attempt = id, attempt
	return d
}

// attempt makes an attempt that must come back.
func attempt(t *testing.T, ctx context.Context, s sinks.Sink, d sinks.Delivery) sinks.Result { //nolint:revive // t comes first here
	t.Helper()
	type outcome struct{ r sinks.Result }
	done := make(chan outcome, 1) // the one outcome, also if nobody waits any more
	go func() { done <- outcome{s.Attempt(ctx, d)} }()
	timer := time.NewTimer(returnsWithin)
	defer timer.Stop()
	select {
	case o := <-done:
		require.LessOrEqual(t, len(o.r.Excerpt), sinks.ExcerptBytesMax, "an excerpt is bounded")
		if o.r.Failure != nil {
			require.NotEmpty(t, o.r.Failure.Code, "a failure has one of AWS's codes")
			require.NotEmpty(t, o.r.Failure.Message)
			require.LessOrEqual(t, len(o.r.Failure.Message), 1<<10, "a failure's message is bounded")
		}
		return o.r
	case <-timer.C:
		t.Fatal("the attempt did not come back")
		return sinks.Result{}
	}
}

// start starts an endpoint that behaves, with TLS or without.
func start(t *testing.T, secure bool, answer http.HandlerFunc) (Endpoint, *recorder) {
	t.Helper()
	h := &recorder{answer: answer}
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // bad handshakes are meant
	if !secure {
		s.Start()
		t.Cleanup(s.Close)
		return Endpoint{URL: s.URL}, h
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return Endpoint{
		URL:      s.URL,
		RootsPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
	}, h
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		if code != http.StatusNoContent {
			_, _ = io.WriteString(w, `{"said":"so"}`)
		}
	}
}

func (c *Config) success(t *testing.T) {
	for _, secure := range []bool{false, true} {
		e, h := start(t, secure, status(http.StatusOK))
		sink := c.New(t, e)
		for n := 1; n <= 3; n++ {
			r := attempt(t, t.Context(), sink, c.delivery("delivery-1", n))
			require.Nil(t, r.Failure)
			require.Equal(t, http.StatusOK, r.Status)
			require.JSONEq(t, `{"said":"so"}`, string(r.Excerpt))
		}
		got := h.got()
		require.Len(t, got, 3)
		for _, g := range got {
			require.Equal(t, "delivery-1", g.header.Get(c.IDHeader), "every attempt has the delivery's id")
			require.NotEmpty(t, g.body)
			require.Equal(t, got[0].body, g.body, "every attempt has the same body")
		}
	}
}

func (c *Config) statuses(t *testing.T) {
	cases := []struct {
		code                int
		ok, permanent, gone bool
		retryAfter          string
		wait                time.Duration
	}{
		{code: 200, ok: true},
		{code: 202, ok: true},
		{code: 204, ok: true},
		{code: 400, permanent: true},
		{code: 404, permanent: true},
		{code: 410, permanent: true, gone: true},
		{code: 429, retryAfter: "7", wait: 7 * time.Second},
		{code: 500},
		{code: 502},
		{code: 503, retryAfter: "120", wait: 2 * time.Minute},
		{code: 504},
	}
	for _, tc := range cases {
		t.Run(strconv.Itoa(tc.code), func(t *testing.T) {
			t.Parallel()
			var header []string
			if tc.retryAfter != "" {
				header = []string{"Retry-After", tc.retryAfter}
			}
			e, _ := start(t, false, status(tc.code, header...))
			r := attempt(t, t.Context(), c.New(t, e), c.delivery("d", 1))
			require.Equal(t, tc.code, r.Status)
			require.Equal(t, tc.wait, r.RetryAfter, "the endpoint says when to come back")
			if tc.ok {
				require.Nil(t, r.Failure)
				return
			}
			require.NotNil(t, r.Failure)
			require.Equal(t, tc.permanent, r.Failure.Permanent)
			require.Equal(t, tc.gone, r.Failure.Gone)
		})
	}
}

func (c *Config) redirect(t *testing.T) {
	other, h := start(t, false, status(http.StatusOK))
	for _, code := range []int{301, 302, 303, 307, 308} {
		e, own := start(t, false, status(code, "Location", other.URL))
		r := attempt(t, t.Context(), c.New(t, e), c.delivery("d", 1))
		require.Equal(t, code, r.Status)
		require.NotNil(t, r.Failure, "a redirect is a failure")
		require.Len(t, own.got(), 1)
	}
	require.Empty(t, h.got(), "a redirect is not followed")
}

// hostiles are the endpoints that want to do harm.
func hostiles() map[string]func(net.Conn, <-chan struct{}) {
	const ok = "HTTP/1.1 200 OK\r\n"
	return map[string]func(net.Conn, <-chan struct{}){
		"hang before the answer": hang(),
		"dripping header":        drip(ok, "X-A: b\r\n"),
		"dripping body":          drip(ok+"Content-Length: 1000000\r\n\r\n", "x"),
		"dripping chunks":        drip(ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
		"endless body":           flood(ok+"\r\n", strings.Repeat("x", 1024)),
		"endless header":         flood(ok, "X-A: "+strings.Repeat("b", 1000)+"\r\n"),
		"endless short headers":  headers(ok),
		"endless line":           flood(ok, strings.Repeat("x", 1024)),
		"endless 1xx":            flood("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
		"endless trailer":        flood(ok+"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\n", "X: "+strings.Repeat("b", 1000)+"\r\n"),
		"endless chunk size":     flood(ok+"Transfer-Encoding: chunked\r\n\r\n", "0"),
		"compressed bomb":        flood(ok+"Content-Encoding: gzip\r\n\r\n", bomb()),
		"redirect loop":          answer("HTTP/1.1 307 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
		"garbage":                answer("SSH-2.0-OpenSSH_9.9\r\n\x00\xff\r\n"),
		"long garbage":           flood("", "\x00\xff\xfe%s"),
		"HTTP/1.0 with nonsense": answer("HTTP/1.0 999 \xff\r\nContent-Length: -1\r\n\r\n"),
		"switch of protocols":    drip("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "x"),
		"reset":                  reset(),
		"closed":                 answer(""),
		"half an answer":         answer(ok + "Content-Length: 100\r\n\r\nhalf"),
	}
}

func (c *Config) hostile(t *testing.T) {
	for name, handle := range hostiles() {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			e := Endpoint{URL: "http://" + serve(t, handle)}
			sink := c.New(t, e)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			r := attempt(t, ctx, sink, c.delivery("d", 1))
			switch {
			case name == "hang before the answer":
				require.NotNil(t, r.Failure)
				require.Equal(t, sinks.CodeTimeout, r.Failure.Code)
				require.False(t, r.Failure.Permanent, "who does not answer may answer later")
			case r.Status == 0:
				require.NotNil(t, r.Failure)
				require.False(t, r.Failure.Permanent, "who answers nonsense may be repaired")
			}
		})
	}
}

func (c *Config) cancel(t *testing.T) {
	arrived := make(chan struct{}, 1) // one attempt, one arrival
	address := serve(t, afterHeader(func(_ net.Conn, stop <-chan struct{}) {
		arrived <- struct{}{}
		<-stop
	}))
	sink := c.New(t, Endpoint{URL: "http://" + address})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		select {
		case <-arrived:
			cancel()
		case <-ctx.Done():
		}
	}()
	r := attempt(t, ctx, sink, c.delivery("d", 1))
	require.NotNil(t, r.Failure, "what was called off was not delivered")
	require.False(t, r.Failure.Permanent)

	r = attempt(t, ctx, sink, c.delivery("d", 2))
	require.NotNil(t, r.Failure, "an attempt with an ended context fails")
	require.False(t, r.Failure.Permanent)
}

func (c *Config) tls(t *testing.T) {
	t.Run("unknown authority", func(t *testing.T) {
		t.Parallel()
		e, h := start(t, true, status(http.StatusOK))
		e.RootsPEM = nil
		c.untrusted(t, e)
		require.Empty(t, h.got(), "who is not who he says gets nothing")
	})
	for name, handle := range map[string]func(net.Conn, <-chan struct{}){
		"no TLS":             func(c net.Conn, _ <-chan struct{}) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad\r\n\r\n") },
		"endless handshake":  func(c net.Conn, _ <-chan struct{}) { endlessHandshake(c) },
		"closed after hello": func(net.Conn, <-chan struct{}) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.untrusted(t, Endpoint{URL: "https://" + serve(t, handle)})
		})
	}
	t.Run("hang in the handshake", func(t *testing.T) {
		t.Parallel()
		e := Endpoint{URL: "https://" + serve(t, func(_ net.Conn, stop <-chan struct{}) { <-stop })}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		r := attempt(t, ctx, c.New(t, e), c.delivery("d", 1))
		require.NotNil(t, r.Failure)
		require.Equal(t, sinks.CodeTimeout, r.Failure.Code)
	})
}

func (c *Config) untrusted(t *testing.T, e Endpoint) {
	t.Helper()
	r := attempt(t, t.Context(), c.New(t, e), c.delivery("d", 1))
	require.NotNil(t, r.Failure)
	require.Equal(t, sinks.CodeConnectionFailure, r.Failure.Code)
	require.False(t, r.Failure.Permanent, "certificates get repaired")
	require.Zero(t, r.Status)
}

func (c *Config) connectionRefused(t *testing.T) {
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	c.untrusted(t, Endpoint{URL: url})
}

func (c *Config) concurrent(t *testing.T) {
	const workers, each = 16, 20
	e, h := start(t, false, status(http.StatusOK))
	sink := c.New(t, e)
	failures := make(chan string, workers*each) // one a delivery
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range each {
				id := strconv.Itoa(w) + "-" + strconv.Itoa(n)
				if r := sink.Attempt(t.Context(), c.delivery(id, 1)); r.Failure != nil {
					failures <- r.Failure.Message
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	for f := range failures {
		require.Empty(t, f)
	}
	ids := map[string]int{}
	for _, g := range h.got() {
		ids[g.header.Get(c.IDHeader)]++
	}
	require.Len(t, ids, workers*each, "each delivery arrived under its own id")
}
