package eventbridge

import (
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/schemas"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// TestModelHasTheMembersOfTheSDK compares the shapes with those that the AWS SDK was generated from.
func TestModelHasTheMembersOfTheSDK(t *testing.T) {
	t.Parallel()
	for input, sdk := range map[*shape]*smithy.Schema{
		createEventBusInput:        schemas.CreateEventBusRequest,
		updateEventBusInput:        schemas.UpdateEventBusRequest,
		deleteEventBusInput:        schemas.DeleteEventBusRequest,
		describeEventBusInput:      schemas.DescribeEventBusRequest,
		listEventBusesInput:        schemas.ListEventBusesRequest,
		putPermissionInput:         schemas.PutPermissionRequest,
		removePermissionInput:      schemas.RemovePermissionRequest,
		putRuleInput:               schemas.PutRuleRequest,
		oneRuleInput:               schemas.DescribeRuleRequest,
		deleteRuleInput:            schemas.DeleteRuleRequest,
		listRulesInput:             schemas.ListRulesRequest,
		listRuleNamesByTargetInput: schemas.ListRuleNamesByTargetRequest,
		testEventPatternInput:      schemas.TestEventPatternRequest,
		tagResourceInput:           schemas.TagResourceRequest,
		untagResourceInput:         schemas.UntagResourceRequest,
		listTagsForResourceInput:   schemas.ListTagsForResourceRequest,
		putTargetsInput:            schemas.PutTargetsRequest,
		removeTargetsInput:         schemas.RemoveTargetsRequest,
		listTargetsByRuleInput:     schemas.ListTargetsByRuleRequest,
		putEventsInput:             schemas.PutEventsRequest,
	} {
		requireSameShape(t, input, sdk, input.name)
	}
}

func requireSameShape(t *testing.T, s *shape, sdk *smithy.Schema, path string) {
	t.Helper()
	kinds := map[smithy.ShapeType]kind{
		smithy.ShapeTypeString: kindText, smithy.ShapeTypeEnum: kindText, smithy.ShapeTypeInteger: kindInteger,
		smithy.ShapeTypeBoolean: kindBoolean, smithy.ShapeTypeTimestamp: kindTime,
		smithy.ShapeTypeStructure: kindStructure, smithy.ShapeTypeList: kindList, smithy.ShapeTypeMap: kindMap,
	}
	want, known := kinds[sdk.Type()]
	require.True(t, known, "%s has a type that this test does not know", path)
	require.Equal(t, want, s.kind, path)
	switch s.kind {
	case kindStructure:
		var names []string
		for _, m := range s.members {
			names = append(names, m.name)
			require.NotNil(t, sdk.Member(m.name), "%s.%s is not in the SDK", path, m.name)
			requireSameShape(t, m.shape, sdk.Member(m.name), path+"."+m.name)
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(sdk.Members())), names, path)
	case kindList:
		requireSameShape(t, s.element, sdk.ListMember(), path+"[]")
	case kindMap:
		requireSameShape(t, s.key, sdk.MapKey(), path+"{key}")
		requireSameShape(t, s.element, sdk.MapValue(), path+"{value}")
	default: // has no parts
	}
}

func TestEveryCodeHasAName(t *testing.T) {
	t.Parallel()
	for _, code := range turnout.Codes() {
		named, ok := errorNames[code]
		require.True(t, ok, "code %d has no name in EventBridge's words", code)
		require.NotEmpty(t, named.Shape)
		w := errorOf(turnout.Errorf(code, "text"), awswire.ProtocolJSON)
		require.Equal(t, named.Shape, w.Shape)
		switch code {
		case turnout.CodeInternal:
			require.Equal(t, 500, w.Status)
			require.NotContains(t, w.Message, "text", "the details of a fault of ours are not for the caller")
		case turnout.CodeUnavailable, turnout.CodeStorageFull:
			require.Equal(t, 503, w.Status)
		case turnout.CodeRequestTooLarge:
			require.Equal(t, 413, w.Status)
		default:
			require.Equal(t, 400, w.Status, "EventBridge answers every fault of the caller with 400")
			require.Equal(t, "text", w.Message)
		}
	}
	require.Len(t, errorNames, len(turnout.Codes()))
}

func TestEveryOperationOfAWSIsAnswered(t *testing.T) {
	t.Parallel()
	ops := New(nil, Config{}).Operations
	require.Len(t, ops, 57, "EventBridge has 57 operations")
	for _, name := range unsupportedOperations {
		_, err := ops[name](t.Context(), &awswire.Request{Body: []byte("{}")})
		require.ErrorContains(t, err, name)
	}
}
