package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"
)

// Check is one condition of readiness.
type Check struct {
	Name    string // for example store
	Problem string // why it does not hold, for an operator; "" when it holds
}

// Config is what a Handler reports and calls. Ready, Metrics, Reset and Log
// must be set.
type Config struct {
	Version   string                            // of this program
	StartedAt time.Time                         // of this process
	Services  []string                          // AWS services that answer, by their short names
	Ready     func(ctx context.Context) []Check // the conditions of readiness, all of them
	Metrics   http.Handler                      // the Prometheus page
	Reset     func(ctx context.Context) error   // removes everything in all accounts and regions
	// ResetAllowed is set in development only; elsewhere a reset is refused.
	ResetAllowed bool
	// Mounts are further pages by their path; a path that ends in a slash takes everything below it.
	Mounts map[string]http.Handler
	Log    *slog.Logger
}

// Handler serves the administrative pages. It matches paths exactly as sent:
// cleaning or redirecting them would break the signatures of AWS requests that
// share the listener.
type Handler struct {
	cfg    Config
	exact  map[string]page
	prefix map[string]page
}

// page is what is served under one path.
type page struct {
	methods string // "GET" also means HEAD; "" is any
	handler http.Handler
}

// New returns a Handler.
func New(cfg Config) *Handler {
	h := &Handler{cfg: cfg, exact: map[string]page{}, prefix: map[string]page{}}
	for path, serve := range map[string]http.HandlerFunc{
		"/livez":              h.serveLive,
		"/readyz":             h.serveReady,
		"/metrics":            cfg.Metrics.ServeHTTP,
		"/_turnout/version":   h.serveVersion,
		"/_localstack/health": h.serveLocalStackHealth,
		"/_localstack/info":   h.serveLocalStackInfo,
	} {
		h.exact[path] = page{methods: http.MethodGet, handler: serve}
	}
	reset := guardBrowsers(http.HandlerFunc(h.serveReset))
	for _, path := range resetPaths() {
		h.exact[path] = page{methods: http.MethodPost, handler: reset}
	}
	for path, mounted := range cfg.Mounts {
		if strings.HasSuffix(path, "/") {
			h.prefix[path] = page{handler: mounted}
		} else {
			h.exact[path] = page{handler: mounted}
		}
	}
	return h
}

// resetPaths are ours and those at which other emulators reset themselves.
func resetPaths() []string {
	return []string{"/_turnout/reset", "/moto-api/reset", "/_localstack/state/reset", "/_ministack/reset"}
}

// Match returns the page for a request path, or nil when the path is not administrative.
func (h *Handler) Match(path string) http.Handler {
	p, ok := h.exact[path]
	if !ok {
		for prefix, candidate := range h.prefix {
			if strings.HasPrefix(path, prefix) {
				p, ok = candidate, true
			}
		}
	}
	if !ok {
		return nil
	}
	return p
}

// ServeHTTP serves the page if the method suits it.
func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if p.methods != "" && method != p.methods {
		w.Header().Set("Allow", p.methods)
		writeProblem(w, http.StatusMethodNotAllowed, "use "+p.methods)
		return
	}
	p.handler.ServeHTTP(w, r)
}

func (h *Handler) serveLive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // a client that is gone needs no answer
}

func (h *Handler) serveReady(w http.ResponseWriter, r *http.Request) {
	checks := h.cfg.Ready(r.Context())
	status := http.StatusOK
	byName := make(map[string]string, len(checks))
	for _, c := range checks {
		byName[c.Name] = "ok"
		if c.Problem != "" {
			byName[c.Name] = c.Problem
			status = http.StatusServiceUnavailable
		}
	}
	if r.URL.Query().Has("verbose") {
		writeJSON(w, status, readiness{Ready: status == http.StatusOK, Checks: byName})
		return
	}
	text := "ok\n"
	if status != http.StatusOK {
		text = "not ready; see /readyz?verbose\n"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

type readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"` // name → "ok" or the problem
}

func (h *Handler) serveVersion(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{
		"version": h.cfg.Version,
		"go":      runtime.Version(),
		"os":      runtime.GOOS,
		"arch":    runtime.GOARCH,
	})
}

// serveLocalStackHealth answers in the shape that scripts written for
// LocalStack wait on: .services.sqs is "running".
func (h *Handler) serveLocalStackHealth(w http.ResponseWriter, _ *http.Request) {
	services := make(map[string]string, len(h.cfg.Services))
	for _, s := range h.cfg.Services {
		services[s] = "running"
	}
	writeJSON(w, http.StatusOK, struct {
		Services map[string]string `json:"services"`
		Edition  string            `json:"edition"`
		Version  string            `json:"version"`
	}{services, edition, h.cfg.Version})
}

// edition stands where LocalStack names its product.
const edition = "turnout"

func (h *Handler) serveLocalStackInfo(w http.ResponseWriter, _ *http.Request) {
	now := time.Now()
	writeJSON(w, http.StatusOK, struct {
		Version            string `json:"version"`
		Edition            string `json:"edition"`
		IsLicenseActivated bool   `json:"is_license_activated"`
		System             string `json:"system"`
		ServerTimeUTC      string `json:"server_time_utc"`
		Uptime             int    `json:"uptime"` // seconds
	}{h.cfg.Version, edition, false, runtime.GOOS, now.UTC().Format("2006-01-02T15:04:05"), int(now.Sub(h.cfg.StartedAt).Seconds())})
}

func (h *Handler) serveReset(w http.ResponseWriter, r *http.Request) {
	if !h.cfg.ResetAllowed {
		writeProblem(w, http.StatusForbidden, "reset removes all data and answers only in turnout dev")
		return
	}
	began := time.Now()
	if err := h.cfg.Reset(r.Context()); err != nil {
		h.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "reset failed", slog.Any("error", err))
		writeProblem(w, http.StatusInternalServerError, "reset failed: "+err.Error())
		return
	}
	h.cfg.Log.LogAttrs(r.Context(), slog.LevelInfo, "everything was reset", slog.Duration("took", time.Since(began)))
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func writeProblem(w http.ResponseWriter, status int, problem string) {
	writeJSON(w, status, map[string]string{"error": problem})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
