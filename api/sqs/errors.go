package sqs

import (
	"net/http"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// legacy is what the query protocol puts before most of the service's own error codes.
const legacy = "AWS.SimpleQueueService."

// errorTable names every turnout.Code in the protocols of SQS: the shape of
// the service model, the code of the query protocol, and the status, which
// AWS keeps the same in both.
func errorTable() map[turnout.Code]awswire.WireError {
	bad := http.StatusBadRequest
	return map[turnout.Code]awswire.WireError{
		turnout.CodeInternal:         {Shape: "InternalFailure", QueryCode: "InternalError", Status: http.StatusInternalServerError},
		turnout.CodeUnavailable:      {Shape: "ServiceUnavailable", Status: http.StatusServiceUnavailable},
		turnout.CodeThrottled:        {Shape: "RequestThrottled", Status: http.StatusForbidden},
		turnout.CodeStorageFull:      {Shape: "ServiceUnavailable", Status: http.StatusServiceUnavailable},
		turnout.CodeAccessDenied:     {Shape: "AccessDeniedException", QueryCode: "AccessDenied", Status: http.StatusForbidden},
		turnout.CodeInvalidAction:    {Shape: "UnknownOperationException", QueryCode: "InvalidAction", Status: bad},
		turnout.CodeMalformedRequest: {Shape: "SerializationException", QueryCode: "MalformedInput", Status: bad},
		turnout.CodeRequestTooLarge:  {Shape: "RequestEntityTooLarge", Status: http.StatusRequestEntityTooLarge},

		turnout.CodeUnsupportedOperation:   {Shape: "UnsupportedOperation", QueryCode: legacy + "UnsupportedOperation", Status: bad},
		turnout.CodeMissingParameter:       {Shape: "MissingRequiredParameterException", QueryCode: "MissingParameter", Status: bad},
		turnout.CodeInvalidParameter:       {Shape: "InvalidParameterValueException", QueryCode: "InvalidParameterValue", Status: bad},
		turnout.CodeInvalidAttributeName:   {Shape: "InvalidAttributeName", Status: bad},
		turnout.CodeInvalidAttributeValue:  {Shape: "InvalidAttributeValue", Status: bad},
		turnout.CodeQueueNotFound:          {Shape: "QueueDoesNotExist", QueryCode: legacy + "NonExistentQueue", Status: bad},
		turnout.CodeQueueExists:            {Shape: "QueueNameExists", QueryCode: "QueueAlreadyExists", Status: bad},
		turnout.CodeQueueDeletedRecently:   {Shape: "QueueDeletedRecently", QueryCode: legacy + "QueueDeletedRecently", Status: bad},
		turnout.CodePurgeInProgress:        {Shape: "PurgeQueueInProgress", QueryCode: legacy + "PurgeQueueInProgress", Status: http.StatusForbidden},
		turnout.CodeReceiptHandleInvalid:   {Shape: "ReceiptHandleIsInvalid", Status: http.StatusNotFound},
		turnout.CodeMessageNotInFlight:     {Shape: "MessageNotInflight", QueryCode: legacy + "MessageNotInflight", Status: bad},
		turnout.CodeOverLimit:              {Shape: "OverLimit", Status: http.StatusForbidden},
		turnout.CodeInvalidMessageContents: {Shape: "InvalidMessageContents", Status: bad},
		turnout.CodeBatchEmpty:             {Shape: "EmptyBatchRequest", QueryCode: legacy + "EmptyBatchRequest", Status: bad},
		turnout.CodeBatchTooManyEntries:    {Shape: "TooManyEntriesInBatchRequest", QueryCode: legacy + "TooManyEntriesInBatchRequest", Status: bad},
		turnout.CodeBatchTooLong:           {Shape: "BatchRequestTooLong", QueryCode: legacy + "BatchRequestTooLong", Status: bad},
		turnout.CodeBatchIDInvalid:         {Shape: "InvalidBatchEntryId", QueryCode: legacy + "InvalidBatchEntryId", Status: bad},
		turnout.CodeBatchIDsNotDistinct:    {Shape: "BatchEntryIdsNotDistinct", QueryCode: legacy + "BatchEntryIdsNotDistinct", Status: bad},
		turnout.CodeNotFound:               {Shape: "ResourceNotFoundException", Status: http.StatusNotFound},

		// No operation of SQS answers these; the nearest name stands for each.
		turnout.CodeValidation:          {Shape: "InvalidParameterValueException", QueryCode: "InvalidParameterValue", Status: bad},
		turnout.CodeAlreadyExists:       {Shape: "InvalidParameterValueException", QueryCode: "InvalidParameterValue", Status: bad},
		turnout.CodeConflict:            {Shape: "UnsupportedOperation", QueryCode: legacy + "UnsupportedOperation", Status: bad},
		turnout.CodeLimitExceeded:       {Shape: "OverLimit", Status: http.StatusForbidden},
		turnout.CodeInvalidEventPattern: {Shape: "InvalidParameterValueException", QueryCode: "InvalidParameterValue", Status: bad},
		turnout.CodeManagedRule:         {Shape: "UnsupportedOperation", QueryCode: legacy + "UnsupportedOperation", Status: bad},
		turnout.CodePolicyTooLong:       {Shape: "OverLimit", Status: http.StatusForbidden},
	}
}

// wireError names e. A code that the table lacks is a fault of this package, proved absent by a test.
func (a *API) wireError(e *turnout.Error, p awswire.Protocol) awswire.WireError {
	w, ok := a.errors[e.Code]
	if !ok || e.Code == turnout.CodeInternal {
		return awswire.CommonError(&turnout.Error{Code: turnout.CodeInternal}, p)
	}
	w.Message = e.Message
	if e.Code == turnout.CodeQueueNotFound && p == awswire.ProtocolQuery {
		// AWS's two protocols differ in this one text.
		w.Message = strings.TrimSuffix(w.Message, ".") + " for this wsdl version."
	}
	return w
}

func missingParameter(name string) error {
	return turnout.Errorf(turnout.CodeMissingParameter, "The request must contain the parameter %s.", name)
}

// invalidParameter is AWS's form for a value that is not allowed.
func invalidParameter(name string, value any, reason string) error {
	return turnout.Errorf(turnout.CodeInvalidParameter, "Value %v for parameter %s is invalid. Reason: %s", value, name, reason)
}
