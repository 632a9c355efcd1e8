package eventbridge_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/schemas"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

// responses are the shapes of answers that the AWS SDK was generated from. An
// operation without one answers nothing.
var responses = map[string]*smithy.Schema{
	"CancelReplay":           schemas.CancelReplayResponse,
	"CreateApiDestination":   schemas.CreateApiDestinationResponse,
	"CreateArchive":          schemas.CreateArchiveResponse,
	"CreateConnection":       schemas.CreateConnectionResponse,
	"CreateEventBus":         schemas.CreateEventBusResponse,
	"DeauthorizeConnection":  schemas.DeauthorizeConnectionResponse,
	"DeleteApiDestination":   schemas.DeleteApiDestinationResponse,
	"DeleteArchive":          schemas.DeleteArchiveResponse,
	"DeleteConnection":       schemas.DeleteConnectionResponse,
	"DescribeApiDestination": schemas.DescribeApiDestinationResponse,
	"DescribeArchive":        schemas.DescribeArchiveResponse,
	"DescribeConnection":     schemas.DescribeConnectionResponse,
	"DescribeEventBus":       schemas.DescribeEventBusResponse,
	"DescribeReplay":         schemas.DescribeReplayResponse,
	"DescribeRule":           schemas.DescribeRuleResponse,
	"ListApiDestinations":    schemas.ListApiDestinationsResponse,
	"ListArchives":           schemas.ListArchivesResponse,
	"ListConnections":        schemas.ListConnectionsResponse,
	"ListEventBuses":         schemas.ListEventBusesResponse,
	"ListReplays":            schemas.ListReplaysResponse,
	"ListRuleNamesByTarget":  schemas.ListRuleNamesByTargetResponse,
	"ListRules":              schemas.ListRulesResponse,
	"ListTagsForResource":    schemas.ListTagsForResourceResponse,
	"ListTargetsByRule":      schemas.ListTargetsByRuleResponse,
	"PutEvents":              schemas.PutEventsResponse,
	"PutRule":                schemas.PutRuleResponse,
	"PutTargets":             schemas.PutTargetsResponse,
	"RemoveTargets":          schemas.RemoveTargetsResponse,
	"StartReplay":            schemas.StartReplayResponse,
	"TagResource":            schemas.TagResourceResponse,
	"TestEventPattern":       schemas.TestEventPatternResponse,
	"UntagResource":          schemas.UntagResourceResponse,
	"UpdateApiDestination":   schemas.UpdateApiDestinationResponse,
	"UpdateArchive":          schemas.UpdateArchiveResponse,
	"UpdateConnection":       schemas.UpdateConnectionResponse,
	"UpdateEventBus":         schemas.UpdateEventBusResponse,
}

// requireMembers checks that an answer has no member that AWS's does not have,
// and each with the type of AWS's.
func requireMembers(t *testing.T, operation, answer string) {
	t.Helper()
	var v any
	d := json.NewDecoder(strings.NewReader(answer))
	d.UseNumber()
	require.NoError(t, d.Decode(&v))
	schema, ok := responses[operation]
	if !ok {
		require.Empty(t, v, operation)
		return
	}
	requireShape(t, v, schema, operation)
}

func requireShape(t *testing.T, v any, schema *smithy.Schema, path string) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		if schema.Type() == smithy.ShapeTypeMap {
			for key, e := range v {
				requireShape(t, e, schema.MapValue(), path+"."+key)
			}
			return
		}
		require.Equal(t, smithy.ShapeTypeStructure, schema.Type(), path)
		for name, e := range v {
			require.NotNil(t, schema.Member(name), "AWS has no %s.%s", path, name)
			requireShape(t, e, schema.Member(name), path+"."+name)
		}
	case []any:
		require.Equal(t, smithy.ShapeTypeList, schema.Type(), path)
		for _, e := range v {
			requireShape(t, e, schema.ListMember(), path+"[]")
		}
	case string:
		require.Contains(t, []smithy.ShapeType{smithy.ShapeTypeString, smithy.ShapeTypeEnum}, schema.Type(), path)
	case json.Number:
		require.Contains(t, []smithy.ShapeType{smithy.ShapeTypeInteger, smithy.ShapeTypeLong, smithy.ShapeTypeTimestamp}, schema.Type(), path)
	case bool:
		require.Equal(t, smithy.ShapeTypeBoolean, schema.Type(), path)
	default:
		t.Fatalf("%s is %v", path, v)
	}
}
