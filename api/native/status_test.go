package native_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/native"
)

func TestEveryCodeHasAStatusAndAName(t *testing.T) {
	t.Parallel()

	names := map[string]turnout.Code{}
	for _, code := range turnout.Codes() {
		grpc, status, name := native.Described(turnout.Errorf(code, "x"))
		require.NotEqual(t, codes.OK, grpc, "code %d is an error over gRPC", code)
		require.GreaterOrEqual(t, status, 400, "code %d is an error over REST", code)
		require.Regexp(t, `^[a-z]+(-[a-z]+)*$`, name, "code %d", code)
		require.NotContains(t, names, name, "a name stands for one code")
		names[name] = code
		if grpc == codes.InvalidArgument || grpc == codes.NotFound {
			require.Less(t, status, 500, "%s is the caller's fault in both protocols", name)
		}
	}
	require.Len(t, turnout.Codes(), native.KindsOfErrors(), "the table has nothing else")
}

func TestErrorsThatAreNoCodes(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		err    error
		grpc   codes.Code
		status int
		name   string
	}{
		{errors.New("disk on fire"), codes.Internal, http.StatusInternalServerError, "internal"},
		{turnout.Errorf(turnout.CodeInternal, "disk on fire"), codes.Internal, http.StatusInternalServerError, "internal"},
		{fmt.Errorf("wait: %w", context.Canceled), codes.Canceled, 499, "cancelled"},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), codes.DeadlineExceeded, http.StatusGatewayTimeout, "deadline-exceeded"},
		{fmt.Errorf("open: %w", turnout.Errorf(turnout.CodeQueueNotFound, "No queue.")), codes.NotFound, http.StatusNotFound, "queue-not-found"},
	} {
		grpc, status, name := native.Described(c.err)
		require.Equal(t, c.grpc, grpc, "%v", c.err)
		require.Equal(t, c.status, status, "%v", c.err)
		require.Equal(t, c.name, name, "%v", c.err)
		require.NotContains(t, native.StatusOf(c.err).Message(), "fire", "what the server met is for its log")
	}
}

func TestStatusHasDetails(t *testing.T) {
	t.Parallel()

	s := native.StatusOf(turnout.Errorf(turnout.CodeValidation, "Parameter TargetId is not valid. Reason: Rule r has no target 2."))
	require.Equal(t, codes.InvalidArgument, s.Code())
	details := s.Details()
	require.Len(t, details, 2)
	info, ok := details[0].(*errdetails.ErrorInfo)
	require.True(t, ok)
	require.Equal(t, "VALIDATION", info.Reason)
	require.Equal(t, "turnout", info.Domain)
	bad, ok := details[1].(*errdetails.BadRequest)
	require.True(t, ok)
	require.Equal(t, "spec.target_id", bad.FieldViolations[0].Field, "what an engine says about a parameter is about a field")
	require.Equal(t, "Rule r has no target 2.", bad.FieldViolations[0].Description)

	details = native.StatusOf(turnout.Errorf(turnout.CodeThrottled, "Busy.")).Details()
	require.Len(t, details, 2)
	retry, ok := details[1].(*errdetails.RetryInfo)
	require.True(t, ok, "who may try again is told when")
	require.EqualValues(t, 1, retry.RetryDelay.Seconds)
}
