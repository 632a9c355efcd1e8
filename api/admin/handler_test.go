package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newHandler returns a dev server's pages and the number of resets they have asked for.
func newHandler(change func(*Config)) (h *Handler, resets *int) {
	resets = new(int)
	cfg := Config{
		Version:      "1.2.3",
		StartedAt:    time.Now(),
		Services:     []string{"sqs", "events", "sts"},
		Ready:        func(context.Context) []Check { return []Check{{Name: "store"}, {Name: "disk"}} },
		Metrics:      http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("turnout_up 1\n")) }),
		Reset:        func(context.Context) error { *resets++; return nil },
		ResetAllowed: true,
		Log:          slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	return New(cfg), resets
}

func call(t *testing.T, h *Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	r.Host = "localhost:4566"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	page := h.Match(r.URL.Path)
	require.NotNil(t, page, "no page at %s", target)
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return w
}

func TestPages(t *testing.T) {
	t.Parallel()

	h, _ := newHandler(nil)
	for _, tc := range []struct {
		target string
		want   string
	}{
		{"/livez", "ok\n"},
		{"/readyz", "ok\n"},
		{"/readyz?verbose", `{"ready":true,"checks":{"disk":"ok","store":"ok"}}` + "\n"},
		{"/metrics", "turnout_up 1\n"},
		{"/_localstack/health", `{"services":{"events":"running","sqs":"running","sts":"running"},"edition":"turnout","version":"1.2.3"}` + "\n"},
	} {
		w := call(t, h, http.MethodGet, tc.target)
		require.Equal(t, http.StatusOK, w.Code, tc.target)
		require.Equal(t, tc.want, w.Body.String(), tc.target)
		require.Equal(t, http.StatusOK, call(t, h, http.MethodHead, tc.target).Code, "HEAD works wherever GET does")
		require.Equal(t, http.StatusMethodNotAllowed, call(t, h, http.MethodPost, tc.target).Code)
	}
	require.Contains(t, call(t, h, http.MethodGet, "/_turnout/version").Body.String(), `"version":"1.2.3"`)
	require.Contains(t, call(t, h, http.MethodGet, "/_localstack/info").Body.String(), `"is_license_activated":false`)
}

func TestPathsMatchExactly(t *testing.T) {
	t.Parallel()

	messages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.URL.Path)) })
	h, _ := newHandler(func(c *Config) {
		c.Mounts = map[string]http.Handler{"/_aws/sqs/messages": messages, "/_aws/sqs/messages/": messages}
	})
	for _, path := range []string{"/", "/livez/", "//livez", "/000000000000/livez", "/_turnout/reset/..", "/_aws/sqs", ""} {
		require.Nil(t, h.Match(path), "%q belongs to the AWS APIs", path)
	}
	for _, path := range []string{"/_aws/sqs/messages", "/_aws/sqs/messages/us-east-1/000000000000/q"} {
		require.Equal(t, path, call(t, h, http.MethodGet, path).Body.String())
	}
}

func TestNotReady(t *testing.T) {
	t.Parallel()

	h, _ := newHandler(func(c *Config) {
		c.Ready = func(context.Context) []Check { return []Check{{Name: "store"}, {Name: "disk", Problem: "1 MiB free"}} }
	})
	w := call(t, h, http.MethodGet, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	w = call(t, h, http.MethodGet, "/readyz?verbose")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.JSONEq(t, `{"ready":false,"checks":{"store":"ok","disk":"1 MiB free"}}`, w.Body.String())
	require.Equal(t, http.StatusOK, call(t, h, http.MethodGet, "/livez").Code, "a server that is not ready is still alive")
}

func TestReset(t *testing.T) {
	t.Parallel()

	h, resets := newHandler(nil)
	for i, path := range []string{"/_turnout/reset", "/moto-api/reset", "/_localstack/state/reset", "/_ministack/reset"} {
		w := call(t, h, http.MethodPost, path)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.JSONEq(t, `{"status":"ok"}`, w.Body.String())
		require.Equal(t, i+1, *resets)
		w = call(t, h, http.MethodGet, path)
		require.Equal(t, http.StatusMethodNotAllowed, w.Code, "a link must not reset")
		require.Equal(t, "POST", w.Header().Get("Allow"))
	}

	h, resets = newHandler(func(c *Config) { c.ResetAllowed = false })
	w := call(t, h, http.MethodPost, "/_turnout/reset")
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Contains(t, w.Body.String(), "only in turnout dev")
	require.Zero(t, *resets)

	h, _ = newHandler(func(c *Config) { c.Reset = func(context.Context) error { return errors.New("disk is gone") } })
	w = call(t, h, http.MethodPost, "/_turnout/reset")
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), "disk is gone")
}

func TestResetRefusesOtherSites(t *testing.T) {
	t.Parallel()

	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Host", "rebound.evil.example:4566", "Sec-Fetch-Site", "same-origin"},
		{"Host", ""},
	} {
		h, resets := newHandler(nil)
		w := call(t, h, http.MethodPost, "/_turnout/reset", header...)
		require.Equal(t, http.StatusForbidden, w.Code, strings.Join(header, " "))
		require.Zero(t, *resets)
	}
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "same-origin"},
		{"Sec-Fetch-Site", "none"},
		{"Origin", "http://localhost:4566"},
		{"Host", "turnout:4566"},
		{"Host", "[::1]:4566"},
		{"Host", "192.0.2.7"},
		{"Host", "host.docker.internal:4566"},
		{"Host", "turnout.localhost"},
	} {
		h, resets := newHandler(nil)
		require.Equal(t, http.StatusOK, call(t, h, http.MethodPost, "/_turnout/reset", header...).Code, strings.Join(header, " "))
		require.Equal(t, 1, *resets)
	}
}

func TestRefuseBrowsersAlsoOnGet(t *testing.T) {
	t.Parallel()

	served := 0
	h := RefuseBrowsers(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?Action=DeleteQueue", http.NoBody)
	h.ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, 1, served, "a program is served")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Equal(t, 1, served)
}
