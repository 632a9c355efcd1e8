package awswire

import (
	"context"

	"github.com/seed567880c8/turnout"
)

// Operation serves one call. A nil Result is an answer without members. An
// error that is a *WireError is answered as it is, a *turnout.Error by way of
// the service's ErrorOf, and any other is an internal failure.
type Operation func(ctx context.Context, r *Request) (Result, error)

// Service is what an api package registers.
type Service struct {
	// Name is the service's name in a credential scope, such as sqs or events.
	Name string
	// TargetPrefix is what precedes the operation in X-Amz-Target, such as AmazonSQS.
	TargetPrefix string
	// JSONVersion is the version of awsJson that answers declare, 1.0 or 1.1; "" means no JSON protocol.
	JSONVersion string
	// QueryVersion is the Version parameter of the query protocol, such as 2012-11-05; "" means no query protocol.
	QueryVersion string
	// XMLNamespace is the namespace of the query protocol's answers.
	XMLNamespace string
	// PlainErrors says that errors of the query protocol have no Detail element. SQS's have one, empty.
	PlainErrors bool
	// ShapeNamespace precedes the shape in an error's __type, such as com.amazonaws.sqs; "" means nothing does.
	ShapeNamespace string
	// Operations holds every operation by name.
	Operations map[string]Operation
	// KeepsNothing names operations that keep no part of the request's body once
	// they have returned, in their result neither: its memory is used again.
	KeepsNothing map[string]bool
	// ErrorOf gives an error its name in the service's protocols. It must know every turnout.Code.
	ErrorOf func(e *turnout.Error, p Protocol) WireError
}

// Protocol is how a request was written.
type Protocol uint8

// The protocols.
const (
	ProtocolJSON  Protocol = iota // awsJson 1.0 or 1.1
	ProtocolQuery                 // form parameters, XML answers
)

// String returns json or query.
func (p Protocol) String() string {
	if p == ProtocolQuery {
		return "query"
	}
	return "json"
}

// Request is one call of an operation.
type Request struct {
	turnout.Scope        // the caller's account and the region of the credential's scope
	Operation     string // as the client names it
	Protocol      Protocol
	RequestID     string // a UUID, repeated in the answer
	AccessKeyID   string // "" when the request carries no credential
	Scheme        string // http or https
	Host          string // as the client wrote it, with the port
	Path          string // of the URL, decoded
	TraceHeader   string // X-Amzn-Trace-Id, or ""
	Body          []byte // the JSON document; nil in the query protocol. It must not be changed.
	Form          *Form  // the parameters; nil in the JSON protocols

	arena []byte // empty, with room for what is decoded of Body; nil once it is in use
}

// JSON returns a reader of the request's body. It is NewJSONReader, but for the
// first call, which saves the memory for strings with escapes.
func (r *Request) JSON() *JSONReader {
	d := NewJSONReader(r.Body)
	d.arena, r.arena = r.arena, nil
	return d
}
