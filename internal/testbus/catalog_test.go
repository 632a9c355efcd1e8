package testbus

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

func TestQueueAttributesRoundTrip(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		created := fmt.Sprint(time.Now().Unix())
		defaults := attributes{
			"QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "CreatedTimestamp": created, "LastModifiedTimestamp": created,
			"VisibilityTimeout": "30", "DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "0",
			"MessageRetentionPeriod": "345600", "MaximumMessageSize": "1048576", "SqsManagedSseEnabled": "true",
			"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
		}
		require.Equal(t, defaults, q.attributes())

		time.Sleep(time.Minute)
		policy := `{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}`
		set := attributes{
			"VisibilityTimeout": "43200", "DelaySeconds": "900", "ReceiveMessageWaitTimeSeconds": "20",
			"MessageRetentionPeriod": "1209600", "MaximumMessageSize": "1024", "Policy": policy,
			"RedriveAllowPolicy": `{"redrivePermission":"denyAll"}`,
		}
		q.set(set)
		b.Crash(0)
		got := q.attributes()
		for name, want := range set {
			require.Equal(t, want, got[name], name)
		}
		require.Equal(t, created, got["CreatedTimestamp"])
		require.NotEqual(t, created, got["LastModifiedTimestamp"])

		q.set(attributes{"Policy": "", "RedriveAllowPolicy": ""})
		require.NotContains(t, q.attributes(), "Policy", "an empty value removes the attribute")
		require.NotContains(t, q.attributes(), "RedriveAllowPolicy")

		fifo := newFIFO(t, b.SQS(), "f", nil).attributes()
		require.Equal(t, "true", fifo["FifoQueue"])
		require.Equal(t, "false", fifo["ContentBasedDeduplication"])
		require.Equal(t, "queue", fifo["DeduplicationScope"])
		require.Equal(t, "perQueue", fifo["FifoThroughputLimit"])
	})
}

func TestQueueTags(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		c := b.SQS()
		out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: str("q"), Tags: attributes{"Team": "a", "team": ""}})
		require.NoError(t, err)
		_, err = c.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: out.QueueUrl, Tags: attributes{"Team": "b", "env": "x"}})
		require.NoError(t, err)
		_, err = c.UntagQueue(t.Context(), &sqs.UntagQueueInput{QueueUrl: out.QueueUrl, TagKeys: []string{"env", "none"}})
		require.NoError(t, err)
		b.Restart()
		tags, err := c.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: out.QueueUrl})
		require.NoError(t, err)
		require.Equal(t, attributes{"Team": "b", "team": ""}, tags.Tags)
	})
}

func TestListQueues(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		c := b.SQS()
		for i := range 5 {
			newQueue(t, c, fmt.Sprint("a", i), nil)
		}
		newQueue(t, c, "b", nil)
		all, err := c.ListQueues(t.Context(), &sqs.ListQueuesInput{})
		require.NoError(t, err)
		require.Len(t, all.QueueUrls, 6)
		require.Nil(t, all.NextToken)
		var pages [][]string
		in := &sqs.ListQueuesInput{QueueNamePrefix: str("a"), MaxResults: new(int32(2))}
		for p := sqs.NewListQueuesPaginator(c, in); p.HasMorePages(); {
			page, err := p.NextPage(t.Context())
			require.NoError(t, err)
			pages = append(pages, page.QueueUrls)
		}
		require.Equal(t, [][]string{
			{URL + "/000000000000/a0", URL + "/000000000000/a1"}, {URL + "/000000000000/a2", URL + "/000000000000/a3"}, {URL + "/000000000000/a4"},
		}, pages)
	})
}

func TestQueueByNameAlone(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		q := newQueue(t, b.SQS(), "q", nil)
		_, err := b.SQS().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: str("q"), MessageBody: str("x")})
		require.NoError(t, err, "the QueueUrl may be a queue's name")
		require.Equal(t, depth{visible: 1}, q.depth())
	})
}

