package testbus

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/stretchr/testify/require"
)

// topic is a topic as a test uses it.
type topic struct {
	t      *testing.T
	client *sns.Client
	arn    *string
}

func newTopic(t *testing.T, c *sns.Client, name string, a attributes) *topic {
	t.Helper()
	if strings.HasSuffix(name, ".fifo") {
		all := attributes{"FifoTopic": "true"}
		maps.Copy(all, a)
		a = all
	}
	out, err := c.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name, Attributes: a})
	require.NoError(t, err)
	return &topic{t: t, client: c, arn: out.TopicArn}
}

func (p *topic) trySubscribe(protocol, endpoint string, a attributes) (string, error) {
	out, err := p.client.Subscribe(p.t.Context(), &sns.SubscribeInput{
		TopicArn: p.arn, Protocol: &protocol, Endpoint: &endpoint, Attributes: a, ReturnSubscriptionArn: true,
	})
	if err != nil {
		return "", err
	}
	return *out.SubscriptionArn, nil
}

func (p *topic) subscribe(protocol, endpoint string, a attributes) (arn string) {
	p.t.Helper()
	arn, err := p.trySubscribe(protocol, endpoint, a)
	require.NoError(p.t, err)
	return arn
}

// raw subscribes a queue to bare messages.
func (p *topic) raw(q *queue, a attributes) (arn string) {
	p.t.Helper()
	all := attributes{"RawMessageDelivery": "true"}
	maps.Copy(all, a)
	return p.subscribe("sqs", q.arn(), all)
}

func (p *topic) publish(message string, change ...func(*sns.PublishInput)) *sns.PublishOutput {
	p.t.Helper()
	in := &sns.PublishInput{TopicArn: p.arn, Message: &message}
	for _, c := range change {
		c(in)
	}
	out, err := p.client.Publish(p.t.Context(), in)
	require.NoError(p.t, err)
	return out
}

func withText(name, value string) func(*sns.PublishInput) {
	return func(in *sns.PublishInput) {
		if in.MessageAttributes == nil {
			in.MessageAttributes = map[string]snstypes.MessageAttributeValue{}
		}
		in.MessageAttributes[name] = snstypes.MessageAttributeValue{DataType: str("String"), StringValue: &value}
	}
}

// notification is the JSON around a message.
type notification struct {
	Type, MessageId, SequenceNumber, TopicArn, Subject, Message, Timestamp string //nolint:revive // AWS's names
	SignatureVersion, Signature, SigningCertURL, UnsubscribeURL            string
	Token, SubscribeURL                                                    string
	MessageAttributes                                                      map[string]struct{ Type, Value string }
}

func notificationOf(t *testing.T, body string) (n notification) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(body), &n), body)
	return n
}

func TestTopicFansOutToQueues(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		envelope, bare, other := newQueue(t, b.SQS(), "envelope", nil), newQueue(t, b.SQS(), "bare", nil), newQueue(t, b.SQS(), "other", nil)
		p.subscribe("sqs", envelope.arn(), nil)
		p.raw(bare, nil)
		out := p.publish("Hello <&> é", withText("k", "v"), func(in *sns.PublishInput) {
			in.Subject = str("About")
			in.MessageGroupId = str("tenant")
			in.MessageAttributes["b"] = snstypes.MessageAttributeValue{DataType: str("Binary"), BinaryValue: []byte{0, 255}}
		})

		m := envelope.one()
		require.Equal(t, "tenant", m.Attributes["MessageGroupId"], "a group on a standard topic is for fair queues")
		n := notificationOf(t, *m.Body)
		require.Equal(t, *out.MessageId, n.MessageId)
		require.Equal(t, "Notification", n.Type)
		require.Equal(t, *p.arn, n.TopicArn)
		require.Equal(t, "Hello <&> é", n.Message)
		require.Equal(t, "About", n.Subject)
		require.Equal(t, "AP8=", n.MessageAttributes["b"].Value)
		verify(t, b, &n)
		at := -1
		for _, key := range []string{
			"Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL", "MessageAttributes",
		} {
			next := strings.Index(*m.Body, `"`+key+`" : `)
			require.Greater(t, next, at, "%s has AWS's place in %s", key, *m.Body)
			at = next
		}

		r := bare.one()
		require.Equal(t, "Hello <&> é", *r.Body)
		require.Equal(t, "v", *r.MessageAttributes["k"].StringValue)
		require.Equal(t, []byte{0, 255}, r.MessageAttributes["b"].BinaryValue)
		require.Empty(t, other.receive())
	})
}

