package webhook

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/seed567880c8/turnout/sinks"
)

// Request is what to send.
type Request struct {
	// Method is the HTTP method; "" is POST.
	Method string
	// URL is where to send it: https, or http where the client allows it, to
	// port 443, 80 or one above 1023, and without user information.
	URL string
	// Header is sent as it is, but for what describes the connection or the
	// length of the body (Connection, Transfer-Encoding, Content-Length and
	// the like), which is left out. It is not changed.
	Header http.Header
	// Body is what to send. It must not change any more, not even after Do has
	// returned: an endpoint may answer before it has read everything.
	Body []byte
	// DeliveryID is sent as Turnout-Delivery-Id with every attempt, and as
	// webhook-id of what is signed. "" is not sent; to sign needs one.
	DeliveryID string
	// Attempt is sent as Turnout-Delivery-Attempt; 0 is not sent.
	Attempt int
	// Sign adds the headers of Standard Webhooks; nil does not.
	Sign *Signing
	// TLS is how to speak TLS with this endpoint; nil is as with any other.
	TLS *TLSOptions
	// CloudEvents says whether Body, an event, is sent as a CloudEvent.
	CloudEvents CloudEventsMode
	// Timeout bounds how long the endpoint may take to begin its answer, from
	// the call; 0 is the client's. The context's deadline counts beside it.
	Timeout time.Duration
}

// URLBytesMax is the longest URL that is sent to, and twice AWS's bound for the
// endpoint of an API destination, to leave room for its parameters.
const URLBytesMax = 16 << 10

// requestHeaderBytesMax bounds the headers of a request: what is longer, many
// servers refuse.
const requestHeaderBytesMax = 64 << 10

// build makes the HTTP request of r at now.
func (c *Client) build(ctx context.Context, r *Request, now time.Time) (*http.Request, *sinks.Failure) {
	body, event := r.Body, http.Header(nil)
	if r.CloudEvents != "" {
		var err error
		if event, body, err = CloudEvent(r.CloudEvents, r.Body); err != nil {
			return nil, permanent(sinks.CodeInvalidParameter, "the event cannot be sent as a CloudEvent: "+err.Error())
		}
	}
	u, failure := c.checkURL(r.URL)
	if failure != nil {
		return nil, failure
	}
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, "", bytes.NewReader(body))
	if err != nil {
		return nil, permanent(sinks.CodeInvalidParameter, "the HTTP method is not valid")
	}
	req.URL, req.Host = u, u.Host
	if len(body) == 0 && (method == http.MethodGet || method == http.MethodHead) {
		req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	}
	if failure := copyHeader(req.Header, r.Header); failure != nil {
		return nil, failure
	}
	if len(req.Header["Idempotency-Key"]) == 0 {
		// Not sent, but net/http takes it as leave to send the request again if a
		// connection that was used before turns out to be closed: the receiver
		// may get a delivery twice anyway, and knows it by its id.
		req.Header["Idempotency-Key"] = []string{}
	}
	maps.Copy(req.Header, event)
	if len(req.Header["User-Agent"]) == 0 {
		req.Header["User-Agent"] = []string{c.cfg.UserAgent}
	}
	if failure := identify(req.Header, r, body, now); failure != nil {
		return nil, failure
	}
	return req, nil
}

// identify adds the headers that tell a receiver what it got, and from whom.
func identify(h http.Header, r *Request, body []byte, now time.Time) *sinks.Failure {
	if r.DeliveryID != "" {
		if !validValue(r.DeliveryID) {
			return permanent(sinks.CodeInternalError, "the delivery's id is not valid in a header")
		}
		h[deliveryIDHeader] = []string{r.DeliveryID}
	}
	if r.Attempt > 0 {
		h[deliveryAttemptHeader] = []string{strconv.Itoa(r.Attempt)}
	}
	if r.Sign == nil {
		return nil
	}
	if r.DeliveryID == "" {
		return permanent(sinks.CodeInternalError, "a delivery without an id cannot be signed")
	}
	if err := r.Sign.sign(h, r.DeliveryID, now, body); err != nil {
		return permanent(sinks.CodeInvalidParameter, err.Error())
	}
	return nil
}

// CheckURL says whether raw may be sent to, as far as that can be known without
// resolving its name: nil, or the failure that an attempt would end with.
func (c *Client) CheckURL(raw string) *sinks.Failure {
	_, failure := c.checkURL(raw)
	return failure
}

func (c *Client) checkURL(raw string) (*url.URL, *sinks.Failure) {
	invalid := func(why string) (*url.URL, *sinks.Failure) {
		return nil, permanent(sinks.CodeInvalidParameter, "the URL "+why)
	}
	if len(raw) > URLBytesMax {
		return invalid("is longer than " + strconv.Itoa(URLBytesMax) + " bytes")
	}
	u, err := url.Parse(raw)
	if err != nil { // its text quotes the URL, secrets and all
		return invalid("is malformed")
	}
	switch {
	case u.Scheme == "http" && !c.cfg.AllowHTTP:
		return nil, permanent(sinks.CodeNoPermissions,
			"plain http is not allowed, use https; --webhook-allow-http allows it")
	case u.Scheme != "http" && u.Scheme != "https":
		return invalid("is neither https nor http")
	case u.User != nil:
		return invalid("has user information, which is not allowed")
	case u.Hostname() == "" || u.Opaque != "":
		return invalid("has no host")
	}
	if err := c.guard.checkHost(u); err != nil {
		return nil, refused(origin(u), err)
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// copyHeader adds from to h, or says which header cannot be sent.
func copyHeader(h, from http.Header) *sinks.Failure {
	size := 0
	for name, values := range from {
		if !validName(name) {
			return permanent(sinks.CodeInvalidParameter, "a header's name is not valid")
		}
		name = http.CanonicalHeaderKey(name)
		if isHopByHop(name) {
			continue
		}
		for _, value := range values {
			if size += len(name) + len(value); size > requestHeaderBytesMax {
				return permanent(sinks.CodeInvalidParameter, "the headers are longer than 64 KiB")
			}
			if !validValue(value) {
				return permanent(sinks.CodeInvalidParameter, "the value of header "+name+" is not valid")
			}
		}
		h[name] = append(h[name], values...)
	}
	return nil
}

// isHopByHop tells the headers that describe the connection or the framing of
// the body. They are net/http's to write: another value could make one request
// look like two.
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Content-Length", "Host", "Expect", "Http2-Settings":
		return true
	default:
		return strings.HasPrefix(name, ":")
	}
}

// validName reports whether name is a token, as RFC 9110 section 5.6.2 says.
func validName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return name != ""
}

// validValue reports whether value has no control characters but tabs.
func validValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