func TestBusLifecycle(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := newBus(t, b, "orders")
		c := bus.client
		_, err := c.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: &bus.bus})
		requireError(t, err, "ResourceAlreadyExistsException", "Event bus orders already exists.")
		_, err = c.DeleteEventBus(t.Context(), &eventbridge.DeleteEventBusInput{Name: str("default")})
		require.Error(t, err, "the default bus cannot be deleted")
		q := newQueue(t, b.SQS(), "q", nil)
		bus.rule("r", `{"source":["shop"]}`, to("1", q.arn()))
		_, err = c.DeleteRule(t.Context(), &eventbridge.DeleteRuleInput{Name: str("r"), EventBusName: &bus.bus})
		requireError(t, err, "ValidationException", "Rule can't be deleted since it has targets.")
		_, err = c.RemoveTargets(t.Context(), &eventbridge.RemoveTargetsInput{Rule: str("r"), EventBusName: &bus.bus, Ids: []string{"1"}})
		require.NoError(t, err)
		_, err = c.DeleteRule(t.Context(), &eventbridge.DeleteRuleInput{Name: str("r"), EventBusName: &bus.bus})
		require.NoError(t, err)
		_, err = c.DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: str("r"), EventBusName: &bus.bus})
		requireError(t, err, "ResourceNotFoundException", "Rule r does not exist on EventBus orders.")
		_, err = c.DeleteEventBus(t.Context(), &eventbridge.DeleteEventBusInput{Name: &bus.bus})
		require.NoError(t, err)
		_, err = c.DescribeEventBus(t.Context(), &eventbridge.DescribeEventBusInput{Name: &bus.bus})
		requireError(t, err, "ResourceNotFoundException", "Event bus orders does not exist.")
		bus.put(`{}`) // an event for a bus that does not exist gets an id, and is dropped
		require.Equal(t, depth{}, q.depth())
	})
}

func TestRuleDescriptionsSurviveARestart(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		bus := newBus(t, b, "orders")
		c := bus.client
		q := newQueue(t, b.SQS(), "q", nil)
		for i := range 3 {
			bus.rule(fmt.Sprint("r", i), `{ "source" : ["shop"] }`, to("t", q.arn()))
		}
		arn := "arn:aws:events:us-east-1:000000000000:rule/orders/r1"
		_, err := c.TagResource(t.Context(), &eventbridge.TagResourceInput{ResourceARN: &arn, Tags: []ebtypes.Tag{{Key: str("k"), Value: str("v")}}})
		require.NoError(t, err)
		b.Crash(0)

		rule, err := c.DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: str("r1"), EventBusName: &bus.bus})
		require.NoError(t, err)
		require.Equal(t, arn, *rule.Arn)
		require.Equal(t, `{ "source" : ["shop"] }`, *rule.EventPattern, "a pattern comes back as it was given")
		require.Equal(t, ebtypes.RuleStateEnabled, rule.State)
		tags, err := c.ListTagsForResource(t.Context(), &eventbridge.ListTagsForResourceInput{ResourceARN: &arn})
		require.NoError(t, err)
		require.Len(t, tags.Tags, 1)
		names, err := c.ListRuleNamesByTarget(t.Context(), &eventbridge.ListRuleNamesByTargetInput{TargetArn: str(q.arn()), EventBusName: &bus.bus, Limit: new(int32(2))})
		require.NoError(t, err)
		require.Equal(t, []string{"r0", "r1"}, names.RuleNames)
		names, err = c.ListRuleNamesByTarget(t.Context(), &eventbridge.ListRuleNamesByTargetInput{TargetArn: str(q.arn()), EventBusName: &bus.bus, NextToken: names.NextToken})
		require.NoError(t, err)
		require.Equal(t, []string{"r2"}, names.RuleNames)
	})
}

func TestTestEventPattern(t *testing.T) {
	t.Parallel()

	Test(t, func(t *testing.T, b *Bus) {
		c := b.EventBridge()
		event := `{"id":"1","account":"000000000000","source":"shop","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail-type":"x","detail":{"n":300.0}}`
		for pattern, want := range map[string]bool{
			`{"detail":{"n":[300]}}`:                         true,
			`{"detail":{"n":[{"numeric":[">",300]}]}}`:       false,
			`{"source":[{"prefix":"sh"}]}`:                   true,
			`{"source":["other"],"detail":{"n":[300]}}`:      false,
			`{"$or":[{"source":["a"]},{"source":["shop"]}]}`: true,
		} {
			out, err := c.TestEventPattern(t.Context(), &eventbridge.TestEventPatternInput{EventPattern: &pattern, Event: &event})
			require.NoError(t, err)
			require.Equal(t, want, out.Result, pattern)
		}
		_, err := c.TestEventPattern(t.Context(), &eventbridge.TestEventPatternInput{EventPattern: str(`{"source":"shop"}`), Event: &event})
		requireError(t, err, "InvalidEventPatternException", `Event pattern is not valid. Reason: "source" must be an object or an array`)
	})
}
