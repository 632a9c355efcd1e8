package eventbridge_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awseb "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/eventbridge"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/internal/memnet"
)

// clients are real SDK clients of a server in virtual time.
type clients struct {
	events *awseb.Client
	sqs    *awssqs.Client
}

// inBubble runs f with clients of a server that ends with it.
func inBubble(t *testing.T, f func(t *testing.T, c clients)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen("turnout.test:80")
		server := &http.Server{Handler: serve(t, eventbridge.Config{}, broker.Config{}), ReadHeaderTimeout: time.Minute}
		done := make(chan error, 1)
		go func() { done <- server.Serve(listener) }()
		transport := &http.Transport{DialContext: listener.DialContext}
		t.Cleanup(func() {
			transport.CloseIdleConnections()
			require.NoError(t, server.Close())
			require.ErrorIs(t, <-done, http.ErrServerClosed)
		})
		cfg := aws.Config{
			Region:       "eu-west-1",
			BaseEndpoint: aws.String("http://turnout.test"),
			Credentials:  credentials.NewStaticCredentialsProvider("123456789012", "secret", ""),
			HTTPClient:   &http.Client{Transport: transport},
		}
		f(t, clients{events: awseb.NewFromConfig(cfg), sqs: awssqs.NewFromConfig(cfg)})
	})
}

// queue creates a queue and returns its URL and ARN.
func (c clients) queue(ctx context.Context, t *testing.T, name string) (url, arn string) {
	t.Helper()
	q, err := c.sqs.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name})
	require.NoError(t, err)
	return *q.QueueUrl, "arn:aws:sqs:eu-west-1:123456789012:" + name
}

