package sns_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/sns"
	"github.com/seed567880c8/turnout/internal/memnet"
)

// withSDK runs f in virtual time with a client of the AWS SDK, over an engine
// in memory: what is proved is that both sides read each other.
func withSDK(t *testing.T, f func(t *testing.T, client *awssns.Client, engine *memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		engine := newMemory()
		handler := serve(engine, sns.Config{})
		listener := memnet.Listen("localhost:4566")
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler.ServeHTTP(&patient{w}, r)
		})}
		go func() { _ = server.Serve(listener) }()
		transport := &http.Transport{DialContext: listener.DialContext}
		defer func() {
			transport.CloseIdleConnections()
			require.NoError(t, server.Close())
		}()
		f(t, awssns.New(awssns.Options{
			Region: "us-east-1", BaseEndpoint: aws.String("http://localhost:4566"),
			Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
			HTTPClient:  &http.Client{Transport: transport},
		}), engine)
	})
}

// patient answers a moment later, so that the SDK does not close a request's
// body before net/http is done with it.
type patient struct{ http.ResponseWriter }

func (p *patient) WriteHeader(status int) {
	time.Sleep(time.Millisecond)
	p.ResponseWriter.WriteHeader(status)
}

func code(t *testing.T, err error) string {
	t.Helper()
	var e smithy.APIError
	require.ErrorAs(t, err, &e)
	return e.ErrorCode()
}

func TestSDKTopics(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssns.Client, _ *memory) {
		made, err := c.CreateTopic(t.Context(), &awssns.CreateTopicInput{
			Name: aws.String("t.fifo"), Attributes: map[string]string{"FifoTopic": "true", "ContentBasedDeduplication": "true"},
			Tags:                 []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
			DataProtectionPolicy: aws.String(`{"Name":"n","Version":"2021-06-01","Statement":[{"DataDirection":"Inbound"}]}`),
		})
		require.NoError(t, err)
		require.Equal(t, "arn:aws:sns:us-east-1:000000000000:t.fifo", *made.TopicArn)

		got, err := c.GetTopicAttributes(t.Context(), &awssns.GetTopicAttributesInput{TopicArn: made.TopicArn})
		require.NoError(t, err)
		require.Equal(t, "true", got.Attributes["FifoTopic"])
		require.Equal(t, "true", got.Attributes["ContentBasedDeduplication"])
		require.Empty(t, got.Attributes["DisplayName"])
		require.Contains(t, got.Attributes, "DisplayName")
		require.Contains(t, got.Attributes["Policy"], "__default_policy_ID")

		_, err = c.SetTopicAttributes(t.Context(), &awssns.SetTopicAttributesInput{
			TopicArn: made.TopicArn, AttributeName: aws.String("DisplayName"), AttributeValue: aws.String("é & co"),
		})
		require.NoError(t, err)
		_, err = c.AddPermission(t.Context(), &awssns.AddPermissionInput{
			TopicArn: made.TopicArn, Label: aws.String("l"), AWSAccountId: []string{"111111111111"}, ActionName: []string{"Publish"},
		})
		require.NoError(t, err)
		got, err = c.GetTopicAttributes(t.Context(), &awssns.GetTopicAttributesInput{TopicArn: made.TopicArn})
		require.NoError(t, err)
		require.Equal(t, "é & co", got.Attributes["DisplayName"])
		require.Contains(t, got.Attributes["Policy"], `"Sid":"l"`)
		_, err = c.RemovePermission(t.Context(), &awssns.RemovePermissionInput{TopicArn: made.TopicArn, Label: aws.String("l")})
		require.NoError(t, err)

		policy, err := c.GetDataProtectionPolicy(t.Context(), &awssns.GetDataProtectionPolicyInput{ResourceArn: made.TopicArn})
		require.NoError(t, err)
		require.Contains(t, *policy.DataProtectionPolicy, "Inbound")
		_, err = c.PutDataProtectionPolicy(t.Context(), &awssns.PutDataProtectionPolicyInput{ResourceArn: made.TopicArn, DataProtectionPolicy: aws.String("")})
		require.NoError(t, err)

		_, err = c.TagResource(t.Context(), &awssns.TagResourceInput{
			ResourceArn: made.TopicArn, Tags: []types.Tag{{Key: aws.String("l"), Value: aws.String("")}},
		})
		require.NoError(t, err)
		_, err = c.UntagResource(t.Context(), &awssns.UntagResourceInput{ResourceArn: made.TopicArn, TagKeys: []string{"k"}})
		require.NoError(t, err)
		tags, err := c.ListTagsForResource(t.Context(), &awssns.ListTagsForResourceInput{ResourceArn: made.TopicArn})
		require.NoError(t, err)
		require.Len(t, tags.Tags, 1)
		require.Equal(t, "l", *tags.Tags[0].Key)

		_, err = c.DeleteTopic(t.Context(), &awssns.DeleteTopicInput{TopicArn: made.TopicArn})
		require.NoError(t, err)
		list, err := c.ListTopics(t.Context(), &awssns.ListTopicsInput{})
		require.NoError(t, err)
		require.Empty(t, list.Topics)
	})
}

