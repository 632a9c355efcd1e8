package awswire

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
)

// Config is what a Handler is made of. Only Services is required.
type Config struct {
	Services []*Service
	// BodyBytesMax bounds a request's body, before and after decompression.
	// Default 4 MiB: messages of 1 MiB that a client writes with three bytes
	// for one (percent or \u escapes), and 1 MiB for what is around them.
	BodyBytesMax int64
	// Authenticator decides whom a request speaks for. Default ParseOnly.
	Authenticator Authenticator
	// Log receives internal failures. Default: nowhere.
	Log *slog.Logger
	// NewRequestID makes the id of a request. Default: a random UUID.
	NewRequestID func() string
	// Observe is called after every answer, if set. It must be fast and safe for concurrent use.
	Observe func(Call)
}

// Call is what an observer learns about one answered request.
type Call struct {
	Service   string // "" when the request is for none that exists
	Operation string // "" when the request named none that exists
	Protocol  Protocol
	Status    int    // HTTP status
	ErrorCode string // the error's shape, "" on success
	BytesIn   int    // of the body as sent
	BytesOut  int    // of the answer's body
	Duration  time.Duration
}

func (c Config) withDefaults() Config {
	if c.BodyBytesMax == 0 {
		c.BodyBytesMax = 4 << 20
	}
	if c.Authenticator == nil {
		c.Authenticator = ParseOnly{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.NewRequestID == nil {
		c.NewRequestID = newRequestID
	}
	return c
}

// newRequestID returns a random UUID, version 4.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: it would end the process
	return turnout.UUID(b)
}

// Handler serves the AWS protocols of its services on one path tree.
//
// It holds no state between requests but pools of memory for answers and, for
// the operations that a Service says keep nothing of them, request bodies.
type Handler struct {
	cfg       Config
	byTarget  map[string]*Service
	byVersion map[string]*Service
	byName    map[string]*Service
	query     []*Service // with a query protocol, in the order given
	buffers   sync.Pool  // of *Encoder
	bodies    sync.Pool  // of *[]byte

	// Values of Content-Type that every answer shares; nothing changes them.
	jsonTypes     map[string][]string // by version of awsJson
	queryJSONType []string
	xmlType       []string
}

// New returns a Handler for the services of cfg.
func New(cfg Config) *Handler {
	h := &Handler{
		cfg:       cfg.withDefaults(),
		byTarget:  map[string]*Service{},
		byVersion: map[string]*Service{},
		byName:    map[string]*Service{},

		jsonTypes:     map[string][]string{"1.0": {"application/x-amz-json-1.0"}, "1.1": {"application/x-amz-json-1.1"}},
		queryJSONType: []string{"application/json"},
		xmlType:       []string{"text/xml"},
	}
	h.buffers.New = func() any { return &Encoder{} }
	for _, s := range cfg.Services {
		h.byName[s.Name] = s
		if s.JSONVersion != "" {
			h.byTarget[s.TargetPrefix] = s
		}
		if s.QueryVersion != "" {
			h.byVersion[s.QueryVersion] = s
			h.query = append(h.query, s)
		}
	}
	return h
}

// exchange is one request on its way through the handler.
type exchange struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	svc    *Service // nil until found
	op     Operation
	cred   Credential
	req    Request
	sent   []byte // the body as it came
	memory []byte // that sent is in, if it may be used again
	json   bool   // the query protocol is to be answered in JSON
	call   Call

	values [2]string // of the answer's headers
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	x := &exchange{h: h, w: w, r: r}
	x.req.RequestID = h.cfg.NewRequestID()
	result, err := x.serve(r.Context())
	if err != nil {
		x.answerError(r.Context(), err)
	} else {
		x.answer(result)
	}
	if h.cfg.Observe != nil {
		x.name()
		x.call.Protocol = x.req.Protocol
		x.call.BytesIn = len(x.sent)
		x.call.Duration = time.Since(start)
		h.cfg.Observe(x.call)
	}
	x.releaseBody()
}

// name tells the observer what was asked for, in names that exist: those that
// clients make up would be without bound.
func (x *exchange) name() {
	if x.svc == nil {
		return
	}
	x.call.Service = x.svc.Name
	if x.svc.Operations[x.req.Operation] != nil {
		x.call.Operation = x.req.Operation
	}
}

func (x *exchange) serve(ctx context.Context) (Result, error) {
	x.req.Protocol = x.protocol()
	if x.req.Protocol == ProtocolJSON {
		x.findService()
	}
	body, err := x.read()
	if err != nil {
		return nil, err
	}
	if x.req.Protocol == ProtocolJSON {
		err = x.routeJSON(body)
	} else {
		err = x.routeQuery(body)
	}
	if err != nil {
		return nil, err
	}
	return x.op(ctx, &x.req)
}

