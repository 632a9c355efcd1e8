package topics_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/topics"
)

func requireCode(t testing.TB, err error, code turnout.Code, message string) {
	t.Helper()
	e, ok := errors.AsType[*turnout.Error](err)
	require.True(t, ok, "%v is not a *turnout.Error", err)
	require.Equal(t, code, e.Code)
	require.Equal(t, message, e.Message)
}

func TestAMessageReachesEveryQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.queue("a", "b", "c")
		n.topic("orders")
		sub := n.subscribe("orders", "a")
		n.subscribe("orders", "b", raw)
		n.subscribe("orders", "c", raw)
		m := message("hello \"world\"\n\u00e9")
		m.Subject = new("greeting")
		m.TraceHeader = "Root=1-5759e988-bd862e3fe1be46a994272793"
		m.GroupID = "tenant"
		m.Attributes = []turnout.MessageAttribute{
			text("color", "red"), {Name: "n", Type: "Number", Value: []byte("1.5")}, {Name: "b", Type: "Binary", Value: []byte{1, 2}},
		}
		id := n.publish("orders", m)[0].MessageID

		got := n.take("a")
		require.Len(t, got, 1)
		var envelope struct{ Signature string }
		require.NoError(t, json.Unmarshal(got[0].Body, &envelope))
		arn := topicNamed("orders").ARN()
		require.Equal(t, fmt.Sprintf(`{
  "Type" : "Notification",
  "MessageId" : %q,
  "TopicArn" : %q,
  "Subject" : "greeting",
  "Message" : "hello \"world\"\n`+"\u00e9"+`",
  "Timestamp" : "2000-01-01T00:00:00.000Z",
  "SignatureVersion" : "1",
  "Signature" : %q,
  "SigningCertURL" : "http://localhost:4566%s",
  "UnsubscribeURL" : "http://localhost:4566/?Action=Unsubscribe&SubscriptionArn=%s",
  "MessageAttributes" : {
    "color" : {"Type":"String","Value":"red"},
    "n" : {"Type":"Number","Value":"1.5"},
    "b" : {"Type":"Binary","Value":"AQI="}
  }
}`, id, arn, envelope.Signature, smallSigner().CertificatePath(), sub.ARN()), string(got[0].Body), "AWS's members in AWS's order")
		require.Empty(t, got[0].Attributes)
		require.Equal(t, m.TraceHeader, got[0].TraceHeader, "the X-Ray header is kept on every copy")
		require.Equal(t, "tenant", got[0].GroupID, "the tenant reaches standard queues")

		for _, queue := range []string{"b", "c"} {
			got = n.take(queue)
			require.Len(t, got, 1)
			require.Equal(t, "hello \"world\"\n\u00e9", string(got[0].Body))
			require.Equal(t, m.Attributes, got[0].Attributes, "with raw delivery attributes are SQS's")
		}
		stats := n.Stats()
		require.EqualValues(t, 3, stats.ToQueues)
		require.EqualValues(t, 1, stats.Published)
	})
}

func TestProtocolsMayHaveTextsOfTheirOwn(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("all", "matching", "other")
	n.topic("t")
	body := func(policy string) func(*turnout.SubscriptionAttributes) {
		return func(a *turnout.SubscriptionAttributes) {
			a.RawMessageDelivery, a.FilterPolicy, a.FilterPolicyScope = true, policy, turnout.FilterBody
		}
	}
	n.subscribe("t", "all", raw)
	n.subscribe("t", "matching", body(`{"to":["sqs"]}`))
	n.subscribe("t", "other", body(`{"to":["all"]}`))
	m := message(`{"to":"all"}`)
	m.Bodies["sqs"], m.Bodies["email"] = `{"to":"sqs"}`, "ignored"
	n.publish("t", m)
	require.Equal(t, []string{`{"to":"sqs"}`}, n.bodies("all"))
	require.Equal(t, []string{`{"to":"sqs"}`}, n.bodies("matching"), "a filter looks at the text that is delivered")
	require.Empty(t, n.bodies("other"))
}

