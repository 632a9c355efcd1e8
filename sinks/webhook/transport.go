package webhook

import (
	"container/list"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	idleConnTimeout  = 90 * time.Second
	// handshakeBytesMax bounds what a server may send before a connection is
	// made. A chain of certificates has 3–6 KiB, and what is parsed of it takes
	// many times as much memory.
	handshakeBytesMax = 32 << 10
	// dnsBytesMax bounds the answer to a name's query over TCP; over UDP it is
	// bounded anyway. An owner of a name may give it thousands of addresses, for
	// each of which the resolver opens a socket to find their order.
	dnsBytesMax = 4 << 10
	// transportsMax bounds the endpoints with TLS options of their own whose
	// connections are kept; others are connected to anew.
	transportsMax = 64
)

// TLSOptions are how to speak TLS with one endpoint. All fields are PEM and
// may be nil.
type TLSOptions struct {
	// Roots are the certificate authorities that are trusted, in place of the client's.
	Roots []byte
	// Certificate, with what leads from it to its authority, and Key are what
	// the client shows of itself.
	Certificate, Key []byte
}

// Validate says what is wrong with the options.
func (o *TLSOptions) Validate() error {
	_, err := o.config(nil)
	return err
}

// tlsOptionsError is a fault in TLSOptions.
type tlsOptionsError struct{ reason string }

func (e *tlsOptionsError) Error() string { return e.reason }

// config returns the configuration of connections to https; o may be nil.
func (o *TLSOptions) config(roots *x509.CertPool) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, NextProtos: []string{"http/1.1"}}
	if o == nil {
		return c, nil
	}
	if len(o.Roots) > 0 {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(o.Roots) {
			return nil, &tlsOptionsError{"the certificate authorities are not certificates in PEM"}
		}
	}
	if len(o.Certificate) > 0 || len(o.Key) > 0 {
		pair, err := tls.X509KeyPair(o.Certificate, o.Key)
		if err != nil { // its text may quote the input
			return nil, &tlsOptionsError{"the client certificate and its key are not a pair in PEM"}
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// sum identifies equal options without keeping keys.
func (o *TLSOptions) sum() (s [sha256.Size]byte) {
	h := sha256.New()
	var length [8]byte
	for _, field := range [][]byte{o.Roots, o.Certificate, o.Key} {
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		h.Write(length[:])
		h.Write(field)
	}
	h.Sum(s[:0])
	return s
}

// errClosed is the failure of what is asked of a closed client.
var errClosed = errors.New("the client is closed")

// transports owns the connections: one http.Transport for all endpoints, and
// one each for the endpoints with TLS options used last.
type transports struct {
	cfg    *Config
	guard  *guard
	shared *http.Transport

	resolver *net.Resolver

	mu struct {
		sync.Mutex
		closed bool
		conns  map[*conn]struct{} // open, in use or idle
		bySum  map[[sha256.Size]byte]*list.Element
		recent list.List // of *special, used last first; at most transportsMax
	}
}

type special struct {
	sum       [sha256.Size]byte
	transport *http.Transport
}

func newTransports(cfg *Config, g *guard) *transports {
	t := &transports{cfg: cfg, guard: g, resolver: cfg.Resolver}
	if t.resolver == nil {
		t.resolver = newResolver((&net.Dialer{}).DialContext)
	}
	t.mu.conns = map[*conn]struct{}{}
	t.mu.bySum = map[[sha256.Size]byte]*list.Element{}
	plain, _ := (*TLSOptions)(nil).config(cfg.Roots) // without options nothing can be wrong with them
	t.shared = t.transport(plain, cfg.IdleConnsMax)
	return t
}

// get returns the transport for o, which may be nil.
func (t *transports) get(o *TLSOptions) (*http.Transport, error) {
	if o == nil {
		return t.shared, nil
	}
	sum := o.sum()
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.mu.bySum[sum]; ok {
		t.mu.recent.MoveToFront(e)
		return e.Value.(*special).transport, nil //nolint:forcetypeassert // the list holds nothing else
	}
	config, err := o.config(t.cfg.Roots)
	if err != nil {
		return nil, err
	}
	s := &special{sum: sum, transport: t.transport(config, max(1, t.cfg.IdleConnsMax/transportsMax))}
	t.mu.bySum[sum] = t.mu.recent.PushFront(s)
	if t.mu.recent.Len() > transportsMax {
		last := t.mu.recent.Remove(t.mu.recent.Back()).(*special) //nolint:forcetypeassert // as above
		delete(t.mu.bySum, last.sum)
		// What is in use ends when it is done: a transport keeps nothing idle after this.
		last.transport.CloseIdleConnections()
	}
	return s.transport, nil
}

// close ends all connections.
func (t *transports) close() {
	t.mu.Lock()
	t.mu.closed = true
	conns := make([]*conn, 0, len(t.mu.conns))
	for c := range t.mu.conns {
		conns = append(conns, c)
	}
	all := []*http.Transport{t.shared}
	for e := t.mu.recent.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*special).transport) //nolint:forcetypeassert // as above
	}
	t.mu.Unlock()
	for _, transport := range all {
		transport.CloseIdleConnections()
	}
	for _, c := range conns {
		_ = c.Close() // it is being thrown away
	}
}

