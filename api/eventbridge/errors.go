package eventbridge

import (
	"net/http"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// errorNames gives every code its name in EventBridge's service model and its
// status. AWS answers all faults of the caller with 400, even a missing
// resource. The codes of queues never reach this API from a broker that keeps
// its word; they are named so that one which did would still be understood.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/CommonErrors.html
var errorNames = map[turnout.Code]awswire.WireError{
	turnout.CodeInternal:             {Shape: "InternalException", Status: http.StatusInternalServerError},
	turnout.CodeUnavailable:          {Shape: "ServiceUnavailable", Status: http.StatusServiceUnavailable},
	turnout.CodeThrottled:            {Shape: "ThrottlingException", Status: http.StatusBadRequest},
	turnout.CodeStorageFull:          {Shape: "ServiceUnavailable", Status: http.StatusServiceUnavailable},
	turnout.CodeAccessDenied:         {Shape: "AccessDeniedException", Status: http.StatusBadRequest},
	turnout.CodeUnsupportedOperation: {Shape: "UnsupportedOperationException", Status: http.StatusBadRequest},
	turnout.CodeInvalidAction:        {Shape: "UnknownOperationException", Status: http.StatusBadRequest},
	turnout.CodeMalformedRequest:     {Shape: "SerializationException", Status: http.StatusBadRequest},
	turnout.CodeRequestTooLarge:      {Shape: "RequestEntityTooLarge", Status: http.StatusRequestEntityTooLarge},

	turnout.CodeMissingParameter:      {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeInvalidParameter:      {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeInvalidAttributeName:  {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeInvalidAttributeValue: {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeValidation:            {Shape: "ValidationException", Status: http.StatusBadRequest},

	turnout.CodeNotFound:            {Shape: "ResourceNotFoundException", Status: http.StatusBadRequest},
	turnout.CodeAlreadyExists:       {Shape: "ResourceAlreadyExistsException", Status: http.StatusBadRequest},
	turnout.CodeConflict:            {Shape: "ConcurrentModificationException", Status: http.StatusBadRequest},
	turnout.CodeLimitExceeded:       {Shape: "LimitExceededException", Status: http.StatusBadRequest},
	turnout.CodeInvalidEventPattern: {Shape: "InvalidEventPatternException", Status: http.StatusBadRequest},
	turnout.CodeManagedRule:         {Shape: "ManagedRuleException", Status: http.StatusBadRequest},
	turnout.CodePolicyTooLong:       {Shape: "PolicyLengthExceededException", Status: http.StatusBadRequest},

	turnout.CodeQueueNotFound:          {Shape: "ResourceNotFoundException", Status: http.StatusBadRequest},
	turnout.CodeQueueExists:            {Shape: "ResourceAlreadyExistsException", Status: http.StatusBadRequest},
	turnout.CodeQueueDeletedRecently:   {Shape: "ConcurrentModificationException", Status: http.StatusBadRequest},
	turnout.CodePurgeInProgress:        {Shape: "ConcurrentModificationException", Status: http.StatusBadRequest},
	turnout.CodeReceiptHandleInvalid:   {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeMessageNotInFlight:     {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeOverLimit:              {Shape: "LimitExceededException", Status: http.StatusBadRequest},
	turnout.CodeInvalidMessageContents: {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeBatchEmpty:             {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeBatchTooManyEntries:    {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeBatchTooLong:           {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeBatchIDInvalid:         {Shape: "ValidationException", Status: http.StatusBadRequest},
	turnout.CodeBatchIDsNotDistinct:    {Shape: "ValidationException", Status: http.StatusBadRequest},
}

// errorOf names e in EventBridge's words.
func errorOf(e *turnout.Error, p awswire.Protocol) awswire.WireError {
	w, ok := errorNames[e.Code]
	if !ok {
		return awswire.CommonError(e, p)
	}
	w.Message = e.Message
	if e.Code == turnout.CodeInternal { // the details are for the log
		w.Message = awswire.CommonError(e, p).Message
	}
	return w
}
