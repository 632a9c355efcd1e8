package function

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// judge corrects what a status means to any endpoint by what it means to Invoke.
func judge(a *webhook.Answer, name string) {
	if a.Failure == nil {
		a.Failure = functionFailure(a, name)
		return
	}
	set := func(code string, permanent bool, format string) {
		a.Failure.Code, a.Failure.Permanent = code, permanent
		a.Failure.Message = fmt.Sprintf(format, name)
	}
	switch a.Status {
	case http.StatusBadRequest:
		// Lambda names an error and says more in the body. The runtime interface
		// emulator, which runs one invocation at a time, says nothing but 400 to
		// the next one.
		if a.Header.Get("X-Amzn-Errortype") == "" && len(a.Excerpt) == 0 {
			set(sinks.CodeThrottling, false, "function %s is busy: its endpoint runs one invocation at a time")
		}
	case http.StatusNotFound:
		set(sinks.CodeNoResource, true, "function %s does not exist at its endpoint")
	case http.StatusConflict: // ResourceConflictException: it is being created or updated
		set(sinks.CodeErrorFromTarget, false, "function %s is being changed")
	case http.StatusRequestEntityTooLarge:
		set(sinks.CodeLimitExceeded, true, "the payload is too large for function %s's endpoint")
	}
}

// functionFailure says how the function failed that an endpoint has run; nil is
// that it did not. Lambda says so in a header. The runtime interface emulator
// answers with the error alone, in the form in which every runtime reports it,
// or with a sentence.
func functionFailure(a *webhook.Answer, name string) *sinks.Failure {
	f := &sinks.Failure{Code: sinks.CodeErrorFromTarget, Message: fmt.Sprintf("function %s failed", name)}
	switch {
	case a.Header.Get("X-Amz-Function-Error") != "":
		return f
	case a.Status != http.StatusOK:
		return nil // 202 and 204: it has not run
	case bytes.HasPrefix(a.Excerpt, []byte("Task timed out after ")):
		f.Code, f.Message = sinks.CodeTimeout, fmt.Sprintf("function %s timed out", name)
		return f
	case isError(a.Excerpt):
		return f
	default:
		return nil
	}
}

// isError reports whether excerpt, the beginning of a JSON document, is an
// object whose first members are errorMessage and errorType: what a runtime
// reports of a function that failed. A function that returns just that is taken
// to have failed too.
func isError(excerpt []byte) bool {
	d := json.NewDecoder(bytes.NewReader(excerpt))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return false
	}
	for seen := range 2 {
		name, err := d.Token()
		if err != nil || (name != "errorMessage" && name != "errorType") {
			return false
		}
		value, err := d.Token()
		if err != nil {
			// A message that is longer than the excerpt hides what follows it.
			return len(excerpt) >= sinks.ExcerptBytesMax
		}
		if _, ok := value.(string); !ok {
			return false
		}
		if seen == 1 {
			return true
		}
	}
	return false
}
