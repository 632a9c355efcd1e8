package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/config"
)

// start runs a server on real sockets and files and returns it and how to stop it.
func start(t *testing.T, cfg config.Config) (_ *Server, stop func() error) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	s, err := New(cfg, Options{Version: "test"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { require.NoError(t, stop()) })
	return s, stop
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

func TestServeAndStop(t *testing.T) {
	t.Parallel()

	dir := filepath.Join(t.TempDir(), "data")
	s, stop := start(t, config.Config{Mode: config.Serve, DataDir: dir, Disk: config.Disk{FreeMinBytes: 1}})
	status, text := get(t, s.URL()+"/readyz?verbose")
	require.Equal(t, http.StatusOK, status, text)
	require.JSONEq(t, `{"ready":true,"checks":{"serving":"ok","store":"ok","disk":"ok"}}`, text)
	_, text = get(t, s.URL()+"/metrics")
	require.Contains(t, text, "turnout_queues 0")
	require.Contains(t, text, `turnout_build_info{go="`)
	require.Contains(t, text, "turnout_store_sync_duration_seconds_count")

	_, err := New(config.Config{Mode: config.Serve, DataDir: dir, Listen: "127.0.0.1:0"}, Options{})
	require.ErrorContains(t, err, "in use by another Turnout", "one directory has one server")

	require.NoError(t, stop())
	_, err = net.DialTimeout("tcp", s.web.listener.Addr().String(), time.Second)
	require.Error(t, err, "the listener is closed")
	_, err = os.Stat(dir)
	require.NoError(t, err, "a data directory that was named stays")
}

func TestDevRemovesItsTemporaryDirectory(t *testing.T) {
	t.Parallel()

	s, stop := start(t, config.Config{})
	require.DirExists(t, s.DataDir())
	require.NoError(t, stop())
	require.NoDirExists(t, s.DataDir())
}

func TestStartFaultsSayWhatToDo(t *testing.T) {
	t.Parallel()

	busy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, busy.Close()) })
	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "holiday.jpg"), []byte("x"), 0o600))
	file := filepath.Join(foreign, "holiday.jpg")

	for name, tc := range map[string]struct {
		cfg  config.Config
		want string
	}{
		"busy port":          {config.Config{Listen: busy.Addr().String()}, "is in use by another program: stop that one, or choose another port with --listen"},
		"busy pprof port":    {config.Config{Listen: "127.0.0.1:0", PprofListen: busy.Addr().String()}, "choose another port with --pprof-listen"},
		"foreign address":    {config.Config{Listen: "192.0.2.1:4566", InsecureNoAuth: true}, "choose another with --listen"},
		"foreign directory":  {config.Config{Listen: "127.0.0.1:0", DataDir: foreign}, "is not a Turnout data directory"},
		"a file as the data": {config.Config{Listen: "127.0.0.1:0", DataDir: file}, "it is a file"},
		"no data directory":  {config.Config{Mode: config.Serve}, "data: missing"},
		"beyond loopback":    {config.Config{Listen: "0.0.0.0:4566"}, "add --insecure-no-auth"},
	} {
		_, err := New(tc.cfg, Options{})
		require.ErrorContains(t, err, tc.want, name)
	}
	entries, err := os.ReadDir(foreign)
	require.NoError(t, err)
	require.Len(t, entries, 1, "a foreign directory is left as it was")
}

func TestPprofIsOnItsOwnListener(t *testing.T) {
	t.Parallel()

	s, _ := start(t, config.Config{PprofListen: "127.0.0.1:0"})
	status, text := get(t, "http://"+s.pprof.listener.Addr().String()+"/debug/pprof/goroutine?debug=1")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "goroutine profile")
	status, _ = get(t, s.URL()+"/debug/pprof/")
	require.NotEqual(t, http.StatusOK, status, "clients of the APIs cannot reach the profiles")
}

func TestCloseReleasesAServerThatNeverRan(t *testing.T) {
	t.Parallel()

	s, err := New(config.Config{Listen: "127.0.0.1:0"}, Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoDirExists(t, s.DataDir())
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", s.web.listener.Addr().String())
	require.NoError(t, err, "the port is free again")
	require.NoError(t, l.Close())
}

// TestOperationsListsEveryMetric keeps the table of docs/OPERATIONS.md true.
func TestOperationsListsEveryMetric(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("../../docs/OPERATIONS.md")
	require.NoError(t, err)
	s, _ := start(t, config.Config{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/", http.NoBody)
	require.NoError(t, err)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())

	_, text := get(t, s.URL()+"/metrics")
	reported := map[string]bool{}
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "# TYPE turnout_"); ok {
			name, _, _ = strings.Cut(name, " ")
			reported["turnout_"+name] = true
		}
	}
	require.Greater(t, len(reported), 50)
	listed := map[string]bool{"turnout_queue_messages": true} // a server without queues has none
	for _, m := range regexp.MustCompile("(?m)^\\| `(turnout_\\w+)").FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = true
	}
	reported["turnout_queue_messages"] = true
	require.Equal(t, listed, reported)
}
