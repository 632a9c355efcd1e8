package sinktest

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hostile serves each connection on loopback with one function, which gets the
// connection once a request's header has arrived on it.
type hostile struct {
	listener net.Listener
	handle   func(c net.Conn, stop <-chan struct{})
	stop     chan struct{}
	done     sync.WaitGroup

	mu struct {
		sync.Mutex
		conns map[net.Conn]struct{} // open; nil when stopped
	}
}

// serve starts a server that ends with the test, and returns its address.
func serve(t testing.TB, handle func(c net.Conn, stop <-chan struct{})) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &hostile{listener: l, handle: handle, stop: make(chan struct{})}
	s.mu.conns = map[net.Conn]struct{}{}
	s.done.Go(s.accept)
	t.Cleanup(s.close)
	return l.Addr().String()
}

func (s *hostile) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		if s.mu.conns == nil {
			s.mu.Unlock()
			_ = c.Close()
			return
		}
		s.mu.conns[c] = struct{}{}
		s.mu.Unlock()
		s.done.Go(func() {
			s.handle(c, s.stop)
			_ = c.Close()
			s.mu.Lock()
			delete(s.mu.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *hostile) close() {
	close(s.stop)
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.mu.conns {
		_ = c.Close()
	}
	s.mu.conns = nil
	s.mu.Unlock()
	s.done.Wait()
}

// afterHeader makes a handler that reads a request's header first.
func afterHeader(handle func(c net.Conn, stop <-chan struct{})) func(net.Conn, <-chan struct{}) {
	return func(c net.Conn, stop <-chan struct{}) {
		r := bufio.NewReaderSize(c, 4<<10)
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
		}
		handle(c, stop)
	}
}

// drip writes head, then piece again and again with pauses, until it is stopped
// or the other side is gone.
func drip(head, piece string) func(net.Conn, <-chan struct{}) {
	return afterHeader(func(c net.Conn, stop <-chan struct{}) {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		_, err := c.Write([]byte(head))
		for err == nil {
			select {
			case <-tick.C:
				_, err = c.Write([]byte(piece))
			case <-stop:
				return
			}
		}
	})
}

// flood writes head, then piece without a pause until the other side is gone,
// at most 256 MiB.
func flood(head, piece string) func(net.Conn, <-chan struct{}) {
	buffer := []byte(strings.Repeat(piece, max(1, 32<<10/len(piece))))
	return afterHeader(func(c net.Conn, _ <-chan struct{}) {
		_, err := c.Write([]byte(head))
		for n := 0; err == nil && n < 256<<20; n += len(buffer) {
			_, err = c.Write(buffer)
		}
	})
}

// answer writes text and ends the connection.
func answer(text string) func(net.Conn, <-chan struct{}) {
	return afterHeader(func(c net.Conn, _ <-chan struct{}) {
		_, _ = c.Write([]byte(text))
	})
}

// hang never answers.
func hang() func(net.Conn, <-chan struct{}) {
	return afterHeader(func(_ net.Conn, stop <-chan struct{}) { <-stop })
}

// reset answers with a TCP reset.
func reset() func(net.Conn, <-chan struct{}) {
	return afterHeader(func(c net.Conn, _ <-chan struct{}) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	})
}

// recorder is an endpoint that behaves. It answers as told and keeps what it got.
type recorder struct {
	answer http.HandlerFunc

	mu struct {
		sync.Mutex
		requests []request
	}
}

// request is what the recorder got.
type request struct {
	header http.Header
	body   string
}

// requestsMax bounds the requests of one test.
const requestsMax = 10_000

// ServeHTTP records the request and answers.
func (h *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body strings.Builder
	_, err := bufio.NewReader(http.MaxBytesReader(w, r.Body, 16<<20)).WriteTo(&body)
	if err != nil {
		return // the other side gave up
	}
	h.mu.Lock()
	if len(h.mu.requests) < requestsMax {
		h.mu.requests = append(h.mu.requests, request{header: r.Header.Clone(), body: body.String()})
	}
	h.mu.Unlock()
	h.answer(w, r)
}

// got returns the requests so far.
func (h *recorder) got() []request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]request(nil), h.mu.requests...)
}
