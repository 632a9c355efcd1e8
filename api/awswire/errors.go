package awswire

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed567880c8/turnout"
)

// WireError is an error as a client of the AWS protocols sees it.
type WireError struct {
	Shape     string // the error's name in the JSON protocols, without a namespace
	QueryCode string // its name in the query protocol and in x-amzn-query-error; "" is the same as Shape
	Status    int    // HTTP status
	Message   string
}

// Error returns the shape and the message.
func (e *WireError) Error() string { return e.Shape + ": " + e.Message }

func (e *WireError) queryCode() string {
	if e.QueryCode == "" {
		return e.Shape
	}
	return e.QueryCode
}

// fault says who is to blame, in AWS's words.
func (e *WireError) fault() string {
	if e.Status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

// CommonError returns the name that AWS gives the errors common to all
// services, with the message of e. Services fall back on it for the codes
// that they have no name of their own for.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
func CommonError(e *turnout.Error, p Protocol) WireError {
	w := WireError{Shape: "InternalFailure", Status: http.StatusInternalServerError, Message: e.Message}
	switch e.Code {
	case turnout.CodeUnavailable, turnout.CodeStorageFull:
		w.Shape, w.Status = "ServiceUnavailable", http.StatusServiceUnavailable
	case turnout.CodeThrottled:
		w.Shape, w.QueryCode, w.Status = "ThrottlingException", "Throttling", http.StatusBadRequest
	case turnout.CodeAccessDenied:
		w.Shape, w.QueryCode, w.Status = "AccessDeniedException", "AccessDenied", http.StatusForbidden
	case turnout.CodeUnsupportedOperation:
		w.Shape, w.Status = "UnsupportedOperation", http.StatusBadRequest
	case turnout.CodeInvalidAction:
		w.Shape, w.QueryCode, w.Status = "UnknownOperationException", "InvalidAction", http.StatusBadRequest
	case turnout.CodeMalformedRequest:
		w.Shape, w.QueryCode, w.Status = "SerializationException", "MalformedInput", http.StatusBadRequest
	case turnout.CodeRequestTooLarge:
		w.Shape, w.Status = "RequestEntityTooLarge", http.StatusRequestEntityTooLarge
	case turnout.CodeMissingParameter:
		w.Shape, w.QueryCode, w.Status = "MissingRequiredParameterException", "MissingParameter", http.StatusBadRequest
	case turnout.CodeInvalidParameter:
		w.Shape, w.QueryCode, w.Status = "InvalidParameterValueException", "InvalidParameterValue", http.StatusBadRequest
	case turnout.CodeValidation:
		w.Shape, w.QueryCode, w.Status = "ValidationException", "ValidationError", http.StatusBadRequest
	case turnout.CodeInternal:
		w.Message = internalMessage
	default:
		// A code that only some services can answer: its Code says that the
		// caller is at fault, but there is no common name for how.
		w.Shape, w.QueryCode, w.Status = "ValidationException", "ValidationError", http.StatusBadRequest
	}
	if p == ProtocolQuery && w.Shape == "InternalFailure" {
		w.QueryCode = "InternalError"
	}
	return w
}

const internalMessage = "We encountered an internal error. Please try again."

// wireError names err in the protocol p of svc, which is nil when the request
// did not say which service it is for.
func wireError(svc *Service, p Protocol, err error) WireError {
	if w, ok := errors.AsType[*WireError](err); ok {
		return *w
	}
	e, ok := errors.AsType[*turnout.Error](err)
	switch {
	case ok:
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e = turnout.Errorf(turnout.CodeUnavailable, "The request was ended before it could be served.")
	default:
		e = turnout.Errorf(turnout.CodeInternal, internalMessage)
	}
	if svc == nil || svc.ErrorOf == nil {
		return CommonError(e, p)
	}
	return svc.ErrorOf(e, p)
}
