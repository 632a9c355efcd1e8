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

func (agreeable) CreateArchive(_ context.Context, a turnout.Archive) (turnout.Archive, error) {
	return a, nil
}

func (agreeable) UpdateArchive(_ context.Context, name turnout.ArchiveName, change func(*turnout.Archive) error) (turnout.Archive, error) {
	a := turnout.Archive{ArchiveName: name}
	return a, change(&a)
}

func (agreeable) DeleteArchive(context.Context, turnout.ArchiveName) error { return nil }

func (agreeable) Archive(_ context.Context, name turnout.ArchiveName) (turnout.ArchiveInfo, error) {
	return turnout.ArchiveInfo{Archive: turnout.Archive{ArchiveName: name}}, nil
}

func (agreeable) Archives(context.Context, turnout.Scope) ([]turnout.ArchiveInfo, error) {
	return make([]turnout.ArchiveInfo, 1), nil
}

func (agreeable) StartReplay(_ context.Context, s turnout.ReplaySpec) (turnout.Replay, error) {
	return turnout.Replay{ReplaySpec: s}, nil
}

func (agreeable) CancelReplay(context.Context, turnout.ReplayName) (turnout.Replay, error) {
	return turnout.Replay{}, turnout.Errorf(turnout.CodeConflict, "over")
}

func (agreeable) Replay(_ context.Context, name turnout.ReplayName) (turnout.Replay, error) {
	return turnout.Replay{ReplaySpec: turnout.ReplaySpec{ReplayName: name, FilterARNs: []string{"a"}}}, nil
}

func (agreeable) Replays(context.Context, turnout.Scope) ([]turnout.Replay, error) {
	return make([]turnout.Replay, 1), nil
}

func (agreeable) CreateConnection(_ context.Context, c turnout.Connection) (turnout.Connection, error) {
	// What was taken must be writable again.
	encodeAuth(&awswire.Encoder{}, &c.Auth)
	return c, nil
}

func (agreeable) UpdateConnection(_ context.Context, name turnout.ConnectionName, change func(*turnout.Connection) error) (turnout.Connection, error) {
	c := turnout.Connection{ConnectionName: name, Auth: turnout.ConnectionAuth{Type: turnout.AuthBasic}}
	return c, change(&c)
}

func (agreeable) DeleteConnection(context.Context, turnout.ConnectionName) (turnout.Connection, error) {
	return turnout.Connection{}, nil
}

func (agreeable) DeauthorizeConnection(context.Context, turnout.ConnectionName) (turnout.Connection, error) {
	return turnout.Connection{}, nil
}

func (agreeable) Connection(_ context.Context, name turnout.ConnectionName) (turnout.Connection, error) {
	return turnout.Connection{ConnectionName: name, Auth: turnout.ConnectionAuth{Type: turnout.AuthOAuth}}, nil
}

func (agreeable) Connections(context.Context, turnout.Scope) ([]turnout.Connection, error) {
	return make([]turnout.Connection, 1), nil
}

func (agreeable) CreateAPIDestination(_ context.Context, d turnout.APIDestination) (turnout.APIDestination, error) {
	return d, nil
}

func (agreeable) UpdateAPIDestination(_ context.Context, name turnout.APIDestinationName, change func(*turnout.APIDestination) error) (turnout.APIDestination, error) {
	d := turnout.APIDestination{APIDestinationName: name}
	return d, change(&d)
}

func (agreeable) DeleteAPIDestination(context.Context, turnout.APIDestinationName) error { return nil }

func (agreeable) APIDestination(_ context.Context, name turnout.APIDestinationName) (turnout.APIDestination, error) {
	return turnout.APIDestination{APIDestinationName: name}, nil
}

func (agreeable) APIDestinations(context.Context, turnout.Scope) ([]turnout.APIDestination, error) {
	return make([]turnout.APIDestination, 1), nil
}

// everything is a configuration that leaves no operation out.
func everything() Config {
	a := agreeable{}
	return Config{Archives: a, Replays: a, Connections: a, APIDestinations: a, Schedules: true}
}

