package apidestination

import (
	"context"
	"net/http"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// Connections knows connections. It may be used by many goroutines.
type Connections interface {
	// Connection returns the connection of an ARN as it is now. The error's
	// text says, for people, why there is none that can be used.
	Connection(arn string) (*Connection, error)
}

// Sink carries deliveries to one API destination.
type Sink struct {
	cfg         Config
	connections Connections
	connection  string // ARN
	endpoint    *Endpoint
	method      string
}

var _ sinks.Sink = (*Sink)(nil)

// New returns the sink of an API destination. The error is CodeValidation, for
// an endpoint that cannot be sent to.
func New(d *turnout.APIDestination, connections Connections, cfg Config) (*Sink, error) {
	const parameter = "Parameter InvocationEndpoint is not valid. Reason: %s."
	endpoint, err := ParseEndpoint(d.Endpoint)
	if err != nil {
		return nil, turnout.Errorf(turnout.CodeValidation, parameter, err)
	}
	if failure := cfg.Client.CheckURL(d.Endpoint); failure != nil {
		return nil, turnout.Errorf(turnout.CodeValidation, parameter, failure.Message)
	}
	switch d.HTTPMethod {
	case http.MethodPost, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return nil, turnout.Errorf(turnout.CodeValidation, "Parameter HttpMethod is not valid.")
	}
	return &Sink{cfg: cfg, connections: connections, connection: d.ConnectionARN, endpoint: endpoint, method: d.HTTPMethod}, nil
}

// Attempt makes the request of a delivery and sends it once; or twice, if the
// endpoint does not accept an OAuth token that can be replaced.
//
// As on AWS 401, 407 and 409 are worth another attempt, other than most faults
// of a client.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html#eb-api-destination-error-codes
func (s *Sink) Attempt(ctx context.Context, d sinks.Delivery) sinks.Result {
	c, err := s.connections.Connection(s.connection)
	if err != nil {
		return sinks.Result{Failure: &sinks.Failure{Code: sinks.CodeNoPermissions, Message: err.Error()}}
	}
	request, failure := s.build(&d, c)
	if failure != nil {
		return sinks.Result{Failure: failure}
	}
	var bearer secret.Text
	for first := true; ; first = false {
		if c.token != nil {
			var r sinks.Result
			if bearer, r = c.token.header(ctx); r.Failure != nil {
				return r
			}
			request.Header.Set("Authorization", bearer.Reveal())
		}
		r := s.cfg.Client.Do(ctx, request)
		switch r.Status {
		case http.StatusUnauthorized, http.StatusProxyAuthRequired:
			if c.token != nil && first && c.token.reject(bearer) {
				continue
			}
			r.Failure.Code, r.Failure.Permanent = sinks.CodeErrorFromTarget, false
		case http.StatusConflict:
			r.Failure.Permanent = false
		}
		r.Excerpt = c.redact(r.Excerpt, bearer)
		return r
	}
}

func (c *Connection) redact(excerpt []byte, bearer secret.Text) []byte {
	if len(excerpt) == 0 {
		return excerpt
	}
	if token := bearer.Reveal(); token != "" {
		excerpt = redact(excerpt, credentialsOf(token))
	}
	return redact(excerpt, c.secrets...)
}

// build makes the request of a delivery, but for an OAuth token.
func (s *Sink) build(d *sinks.Delivery, c *Connection) (*webhook.Request, *sinks.Failure) {
	unfit := func(code string, err error) (*webhook.Request, *sinks.Failure) {
		return nil, &sinks.Failure{Code: code, Message: "The request to the API destination cannot be made: " + err.Error() + ".", Permanent: true}
	}
	target, err := parseTarget(d.Parameters)
	if err != nil {
		return unfit(sinks.CodeInvalidParameter, err)
	}
	url, err := s.endpoint.url(target.path, overlay(target.query, c.query, false))
	if err != nil {
		return unfit(sinks.CodeInvalidParameter, err)
	}
	body, err := mergeBody(d.Body, c.body)
	if err != nil {
		return unfit(sinks.CodeInvalidJSON, err)
	}
	r := &webhook.Request{
		Method: s.method, URL: url, Header: s.header(d, &target, c), Body: body,
		Sign: c.sign, TLS: c.tls, CloudEvents: c.cloudEvents,
	}
	if !s.cfg.StrictAWS || c.sign != nil {
		r.DeliveryID, r.Attempt = d.ID, d.Attempt
	}
	if s.method == http.MethodHead {
		r.Body, r.CloudEvents = nil, webhook.CloudEventsOff
	}
	return r, nil
}

// userAgent begins with what AWS sends, which some receivers look for.
func userAgent(cfg Config) string {
	const aws = "Amazon/EventBridge/ApiDestinations"
	if cfg.StrictAWS {
		return aws
	}
	return aws + " (compatible; Turnout)"
}

// header returns the headers: AWS's own, over them the target's, over them the
// connection's, over them what authorizes.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html#eb-api-destination-headers
func (s *Sink) header(d *sinks.Delivery, target *targetParameters, c *Connection) http.Header {
	h := make(http.Header, 6+len(target.header)+len(c.header))
	h["Content-Type"] = []string{"application/json; charset=utf-8"}
	if d.TraceHeader != "" && validHeaderValue(d.TraceHeader) {
		h["X-Amzn-Trace-Id"] = []string{d.TraceHeader}
	}
	for _, p := range target.header {
		if !isFixedHeader(p.key) {
			h.Set(p.key, p.value.Reveal())
		}
	}
	for _, p := range c.header {
		h.Set(p.key, p.value.Reveal())
	}
	if c.authorization != nil {
		h.Set(c.authorization.key, c.authorization.value.Reveal())
	}
	h["User-Agent"] = []string{userAgent(s.cfg)}
	h["Range"] = []string{"bytes=0-1048575"}
	return h
}
