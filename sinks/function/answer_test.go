package function

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// CheckJudge judges an answer and checks what must be so for any.
func CheckJudge(t *testing.T, status int, functionError, body string) {
	t.Helper()
	a := &webhook.Answer{
		Result: sinks.Result{Status: status, Excerpt: []byte(body[:min(len(body), sinks.ExcerptBytesMax)])},
		Header: http.Header{"X-Amz-Function-Error": {functionError}},
	}
	if status < 200 || status > 299 {
		a.Failure = &sinks.Failure{Code: sinks.CodeErrorFromTarget, Message: "x"}
	}
	judge(a, "f")
	failed := status < 200 || status > 299 || functionError != ""
	if failed {
		require.NotNil(t, a.Failure)
	}
	if a.Failure != nil {
		require.NotEmpty(t, a.Failure.Code)
		require.False(t, a.Failure.Permanent && a.Failure.Code == sinks.CodeThrottling)
	}
}
