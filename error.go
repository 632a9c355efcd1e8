package turnout

import "fmt"

// Code says what kind of failure an Error is, independently of any wire
// protocol. Each API package maps every code to its protocol's error name and
// status in one table; the list here is closed.
type Code int

// The codes. Messages that AWS defines travel in Error.Message.
const (
	// CodeInternal is a fault of Turnout itself; it is the zero value so that an unset code is never mistaken for the caller's fault.
	CodeInternal Code = iota
	// CodeUnavailable means that the server is stopping or not ready; the caller may retry.
	CodeUnavailable
	// CodeThrottled means that a bound was reached and the request was shed; the caller may retry with backoff.
	CodeThrottled
	// CodeStorageFull means that the disk has too little free space to accept new data; receives and deletes still work.
	CodeStorageFull
	// CodeAccessDenied means that the caller may not do this.
	CodeAccessDenied
	// CodeUnsupportedOperation is an operation, or a combination of settings, that Turnout (or AWS for this resource) does not support.
	CodeUnsupportedOperation
	// CodeInvalidAction is an operation name that the endpoint does not know.
	CodeInvalidAction
	// CodeMalformedRequest is a request body that cannot be parsed: broken JSON, form or gzip, too deep, too large.
	CodeMalformedRequest
	// CodeRequestTooLarge is a request body beyond the configured limit.
	CodeRequestTooLarge

	// CodeMissingParameter is a required parameter that is absent.
	CodeMissingParameter
	// CodeInvalidParameter is a parameter whose value is not allowed.
	CodeInvalidParameter
	// CodeInvalidAttributeName is an attribute that the resource does not have.
	CodeInvalidAttributeName
	// CodeInvalidAttributeValue is an attribute value that is not allowed.
	CodeInvalidAttributeValue
	// CodeValidation is a request that breaks the service model's constraints (AWS: ValidationException).
	CodeValidation

	// CodeQueueNotFound is a queue that does not exist.
	CodeQueueNotFound
	// CodeQueueExists is a queue name taken by a queue with other attributes.
	CodeQueueExists
	// CodeQueueDeletedRecently is a queue name that was freed less than 60 seconds ago (strict AWS behaviour only).
	CodeQueueDeletedRecently
	// CodePurgeInProgress is a second purge of one queue within 60 seconds.
	CodePurgeInProgress
	// CodeReceiptHandleInvalid is a receipt handle that this server never issued for this queue.
	CodeReceiptHandleInvalid
	// CodeMessageNotInFlight is a visibility change for a message that is not in flight.
	CodeMessageNotInFlight
	// CodeOverLimit is a standard queue with too many messages in flight (120,000 by default).
	CodeOverLimit
	// CodeInvalidMessageContents is a body or attribute with characters outside XML 1.0's set.
	CodeInvalidMessageContents
	// CodeBatchEmpty is a batch request without entries.
	CodeBatchEmpty
	// CodeBatchTooManyEntries is a batch of more than ten entries.
	CodeBatchTooManyEntries
	// CodeBatchTooLong is a batch whose messages together exceed the size limit.
	CodeBatchTooLong
	// CodeBatchIDInvalid is a batch entry id with a forbidden character or length.
	CodeBatchIDInvalid
	// CodeBatchIDsNotDistinct is a batch with two entries of one id.
	CodeBatchIDsNotDistinct

	// CodeNotFound is a resource other than a queue that does not exist.
	CodeNotFound
	// CodeAlreadyExists is a resource other than a queue that exists already.
	CodeAlreadyExists
	// CodeConflict is a change that collides with another one or with the state of the resource.
	CodeConflict
	// CodeLimitExceeded is a quota that is used up.
	CodeLimitExceeded
	// CodeInvalidEventPattern is an event pattern that cannot be compiled.
	CodeInvalidEventPattern
	// CodeManagedRule is a change to a rule that a service manages.
	CodeManagedRule
	// CodePolicyTooLong is a resource policy beyond its size limit.
	CodePolicyTooLong

	codeEnd // one past the last code; keep it last
)

// Codes returns every code, for the tests that prove a mapping complete.
func Codes() []Code {
	all := make([]Code, codeEnd)
	for i := range all {
		all[i] = Code(i)
	}
	return all
}

// Error is a failure that a caller may be told about. Message is written for
// the caller and, where AWS defines a text, is AWS's text; Err is the cause,
// for logs and errors.Is.
type Error struct {
	Code    Code
	Message string
	Err     error
}

// Error returns the message, followed by the cause if there is one.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an *Error with a formatted message and no cause.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
