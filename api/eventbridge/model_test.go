package eventbridge

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/schemas"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// TestModelHasTheMembersOfTheSDK compares the shapes with those that the AWS SDK was generated from.
func TestModelHasTheMembersOfTheSDK(t *testing.T) {
	t.Parallel()
	for input, sdk := range map[*shape.Shape]*smithy.Schema{
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
		createArchiveInput:         schemas.CreateArchiveRequest,
		updateArchiveInput:         schemas.UpdateArchiveRequest,
		oneArchiveInput:            schemas.DescribeArchiveRequest,
		listArchivesInput:          schemas.ListArchivesRequest,
		startReplayInput:           schemas.StartReplayRequest,
		oneReplayInput:             schemas.DescribeReplayRequest,
		listReplaysInput:           schemas.ListReplaysRequest,
		createConnectionInput:      schemas.CreateConnectionRequest,
		updateConnectionInput:      schemas.UpdateConnectionRequest,
		oneConnectionInput:         schemas.DescribeConnectionRequest,
		listConnectionsInput:       schemas.ListConnectionsRequest,
		createAPIDestinationInput:  schemas.CreateApiDestinationRequest,
		updateAPIDestinationInput:  schemas.UpdateApiDestinationRequest,
		oneAPIDestinationInput:     schemas.DescribeApiDestinationRequest,
		listAPIDestinationsInput:   schemas.ListApiDestinationsRequest,
	} {
		requireSameShape(t, input, sdk, input.Name)
	}
}

func requireSameShape(t *testing.T, s *shape.Shape, sdk *smithy.Schema, path string) {
	t.Helper()
	kinds := map[smithy.ShapeType]shape.Kind{
		smithy.ShapeTypeString: shape.KindText, smithy.ShapeTypeEnum: shape.KindText, smithy.ShapeTypeInteger: shape.KindInteger,
		smithy.ShapeTypeBoolean: shape.KindBoolean, smithy.ShapeTypeTimestamp: shape.KindTime,
		smithy.ShapeTypeStructure: shape.KindStructure, smithy.ShapeTypeList: shape.KindList, smithy.ShapeTypeMap: shape.KindMap,
	}
	want, known := kinds[sdk.Type()]
	require.True(t, known, "%s has a type that this test does not know", path)
	require.Equal(t, want, s.Kind, path)
	switch s.Kind {
	case shape.KindStructure:
		var names []string
		for _, m := range s.Members {
			names = append(names, m.Name)
			require.NotNil(t, sdk.Member(m.Name), "%s.%s is not in the SDK", path, m.Name)
			requireSameShape(t, m.Shape, sdk.Member(m.Name), path+"."+m.Name)
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(sdk.Members())), names, path)
	case shape.KindList:
		requireSameShape(t, s.Element, sdk.ListMember(), path+"[]")
	case shape.KindMap:
		requireSameShape(t, s.Key, sdk.MapKey(), path+"{key}")
		requireSameShape(t, s.Element, sdk.MapValue(), path+"{value}")
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
	ops := New(nil, everything()).Operations
	require.Len(t, ops, 57, "EventBridge has 57 operations")
	require.Len(t, unsupportedOperations, 15)
	for _, name := range unsupportedOperations {
		_, err := ops[name](t.Context(), &awswire.Request{Body: []byte("{}")})
		require.ErrorContains(t, err, "Turnout does not support the EventBridge operation "+name+".")
	}
}

func TestOperationsOnWhatIsNotThereAreRefused(t *testing.T) {
	t.Parallel()
	ops := New(nil, Config{}).Operations
	require.Len(t, ops, 57)
	refused := 0
	for name := range ops {
		if strings.Contains(name, "Archive") || strings.Contains(name, "Replay") || strings.Contains(name, "Connection") || strings.Contains(name, "ApiDestination") {
			refused++
			_, err := ops[name](t.Context(), &awswire.Request{Body: []byte("{}")})
			require.ErrorContains(t, err, "Turnout does not support the EventBridge operation "+name+".")
		}
	}
	require.Equal(t, 20, refused)
}
