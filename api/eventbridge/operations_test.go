package eventbridge

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// agreeable is a broker that has what is asked for and does what it is told.
type agreeable struct{ discard }

func (agreeable) CreateBus(_ context.Context, b turnout.Bus) (turnout.Bus, error) { return b, nil }

func (agreeable) UpdateBus(_ context.Context, name turnout.BusName, change func(*turnout.Bus) error) (turnout.Bus, error) {
	b := turnout.Bus{BusName: name}
	return b, change(&b)
}

func (agreeable) DeleteBus(context.Context, turnout.BusName) error { return nil }

func (agreeable) Bus(_ context.Context, name turnout.BusName) (turnout.Bus, error) {
	return turnout.Bus{BusName: name}, nil
}

func (agreeable) Buses(_ context.Context, s turnout.Scope) ([]turnout.Bus, error) {
	return []turnout.Bus{{BusName: turnout.BusName{Scope: s, Name: "a"}}, {BusName: turnout.BusName{Scope: s, Name: "default"}}}, nil
}

func (agreeable) PutRule(_ context.Context, name turnout.RuleName, change func(*turnout.Rule, bool) error) (turnout.Rule, error) {
	r := turnout.Rule{RuleName: name}
	return r, change(&r, true)
}

func (agreeable) DeleteRule(context.Context, turnout.RuleName) error { return nil }

func (agreeable) Rule(_ context.Context, name turnout.RuleName) (turnout.Rule, error) {
	return turnout.Rule{RuleName: name}, nil
}

func (agreeable) Rules(_ context.Context, bus turnout.BusName) ([]turnout.Rule, error) {
	return []turnout.Rule{{RuleName: turnout.RuleName{Bus: bus, Name: "r"}}}, nil
}

func (agreeable) RuleNamesByTarget(context.Context, turnout.BusName, string) ([]string, error) {
	return []string{"a", "b"}, nil
}

func (agreeable) PutTargets(_ context.Context, _ turnout.RuleName, ts []turnout.Target) ([]error, error) {
	// What was taken must be writable again.
	e := &awswire.Encoder{}
	for i := range ts {
		encodeTarget(e, &ts[i])
	}
	return make([]error, len(ts)), nil
}

func (agreeable) RemoveTargets(_ context.Context, _ turnout.RuleName, ids []string) ([]error, error) {
	return make([]error, len(ids)), nil
}

func (agreeable) Targets(context.Context, turnout.RuleName) ([]turnout.Target, error) {
	return []turnout.Target{{ID: "b"}, {ID: "a", Other: json.RawMessage(`{"HttpParameters":{}}`)}}, nil
}

func (agreeable) TestEventPattern(context.Context, []byte, []byte) (bool, error) { return true, nil }

// FuzzOperations sends any body to any operation: the answer is well-formed,
// and what is wrong is the caller's fault, not an internal one.
func FuzzOperations(f *testing.F) {
	service := New(agreeable{}, Config{})
	h := awswire.New(awswire.Config{Services: []*awswire.Service{service}})
	names := slices.Sorted(maps.Keys(service.Operations))
	for operation, body := range map[string]string{
		"CreateEventBus":      `{"Name":"b","Tags":[{"Key":"k","Value":"v"}],"LogConfig":{"Level":"INFO"}}`,
		"ListEventBuses":      `{"NamePrefix":"d","Limit":1,"NextToken":"AWE="}`,
		"PutPermission":       `{"Policy":"{\"Statement\":[{}]}"}`,
		"RemovePermission":    `{"RemoveAllPermissions":true}`,
		"PutRule":             `{"Name":"r","ScheduleExpression":"rate(5 minutes)","EventPattern":"{}"}`,
		"ListRules":           `{"EventBusName":"arn:aws:events:us-east-1:000000000000:event-bus/x","Limit":1}`,
		"TagResource":         `{"ResourceARN":"arn:aws:events:us-east-1:000000000000:event-bus/default","Tags":[{"Key":"k","Value":"v"}]}`,
		"UntagResource":       `{"ResourceARN":"arn:aws:events:us-east-1:000000000000:rule/b/r","TagKeys":["k"]}`,
		"ListTagsForResource": `{"ResourceARN":"arn:aws:events:us-east-1:000000000000:rule/r"}`,
		"PutTargets":          `{"Rule":"r","Targets":[{"Id":"a","Arn":"arn:aws:sqs:us-east-1:0:q","InputTransformer":{"InputPathsMap":{"a":"$.b"},"InputTemplate":"<a>"},"RetryPolicy":{"MaximumRetryAttempts":1},"HttpParameters":{"HeaderParameters":{"a":"b"}}}]}`,
		"RemoveTargets":       `{"Rule":"r","Ids":["a"]}`,
		"ListTargetsByRule":   `{"Rule":"r","Limit":1}`,
		"TestEventPattern":    `{"EventPattern":"{}","Event":"{}"}`,
		"PutEvents":           `{"Entries":[{"Source":"s","DetailType":"t","Detail":"{}"}]}`,
		"StartReplay":         `{}`,
	} {
		f.Add(byte(slices.Index(names, operation)), body)
	}
	f.Fuzz(func(t *testing.T, operation byte, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "AWSEvents."+names[int(operation)%len(names)])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, w.Code, w.Body)
		require.True(t, json.Valid(w.Body.Bytes()), w.Body)
	})
}
