package native

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/seed567880c8/turnout"
)

// kind is how one kind of error looks in both protocols.
type kind struct {
	grpc   codes.Code
	status int    // HTTP
	name   string // the last part of a problem's type; as a gRPC reason in capitals
	title  string
	retry  bool // the same request may succeed soon
}

// kinds has an entry for every code.
var kinds = map[turnout.Code]kind{
	turnout.CodeInternal:             {codes.Internal, http.StatusInternalServerError, "internal", "The server failed", false},
	turnout.CodeUnavailable:          {codes.Unavailable, http.StatusServiceUnavailable, "unavailable", "The server is stopping or not ready", true},
	turnout.CodeThrottled:            {codes.ResourceExhausted, http.StatusTooManyRequests, "throttled", "The server is too busy", true},
	turnout.CodeStorageFull:          {codes.ResourceExhausted, http.StatusInsufficientStorage, "storage-full", "The server's disk is almost full", true},
	turnout.CodeAccessDenied:         {codes.PermissionDenied, http.StatusForbidden, "access-denied", "The caller may not do this", false},
	turnout.CodeUnsupportedOperation: {codes.Unimplemented, http.StatusNotImplemented, "unsupported-operation", "Turnout does not support this", false},
	turnout.CodeInvalidAction:        {codes.Unimplemented, http.StatusNotFound, "invalid-action", "There is no such operation", false},
	turnout.CodeMalformedRequest:     {codes.InvalidArgument, http.StatusBadRequest, "malformed-request", "The request cannot be read", false},
	turnout.CodeRequestTooLarge:      {codes.InvalidArgument, http.StatusRequestEntityTooLarge, "request-too-large", "The request is too large", false},

	turnout.CodeMissingParameter:      {codes.InvalidArgument, http.StatusBadRequest, "missing-parameter", "A field is missing", false},
	turnout.CodeInvalidParameter:      {codes.InvalidArgument, http.StatusBadRequest, "invalid-parameter", "A field is not valid", false},
	turnout.CodeInvalidAttributeName:  {codes.InvalidArgument, http.StatusBadRequest, "invalid-attribute-name", "There is no such attribute", false},
	turnout.CodeInvalidAttributeValue: {codes.InvalidArgument, http.StatusBadRequest, "invalid-attribute-value", "An attribute is not valid", false},
	turnout.CodeValidation:            {codes.InvalidArgument, http.StatusBadRequest, "validation", "The request is not valid", false},

	turnout.CodeQueueNotFound:          {codes.NotFound, http.StatusNotFound, "queue-not-found", "The queue does not exist", false},
	turnout.CodeQueueExists:            {codes.AlreadyExists, http.StatusConflict, "queue-exists", "The queue exists with other attributes", false},
	turnout.CodeQueueDeletedRecently:   {codes.FailedPrecondition, http.StatusConflict, "queue-deleted-recently", "The queue was deleted less than a minute ago", true},
	turnout.CodePurgeInProgress:        {codes.FailedPrecondition, http.StatusConflict, "purge-in-progress", "The queue was purged less than a minute ago", true},
	turnout.CodeReceiptHandleInvalid:   {codes.InvalidArgument, http.StatusBadRequest, "receipt-handle-invalid", "The receipt handle is not this queue's", false},
	turnout.CodeMessageNotInFlight:     {codes.FailedPrecondition, http.StatusConflict, "message-not-in-flight", "The message is not in flight", false},
	turnout.CodeOverLimit:              {codes.ResourceExhausted, http.StatusTooManyRequests, "over-limit", "The queue has too many messages in flight", true},
	turnout.CodeInvalidMessageContents: {codes.InvalidArgument, http.StatusBadRequest, "invalid-message-contents", "The message has characters that are not allowed", false},
	turnout.CodeBatchEmpty:             {codes.InvalidArgument, http.StatusBadRequest, "batch-empty", "The batch is empty", false},
	turnout.CodeBatchTooManyEntries:    {codes.InvalidArgument, http.StatusBadRequest, "batch-too-many-entries", "The batch has too many entries", false},
	turnout.CodeBatchTooLong:           {codes.InvalidArgument, http.StatusBadRequest, "batch-too-long", "The batch is too large", false},
	turnout.CodeBatchIDInvalid:         {codes.InvalidArgument, http.StatusBadRequest, "batch-id-invalid", "The id of a batch entry is not valid", false},
	turnout.CodeBatchIDsNotDistinct:    {codes.InvalidArgument, http.StatusBadRequest, "batch-ids-not-distinct", "Two batch entries have one id", false},

	turnout.CodeNotFound:            {codes.NotFound, http.StatusNotFound, "not-found", "The resource does not exist", false},
	turnout.CodeAlreadyExists:       {codes.AlreadyExists, http.StatusConflict, "already-exists", "The resource exists already", false},
	turnout.CodeConflict:            {codes.FailedPrecondition, http.StatusConflict, "conflict", "The state of the resource does not allow this", false},
	turnout.CodeLimitExceeded:       {codes.ResourceExhausted, http.StatusUnprocessableEntity, "limit-exceeded", "A limit is reached", false},
	turnout.CodeInvalidEventPattern: {codes.InvalidArgument, http.StatusBadRequest, "invalid-event-pattern", "The event pattern is not valid", false},
	turnout.CodeManagedRule:         {codes.FailedPrecondition, http.StatusConflict, "managed-rule", "The rule is managed by a service", false},
	turnout.CodePolicyTooLong:       {codes.InvalidArgument, http.StatusBadRequest, "policy-too-long", "The policy is too long", false},
}

