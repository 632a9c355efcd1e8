package eventbridge_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge"
)

// call posts one awsJson request as account speaks and returns the status and body of the answer.
func call(t *testing.T, h http.Handler, account, operation, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSEvents."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+account+"/20250101/us-east-1/events/aws4_request, SignedHeaders=host, Signature=0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, "application/x-amz-json-1.1", w.Header().Get("Content-Type"))
	require.NotEmpty(t, w.Header().Get("X-Amzn-Requestid"))
	return w.Code, w.Body.String()
}

func handler(b eventbridge.Broker, cfg eventbridge.Config) http.Handler {
	return awswire.New(awswire.Config{Services: []*awswire.Service{eventbridge.New(b, cfg)}})
}

var scrubbed = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`"EventId":"[0-9a-f-]{36}"`), `"EventId":"<uuid>"`},
	{regexp.MustCompile(`"(CreationTime|LastModifiedTime)":[0-9.]+`), `"$1":<time>`},
}

// TestWire runs the dialogues of testdata/wire. The command names the
// operation; its input is the request, or empty for {}; "account=" speaks for
// another account; "repeat=N" takes the request's "%d" N times from 1 on.
func TestWire(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/wire", func(t *testing.T, path string) {
		h := handler(newFakeBroker(), eventbridge.Config{EntriesBytesMax: 2000})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			account, times := "000000000000", 1
			d.MaybeScanArgs(t, "account", &account)
			d.MaybeScanArgs(t, "repeat", &times)
			body := d.Input
			if body == "" {
				body = "{}"
			}
			status, answer := 0, ""
			for i := range times {
				status, answer = call(t, h, account, d.Cmd, strings.ReplaceAll(body, "%d", fmt.Sprint(i+1)))
			}
			for _, s := range scrubbed {
				answer = s.pattern.ReplaceAllString(answer, s.with)
			}
			return fmt.Sprintf("%d %s\n", status, answer)
		})
	})
}

// FuzzOperations sends any body to any operation: the answer is well-formed,
// and what is wrong is the caller's fault, not an internal one.
func FuzzOperations(f *testing.F) {
	names := slices.Sorted(maps.Keys(eventbridge.New(nil, eventbridge.Config{}).Operations))
	requests := map[string]string{
		"CreateEventBus":      `{"Name":"b","Tags":[{"Key":"k","Value":"v"}],"LogConfig":{"Level":"INFO"}}`,
		"ListEventBuses":      `{"NamePrefix":"d","Limit":1,"NextToken":"AWE="}`,
		"PutPermission":       `{"Policy":"{\"Statement\":[{}]}"}`,
		"PutRule":             `{"Name":"r","ScheduleExpression":"rate(5 minutes)","EventPattern":"{}"}`,
		"TagResource":         `{"ResourceARN":"arn:aws:events:us-east-1:000000000000:event-bus/default","Tags":[{"Key":"k","Value":"v"}]}`,
		"UntagResource":       `{"ResourceARN":"arn:aws:events:us-east-1:000000000000:rule/b/r","TagKeys":["k"]}`,
		"PutTargets":          `{"Rule":"r","Targets":[{"Id":"a","Arn":"arn:aws:sqs:us-east-1:0:q","InputTransformer":{"InputPathsMap":{"a":"$.b"},"InputTemplate":"<a>"},"RetryPolicy":{"MaximumRetryAttempts":1},"HttpParameters":{"HeaderParameters":{"a":"b"}}}]}`,
		"RemoveTargets":       `{"Rule":"r","Ids":["a"]}`,
		"TestEventPattern":    `{"EventPattern":"{}","Event":"{}"}`,
		"PutEvents":           `{"Entries":[{"Source":"s","DetailType":"t","Detail":"{}"}]}`,
		"ListTargetsByRule":   `{"Rule":"r","Limit":1}`,
		"DescribeEventBus":    `{"Name":"arn:aws:events:us-east-1:000000000000:event-bus/x"}`,
		"StartReplay":         `{}`,
		"ListTagsForResource": `{"ResourceARN":"arn:aws:events:us-east-1:000000000000:rule/r"}`,
	}
	for i, name := range names {
		if body, ok := requests[name]; ok {
			f.Add(byte(i), body)
		}
	}
	f.Fuzz(func(t *testing.T, operation byte, body string) {
		h := handler(newFakeBroker(), eventbridge.Config{})
		call(t, h, "000000000000", "PutRule", `{"Name":"r","EventPattern":"{}"}`)
		status, answer := call(t, h, "000000000000", names[int(operation)%len(names)], body)
		require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, status, answer)
		require.True(t, json.Valid([]byte(answer)), answer)
	})
}