// transport returns a transport that speaks TLS as config says.
func (t *transports) transport(config *tls.Config, idleMax int) *http.Transport {
	// HTTP/2 is left out: between its frames an endpoint may send any number of
	// others, each of which costs memory until the deadline (measured: 9 MiB a
	// second) and, if net/http does not know its type, a line of its own on the
	// standard log. Connections are kept; that is most of what it would bring.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:       nil, // not the environment's: it would connect in our place, unchecked
		DialContext: t.dial,
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return t.dialTLS(ctx, network, addr, config)
		},
		MaxIdleConns:           idleMax,
		MaxIdleConnsPerHost:    min(idleMax, t.cfg.IdleConnsPerHostMax),
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: responseHeaderBytesMax,
		DisableCompression:     true, // what is not unpacked cannot be a bomb
		Protocols:              protocols,
	}
}

// dial connects to addr, if the guard permits what it resolves to.
func (t *transports) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var raw net.Conn
	var err error
	if t.cfg.Dial != nil {
		raw, err = t.cfg.Dial(ctx, network, addr)
	} else {
		d := net.Dialer{Resolver: t.resolver, Control: t.guard.control}
		raw, err = d.DialContext(ctx, network, addr)
	}
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, owner: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		_ = raw.Close() // errClosed says it
		return nil, errClosed
	}
	t.mu.conns[c] = struct{}{}
	return c, nil
}

// dialTLS connects to addr and shakes hands, within bounds that net/http does not have.
func (t *transports) dialTLS(ctx context.Context, network, addr string, config *tls.Config) (net.Conn, error) {
	raw, err := t.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := raw.(*conn) //nolint:forcetypeassert // dial returns nothing else
	config = config.Clone()
	if config.ServerName, _, err = net.SplitHostPort(addr); err != nil {
		_ = c.Close() // it was not used
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	c.budget.Store(handshakeBytesMax)
	secure := tls.Client(c, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.Close() // the handshake's error says more
		return nil, err
	}
	c.budget.Store(0)
	return secure, nil
}

// newResolver returns a resolver that asks the system's name servers, or those
// to which dial connects, and reads a bounded answer.
func newResolver(dial func(ctx context.Context, network, address string) (net.Conn, error)) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil || !strings.HasPrefix(network, "tcp") {
			return c, err // packets need no bound, and a type of their own
		}
		return &boundedConn{Conn: c, left: dnsBytesMax}, nil
	}}
}

// boundedConn is a connection of which no more than so many bytes can be read.
type boundedConn struct {
	net.Conn
	left int
}

// Read reads what is left.
func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("the name server's answer is too long")
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// conn is a connection that its client can close.
type conn struct {
	net.Conn
	owner  *transports
	budget atomic.Int64 // bytes that may be read; 0 is no bound
}

var errHandshake = errors.New("the server sends too much for a TLS handshake")

// Read reads, within the budget.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.budget.Load() > 0 && c.budget.Add(-int64(n)) <= 0 {
		c.budget.Store(1) // still bounded
		return 0, errHandshake
	}
	return n, err
}

// Close closes the connection.
func (c *conn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.mu.conns, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}