// What is no code of ours.
//
//nolint:gochecknoglobals // constants
var (
	cancelledKind = kind{codes.Canceled, 499, "cancelled", "The caller went away", false} // as proxies log it
	deadlineKind  = kind{codes.DeadlineExceeded, http.StatusGatewayTimeout, "deadline-exceeded", "The request took too long", true}
	methodKind    = kind{codes.Unimplemented, http.StatusMethodNotAllowed, "method-not-allowed", "The resource does not have this method", false}
	mediaKind     = kind{codes.InvalidArgument, http.StatusUnsupportedMediaType, "unsupported-media-type", "The body is in a form that is not understood", false}
)

// retryAfter is what a client is told to wait when it may try again.
const retryAfter = time.Second

// failure is an error as both protocols tell it.
type failure struct {
	kind
	detail string // in words, for the caller
	fields faults
}

// Error returns the failure in words.
func (f *failure) Error() string { return f.detail }

// describe tells what a caller is told about err. A fault of the server's own
// is not told, but unknown says that it should be logged.
func describe(err error) (f failure, unknown bool) {
	if ready, ok := errors.AsType[*failure](err); ok {
		return *ready, false
	}
	if fields, ok := errors.AsType[faults](err); ok {
		return failure{kind: kinds[turnout.CodeInvalidParameter], detail: fields.Error(), fields: fields}, false
	}
	if e, ok := errors.AsType[*turnout.Error](err); ok && e.Code != turnout.CodeInternal {
		return failure{kind: kinds[e.Code], detail: e.Message, fields: fieldOf(e)}, false
	}
	switch {
	case errors.Is(err, context.Canceled):
		return failure{kind: cancelledKind, detail: "The request was cancelled."}, false
	case errors.Is(err, context.DeadlineExceeded):
		return failure{kind: deadlineKind, detail: "The request was not done within its time."}, false
	}
	return failure{kind: kinds[turnout.CodeInternal], detail: "The server failed; its log says why."}, true
}

// describe is describe, and logs what the caller is not told.
func (a *API) describe(ctx context.Context, method string, err error) failure {
	f, unknown := describe(err)
	if unknown {
		a.cfg.Log.LogAttrs(ctx, slog.LevelError, "native request failed", slog.String("method", method), slog.Any("error", err))
	}
	return f
}

// fieldOf returns the field that an engine's error is about, if it says so the way AWS does.
func fieldOf(e *turnout.Error) faults {
	rest, ok := strings.CutPrefix(e.Message, "Parameter ")
	if !ok {
		return nil
	}
	name, reason, ok := strings.Cut(rest, " is not valid.")
	field := parameters[name]
	if !ok || field == "" {
		return nil
	}
	return faults{{field: field, reason: strings.TrimPrefix(strings.TrimSpace("is not valid."+reason), "is not valid. Reason: ")}}
}

// parameters are the fields that AWS's names of parameters stand for.
var parameters = map[string]string{
	"ReplayName":             "spec.name",
	"EventSourceArn":         "spec.source",
	"EventStartTime":         "spec.from",
	"EventEndTime":           "spec.to",
	"Destination.Arn":        "spec.source",
	"Destination.FilterArns": "spec.rules",
	"TargetId":               "spec.target_id",
	"Queue":                  "spec.queue",
	"PerSecondMax":           "spec.events_per_second_max",
	"TimeLapse":              "spec.time_lapse",
}

// grpcStatus returns f as a status with details: the fields at fault with the
// allowed range, the reason, and when to try again.
func (f *failure) grpcStatus() *status.Status {
	s := status.New(f.grpc, f.detail)
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{
		Reason: strings.ToUpper(strings.ReplaceAll(f.name, "-", "_")), Domain: "turnout",
	}}
	if len(f.fields) > 0 {
		bad := &errdetails.BadRequest{}
		for _, one := range f.fields {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: one.field, Description: one.reason})
		}
		details = append(details, bad)
	}
	if f.retry {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	}
	if with, err := s.WithDetails(details...); err == nil {
		return with
	}
	return s
}

// GRPCStatus makes the failure one that gRPC understands.
func (f *failure) GRPCStatus() *status.Status { return f.grpcStatus() }