// TestSDK drives every supported operation with the unchanged AWS SDK for Go.
func TestSDK(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, c clients) {
		ctx := t.Context()
		url, queueARN := c.queue(ctx, t, "orders")
		bus := aws.String("shop")
		created, err := c.events.CreateEventBus(ctx, &awseb.CreateEventBusInput{
			Name: bus, Description: aws.String("d"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
			LogConfig: &types.LogConfig{Level: types.LevelInfo, IncludeDetail: types.IncludeDetailFull},
		})
		require.NoError(t, err)
		require.Equal(t, "arn:aws:events:eu-west-1:123456789012:event-bus/shop", *created.EventBusArn)
		require.Equal(t, types.LevelInfo, created.LogConfig.Level)

		time.Sleep(time.Minute)
		_, err = c.events.UpdateEventBus(ctx, &awseb.UpdateEventBusInput{Name: bus, Description: aws.String("other")})
		require.NoError(t, err)
		described, err := c.events.DescribeEventBus(ctx, &awseb.DescribeEventBusInput{Name: created.EventBusArn})
		require.NoError(t, err)
		require.Equal(t, "other", *described.Description)
		require.Nil(t, described.LogConfig, "an update resets what it leaves out")
		require.Equal(t, time.Minute, described.LastModifiedTime.Sub(*described.CreationTime).Round(time.Second))
		buses, err := c.events.ListEventBuses(ctx, &awseb.ListEventBusesInput{})
		require.NoError(t, err)
		require.Len(t, buses.EventBuses, 2)

		rule, err := c.events.PutRule(ctx, &awseb.PutRuleInput{
			Name: aws.String("r"), EventBusName: bus, EventPattern: aws.String(`{"source":["app"]}`), State: types.RuleStateDisabled,
		})
		require.NoError(t, err)
		require.Equal(t, "arn:aws:events:eu-west-1:123456789012:rule/shop/r", *rule.RuleArn)
		_, err = c.events.EnableRule(ctx, &awseb.EnableRuleInput{Name: aws.String("r"), EventBusName: bus})
		require.NoError(t, err)
		r, err := c.events.DescribeRule(ctx, &awseb.DescribeRuleInput{Name: aws.String("r"), EventBusName: bus})
		require.NoError(t, err)
		require.Equal(t, types.RuleStateEnabled, r.State)
		require.Equal(t, "123456789012", *r.CreatedBy)
		rules, err := c.events.ListRules(ctx, &awseb.ListRulesInput{EventBusName: bus, NamePrefix: aws.String("r")})
		require.NoError(t, err)
		require.Len(t, rules.Rules, 1)

		put, err := c.events.PutTargets(ctx, &awseb.PutTargetsInput{Rule: aws.String("r"), EventBusName: bus, Targets: []types.Target{{
			Id: aws.String("q"), Arn: &queueARN,
			RetryPolicy:    &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(3)},
			HttpParameters: &types.HttpParameters{HeaderParameters: map[string]string{"A": "b"}},
		}}})
		require.NoError(t, err)
		require.Zero(t, put.FailedEntryCount)
		targets, err := c.events.ListTargetsByRule(ctx, &awseb.ListTargetsByRuleInput{Rule: aws.String("r"), EventBusName: bus})
		require.NoError(t, err)
		require.Equal(t, int32(3), *targets.Targets[0].RetryPolicy.MaximumRetryAttempts)
		require.Equal(t, map[string]string{"A": "b"}, targets.Targets[0].HttpParameters.HeaderParameters)
		names, err := c.events.ListRuleNamesByTarget(ctx, &awseb.ListRuleNamesByTargetInput{TargetArn: &queueARN, EventBusName: bus})
		require.NoError(t, err)
		require.Equal(t, []string{"r"}, names.RuleNames)

		at := time.Unix(1_700_000_000, 0)
		published, err := c.events.PutEvents(ctx, &awseb.PutEventsInput{Entries: []types.PutEventsRequestEntry{
			{EventBusName: bus, Source: aws.String("app"), DetailType: aws.String("t"), Detail: aws.String(`{"n": 1}`), Time: &at, Resources: []string{"x"}},
			{EventBusName: bus, Source: aws.String("app"), DetailType: aws.String("t"), Detail: aws.String(`[]`)},
		}})
		require.NoError(t, err)
		require.Equal(t, int32(1), published.FailedEntryCount)
		require.Equal(t, "MalformedDetail", *published.Entries[1].ErrorCode)
		got, err := c.sqs.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: &url})
		require.NoError(t, err)
		require.Len(t, got.Messages, 1)
		event := fmt.Sprintf(`{"version":"0","id":%q,"detail-type":"t","source":"app","account":"123456789012",`+
			`"time":"2023-11-14T22:13:20Z","region":"eu-west-1","resources":["x"],"detail":{"n":1}}`, *published.Entries[0].EventId)
		require.Equal(t, event, *got.Messages[0].Body, "AWS's keys in AWS's order, compact")

		c.tagsAndPermissions(ctx, t, *created.EventBusArn)

		tested, err := c.events.TestEventPattern(ctx, &awseb.TestEventPatternInput{EventPattern: aws.String(`{"source":["app"]}`), Event: got.Messages[0].Body})
		require.NoError(t, err)
		require.True(t, tested.Result)

		_, err = c.events.DisableRule(ctx, &awseb.DisableRuleInput{Name: aws.String("r"), EventBusName: bus})
		require.NoError(t, err)
		removed, err := c.events.RemoveTargets(ctx, &awseb.RemoveTargetsInput{Rule: aws.String("r"), EventBusName: bus, Ids: []string{"q"}})
		require.NoError(t, err)
		require.Zero(t, removed.FailedEntryCount)
		_, err = c.events.DeleteRule(ctx, &awseb.DeleteRuleInput{Name: aws.String("r"), EventBusName: bus})
		require.NoError(t, err)
		_, err = c.events.DeleteEventBus(ctx, &awseb.DeleteEventBusInput{Name: bus})
		require.NoError(t, err)
	})
}

func (c clients) tagsAndPermissions(ctx context.Context, t *testing.T, bus string) {
	t.Helper()
	_, err := c.events.TagResource(ctx, &awseb.TagResourceInput{ResourceARN: &bus, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("")}}})
	require.NoError(t, err)
	_, err = c.events.UntagResource(ctx, &awseb.UntagResourceInput{ResourceARN: &bus, TagKeys: []string{"k"}})
	require.NoError(t, err)
	tags, err := c.events.ListTagsForResource(ctx, &awseb.ListTagsForResourceInput{ResourceARN: &bus})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{{Key: aws.String("a"), Value: aws.String("")}}, tags.Tags)

	_, err = c.events.PutPermission(ctx, &awseb.PutPermissionInput{
		EventBusName: aws.String("shop"), Action: aws.String("events:PutEvents"), Principal: aws.String("111111111111"), StatementId: aws.String("s"),
	})
	require.NoError(t, err)
	described, err := c.events.DescribeEventBus(ctx, &awseb.DescribeEventBusInput{Name: aws.String("shop")})
	require.NoError(t, err)
	require.JSONEq(t, `{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},
		"Action":"events:PutEvents","Resource":"arn:aws:events:eu-west-1:123456789012:event-bus/shop"}]}`, *described.Policy)
	_, err = c.events.RemovePermission(ctx, &awseb.RemovePermissionInput{EventBusName: aws.String("shop"), StatementId: aws.String("s")})
	require.NoError(t, err)
}

