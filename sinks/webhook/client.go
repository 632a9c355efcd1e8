package webhook

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/seed567880c8/turnout/sinks"
)

// Config configures a Client. Its zero value is the strict client of a server
// that faces the public.
type Config struct {
	// AllowCIDRs are networks that may be connected to although they are not
	// public. LocalNetworks are those of a machine and its site. An address of
	// a cloud's metadata service must be named alone: as /32 or /128.
	AllowCIDRs []netip.Prefix
	// DenyCIDRs are networks that are refused, whatever AllowCIDRs says.
	DenyCIDRs []netip.Prefix
	// AllowHTTP permits plain http URLs beside https.
	AllowHTTP bool
	// Own returns the addresses on which this server itself listens; they are
	// refused, whatever AllowCIDRs says. It is asked for each new connection.
	// nil is none.
	Own func() []netip.AddrPort
	// Roots are the certificate authorities that are trusted; nil is the system's.
	Roots *x509.CertPool
	// UserAgent is sent with requests that name none; "" is Turnout.
	UserAgent string
	// Timeout bounds how long an endpoint may take to begin its answer, from the
	// call of Do, where the request does not say; 0 is 30 s.
	Timeout time.Duration
	// BodyTimeout bounds how long the body of an answer may take after its
	// header; 0 is 2 s. Whether a delivery is made depends on the status alone,
	// so there is no reason to wait longer for an endpoint that drips.
	BodyTimeout time.Duration
	// IdleConnsMax bounds the connections that are kept open between requests;
	// 0 is 512. Those with TLS options of their own are counted apart, to the
	// same bound.
	IdleConnsMax int
	// IdleConnsPerHostMax bounds those to one host; 0 is 64.
	IdleConnsPerHostMax int
	// Resolver resolves names; nil is the system's, without cgo.
	Resolver *net.Resolver
	// Dial, if not nil, makes the connections in place of the network: for
	// tests that have a network in memory. Names are then not resolved here;
	// addresses are checked only where the URL names one.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

const (
	timeoutDefault      = 30 * time.Second // Standard Webhooks: 15–30 s
	bodyTimeoutDefault  = 2 * time.Second
	idleConnsMaxDefault = 512 // ~20–40 KiB each with TLS: 20 MiB
	idleConnsPerHostMax = 64  // the most concurrent deliveries to one endpoint
	// bodyBytesMax is how much of a body is read if nobody wants it; an answer
	// that is not longer leaves its connection to the next request.
	bodyBytesMax = 16 << 10
	// responseHeaderBytesMax bounds an answer's header. As many headers as fit
	// into 32 KiB cost 0.9 MiB; in 64 KiB they would cost 1.7.
	responseHeaderBytesMax = 32 << 10

	deliveryIDHeader      = "Turnout-Delivery-Id"
	deliveryAttemptHeader = "Turnout-Delivery-Attempt"
)

func (c Config) withDefaults() Config {
	if c.UserAgent == "" {
		c.UserAgent = "Turnout"
	}
	if c.Timeout <= 0 {
		c.Timeout = timeoutDefault
	}
	if c.BodyTimeout <= 0 {
		c.BodyTimeout = bodyTimeoutDefault
	}
	if c.IdleConnsMax <= 0 {
		c.IdleConnsMax = idleConnsMaxDefault
	}
	if c.IdleConnsPerHostMax <= 0 {
		c.IdleConnsPerHostMax = idleConnsPerHostMax
	}
	return c
}

// Client sends requests. It may be used by many goroutines. Close it to end
// its connections.
type Client struct {
	cfg        Config
	guard      *guard
	transports *transports
	bodies     sync.Pool // of *[bodyBytesMax]byte: beginnings of answers
}

// NewClient returns a client. cfg is not read again, but for its functions.
func NewClient(cfg Config) *Client {
	c := &Client{cfg: cfg.withDefaults(), guard: newGuard(&cfg)}
	c.transports = newTransports(&c.cfg, c.guard)
	c.bodies.New = func() any { return new([bodyBytesMax]byte) }
	return c
}

// Close ends all connections, those in use too, and makes further requests fail.
func (c *Client) Close() { c.transports.close() }

// Answer is what came of a request, for those who need more of an endpoint's
// words than a Result holds.
type Answer struct {
	sinks.Result
	// Header of the answer; nil if there was none. It is untrusted.
	Header http.Header
	// Body of the answer, at most as long as asked for. It is untrusted.
	Body []byte
}

// Do sends r and says what came of it. A status of 2xx is success, whatever
// the body does. It returns when the endpoint has answered, or within a tenth
// of a second of the end of ctx or of r's time.
func (c *Client) Do(ctx context.Context, r *Request) sinks.Result {
	return c.exchange(ctx, r, 0).Result
}

// Exchange is Do for those who need the answer's header too. Its Body is nil.
func (c *Client) Exchange(ctx context.Context, r *Request) Answer {
	return c.exchange(ctx, r, 0)
}

// Fetch is Do for those who need the answer's body. One that is longer than
// bytesMax (1 to 1 MiB), or that ends early, is a failure.
func (c *Client) Fetch(ctx context.Context, r *Request, bytesMax int) Answer {
	return c.exchange(ctx, r, max(1, min(bytesMax, 1<<20)))
}

// errSlow ends a request whose answer did not begin or end in time.
var errSlow = errors.New("the endpoint took too long")

// exchange sends r and reads the answer; whole of it, up to keep bytes, if keep
// is not 0.
func (c *Client) exchange(ctx context.Context, r *Request, keep int) Answer {
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = c.cfg.Timeout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// One timer for both bounds: first for the header, then for the body.
	timer := time.AfterFunc(timeout, func() { cancel(errSlow) })
	defer timer.Stop()

	req, failure := c.build(ctx, r, time.Now())
	if failure != nil {
		return Answer{Result: sinks.Result{Failure: failure}}
	}
	transport, err := c.transports.get(r.TLS)
	if err != nil {
		return Answer{Result: sinks.Result{Failure: transportFailure(ctx, req, err)}}
	}
	// Not an http.Client: there are no redirects, cookies or credentials for it to see to.
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return Answer{Result: sinks.Result{Failure: transportFailure(ctx, req, err)}}
	}
	defer func() { _ = resp.Body.Close() }() // nobody needs what may be left of it
	timer.Reset(c.cfg.BodyTimeout)

	a := Answer{Result: classify(req, resp, time.Now()), Header: resp.Header}
	if resp.StatusCode < http.StatusOK { // 101: what follows is no body
		return a
	}
	c.readBody(ctx, req, resp, &a, keep)
	return a
}

