package sns

import (
	"errors"
	"net/http"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// errorTable names every turnout.Code as SNS does. Its codes are not the names
// of the shapes that the SDKs have types for: those find the type by the code.
// https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
func errorTable() map[turnout.Code]awswire.WireError {
	bad := http.StatusBadRequest
	return map[turnout.Code]awswire.WireError{
		turnout.CodeInternal:         {Shape: "InternalError", Status: http.StatusInternalServerError},
		turnout.CodeUnavailable:      {Shape: "ServiceUnavailable", Status: http.StatusServiceUnavailable},
		turnout.CodeThrottled:        {Shape: "Throttled", Status: http.StatusTooManyRequests},
		turnout.CodeStorageFull:      {Shape: "ServiceUnavailable", Status: http.StatusServiceUnavailable},
		turnout.CodeAccessDenied:     {Shape: "AuthorizationError", Status: http.StatusForbidden},
		turnout.CodeInvalidAction:    {Shape: "InvalidAction", Status: bad},
		turnout.CodeMalformedRequest: {Shape: "MalformedInput", Status: bad},
		turnout.CodeRequestTooLarge:  {Shape: "RequestEntityTooLarge", Status: http.StatusRequestEntityTooLarge},

		turnout.CodeUnsupportedOperation:  {Shape: "UnsupportedOperation", Status: bad},
		turnout.CodeMissingParameter:      {Shape: "InvalidParameter", Status: bad},
		turnout.CodeInvalidParameter:      {Shape: "InvalidParameter", Status: bad},
		turnout.CodeInvalidAttributeName:  {Shape: "InvalidParameter", Status: bad},
		turnout.CodeInvalidAttributeValue: {Shape: "InvalidParameter", Status: bad},
		turnout.CodeValidation:            {Shape: "ValidationError", Status: bad},
		turnout.CodeNotFound:              {Shape: "NotFound", Status: http.StatusNotFound},
		turnout.CodeAlreadyExists:         {Shape: "InvalidParameter", Status: bad},
		turnout.CodeConflict:              {Shape: "ConcurrentAccess", Status: bad},
		turnout.CodeLimitExceeded:         {Shape: "SubscriptionLimitExceeded", Status: http.StatusForbidden},
		turnout.CodePolicyTooLong:         {Shape: "InvalidParameter", Status: bad},
		turnout.CodeBatchEmpty:            {Shape: "EmptyBatchRequest", Status: bad},
		turnout.CodeBatchTooManyEntries:   {Shape: "TooManyEntriesInBatchRequest", Status: bad},
		turnout.CodeBatchTooLong:          {Shape: "BatchRequestTooLong", Status: bad},
		turnout.CodeBatchIDInvalid:        {Shape: "InvalidBatchEntryId", Status: bad},
		turnout.CodeBatchIDsNotDistinct:   {Shape: "BatchEntryIdsNotDistinct", Status: bad},

		// No operation of SNS answers these; the nearest name stands for each.
		turnout.CodeQueueNotFound:          {Shape: "NotFound", Status: http.StatusNotFound},
		turnout.CodeQueueExists:            {Shape: "InvalidParameter", Status: bad},
		turnout.CodeQueueDeletedRecently:   {Shape: "InvalidParameter", Status: bad},
		turnout.CodePurgeInProgress:        {Shape: "ConcurrentAccess", Status: bad},
		turnout.CodeReceiptHandleInvalid:   {Shape: "InvalidParameter", Status: bad},
		turnout.CodeMessageNotInFlight:     {Shape: "InvalidParameter", Status: bad},
		turnout.CodeOverLimit:              {Shape: "Throttled", Status: http.StatusTooManyRequests},
		turnout.CodeInvalidMessageContents: {Shape: "InvalidParameter", Status: bad},
		turnout.CodeInvalidEventPattern:    {Shape: "InvalidParameter", Status: bad},
		turnout.CodeManagedRule:            {Shape: "InvalidParameter", Status: bad},
	}
}

// wireError names e. A code that the table lacks is a fault of this package, proved absent by a test.
func (a *API) wireError(e *turnout.Error, p awswire.Protocol) awswire.WireError {
	w, ok := a.errors[e.Code]
	if !ok || e.Code == turnout.CodeInternal {
		return awswire.CommonError(&turnout.Error{Code: turnout.CodeInternal}, p)
	}
	w.Message = e.Message
	if w.Shape == "InvalidParameter" {
		w.Message = prefix(setting, w.Message)
	}
	return w
}

// What AWS puts before the reason why an attribute is refused: the operations
// that take a map of attributes say which parameter the map is.
const (
	creating = "Invalid parameter: Attributes Reason: " // CreateTopic and Subscribe
	setting  = "Invalid parameter: "                    // SetTopicAttributes and SetSubscriptionAttributes
)

// invalid returns an error of code InvalidParameter whose message begins with setting.
func invalid(format string, args ...any) error {
	return turnout.Errorf(turnout.CodeInvalidParameter, setting+format, args...)
}

// refused returns the reason why an attribute is refused, for attributeError to complete.
func refused(format string, args ...any) error {
	return turnout.Errorf(turnout.CodeInvalidAttributeValue, format, args...)
}

// attributeError puts how before the reason of an error about an attribute. It
// leaves alone what is complete already, or about something else.
func attributeError(how string, err error) error {
	e, ok := errors.AsType[*turnout.Error](err)
	if !ok {
		return err
	}
	switch e.Code {
	case turnout.CodeInvalidParameter, turnout.CodeInvalidAttributeName, turnout.CodeInvalidAttributeValue, turnout.CodeInvalidEventPattern:
		return &turnout.Error{Code: turnout.CodeInvalidParameter, Message: prefix(how, e.Message), Err: e.Err}
	default:
		return err
	}
}

// The only messages of code InvalidParameter that do not begin with setting.
const (
	invalidToken = "Invalid token"
	invalidSMS   = "Invalid SMS endpoint: "
)

// prefix completes a message, unless it is complete already.
func prefix(how, message string) string {
	if strings.HasPrefix(message, setting) || strings.HasPrefix(message, invalidSMS) || message == invalidToken {
		return message
	}
	return how + message
}

// missing is AWS's error for a parameter that must be there.
func missing(parameter string) error {
	return invalid("%s Reason: no value for required parameter", parameter)
}

// attributeValueInvalid is the error of a message attribute, which has a code of its own.
func attributeValueInvalid(format string, args ...any) error {
	return &awswire.WireError{Shape: "ParameterValueInvalid", Status: http.StatusBadRequest, Message: turnout.Errorf(0, format, args...).Message}
}

// constraint is AWS's error for a member that breaks the service model.
func constraint(value, at, format string, args ...any) error {
	return turnout.Errorf(turnout.CodeValidation, "1 validation error detected: Value %s at '%s' failed to satisfy constraint: %s",
		value, at, turnout.Errorf(0, format, args...).Message)
}