// TestSDKErrors checks that the SDK finds its own exceptions in the answers.
func TestSDKErrors(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, c clients) {
		ctx := t.Context()
		missing, name := aws.String("missing"), aws.String("r")

		_, err := c.events.DescribeEventBus(ctx, &awseb.DescribeEventBusInput{Name: missing})
		require.ErrorAs(t, err, new(*types.ResourceNotFoundException))
		require.ErrorContains(t, err, "Event bus missing does not exist.")
		_, err = c.events.DescribeRule(ctx, &awseb.DescribeRuleInput{Name: missing})
		require.ErrorAs(t, err, new(*types.ResourceNotFoundException))
		require.ErrorContains(t, err, "Rule missing does not exist on EventBus default.")
		_, err = c.events.CreateEventBus(ctx, &awseb.CreateEventBusInput{Name: aws.String("default")})
		require.ErrorAs(t, err, new(*types.ResourceAlreadyExistsException))
		_, err = c.events.PutRule(ctx, &awseb.PutRuleInput{Name: name, EventPattern: aws.String(`{"source":"a"}`)})
		require.ErrorAs(t, err, new(*types.InvalidEventPatternException))
		require.ErrorContains(t, err, `"source" must be an object or an array`)
		_, err = c.events.PutPermission(ctx, &awseb.PutPermissionInput{Policy: aws.String(`{"Statement":[{"Sid":"` + strings.Repeat("p", 11_000) + `"}]}`)})
		require.ErrorAs(t, err, new(*types.PolicyLengthExceededException))

		_, err = c.events.DescribeArchive(ctx, &awseb.DescribeArchiveInput{ArchiveName: missing})
		require.ErrorAs(t, err, new(*types.ResourceNotFoundException))
		_, err = c.events.DescribeConnection(ctx, &awseb.DescribeConnectionInput{Name: missing})
		require.ErrorAs(t, err, new(*types.ResourceNotFoundException))
		_, err = c.events.DeleteApiDestination(ctx, &awseb.DeleteApiDestinationInput{Name: missing})
		require.ErrorAs(t, err, new(*types.ResourceNotFoundException))

		var api smithy.APIError
		_, err = c.events.ListEndpoints(ctx, &awseb.ListEndpointsInput{})
		require.ErrorAs(t, err, &api)
		require.Equal(t, "UnsupportedOperationException", api.ErrorCode())
		_, err = c.events.PutRule(ctx, &awseb.PutRuleInput{Name: name, ScheduleExpression: aws.String("rate(1 hour)")})
		require.ErrorAs(t, err, &api)
		require.Equal(t, "UnsupportedOperationException", api.ErrorCode())
		_, err = c.events.PutEvents(ctx, &awseb.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
			Source: aws.String("s"), DetailType: aws.String("t"), Detail: aws.String(`{"a":"` + strings.Repeat("p", 1<<20) + `"}`),
		}}})
		require.ErrorAs(t, err, &api)
		require.Equal(t, "ValidationException", api.ErrorCode())
		require.Equal(t, "Total size of the entries in the request is over the limit.", api.ErrorMessage())
	})
}

// TestSDKPages reads a list of more than a page.
func TestSDKPages(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, c clients) {
		ctx := t.Context()
		for i := range 12 {
			_, err := c.events.PutRule(ctx, &awseb.PutRuleInput{Name: aws.String(fmt.Sprintf("r%02d", i)), EventPattern: aws.String(`{"source":["a"]}`)})
			require.NoError(t, err)
		}
		var names []string
		var token *string
		for {
			out, err := c.events.ListRules(ctx, &awseb.ListRulesInput{Limit: aws.Int32(5), NextToken: token})
			require.NoError(t, err)
			for _, r := range out.Rules {
				names = append(names, *r.Name)
			}
			if token = out.NextToken; token == nil {
				break
			}
		}
		require.Len(t, names, 12)
		require.IsIncreasing(t, names)
	})
}