// readBody reads the beginning of the answer's body. A body that was read to
// its end leaves its connection to the next request; any other ends it.
func (c *Client) readBody(ctx context.Context, req *http.Request, resp *http.Response, a *Answer, keep int) {
	if resp.Body == http.NoBody {
		return
	}
	buffer := c.bodies.Get().(*[bodyBytesMax]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer c.bodies.Put(buffer)
	n, err := fill(resp.Body, buffer[:])
	a.Excerpt = bytes.Clone(buffer[:min(n, sinks.ExcerptBytesMax)])
	if keep == 0 {
		return
	}
	body := bytes.Clone(buffer[:n])
	if err == nil && n < keep {
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(resp.Body, int64(keep-n)+1))
		body = append(body, rest...)
		if err == nil {
			err = io.EOF
		}
	}
	switch {
	case a.Failure != nil:
	case len(body) > keep:
		a.Failure = failuref(req, sinks.CodeErrorFromTarget, "the answer has more than %d bytes", keep)
	case err != nil && !errors.Is(err, io.EOF):
		a.Failure = transportFailure(ctx, req, err)
	}
	a.Body = body[:min(len(body), keep)]
}

// fill reads until buffer is full or r ends. Unlike io.ReadFull it says with
// io.EOF that r ended, and with anything else that it broke off.
func fill(r io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var m int
		m, err = r.Read(buffer[n:])
		n += m
	}
	return n, err
}