// FuzzOperations sends any body to any operation: the answer is well-formed,
// and what is wrong is the caller's fault, not an internal one.
func FuzzOperations(f *testing.F) {
	service := New(agreeable{}, everything())
	h := awswire.New(awswire.Config{Services: []*awswire.Service{service}})
	names := slices.Sorted(maps.Keys(service.Operations))
	for operation, body := range map[string]string{
		"CreateEventBus":       `{"Name":"b","Tags":[{"Key":"k","Value":"v"}],"LogConfig":{"Level":"INFO"}}`,
		"ListEventBuses":       `{"NamePrefix":"d","Limit":1,"NextToken":"AWE="}`,
		"PutPermission":        `{"Policy":"{\"Statement\":[{}]}"}`,
		"RemovePermission":     `{"RemoveAllPermissions":true}`,
		"PutRule":              `{"Name":"r","ScheduleExpression":"rate(5 minutes)","EventPattern":"{}"}`,
		"ListRules":            `{"EventBusName":"arn:aws:events:us-east-1:000000000000:event-bus/x","Limit":1}`,
		"TagResource":          `{"ResourceARN":"arn:aws:events:us-east-1:000000000000:event-bus/default","Tags":[{"Key":"k","Value":"v"}]}`,
		"UntagResource":        `{"ResourceARN":"arn:aws:events:us-east-1:000000000000:rule/b/r","TagKeys":["k"]}`,
		"ListTagsForResource":  `{"ResourceARN":"arn:aws:events:us-east-1:000000000000:rule/r"}`,
		"PutTargets":           `{"Rule":"r","Targets":[{"Id":"a","Arn":"arn:aws:sqs:us-east-1:0:q","InputTransformer":{"InputPathsMap":{"a":"$.b"},"InputTemplate":"<a>"},"RetryPolicy":{"MaximumRetryAttempts":1},"HttpParameters":{"HeaderParameters":{"a":"b"}}}]}`,
		"RemoveTargets":        `{"Rule":"r","Ids":["a"]}`,
		"ListTargetsByRule":    `{"Rule":"r","Limit":1}`,
		"TestEventPattern":     `{"EventPattern":"{}","Event":"{}"}`,
		"PutEvents":            `{"Entries":[{"Source":"s","DetailType":"t","Detail":"{}"}]}`,
		"CreateArchive":        `{"ArchiveName":"a","EventSourceArn":"arn:aws:events:us-east-1:000000000000:event-bus/default","EventPattern":"{}","RetentionDays":1}`,
		"UpdateArchive":        `{"ArchiveName":"a","Description":"d","RetentionDays":36501}`,
		"ListArchives":         `{"EventSourceArn":"arn:aws:events:us-east-1:000000000000:event-bus/default","State":"CREATING"}`,
		"StartReplay":          `{"ReplayName":"r","EventSourceArn":"arn:aws:events:us-east-1:000000000000:archive/a","EventStartTime":1,"EventEndTime":2.5,"Destination":{"Arn":"arn:aws:events:us-east-1:000000000000:event-bus/default","FilterArns":["arn:aws:events:us-east-1:000000000000:rule/r"]}}`,
		"CancelReplay":         `{"ReplayName":"r"}`,
		"CreateConnection":     `{"Name":"c","AuthorizationType":"OAUTH_CLIENT_CREDENTIALS","AuthParameters":{"OAuthParameters":{"ClientParameters":{"ClientID":"i","ClientSecret":"s"},"AuthorizationEndpoint":"https://a.example/t","HttpMethod":"POST","OAuthHttpParameters":{"BodyParameters":[{"Key":"k","Value":"v","IsValueSecret":true}]}}}}`,
		"UpdateConnection":     `{"Name":"c","AuthorizationType":"API_KEY","AuthParameters":{"ApiKeyAuthParameters":{"ApiKeyName":"n","ApiKeyValue":"v"},"InvocationHttpParameters":{"HeaderParameters":[{"Key":"k"}]}}}`,
		"CreateApiDestination": `{"Name":"d","ConnectionArn":"arn:aws:events:us-east-1:000000000000:connection/c/1","InvocationEndpoint":"https://a.example/*","HttpMethod":"POST","InvocationRateLimitPerSecond":1}`,
		"UpdateApiDestination": `{"Name":"d","InvocationEndpoint":"http://[::1]:80/%zz"}`,
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
