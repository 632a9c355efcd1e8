package sns

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

func TestEveryCodeHasAName(t *testing.T) {
	t.Parallel()
	table := errorTable()
	require.Len(t, table, len(turnout.Codes()))
	for _, code := range turnout.Codes() {
		w, ok := table[code]
		require.True(t, ok, "code %d has no entry", code)
		require.NotEmpty(t, w.Shape)
		require.Empty(t, w.QueryCode, "SNS has no other protocol")
		require.GreaterOrEqual(t, w.Status, 400)
	}
}

func TestErrorNames(t *testing.T) {
	t.Parallel()
	a := New(nil, Config{})
	for _, c := range []struct {
		code   turnout.Code
		shape  string
		status int
	}{
		{turnout.CodeNotFound, "NotFound", http.StatusNotFound},
		{turnout.CodeAccessDenied, "AuthorizationError", http.StatusForbidden},
		{turnout.CodeThrottled, "Throttled", http.StatusTooManyRequests},
		{turnout.CodeLimitExceeded, "SubscriptionLimitExceeded", http.StatusForbidden},
		{turnout.CodeValidation, "ValidationError", http.StatusBadRequest},
		{turnout.CodeBatchTooLong, "BatchRequestTooLong", http.StatusBadRequest},
		{turnout.CodeUnavailable, "ServiceUnavailable", http.StatusServiceUnavailable},
	} {
		w := a.wireError(turnout.Errorf(c.code, "text"), awswire.ProtocolQuery)
		require.Equal(t, awswire.WireError{Shape: c.shape, Status: c.status, Message: "text"}, w)
	}
	internal := a.wireError(turnout.Errorf(turnout.CodeInternal, "secret"), awswire.ProtocolQuery)
	require.Equal(t, "InternalError", internal.QueryCode)
	require.NotContains(t, internal.Message, "secret")
}

// TestAttributeErrors checks that the reason for which the engine refuses an
// attribute gets the words of the operation, once.
func TestAttributeErrors(t *testing.T) {
	t.Parallel()
	bare := turnout.Errorf(turnout.CodeInvalidParameter, "FilterPolicy: Empty arrays are not allowed")
	require.EqualError(t, attributeError(creating, bare), "Invalid parameter: Attributes Reason: FilterPolicy: Empty arrays are not allowed")
	require.EqualError(t, attributeError(setting, fmt.Errorf("joined: %w", bare)), "Invalid parameter: FilterPolicy: Empty arrays are not allowed")
	for _, done := range []error{
		nil,
		errors.New("the disk is broken"),
		turnout.Errorf(turnout.CodeNotFound, "Topic does not exist"),
		turnout.Errorf(turnout.CodeInvalidParameter, "Invalid parameter: Attributes Reason: FilterPolicy: Filter policy is too complex"),
	} {
		require.Equal(t, done, attributeError(creating, done))
	}
	filter := turnout.Errorf(turnout.CodeInvalidParameter, "Invalid member in numeric match: ]")
	require.EqualError(t, attributeError(setting, filter), "Invalid parameter: Invalid member in numeric match: ]")

	limit := createError(turnout.Errorf(turnout.CodeLimitExceeded, "no more"))
	w, ok := errors.AsType[*awswire.WireError](limit)
	require.True(t, ok)
	require.Equal(t, "TopicLimitExceeded", w.Shape)
}