func TestSDKPages(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssns.Client, _ *memory) {
		for i := range 101 {
			made, err := c.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String(fmt.Sprintf("t%03d", i))})
			require.NoError(t, err)
			_, err = c.Subscribe(t.Context(), &awssns.SubscribeInput{
				TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:us-east-1:000000000000:q"),
			})
			require.NoError(t, err)
		}
		var topics, subscriptions int
		for p := awssns.NewListTopicsPaginator(c, &awssns.ListTopicsInput{}); p.HasMorePages(); {
			out, err := p.NextPage(t.Context())
			require.NoError(t, err)
			topics += len(out.Topics)
		}
		for p := awssns.NewListSubscriptionsPaginator(c, &awssns.ListSubscriptionsInput{}); p.HasMorePages(); {
			out, err := p.NextPage(t.Context())
			require.NoError(t, err)
			subscriptions += len(out.Subscriptions)
		}
		require.Equal(t, []int{101, 101}, []int{topics, subscriptions})
	})
}

func TestSDKSubscriptions(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssns.Client, _ *memory) {
		topic, err := c.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String("t")})
		require.NoError(t, err)
		sub, err := c.Subscribe(t.Context(), &awssns.SubscribeInput{
			TopicArn: topic.TopicArn, Protocol: aws.String("http"), Endpoint: aws.String("http://example.com"), ReturnSubscriptionArn: true,
			Attributes: map[string]string{"FilterPolicy": `{"k":["v"]}`, "RawMessageDelivery": "true"},
		})
		require.NoError(t, err)
		got, err := c.GetSubscriptionAttributes(t.Context(), &awssns.GetSubscriptionAttributesInput{SubscriptionArn: sub.SubscriptionArn})
		require.NoError(t, err)
		require.Equal(t, "true", got.Attributes["PendingConfirmation"])
		require.Equal(t, "true", got.Attributes["RawMessageDelivery"])
		require.Equal(t, "MessageAttributes", got.Attributes["FilterPolicyScope"])

		confirmed, err := c.ConfirmSubscription(t.Context(), &awssns.ConfirmSubscriptionInput{
			TopicArn: topic.TopicArn, Token: aws.String(strings.Repeat("1", 32)), AuthenticateOnUnsubscribe: aws.String("true"),
		})
		require.NoError(t, err)
		require.Equal(t, *sub.SubscriptionArn, *confirmed.SubscriptionArn)

		_, err = c.SetSubscriptionAttributes(t.Context(), &awssns.SetSubscriptionAttributesInput{
			SubscriptionArn: sub.SubscriptionArn, AttributeName: aws.String("FilterPolicy"), AttributeValue: aws.String(""),
		})
		require.NoError(t, err)
		list, err := c.ListSubscriptionsByTopic(t.Context(), &awssns.ListSubscriptionsByTopicInput{TopicArn: topic.TopicArn})
		require.NoError(t, err)
		require.Len(t, list.Subscriptions, 1)
		require.Equal(t, *sub.SubscriptionArn, *list.Subscriptions[0].SubscriptionArn)
		require.Equal(t, "http", *list.Subscriptions[0].Protocol)

		_, err = c.Unsubscribe(t.Context(), &awssns.UnsubscribeInput{SubscriptionArn: sub.SubscriptionArn})
		require.NoError(t, err, "who signs may unsubscribe")
		_, err = c.GetSubscriptionAttributes(t.Context(), &awssns.GetSubscriptionAttributesInput{SubscriptionArn: sub.SubscriptionArn})
		var missing *types.NotFoundException
		require.ErrorAs(t, err, &missing)
		require.Equal(t, "Subscription does not exist", missing.ErrorMessage())
	})
}