func TestTopicFilterPolicies(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		byAttribute, byBody := newQueue(t, b.SQS(), "attribute", nil), newQueue(t, b.SQS(), "body", nil)
		arn := p.raw(byAttribute, attributes{"FilterPolicy": `{"kind":["a",{"prefix":"b-"}]}`})
		p.raw(byBody, attributes{"FilterPolicy": `{"order":{"total":[{"numeric":[">",100]}]}}`, "FilterPolicyScope": "MessageBody"})
		p.publish(`{"order":{"total":150}}`, withText("kind", "c"))
		p.publish(`{"order":{"total":50}}`, withText("kind", "b-1"))
		p.publish("no JSON", withText("kind", "a"))
		require.ElementsMatch(t, []string{`{"order":{"total":50}}`, "no JSON"}, bodies(byAttribute.drain()))
		require.Equal(t, []string{`{"order":{"total":150}}`}, bodies(byBody.drain()))

		_, err := p.client.SetSubscriptionAttributes(t.Context(), &sns.SetSubscriptionAttributesInput{
			SubscriptionArn: &arn, AttributeName: str("FilterPolicy"), AttributeValue: str(""),
		})
		require.NoError(t, err)
		p.publish("to everyone")
		require.Equal(t, []string{"to everyone"}, bodies(byAttribute.drain()))
	})
}

// TestTopicRefusesPolicies checks the words of what the engine refuses, which
// depend on the operation.
func TestTopicRefusesPolicies(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		q, other := newQueue(t, b.SQS(), "q", nil), newQueue(t, b.SQS(), "other", nil)
		arn := p.subscribe("sqs", q.arn(), nil)
		hook := p.subscribe("http", "http://hook/", nil)
		const short = `{"healthyRetryPolicy":{"numRetries":101,"minDelayTarget":1,"maxDelayTarget":1}}`
		for _, c := range []struct{ name, value, message string }{
			{"FilterPolicy", `{"k":[["v"]]}`, "FilterPolicy: Match value must be String, number, true, false, or null"},
			{"FilterPolicy", `{"k":[]}`, "FilterPolicy: Empty arrays are not allowed"},
			{"FilterPolicy", `{"k":[{"foo":"v"}]}`, "FilterPolicy: Unrecognized match type foo"},
			{"FilterPolicy", `{invalid`, "FilterPolicy: failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name"},
			{"RedrivePolicy", `{"deadLetterTargetArn":"x"}`, "RedrivePolicy: deadLetterTargetArn is an invalid arn"},
		} {
			_, err := p.trySubscribe("sqs", other.arn(), attributes{c.name: c.value})
			requireError(t, err, "InvalidParameter", "Invalid parameter: Attributes Reason: "+c.message)
			_, err = p.client.SetSubscriptionAttributes(t.Context(), &sns.SetSubscriptionAttributesInput{
				SubscriptionArn: &arn, AttributeName: &c.name, AttributeValue: &c.value,
			})
			requireError(t, err, "InvalidParameter", "Invalid parameter: "+c.message)
		}
		_, err := p.client.SetSubscriptionAttributes(t.Context(), &sns.SetSubscriptionAttributesInput{
			SubscriptionArn: &hook, AttributeName: str("DeliveryPolicy"), AttributeValue: str(short),
		})
		requireError(t, err, "InvalidParameter", "Invalid parameter: DeliveryPolicy: healthyRetryPolicy.numRetries must be less than or equal to 100")
		_, err = p.client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: str("t"), Attributes: attributes{
			"DeliveryPolicy": `{"http":{"defaultHealthyRetryPolicy":{"numRetries":101,"minDelayTarget":1,"maxDelayTarget":1}}}`,
		}})
		requireError(t, err, "InvalidParameter",
			"Invalid parameter: Attributes Reason: DeliveryPolicy: http.defaultHealthyRetryPolicy.numRetries must be less than or equal to 100")

		list, err := p.client.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: p.arn})
		require.NoError(t, err)
		require.Len(t, list.Subscriptions, 2, "what is refused changes nothing")
	})
}

