package memnet_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/memnet"
)

func TestHTTPInVirtualTime(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		const wait = 12 * time.Hour
		ln := memnet.Listen("turnout.test:80")
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(wait)
			_, _ = io.WriteString(w, r.RemoteAddr)
		})}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()
		tr := &http.Transport{DialContext: ln.DialContext}

		began := time.Now()
		resp, err := (&http.Client{Transport: tr}).Get("http://" + ln.Addr().String() + "/")
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "turnout.test:80", string(body), "a handler sees an address it can log")
		require.Equal(t, wait, time.Since(began), "only virtual time passes")

		tr.CloseIdleConnections()
		require.NoError(t, srv.Shutdown(t.Context()))
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
}

func TestClosedListenerRefuses(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		ln := memnet.Listen("x:1")
		waiting := make(chan error, 2)
		go func() { _, err := ln.Dial(t.Context()); waiting <- err }()
		synctest.Wait()
		require.NoError(t, ln.Close())
		require.NoError(t, ln.Close(), "closing twice is harmless")
		require.ErrorIs(t, <-waiting, net.ErrClosed, "a dial that waits is refused")
		_, err := ln.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = ln.Dial(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestDialEndsWithItsContext(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		ln := memnet.Listen("x:1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := ln.Dial(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "nobody accepts")
		require.NoError(t, ln.Close())
	})
}

func TestConnectionOutlivesListener(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		ln := memnet.Listen("x:1")
		accepted := make(chan net.Conn, 1)
		go func() {
			c, err := ln.Accept()
			if err == nil {
				accepted <- c
			}
		}()
		client, err := ln.Dial(t.Context())
		require.NoError(t, err)
		server := <-accepted
		require.NoError(t, ln.Close())
		go func() { _, _ = io.WriteString(client, "hello"); _ = client.Close() }()
		got, err := io.ReadAll(server)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
	})
}
