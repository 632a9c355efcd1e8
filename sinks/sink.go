package sinks

import (
	"context"
	"time"
)

// Sink makes one attempt at a delivery. It may be used by many goroutines.
type Sink interface {
	// Attempt carries d to its endpoint and returns what came of it, when the
	// endpoint has answered or ctx ends. Whatever the endpoint does, Attempt
	// returns within a tenth of a second of ctx's end and allocates at most
	// 1 MiB beside d.
	Attempt(ctx context.Context, d Delivery) Result
}

// Delivery is what a sink carries.
type Delivery struct {
	// ID names the delivery: the same in every attempt, so that a receiver can
	// tell a repetition from something new.
	ID string
	// Endpoint is what to deliver to: the ARN of an API destination, of a
	// subscription, of a function.
	Endpoint string
	// Attempt counts from 1.
	Attempt int
	// Body is what the target gets: an event, or what its input makes of it, or
	// a topic's message in the form that broker/topics gives it.
	Body []byte
	// EventID is the event's id, "" for what is not an event.
	EventID string
	// AcceptedAt is when the event or message was accepted.
	AcceptedAt time.Time
	// Parameters are the HttpParameters of a rule's target, JSON as given; nil is none.
	Parameters []byte
	// TraceHeader is the X-Ray header of the event, "" is none.
	TraceHeader string
}

// Result is what came of an attempt.
type Result struct {
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// Excerpt is the beginning of the answer's body, at most ExcerptBytesMax.
	Excerpt []byte
	// RetryAfter is how long the endpoint asks to be left alone, 0 if it does not.
	RetryAfter time.Duration
	// Failure says why the delivery was not made; nil is success.
	Failure *Failure
}

// ExcerptBytesMax bounds the excerpt of an answer.
const ExcerptBytesMax = 1 << 10

// Failure is why an attempt did not deliver.
type Failure struct {
	// Code is one of the error codes of AWS's dead-letter attributes, below.
	Code string
	// Message is for people: what happened and where. It holds no secret.
	Message string
	// Permanent says that another attempt would fail too.
	Permanent bool
	// Gone says that the endpoint asked for no further deliveries at all (HTTP 410).
	Gone bool
}

// The error codes that a failed delivery can end with.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
const (
	CodeConnectionFailure = "CONNECTION_FAILURE"
	CodeErrorFromTarget   = "ERROR_FROM_TARGET"
	CodeInternalError     = "INTERNAL_ERROR"
	CodeInvalidJSON       = "INVALID_JSON"
	CodeInvalidParameter  = "INVALID_PARAMETER"
	CodeNoPermissions     = "NO_PERMISSIONS"
	CodeNoResource        = "NO_RESOURCE"
	CodeLimitExceeded     = "RESOURCE_LIMIT_EXCEEDED"
	CodeSDKClientError    = "SDK_CLIENT_ERROR"
	CodeThrottling        = "THROTTLING"
	CodeTimeout           = "TIMEOUT"
	CodeUnknown           = "UNKNOWN"
)
