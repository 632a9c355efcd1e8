package sqs

import (
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
		require.GreaterOrEqual(t, w.Status, 400)
	}
}

func TestErrorNames(t *testing.T) {
	t.Parallel()
	a := New(nil)
	for _, c := range []struct {
		code         turnout.Code
		shape, query string
		status       int
	}{
		{turnout.CodeQueueNotFound, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400},
		{turnout.CodeQueueExists, "QueueNameExists", "QueueAlreadyExists", 400},
		{turnout.CodePurgeInProgress, "PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403},
		{turnout.CodeReceiptHandleInvalid, "ReceiptHandleIsInvalid", "", 404},
		{turnout.CodeMissingParameter, "MissingRequiredParameterException", "MissingParameter", 400},
		{turnout.CodeInvalidParameter, "InvalidParameterValueException", "InvalidParameterValue", 400},
		{turnout.CodeNotFound, "ResourceNotFoundException", "", 404},
		{turnout.CodeOverLimit, "OverLimit", "", 403},
		{turnout.CodeThrottled, "RequestThrottled", "", 403},
	} {
		w := a.wireError(turnout.Errorf(c.code, "text"), awswire.ProtocolJSON)
		require.Equal(t, awswire.WireError{Shape: c.shape, QueryCode: c.query, Status: c.status, Message: "text"}, w)
	}
	missing := turnout.Errorf(turnout.CodeQueueNotFound, "The specified queue does not exist.")
	require.Equal(t, "The specified queue does not exist.", a.wireError(missing, awswire.ProtocolJSON).Message)
	require.Equal(t, "The specified queue does not exist for this wsdl version.", a.wireError(missing, awswire.ProtocolQuery).Message)
	internal := a.wireError(turnout.Errorf(turnout.CodeInternal, "secret"), awswire.ProtocolQuery)
	require.Equal(t, "InternalError", internal.QueryCode)
	require.NotContains(t, internal.Message, "secret")
}