func TestFilterPoliciesDecideWhoGetsAMessage(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("all", "red", "large", "body")
	n.topic("t")
	n.subscribe("t", "all", raw)
	n.subscribe("t", "red", raw, filter(`{"color":["red"]}`))
	large := n.subscribe("t", "large", raw, filter(`{"size":[{"numeric":[">",10]}]}`))
	n.subscribe("t", "body", raw, func(a *turnout.SubscriptionAttributes) {
		a.FilterPolicy, a.FilterPolicyScope = `{"order":{"total":[{"numeric":[">=",100]}]}}`, turnout.FilterBody
	})
	send := func(body string, attributes ...turnout.MessageAttribute) {
		m := message(body)
		m.Attributes = attributes
		n.publish("t", m)
	}
	send("1", text("color", "red"))
	send("2", text("color", "blue"), turnout.MessageAttribute{Name: "size", Type: "Number", Value: []byte("11")})
	send(`{"order":{"total":100}}`)
	require.Len(t, n.bodies("all"), 3)
	require.Equal(t, []string{"1"}, n.bodies("red"))
	require.Equal(t, []string{"2"}, n.bodies("large"))
	require.Equal(t, []string{`{"order":{"total":100}}`}, n.bodies("body"))
	require.EqualValues(t, 6, n.Stats().Filtered)

	require.NoError(t, n.UpdateSubscription(t.Context(), large.SubscriptionName, func(a *turnout.SubscriptionAttributes) error {
		a.FilterPolicy = `{"color":["blue"]}`
		return nil
	}))
	send("3", text("color", "blue"))
	require.Equal(t, []string{"3"}, n.bodies("large"), "a new policy holds at once")
	n.restart()
	send("4", text("color", "blue"))
	send("5", text("color", "red"))
	require.Equal(t, []string{"4"}, n.bodies("large"), "and after a restart")
	require.Equal(t, []string{"5"}, n.bodies("red"))
	require.NoError(t, n.UpdateSubscription(t.Context(), large.SubscriptionName, func(a *turnout.SubscriptionAttributes) error {
		a.FilterPolicy = ""
		return nil
	}))
	send("6")
	require.Equal(t, []string{"6"}, n.bodies("large"), `"" removes the policy`)
	err := n.UpdateSubscription(t.Context(), large.SubscriptionName, func(a *turnout.SubscriptionAttributes) error {
		a.FilterPolicy = `{"a":[["v"]]}`
		return nil
	})
	require.ErrorContains(t, err, "Invalid parameter: FilterPolicy: Match value must be String, number, true, false, or null\n at [Source: ")
	_, err = n.trySubscribe("t", "x", filter(`{"a":[]}`))
	require.ErrorContains(t, err, "Invalid parameter: Attributes Reason: FilterPolicy: Empty arrays are not allowed\n at ")
}

func TestManySubscriptionsWithPolicies(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.topic("t")
	for i := range 30 {
		n.queue(fmt.Sprint("q", i))
		n.subscribe("t", fmt.Sprint("q", i), raw, filter(fmt.Sprintf(`{"n":["%d"]}`, i)))
		m := message(fmt.Sprint(i))
		m.Attributes = []turnout.MessageAttribute{text("n", fmt.Sprint(i))}
		n.publish("t", m)
	}
	for i := range 30 {
		require.Equal(t, []string{fmt.Sprint(i)}, n.bodies(fmt.Sprint("q", i)))
	}
}

func TestDeliveriesToAMissingQueueBecomeDeadLetters(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("dlq", "dlq.fifo")
	n.topic("t")
	n.subscribe("t", "gone1", raw, deadLetters("dlq"))
	n.subscribe("t", "gone2", deadLetters("dlq"))
	n.subscribe("t", "gone3")
	m := message("body")
	m.Attributes = []turnout.MessageAttribute{text("a", "b")}
	n.publish("t", m)
	got := n.take("dlq")
	require.Len(t, got, 2)
	require.Equal(t, "body", string(got[0].Body))
	require.Equal(t, m.Attributes, got[0].Attributes, "a raw dead letter keeps its attributes")
	require.Contains(t, string(got[1].Body), `"Type" : "Notification"`, "and any other is the notification as it would have been delivered")
	require.Empty(t, got[1].Attributes)
	stats := n.Stats()
	require.EqualValues(t, 2, stats.DeadLettered)
	require.EqualValues(t, 1, stats.Lost, "what cannot be kept is counted")
	require.Contains(t, n.log.String(), "message not delivered")

	n.topic("t.fifo")
	n.subscribe("t.fifo", "gone.fifo", raw, deadLetters("dlq.fifo"))
	m = message("body")
	m.GroupID, m.DeduplicationID = "g", "d"
	n.publish("t.fifo", m)
	got = n.take("dlq.fifo")
	require.Len(t, got, 1)
	require.Equal(t, "g", got[0].GroupID)
	require.Equal(t, "d", got[0].DeduplicationID, "a FIFO dead letter keeps group and deduplication id")
}

