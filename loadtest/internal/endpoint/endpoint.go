package endpoint

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Mode is how the endpoints behave.
type Mode int32

// The modes.
const (
	Healthy     Mode = iota // answer 200 at once
	Unavailable             // answer 503 at once
	Refusing                // do not even listen
)

// Endpoints are webhooks at one address, told apart by a number in the path.
type Endpoints struct {
	seen    func(number int, body []byte) // called for each request that is answered with 200
	address string
	mode    atomic.Int32
	hanging atomic.Pointer[hang]
	hung    atomic.Int64
	refused atomic.Int64

	mu     sync.Mutex
	server *http.Server
	done   sync.WaitGroup
	memory sync.Pool // of *[]byte, for bodies
}

// hang says which endpoints hang.
type hang struct {
	below   int           // those with a lower number
	release chan struct{} // closed when they no longer do
}

// Listen starts endpoints on a free port of loopback. seen is told of each
// request that they accept, before the answer, by many goroutines; it must not
// keep the body.
func Listen(ctx context.Context, seen func(number int, body []byte)) (*Endpoints, error) {
	e := &Endpoints{seen: seen, address: "127.0.0.1:0"}
	e.hanging.Store(&hang{release: make(chan struct{})})
	return e, e.listen(ctx)
}

// listen begins to listen, on the port of before if there was one.
func (e *Endpoints) listen(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", e.address)
	if err != nil {
		return fmt.Errorf("listen for deliveries: %w", err)
	}
	e.address = listener.Addr().String()
	server := &http.Server{Handler: e, ReadHeaderTimeout: time.Minute}
	e.server = server
	e.done.Go(func() { _ = server.Serve(listener) }) // ends with Close
	return nil
}

// URL is that of one endpoint.
func (e *Endpoints) URL(number int) string { return "http://" + e.address + "/" + strconv.Itoa(number) }

// Set changes how all endpoints behave.
func (e *Endpoints) Set(ctx context.Context, m Mode) error {
	before := Mode(e.mode.Swap(int32(m)))
	switch {
	case m == Refusing && before != Refusing:
		return e.Close()
	case m != Refusing && before == Refusing:
		return e.listen(ctx)
	}
	return nil
}

// Hang lets the first n endpoints take requests and not answer, until it is
// called again: what hangs then is answered.
func (e *Endpoints) Hang(n int) {
	close(e.hanging.Swap(&hang{below: n, release: make(chan struct{})}).release)
}

// Hung is the number of requests that hang now.
func (e *Endpoints) Hung() int64 { return e.hung.Load() }

// Refused counts the requests that were answered with 503.
func (e *Endpoints) Refused() int64 { return e.refused.Load() }

// Close ends all connections and waits.
func (e *Endpoints) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return nil
	}
	err := e.server.Close()
	e.done.Wait()
	e.server = nil
	return err
}

// ServeHTTP takes one delivery.
func (e *Endpoints) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	buffer, ok := e.memory.Get().(*[]byte)
	if !ok {
		buffer = new([]byte)
	}
	defer e.memory.Put(buffer)
	if *buffer, err = readAll((*buffer)[:0], r); err != nil {
		return // whoever sent it has gone
	}
	if h := e.hanging.Load(); number < h.below {
		e.hung.Add(1)
		select {
		case <-r.Context().Done():
		case <-h.release:
		}
		e.hung.Add(-1)
	}
	switch {
	case r.Context().Err() != nil:
		// Whoever sent it has given up.
	case Mode(e.mode.Load()) == Unavailable:
		e.refused.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		e.seen(number, *buffer)
		w.WriteHeader(http.StatusOK)
	}
}

func readAll(dst []byte, r *http.Request) ([]byte, error) {
	if n := int(r.ContentLength); n >= 0 && n <= 16<<20 {
		if cap(dst) < n {
			dst = make([]byte, n)
		}
		dst = dst[:n]
		_, err := io.ReadFull(r.Body, dst)
		return dst, err
	}
	return io.ReadAll(r.Body)
}
