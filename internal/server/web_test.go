package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/admin"
	"github.com/seed567880c8/turnout/internal/config"
	"github.com/seed567880c8/turnout/internal/memnet"
	"github.com/seed567880c8/turnout/internal/service"
)

// site is a running web whose AWS APIs are a function, in a bubble.
type site struct {
	*web

	client *http.Client
	stop   func() error // asks for the stop and returns what Run returned
}

// newSite starts a site. Its handler may wait on drained, as a long poll does.
func newSite(t *testing.T, limits config.Limits, aws func(drained <-chan struct{}) http.HandlerFunc) *site {
	t.Helper()
	drained := make(chan struct{})
	listener := memnet.Listen("turnout.test:4566")
	w := &web{
		cfg:      limits,
		log:      slog.New(slog.DiscardHandler),
		listener: listener,
		aws:      aws(drained),
		admin: admin.New(admin.Config{
			Ready:   func(context.Context) []admin.Check { return nil },
			Metrics: http.NotFoundHandler(),
			Reset:   func(context.Context) error { return nil },
			Log:     slog.New(slog.DiscardHandler),
		}),
		drain: func() { close(drained) },
	}
	w.init()
	transport := &http.Transport{DialContext: listener.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return &site{web: w, client: &http.Client{Transport: transport}, stop: func() error {
		cancel(service.ErrStopped)
		return <-done
	}}
}

func limits() config.Limits { return config.Default(config.Dev).Limits }

// try sends a body and returns the status and the text of the answer.
func (s *site) try(ctx context.Context, path, body string, header ...string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://turnout.test:4566"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), errors.Join(err, answer.Body.Close())
}

func (s *site) post(t *testing.T, path, body string, header ...string) (int, string) {
	t.Helper()
	status, text, err := s.try(t.Context(), path, body, header...)
	require.NoError(t, err)
	return status, text
}

// later posts in a goroutine and returns a function that waits for the answer's text, or the error's.
func (s *site) later(t *testing.T, path, body string) func() string {
	t.Helper()
	answer := make(chan string, 1)
	go func() {
		_, text, err := s.try(t.Context(), path, body)
		if err != nil {
			text = "error: " + err.Error()
		}
		answer <- text
	}()
	return func() string { return <-answer }
}

func TestStopAnswersLongPollsAtOnce(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, limits(), func(drained <-chan struct{}) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				select {
				case <-drained:
					_, _ = io.WriteString(w, "empty")
				case <-time.After(20 * time.Second):
					_, _ = io.WriteString(w, "too late")
				}
			}
		})
		answer := s.later(t, "/", "")
		unused, err := s.listener.(*memnet.Listener).Dial(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Second)

		began := time.Now()
		require.NoError(t, s.stop())
		require.Equal(t, "empty", answer(), "a long poll that is cut short is answered, not dropped")
		require.Less(t, time.Since(began), time.Second, "a connection without a request does not hold up the stop")
		_, err = unused.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		_, err = s.listener.(*memnet.Listener).Dial(t.Context())
		require.Error(t, err, "nothing listens any more")
	})
}

func TestStopWaitsForRequestsAndThenCutsThemOff(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, limits(), func(<-chan struct{}) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/quick" {
					time.Sleep(2 * time.Second)
					_, _ = io.WriteString(w, "done")
					return
				}
				<-r.Context().Done()
			}
		})
		quick, hung := s.later(t, "/quick", ""), s.later(t, "/", "")
		synctest.Wait()
		began := time.Now()
		require.NoError(t, s.stop())
		require.Equal(t, drainWithin, time.Since(began))
		require.Equal(t, "done", quick(), "a request that was being handled is answered")
		require.Contains(t, hung(), "error: ")
	})
}

func TestLongPollOutlivesTheReadDeadline(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, limits(), func(<-chan struct{}) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				select {
				case <-r.Context().Done():
					_, _ = io.WriteString(w, "ended")
				case <-time.After(20 * time.Second):
					_, _ = io.WriteString(w, "waited")
				}
			}
		})
		for range 3 {
			_, text := s.post(t, "/", "x")
			require.Equal(t, "waited", text, "the longest long poll is not ended by a deadline of the connection")
		}
		require.NoError(t, s.stop())
	})
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, limits(), func(<-chan struct{}) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
		})
		for sent, want := range map[string]time.Duration{
			"POST / HTTP/1.1\r\nHost: x\r\n":                             readHeaderWithin,
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc": readWithin,
		} {
			conn, err := s.listener.(*memnet.Listener).Dial(t.Context())
			require.NoError(t, err)
			began := time.Now()
			_, err = io.WriteString(conn, sent)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, conn)
			require.InDelta(t, want.Seconds(), time.Since(began).Seconds(), 1)
			require.NoError(t, conn.Close())
		}
		require.NoError(t, s.stop())
	})
}

func TestShedding(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		small := limits()
		small.BodyMaxBytes, small.BodiesMaxBytes = 100, 150
		release := make(chan struct{})
		s := newSite(t, small, func(<-chan struct{}) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/hold" {
					<-release
				}
				_, _ = io.WriteString(w, "ok")
			}
		})
		held := s.later(t, "/hold", strings.Repeat("x", 90))
		synctest.Wait()

		status, text := s.post(t, "/", strings.Repeat("x", 80), "X-Amz-Target", "AmazonSQS.SendMessage")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, text, `"__type":"ServiceUnavailable"`)
		status, text = s.post(t, "/", "x", "Content-Encoding", "gzip")
		require.Equal(t, http.StatusServiceUnavailable, status, "a compressed body costs the largest size")
		require.Contains(t, text, "<Code>ServiceUnavailable</Code>")
		status, _ = s.post(t, "/", "x")
		require.Equal(t, http.StatusOK, status, "what fits is served")
		status, _ = s.post(t, "/", strings.Repeat("x", 101))
		require.Equal(t, http.StatusOK, status, "what is announced as too large is for the API to refuse")

		close(release)
		require.Equal(t, "ok", held())
		require.NoError(t, s.stop())
		require.Equal(t, load{shed: 2}, s.admission.load(), "everything reserved was given back")
	})
}

func TestBrokenListenerEndsTheServerAndAnswersLongPolls(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, limits(), func(drained <-chan struct{}) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				<-drained
				_, _ = io.WriteString(w, "empty")
			}
		})
		answer := s.later(t, "/", "")
		synctest.Wait()
		require.NoError(t, s.listener.Close())
		require.Equal(t, "empty", answer())
		require.ErrorIs(t, s.stop(), net.ErrClosed, "that nothing can connect any more is a failure")
	})
}