func TestTopicsAreCreatedOnce(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{TopicsMax: 2})
	settings := turnout.TopicSettings{Attributes: turnout.TopicAttributes{DisplayName: "one"}, Tags: map[string]string{"k": "v"}}
	require.NoError(t, n.CreateTopic(t.Context(), topicNamed("b"), settings, exists))
	var seen turnout.TopicSettings
	require.NoError(t, n.CreateTopic(t.Context(), topicNamed("b"), turnout.TopicSettings{}, func(s turnout.TopicSettings) error {
		seen = s
		return nil
	}))
	require.Equal(t, settings, seen)
	refused := turnout.Errorf(turnout.CodeInvalidParameter, "no")
	require.Equal(t, refused, n.CreateTopic(t.Context(), topicNamed("b"), settings, func(turnout.TopicSettings) error { return refused }))
	n.topic("a")
	requireCode(t, n.CreateTopic(t.Context(), topicNamed("c"), settings, exists), turnout.CodeLimitExceeded,
		"Topic limit exceeded: at most 2 topics can be created.")
	names, err := n.TopicNames(t.Context(), scope)
	require.NoError(t, err)
	require.Equal(t, []turnout.TopicName{topicNamed("a"), topicNamed("b")}, names)
	names, err = n.TopicNames(t.Context(), turnout.Scope{Account: scope.Account, Region: "eu-west-1"})
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestTopicSettingsSurviveARestart(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("q")
	n.topic("t")
	n.subscribe("t", "q", raw)
	err := n.UpdateTopic(t.Context(), topicNamed("t"), func(s *turnout.TopicSettings) error {
		s.Attributes = turnout.TopicAttributes{
			FIFO: true, DisplayName: "d", Policy: `{"a":1}`, DataProtectionPolicy: `{}`, KMSKeyID: "k", TracingConfig: "Active", SignatureVersion: "2",
			DeliveryPolicy: `{"http":{"defaultThrottlePolicy":{"maxReceivesPerSecond":7}}}`,
			Feedback:       map[string]string{"HTTPSuccessFeedbackRoleArn": "arn"},
		}
		s.Tags = map[string]string{"x": "y"}
		return nil
	})
	require.NoError(t, err)
	before, err := n.Topic(t.Context(), topicNamed("t"))
	require.NoError(t, err)
	require.False(t, before.Attributes.FIFO, "what a topic is cannot be changed")
	require.Equal(t, 1, before.Confirmed)
	require.Contains(t, before.EffectiveDeliveryPolicy, `"maxReceivesPerSecond":7`)
	n.crash()
	after, err := n.Topic(t.Context(), topicNamed("t"))
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NoError(t, n.UpdateTopic(t.Context(), topicNamed("t"), func(s *turnout.TopicSettings) error {
		s.Attributes.DeliveryPolicy = ""
		return nil
	}))
	requireCode(t, n.UpdateTopic(t.Context(), topicNamed("t"), func(s *turnout.TopicSettings) error {
		s.Attributes.DeliveryPolicy = `{"http":{"defaultHealthyRetryPolicy":{"numRetries":3,"minDelayTarget":0,"maxDelayTarget":1}}}`
		return nil
	}), turnout.CodeInvalidParameter, "Invalid parameter: DeliveryPolicy: http.defaultHealthyRetryPolicy.minDelayTarget must be greater than or equal to 1")
	requireCode(t, n.UpdateTopic(t.Context(), topicNamed("no"), func(*turnout.TopicSettings) error { return nil }),
		turnout.CodeNotFound, "Topic does not exist")
}