func TestSDKPublish(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssns.Client, engine *memory) {
		topic, err := c.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String("t")})
		require.NoError(t, err)
		body := "\"&quot;\r\n\té😀" + strings.Repeat("%", 200_000)
		attributes := map[string]types.MessageAttributeValue{
			"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
			"n": {DataType: aws.String("Number"), StringValue: aws.String("7")},
		}
		out, err := c.Publish(t.Context(), &awssns.PublishInput{
			TopicArn: topic.TopicArn, Message: &body, Subject: aws.String("s"), MessageAttributes: attributes,
		})
		require.NoError(t, err)
		require.NotEmpty(t, *out.MessageId)
		require.Nil(t, out.SequenceNumber)
		require.Len(t, engine.published, 1)
		m := engine.published[0]
		require.Equal(t, body, m.Bodies["default"])
		require.Equal(t, "s", *m.Subject)
		require.Equal(t, []byte{0, 255}, m.Attributes[0].Value)
		require.Equal(t, "7", string(m.Attributes[1].Value))

		batch, err := c.PublishBatch(t.Context(), &awssns.PublishBatchInput{
			TopicArn: topic.TopicArn, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{
				{Id: aws.String("1"), Message: aws.String("one"), MessageAttributes: attributes},
				{Id: aws.String("2"), Message: aws.String("two"), MessageGroupId: aws.String("tenant")},
			},
		})
		require.NoError(t, err)
		require.Len(t, batch.Successful, 2)
		require.Equal(t, "2", *batch.Successful[1].Id)
		require.Empty(t, batch.Failed)
		require.Equal(t, []byte{0, 255}, engine.published[1].Attributes[0].Value)
		require.Equal(t, "tenant", engine.published[2].GroupID)
	})
}

// TestSDKTellsErrorsApart checks that a client sees AWS's codes and its own types for them.
func TestSDKTellsErrorsApart(t *testing.T) {
	t.Parallel()
	withSDK(t, func(t *testing.T, c *awssns.Client, _ *memory) {
		topic, err := c.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String("t")})
		require.NoError(t, err)

		_, err = c.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String("a b")})
		var invalid *types.InvalidParameterException
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "Invalid parameter: Topic Name", invalid.ErrorMessage())

		_, err = c.Publish(t.Context(), &awssns.PublishInput{TopicArn: aws.String(*topic.TopicArn + "x"), Message: aws.String("m")})
		var missing *types.NotFoundException
		require.ErrorAs(t, err, &missing)
		require.Equal(t, "Topic does not exist", missing.ErrorMessage())

		_, err = c.Publish(t.Context(), &awssns.PublishInput{
			TopicArn: topic.TopicArn, Message: aws.String("m"),
			MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("X"), StringValue: aws.String("x")}},
		})
		var value *types.InvalidParameterValueException
		require.ErrorAs(t, err, &value)

		_, err = c.TagResource(t.Context(), &awssns.TagResourceInput{
			ResourceArn: aws.String(*topic.TopicArn + "x"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
		})
		var resource *types.ResourceNotFoundException
		require.ErrorAs(t, err, &resource)

		var tags []types.Tag
		for i := range 51 {
			tags = append(tags, types.Tag{Key: aws.String(fmt.Sprint(i)), Value: aws.String("v")})
		}
		_, err = c.TagResource(t.Context(), &awssns.TagResourceInput{ResourceArn: topic.TopicArn, Tags: tags})
		var limit *types.TagLimitExceededException
		require.ErrorAs(t, err, &limit)
		require.Equal(t, "Could not complete request: tag quota of per resource exceeded", limit.ErrorMessage())

		_, err = c.PublishBatch(t.Context(), &awssns.PublishBatchInput{TopicArn: topic.TopicArn, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{}})
		var empty *types.EmptyBatchRequestException
		require.ErrorAs(t, err, &empty)

		_, err = c.GetSMSAttributes(t.Context(), &awssns.GetSMSAttributesInput{})
		require.Equal(t, "UnsupportedOperation", code(t, err))
		_, err = c.CheckIfPhoneNumberIsOptedOut(t.Context(), &awssns.CheckIfPhoneNumberIsOptedOutInput{PhoneNumber: aws.String("+1")})
		require.Equal(t, "UnsupportedOperation", code(t, err))
	})
}