func TestTopicAndSubscriptionAttributes(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		q := newQueue(t, b.SQS(), "q", nil)
		show := func() map[string]string {
			out, err := p.client.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: p.arn})
			require.NoError(t, err)
			return out.Attributes
		}
		const effective = `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,` +
			`"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}`
		got := show()
		require.Equal(t, effective, got["EffectiveDeliveryPolicy"])
		require.Len(t, got, 8)

		arn := p.subscribe("sqs", q.arn(), nil)
		p.subscribe("http", "http://hook/", nil)
		require.Equal(t, []string{"1", "1", "0"}, []string{show()["SubscriptionsConfirmed"], show()["SubscriptionsPending"], show()["SubscriptionsDeleted"]})
		require.Equal(t, arn, p.subscribe("sqs", q.arn(), attributes{"FilterPolicyScope": "MessageAttributes"}), "the same again")
		_, err := p.trySubscribe("sqs", q.arn(), attributes{"RawMessageDelivery": "true"})
		requireError(t, err, "InvalidParameter", "Subscription already exists with different attributes")

		_, err = p.client.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &arn})
		require.NoError(t, err)
		require.Equal(t, []string{"0", "1", "1"}, []string{show()["SubscriptionsConfirmed"], show()["SubscriptionsPending"], show()["SubscriptionsDeleted"]})

		arn = p.subscribe("sqs", q.arn(), nil)
		b.Restart()
		require.Equal(t, "1", show()["SubscriptionsConfirmed"])
		_, err = p.client.DeleteTopic(t.Context(), &sns.DeleteTopicInput{TopicArn: p.arn})
		require.NoError(t, err)
		_, err = p.client.GetSubscriptionAttributes(t.Context(), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
		require.NoError(t, err, "the attributes of a subscription outlive its topic")
		_, err = p.client.Publish(t.Context(), &sns.PublishInput{TopicArn: p.arn, Message: str("m")})
		requireError(t, err, "NotFound", "Topic does not exist")
	})
}