func TestADeletedTopicLeavesItsSubscriptionsReadable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.queue("q")
		n.topic("t")
		sub := n.subscribe("t", "q", raw)
		n.publish("t", message("1"))
		require.NoError(t, n.DeleteTopic(t.Context(), topicNamed("t")))
		require.NoError(t, n.DeleteTopic(t.Context(), topicNamed("t")), "deleting is idempotent")
		_, err := n.PublishTopic(t.Context(), topicNamed("t"), []turnout.TopicMessage{message("2")})
		requireCode(t, err, turnout.CodeNotFound, "Topic does not exist")
		_, err = n.SubscriptionsByTopic(t.Context(), topicNamed("t"))
		requireCode(t, err, turnout.CodeNotFound, "Topic does not exist")
		for range 2 {
			got, err := n.Subscription(t.Context(), sub.SubscriptionName)
			require.NoError(t, err)
			require.Equal(t, sub, got)
			n.restart()
		}
		n.topic("t")
		n.publish("t", message("3"))
		require.Equal(t, []string{"1"}, n.bodies("q"), "a new topic of the name has no subscriptions")
		all, err := n.Subscriptions(t.Context(), scope)
		require.NoError(t, err)
		require.Empty(t, all)
		time.Sleep(49 * time.Hour)
		_, err = n.Subscription(t.Context(), sub.SubscriptionName)
		requireCode(t, err, turnout.CodeNotFound, "Subscription does not exist")
		n.restart()
		require.Zero(t, n.Stats().Subscriptions)
	})
}

func TestSubscriptionsAreCountedAndListed(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("a", "b")
	n.topic("t")
	n.topic("other")
	first := n.subscribe("t", "a")
	second := n.subscribe("t", "b", raw)
	pending := n.subscribe("t", "https://example.com/hook")
	n.subscribe("other", "a")
	require.True(t, pending.Pending)
	require.False(t, pending.ConfirmedWithCredentials)
	require.True(t, first.ConfirmedWithCredentials, "a queue is confirmed by whoever subscribes it")
	require.Equal(t, first, n.subscribe("t", "a"), "subscribing again gives the same")
	refused := turnout.Errorf(turnout.CodeInvalidParameter, "no")
	_, err := n.Subscribe(t.Context(), first, func(s turnout.Subscription) error {
		require.Equal(t, first, s)
		return refused
	})
	require.Equal(t, refused, err)

	all, err := n.Subscriptions(t.Context(), scope)
	require.NoError(t, err)
	require.Len(t, all, 4)
	byTopic, err := n.SubscriptionsByTopic(t.Context(), topicNamed("t"))
	require.NoError(t, err)
	require.Len(t, byTopic, 3)
	require.NoError(t, n.Unsubscribe(t.Context(), second.SubscriptionName))
	require.NoError(t, n.Unsubscribe(t.Context(), second.SubscriptionName), "unsubscribing is idempotent")
	n.publish("t", message("x"))
	require.Empty(t, n.bodies("b"))
	require.Len(t, n.bodies("a"), 1)
	for range 2 {
		info, err := n.Topic(t.Context(), topicNamed("t"))
		require.NoError(t, err)
		require.Equal(t, [3]int{1, 1, 1}, [3]int{info.Confirmed, info.Pending, info.Deleted})
		require.EqualValues(t, 2+1, n.Stats().Subscriptions)
		n.restart()
	}
	_, err = n.Subscription(t.Context(), second.SubscriptionName)
	requireCode(t, err, turnout.CodeNotFound, "Subscription does not exist")
	_, err = n.trySubscribe("missing", "a")
	requireCode(t, err, turnout.CodeNotFound, "Topic does not exist")
	require.NoError(t, n.Reset(t.Context()))
	all, err = n.Subscriptions(t.Context(), scope)
	require.NoError(t, err)
	require.Empty(t, all)
	n.restart()
	require.Zero(t, n.Stats().Topics)
}

func TestSubscriptionsAreChecked(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{SubscriptionsMax: 1, StrictAWS: true})
	n.topic("t")
	n.topic("t.fifo")
	for _, c := range []struct {
		topic, endpoint string
		change          func(*turnout.SubscriptionAttributes)
		message         string
	}{
		{"t", "q.fifo", raw, "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"},
		{"t", "q", filter(`{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}`), "Invalid parameter: Attributes Reason: FilterPolicy: Filter policy can not have more than 5 keys"},
		{"t", "q", filter(`{"a":{"b":["1"]}}`), "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"},
		{"t", "q", func(a *turnout.SubscriptionAttributes) { a.RedrivePolicy = `{"deadLetterTargetArn":"x"}` }, "Invalid parameter: Attributes Reason: RedrivePolicy: deadLetterTargetArn is an invalid arn"},
		{"t.fifo", "q.fifo", deadLetters("dlq"), "Invalid parameter: Attributes Reason: RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."},
		{"t", "https://example.com", func(a *turnout.SubscriptionAttributes) {
			a.DeliveryPolicy = `{"healthyRetryPolicy":{"numRetries":101,"minDelayTarget":1,"maxDelayTarget":1}}`
		}, "Invalid parameter: Attributes Reason: DeliveryPolicy: healthyRetryPolicy.numRetries must be less than or equal to 100"},
		{"t.fifo", "q.fifo", func(a *turnout.SubscriptionAttributes) {
			a.ReplayPolicy = `{"PointType":"Timestamp","StartingPoint":"2000-01-01T00:00:00Z"}`
		}, "Invalid parameter: Attributes Reason: ReplayPolicy: the topic has no archive policy"},
	} {
		_, err := n.trySubscribe(c.topic, c.endpoint, c.change)
		requireCode(t, err, turnout.CodeInvalidParameter, c.message)
	}
	n.subscribe("t", "q")
	_, err := n.trySubscribe("t", "q2")
	requireCode(t, err, turnout.CodeLimitExceeded, "Subscription limit exceeded: a topic can have at most 1 subscriptions.")
}