// read authenticates the request and returns its body, decompressed.
func (x *exchange) read() (body []byte, err error) {
	if x.r.Method != http.MethodPost && (x.r.Method != http.MethodGet || x.req.Protocol == ProtocolJSON) {
		return nil, &WireError{
			Shape: "UnsupportedHttpVerb", Status: http.StatusMethodNotAllowed,
			Message: "The HTTP verb " + x.r.Method + " is not supported here.",
		}
	}
	if x.cred, err = ParseCredential(x.r.Header, x.r.URL.RawQuery); err != nil {
		return nil, err
	}
	if x.req.Protocol == ProtocolQuery {
		x.svc = x.h.queryService("", "", x.cred.Service) // until the parameters say more
	}
	if x.sent, err = x.readBody(x.r, x.h.cfg.BodyBytesMax); err != nil {
		return nil, err
	}
	id, err := x.h.cfg.Authenticator.Authenticate(x.r, x.sent, x.cred)
	if err != nil {
		return nil, err
	}
	x.req.Scope = x.cred.scope(id)
	x.req.AccessKeyID = x.cred.AccessKeyID
	x.req.Scheme = "http"
	if x.r.TLS != nil {
		x.req.Scheme = "https"
	}
	x.req.Host = x.r.Host
	x.req.Path = x.r.URL.Path
	x.req.TraceHeader = headerValue(x.r.Header, "X-Amzn-Trace-Id")
	if headerValue(x.r.Header, "Content-Encoding") != "" {
		x.req.arena = nil // made for a body of the length that was sent
	}
	return inflate(x.r, x.sent, x.h.cfg.BodyBytesMax)
}

// headerValue is Header.Get for a key that is canonical already.
func headerValue(h http.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// mediaType returns the media type of a Content-Type value without its parameters, in lower case.
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

func isJSONType(t string) bool {
	return t == "application/x-amz-json-1.0" || t == "application/x-amz-json-1.1" || t == "application/json"
}

const formType = "application/x-www-form-urlencoded"

// protocol tells the two families apart: X-Amz-Target or a JSON body means
// awsJson, everything else the query protocol.
func (x *exchange) protocol() Protocol {
	if headerValue(x.r.Header, "X-Amz-Target") != "" {
		return ProtocolJSON
	}
	if x.r.Method == http.MethodPost && isJSONType(mediaType(headerValue(x.r.Header, "Content-Type"))) {
		return ProtocolJSON
	}
	return ProtocolQuery
}

// findService finds the service that X-Amz-Target names. It is done first, so
// that whatever goes wrong afterwards is answered in that service's words.
func (x *exchange) findService() {
	prefix, operation, _ := cutLast(headerValue(x.r.Header, "X-Amz-Target"), '.')
	x.svc = x.h.byTarget[prefix]
	x.req.Operation = operation
}

// cutLast cuts s at the last sep; without one all of s is after.
func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

// routeJSON finds the operation that X-Amz-Target names.
func (x *exchange) routeJSON(body []byte) error {
	if x.svc == nil {
		e := &WireError{Shape: "UnknownOperationException", Status: http.StatusNotFound, Message: "The X-Amz-Target header is missing."}
		if target := headerValue(x.r.Header, "X-Amz-Target"); target != "" {
			e.Message = "The X-Amz-Target header " + quoted(target) + " names no service of this endpoint."
		}
		return e
	}
	x.op = x.svc.Operations[x.req.Operation]
	if x.op == nil {
		return turnout.Errorf(turnout.CodeInvalidAction, "The operation %s is not valid for this endpoint.", quoted(x.req.Operation))
	}
	if t := mediaType(headerValue(x.r.Header, "Content-Type")); t != "" && !isJSONType(t) {
		return &WireError{
			Shape: "UnsupportedMediaTypeException", Status: http.StatusUnsupportedMediaType,
			Message: "The content type " + quoted(t) + " is not supported; send application/x-amz-json-" + x.svc.JSONVersion + ".",
		}
	}
	if len(body) == 0 {
		body = []byte("{}") // what an operation without parameters may send
	}
	x.req.Body = body
	return nil
}

// quoted returns what a client wrote, short enough for an error message.
func quoted(s string) string {
	const longest = 100
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return s
}

// routeQuery finds the operation that the Action parameter names.
func (x *exchange) routeQuery(body []byte) error {
	x.json = strings.Contains(headerValue(x.r.Header, "Accept"), "application/json")
	t := mediaType(headerValue(x.r.Header, "Content-Type"))
	if t != formType && t != "" {
		body = nil // not parameters; the URL may hold an Action all the same
	}
	form, err := parseForm(body, []byte(x.r.URL.RawQuery))
	if err != nil {
		return err
	}
	action, _ := form.Get("Action")
	version, _ := form.Get("Version")
	x.svc = x.h.queryService(action, version, x.cred.Service)
	if action == "" {
		return errNoAction
	}
	x.req.Operation = action
	x.req.Form = form
	if x.svc != nil {
		x.op = x.svc.Operations[action]
	}
	if x.op == nil {
		return turnout.Errorf(turnout.CodeInvalidAction, "The action %s is not valid for this endpoint.", quoted(action))
	}
	return nil
}

// errNoAction is AWS's answer to a query request without an Action. It has a body of its own.
var errNoAction = &WireError{Shape: "UnknownOperationException", Status: http.StatusNotFound}

// queryService finds the service of a query request: by its version, by the
// credential's scope, and for an unsigned request without a version by the
// action. Of two services with one action, such as AddPermission, the first
// given has it then.
func (h *Handler) queryService(action, version, scope string) *Service {
	if s := h.byVersion[version]; s != nil {
		return s
	}
	if s := h.byName[scope]; s != nil && s.QueryVersion != "" {
		return s
	}
	for _, s := range h.query {
		if s.Operations[action] != nil {
			return s
		}
	}
	if len(h.query) > 0 {
		return h.query[0]
	}
	return nil
}