func TestTopicFIFO(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic.fifo", attributes{"ContentBasedDeduplication": "true"})
		first, second := newFIFO(t, b.SQS(), "first", nil), newFIFO(t, b.SQS(), "second", nil)
		p.raw(first, nil)
		p.subscribe("sqs", second.arn(), nil)
		var want []string
		group := func(in *sns.PublishInput) { in.MessageGroupId = str("g") }
		var last *sns.PublishOutput
		for i := range 5 {
			want = append(want, fmt.Sprint("m", i))
			last = p.publish(want[i], group)
		}
		again := p.publish("m4", group)
		require.Equal(t, *last.MessageId, *again.MessageId, "a duplicate gets the answer of the original")
		require.Equal(t, *last.SequenceNumber, *again.SequenceNumber)
		require.Len(t, *last.SequenceNumber, 20)

		got := first.receive()
		require.Equal(t, want, bodies(got))
		sum := sha256.Sum256([]byte("m0"))
		require.Equal(t, fmt.Sprintf("%x", sum), got[0].Attributes["MessageDeduplicationId"])
		for i, m := range second.receive() {
			n := notificationOf(t, *m.Body)
			require.Equal(t, want[i], n.Message, "the same order in every queue")
			require.Empty(t, n.Signature, "messages of FIFO topics are not signed")
			require.NotEmpty(t, n.SequenceNumber)
		}

		_, err := p.trySubscribe("sqs", first.arn(), attributes{"RawMessageDelivery": "true", "RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:standard"}`})
		requireError(t, err, "InvalidParameter", "must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.")
		plain := newTopic(t, b.SNS(), "plain", nil)
		_, err = plain.trySubscribe("sqs", first.arn(), nil)
		requireError(t, err, "InvalidParameter", "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
	})
}

func TestTopicFIFOWithoutDeduplication(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic.fifo", nil)
		const needed = "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
		_, err := p.client.Publish(t.Context(), &sns.PublishInput{TopicArn: p.arn, Message: str("m"), MessageGroupId: str("g")})
		requireError(t, err, "InvalidParameter", needed)
		entry := func(id string, dedup *string) snstypes.PublishBatchRequestEntry {
			return snstypes.PublishBatchRequestEntry{Id: &id, Message: &id, MessageGroupId: str("g"), MessageDeduplicationId: dedup}
		}
		for _, entries := range [][]snstypes.PublishBatchRequestEntry{
			{entry("a", nil), entry("b", nil)}, {entry("a", str("a")), entry("b", nil)},
		} {
			_, err = p.client.PublishBatch(t.Context(), &sns.PublishBatchInput{TopicArn: p.arn, PublishBatchRequestEntries: entries})
			requireError(t, err, "InvalidParameter", needed)
		}
		out, err := p.client.PublishBatch(t.Context(), &sns.PublishBatchInput{
			TopicArn: p.arn, PublishBatchRequestEntries: []snstypes.PublishBatchRequestEntry{entry("a", str("a")), entry("b", str("b"))},
		})
		require.NoError(t, err)
		require.Len(t, out.Successful, 2)
		require.Less(t, *out.Successful[0].SequenceNumber, *out.Successful[1].SequenceNumber)
	})
}

func TestTopicMessageStructureAndBatch(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		q := newQueue(t, b.SQS(), "q", nil)
		p.raw(q, nil)
		out, err := p.client.PublishBatch(t.Context(), &sns.PublishBatchInput{
			TopicArn: p.arn, PublishBatchRequestEntries: []snstypes.PublishBatchRequestEntry{
				{Id: str("1"), Message: str(`{"default":"d","sqs":"for queues"}`), MessageStructure: str("json")},
				{Id: str("2"), Message: str(`{"default":"d","http":"for hooks"}`), MessageStructure: str("json")},
				{Id: str("3"), Message: str("plain")},
			},
		})
		require.NoError(t, err)
		require.Len(t, out.Successful, 3)
		require.ElementsMatch(t, []string{"for queues", "d", "plain"}, bodies(q.drain()))
	})
}

// TestTopicSurvivesAPowerLoss checks that what was acknowledged is in every
// queue, once, whatever the disk kept of the rest.
func TestTopicSurvivesAPowerLoss(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		one, two := newQueue(t, b.SQS(), "one", nil), newQueue(t, b.SQS(), "two", nil)
		p.raw(one, nil)
		p.raw(two, attributes{"FilterPolicy": `{"even":["true"]}`})
		var all, even []string
		for i := range 20 {
			message := fmt.Sprint("m", i)
			p.publish(message, withText("even", fmt.Sprint(i%2 == 0)))
			all = append(all, message)
			if i%2 == 0 {
				even = append(even, message)
			}
			if i%7 == 6 {
				b.Crash(50)
			}
		}
		require.ElementsMatch(t, all, bodies(one.drain()))
		require.ElementsMatch(t, even, bodies(two.drain()))
	})
}

// TestTopicDeadLetters checks that what a deleted queue would have got goes to
// the subscription's dead-letter queue, as it would have been delivered.
func TestTopicDeadLetters(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		q, dlq := newQueue(t, b.SQS(), "q", nil), newQueue(t, b.SQS(), "dlq", nil)
		p.raw(q, attributes{"RedrivePolicy": `{"deadLetterTargetArn":"` + dlq.arn() + `"}`})
		q.remove()
		p.publish("m", withText("k", "v"))
		m := dlq.one(waiting(20))
		require.Equal(t, "m", *m.Body)
		require.Equal(t, "v", *m.MessageAttributes["k"].StringValue)
	})
}

func TestTopicsOfOtherScopes(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		there := b.SNSIn(Account, "eu-west-1")
		_, err := there.Publish(t.Context(), &sns.PublishInput{TopicArn: p.arn, Message: str("m")})
		requireError(t, err, "InvalidParameter", "Invalid parameter: TopicArn")
		list, err := there.ListTopics(t.Context(), &sns.ListTopicsInput{})
		require.NoError(t, err)
		require.Empty(t, list.Topics)
		q := newQueue(t, b.SQS(), "q", nil)
		p.raw(q, nil)
		_, err = b.SNSIn("111111111111", Region).Publish(t.Context(), &sns.PublishInput{TopicArn: p.arn, Message: str("from another account")})
		require.NoError(t, err, "no policy is enforced")
		require.Equal(t, "from another account", *q.one().Body)
	})
}

// TestTopicTraceHeader checks that a trace goes on through a topic.
func TestTopicTraceHeader(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		q := newQueue(t, b.SQS(), "q", nil)
		p.raw(q, nil)
		const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, URL+"/?Action=Publish&Version=2010-03-31&Message=m&TopicArn="+*p.arn, http.NoBody)
		require.NoError(t, err)
		r.Header.Set("X-Amzn-Trace-Id", trace)
		answer, err := b.HTTP().Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.Equal(t, trace, q.one().Attributes["AWSTraceHeader"])
	})
}