func TestAPublishThatCannotBeTakenChangesNothing(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{DeliveriesMax: 3})
	n.queue("a", "b")
	n.topic("t")
	n.subscribe("t", "a", raw)
	n.subscribe("t", "b", raw)
	bad := message("bad")
	bad.DeduplicationID = "d"
	published, err := n.PublishTopic(t.Context(), topicNamed("t"), []turnout.TopicMessage{bad, message("good")})
	require.NoError(t, err)
	requireCode(t, published[0].Err, turnout.CodeInvalidParameter,
		"Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
	require.NoError(t, published[1].Err)
	require.Equal(t, []string{"good"}, n.bodies("a"), "the others of the request stand")
	_, err = n.PublishTopic(t.Context(), topicNamed("t"), []turnout.TopicMessage{message("1"), message("2")})
	requireCode(t, err, turnout.CodeLimitExceeded, "The messages have too many receivers: at most 3 deliveries can be made by one request.")
	n.RefusePublishes(true)
	_, err = n.PublishTopic(t.Context(), topicNamed("t"), []turnout.TopicMessage{message("1")})
	e, _ := errors.AsType[*turnout.Error](err)
	require.Equal(t, turnout.CodeStorageFull, e.Code)
	n.RefusePublishes(false)
	require.Empty(t, n.bodies("a"))
}

func TestTheSigningKeyIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.stop()
	n.cfg.Signer = nil
	n.open()
	n.queue("q")
	n.topic("t", func(a *turnout.TopicAttributes) { a.SignatureVersion = "2" })
	n.subscribe("t", "q")
	n.publish("t", message("1"))
	certificate := string(n.Certificate())
	require.True(t, strings.HasPrefix(certificate, "-----BEGIN CERTIFICATE-----"))
	n.crash()
	require.Equal(t, certificate, string(n.Certificate()))
	n.publish("t", message("2"))
	for i, body := range n.bodies("q") {
		require.NoError(t, verify(body, certificate), "message %d", i)
	}
	require.NoError(t, n.Reset(t.Context()))
	n.restart()
	require.Equal(t, certificate, string(n.Certificate()), "a reset keeps the key")
}

func TestSignaturesForQueuesCanBeLeftOut(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{UnsignedQueues: true})
	n.queue("q")
	n.topic("t")
	n.subscribe("t", "q")
	n.publish("t", message("x"))
	require.NotContains(t, n.bodies("q")[0], "Sign")
}

func TestSignaturesVerify(t *testing.T) {
	t.Parallel()
	n := start(t, topics.Config{})
	n.queue("q")
	certificate := string(smallSigner().Certificate())
	for _, version := range []string{"1", "2"} {
		name := "t" + version
		n.topic(name, func(a *turnout.TopicAttributes) { a.SignatureVersion = version })
		n.subscribe(name, "q")
		n.publish(name, message("no subject"))
		m := message("with a subject")
		m.Subject = new("s")
		n.publish(name, m)
		for _, body := range n.bodies("q") {
			require.NoError(t, verify(body, certificate))
			require.Contains(t, body, `"SignatureVersion" : "`+version+`"`)
			require.Error(t, verify(strings.Replace(body, "subject", "nonsense", 1), certificate))
		}
	}
	require.Equal(t, certificate, string(n.Certificate()))
	require.Regexp(t, `^/SimpleNotificationService-[A-Za-z0-9]+\.pem$`, smallSigner().CertificatePath())
}
