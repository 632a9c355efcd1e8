package testbus

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/memnet"
)

// outside is the network that the server calls into: servers in memory, by address.
type outside struct {
	mu      sync.Mutex
	servers map[string]*memnet.Listener
}

// dial connects to one of them; there is nothing else.
func (o *outside) dial(ctx context.Context, _, address string) (net.Conn, error) {
	o.mu.Lock()
	l := o.servers[address]
	o.mu.Unlock()
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: fmt.Errorf("%s: connection refused", address)}
	}
	return l.Dial(ctx)
}

// Serve lets h answer what the server sends to http://host, until the test
// ends or stop is called: connections are refused then. It outlives restarts
// of the server.
func (b *Bus) Serve(host string, h http.Handler) (stop func()) {
	b.t.Helper()
	address := host + ":80"
	l := memnet.Listen(address)
	b.outside.mu.Lock()
	b.outside.servers[address] = l
	b.outside.mu.Unlock()
	srv := &http.Server{Handler: h} //nolint:gosec // a network in memory has no slow clients but those of the test
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			b.outside.mu.Lock()
			if b.outside.servers[address] == l {
				delete(b.outside.servers, address)
			}
			b.outside.mu.Unlock()
			require.NoError(b.t, srv.Close())
			require.ErrorIs(b.t, <-done, http.ErrServerClosed)
		})
	}
	b.t.Cleanup(stop)
	return stop
}
