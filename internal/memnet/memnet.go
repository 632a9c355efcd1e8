package memnet

import (
	"context"
	"net"
	"sync"
)

// Listener is a net.Listener that Dial connects to. Make one with Listen, in
// the bubble that uses it.
type Listener struct {
	addr   addr
	dialed chan net.Conn // unbuffered: a dial succeeds when it is accepted
	closed chan struct{}
	once   sync.Once
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a listener. The address, host:port as in a URL, is only a
// name: any number of listeners may have the same.
func Listen(address string) *Listener {
	return &Listener{addr: addr(address), dialed: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept returns the server's end of the next connection, or net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.dialed:
		return c, nil
	case <-l.closed:
		return nil, l.closedError("accept")
	}
}

// Close makes Accept and Dial fail, those that wait included. Connections stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the address that Listen was given.
func (l *Listener) Addr() net.Addr { return l.addr }

// Dial returns the client's end of a new connection once the server has
// accepted it; net.ErrClosed if the listener is closed, ctx's error if it ends.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	server, client := net.Pipe()
	select {
	case l.dialed <- conn{server, l.addr}:
		return conn{client, l.addr}, nil
	case <-l.closed:
		return nil, l.closedError("dial")
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: network, Addr: l.addr, Err: context.Cause(ctx)}
	}
}

// DialContext is Dial for http.Transport: whatever address is asked for, the listener is reached.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return l.Dial(ctx)
}

func (l *Listener) closedError(op string) error {
	return &net.OpError{Op: op, Net: network, Addr: l.addr, Err: net.ErrClosed}
}

// conn is an end of a pipe that has addresses like other connections.
type conn struct {
	net.Conn

	addr addr
}

// LocalAddr returns the listener's address.
func (c conn) LocalAddr() net.Addr { return c.addr }

// RemoteAddr returns the listener's address.
func (c conn) RemoteAddr() net.Addr { return c.addr }

const network = "memory"

type addr string

// Network returns "memory".
func (addr) Network() string { return network }

// String returns the address.
func (a addr) String() string { return string(a) }
