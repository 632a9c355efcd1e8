package testbus

import (
	"net"
	"sync"

	"github.com/seed567880c8/turnout/internal/memnet"
)

// network is a listener in memory whose connections can be cut all at once.
type network struct {
	*memnet.Listener

	mu struct {
		sync.Mutex
		open map[net.Conn]struct{}
		cut  bool
	}
}

// address is what the server is called; nothing resolves it.
const address = "turnout.test:4566"

func newNetwork() *network {
	n := &network{Listener: memnet.Listen(address)}
	n.mu.open = map[net.Conn]struct{}{}
	return n
}

// Accept returns the next connection.
func (n *network) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: c, network: n}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.cut {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	n.mu.open[tracked] = struct{}{}
	return tracked, nil
}

// sever cuts every connection, as a power loss does: what a client has not
// been told by now it will never be told.
func (n *network) sever() {
	_ = n.Close()
	n.mu.Lock()
	n.mu.cut = true
	open := n.mu.open
	n.mu.open = map[net.Conn]struct{}{}
	n.mu.Unlock()
	for c := range open {
		_ = c.Close()
	}
}

type trackedConn struct {
	net.Conn

	network *network
}

// Close closes the connection.
func (c *trackedConn) Close() error {
	c.network.mu.Lock()
	delete(c.network.mu.open, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}
