package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// connLimit bounds the connections of one listener, in all and from one
// address. A connection beyond a bound is closed at once: letting it wait in
// the backlog would tell the client nothing.
//
// It is fed by http.Server.ConnState and so needs no wrapper around each
// connection on the hot path.
type connLimit struct {
	max, perIPMax int
	log           *slog.Logger
	refused       atomic.Uint64

	mu struct {
		sync.Mutex
		open     map[net.Conn]*connection
		byIP     map[netip.Addr]int
		loggedAt time.Time // when a refusal was logged last
		unlogged int       // refusals since
	}
}

// connection is what is known of an open connection.
type connection struct {
	ip     netip.Addr // zero: not counted for its address
	unused bool       // no request has begun on it
}

func newConnLimit(maxOpen, perIPMax int, log *slog.Logger) *connLimit {
	c := &connLimit{max: maxOpen, perIPMax: perIPMax, log: log}
	c.mu.open = map[net.Conn]*connection{}
	c.mu.byIP = map[netip.Addr]int{}
	return c
}

// Changed is the ConnState hook.
func (c *connLimit) Changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if !c.opened(conn) {
			// The server's goroutine for it sees the closed connection and ends.
			_ = conn.Close()
		}
	case http.StateActive:
		c.mu.Lock()
		if known := c.mu.open[conn]; known != nil {
			known.unused = false
		}
		c.mu.Unlock()
	case http.StateClosed, http.StateHijacked:
		c.closed(conn)
	case http.StateIdle: // it keeps its place
	}
}

// opened counts conn, or reports false when there is no room.
func (c *connLimit) opened(conn net.Conn) bool {
	ip := countedIP(conn.RemoteAddr())
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.open) >= c.max || ip.IsValid() && c.mu.byIP[ip] >= c.perIPMax {
		c.refusedLocked(conn)
		return false
	}
	c.mu.open[conn] = &connection{ip: ip, unused: true}
	if ip.IsValid() {
		c.mu.byIP[ip]++
	}
	return true
}

// refusedLocked counts a refusal and logs at most one line a minute. Logging
// under mu is bounded by that.
func (c *connLimit) refusedLocked(conn net.Conn) {
	c.refused.Add(1)
	c.mu.unlogged++
	if now := time.Now(); now.Sub(c.mu.loggedAt) >= time.Minute {
		c.log.Warn("connections were refused: too many are open",
			slog.Int("refused", c.mu.unlogged), slog.Int("open", len(c.mu.open)), slog.String("last_from", conn.RemoteAddr().String()))
		c.mu.loggedAt, c.mu.unlogged = now, 0
	}
}

func (c *connLimit) closed(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.mu.open[conn]
	if known == nil {
		return // it was refused
	}
	delete(c.mu.open, conn)
	if !known.ip.IsValid() {
		return
	}
	if c.mu.byIP[known.ip]--; c.mu.byIP[known.ip] == 0 {
		delete(c.mu.byIP, known.ip)
	}
}

// closeUnused closes the connections on which no request has begun. A stop
// would otherwise wait for them: to http.Server they are busy for five seconds.
func (c *connLimit) closeUnused() {
	c.mu.Lock()
	var unused []net.Conn
	for conn, known := range c.mu.open {
		if known.unused {
			unused = append(unused, conn)
		}
	}
	c.mu.Unlock()
	for _, conn := range unused {
		_ = conn.Close()
	}
}

// Open returns the number of open connections.
func (c *connLimit) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.open)
}

// countedIP returns the address that a connection counts for. Loopback does
// not count: a proxy on this machine speaks for everyone.
func countedIP(addr net.Addr) netip.Addr {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if ip.IsLoopback() {
		return netip.Addr{}
	}
	return ip.WithZone("")
}
