package topics_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/topics"
	"github.com/seed567880c8/turnout/sinks"
)

const hook = "https://example.com/hook"

// token returns the token of the confirmation that was posted last.
func (n *node) token() string {
	n.t.Helper()
	synctest.Wait()
	posts := n.world.received()
	require.NotEmpty(n.t, posts)
	var m struct{ Token, SubscribeURL string }
	require.NoError(n.t, json.Unmarshal(posts[len(posts)-1].Body, &m))
	u, err := url.Parse(m.SubscribeURL)
	require.NoError(n.t, err)
	require.Equal(n.t, m.Token, u.Query().Get("Token"))
	return m.Token
}

// confirmed subscribes a URL and confirms.
func (n *node) confirmed(topic, endpoint string, change ...func(*turnout.SubscriptionAttributes)) turnout.Subscription {
	n.t.Helper()
	n.subscribe(topic, endpoint, change...)
	s, err := n.ConfirmSubscription(n.t.Context(), topicNamed(topic), n.token(), false)
	require.NoError(n.t, err)
	return s
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.topic("t")
		sub := n.subscribe("t", hook)
		require.True(t, sub.Pending)
		n.publish("t", message("too early"))
		synctest.Wait()
		posts := n.world.received()
		require.Len(t, posts, 1, "a pending subscription gets nothing but the confirmation")
		arn := topicNamed("t").ARN()
		var m struct{ MessageId, Token, Signature string } //nolint:revive // AWS's name
		require.NoError(t, json.Unmarshal(posts[0].Body, &m))
		require.Equal(t, fmt.Sprintf(`{
  "Type" : "SubscriptionConfirmation",
  "MessageId" : %q,
  "Token" : %q,
  "TopicArn" : %q,
  "Message" : "You have chosen to subscribe to the topic %s.\nTo confirm the subscription, visit the SubscribeURL included in this message.",
  "SubscribeURL" : "http://localhost:4566/?Action=ConfirmSubscription&TopicArn=%s&Token=%s",
  "Timestamp" : "2000-01-01T00:00:00.000Z",
  "SignatureVersion" : "1",
  "Signature" : %q,
  "SigningCertURL" : "http://localhost:4566%s"
}`, m.MessageId, m.Token, arn, arn, arn, m.Token, m.Signature, smallSigner().CertificatePath()), string(posts[0].Body))
		require.NoError(t, verify(string(posts[0].Body), string(smallSigner().Certificate())))
		require.Equal(t, hook, posts[0].URL)
		require.Equal(t, map[string][]string{
			"User-Agent":             {"Amazon Simple Notification Service Agent"},
			"Accept-Encoding":        {"gzip,deflate"},
			"Content-Type":           {"text/plain; charset=UTF-8"},
			"X-Amz-Sns-Message-Type": {"SubscriptionConfirmation"},
			"X-Amz-Sns-Message-Id":   {m.MessageId},
			"X-Amz-Sns-Topic-Arn":    {arn},
		}, map[string][]string(posts[0].Header), "the confirmation names no subscription")

		require.True(t, n.subscribe("t", hook).Pending)
		require.NotEmpty(t, n.token(), "subscribing again sends the confirmation again")

		n.topic("other")
		for _, c := range []struct {
			topic, token, message string
		}{
			{"t", "no", "Invalid token"},
			{"t", m.Token + "00", "Invalid token"},
			{"t", strings.Repeat("ab", len(m.Token)/2), "Invalid parameter: Token"},
			{"t", "f" + m.Token[1:], "Invalid parameter: Token"},
			{"other", m.Token, "Invalid parameter: Token"},
		} {
			_, err := n.ConfirmSubscription(t.Context(), topicNamed(c.topic), c.token, false)
			requireCode(t, err, turnout.CodeInvalidParameter, c.message)
		}
		n.restart()
		confirmed, err := n.ConfirmSubscription(t.Context(), topicNamed("missing"), m.Token, true)
		require.NoError(t, err, "AWS does not look at the topic unless it exists")
		require.False(t, confirmed.Pending)
		require.True(t, confirmed.ConfirmedWithCredentials)
		require.True(t, confirmed.AuthenticateOnUnsubscribe)
		again, err := n.ConfirmSubscription(t.Context(), topicNamed("t"), m.Token, false)
		require.NoError(t, err)
		require.Equal(t, confirmed, again, "confirming twice is the same")

		msg := message("hello")
		msg.TraceHeader = "Root=1"
		id := n.publish("t", msg)[0].MessageID
		synctest.Wait()
		posts = n.world.received()
		require.Len(t, posts, 1)
		require.NoError(t, verify(string(posts[0].Body), string(smallSigner().Certificate())))
		require.Contains(t, string(posts[0].Body), "  \"Message\" : \"hello\",\n")
		require.Equal(t, map[string][]string{
			"User-Agent":                 {"Amazon Simple Notification Service Agent"},
			"Accept-Encoding":            {"gzip,deflate"},
			"Content-Type":               {"text/plain; charset=UTF-8"},
			"X-Amz-Sns-Message-Type":     {"Notification"},
			"X-Amz-Sns-Message-Id":       {id},
			"X-Amz-Sns-Topic-Arn":        {arn},
			"X-Amz-Sns-Subscription-Arn": {sub.ARN()},
			"X-Amzn-Trace-Id":            {"Root=1"},
		}, map[string][]string(posts[0].Header))
	})
}

func TestPendingSubscriptionsAndTokensExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.topic("t")
		sub := n.subscribe("t", hook)
		token := n.token()
		time.Sleep(48 * time.Hour)
		_, err := n.ConfirmSubscription(t.Context(), topicNamed("t"), token, false)
		requireCode(t, err, turnout.CodeInvalidParameter, "Invalid parameter: Token")
		time.Sleep(2 * time.Minute)
		_, err = n.Subscription(t.Context(), sub.SubscriptionName)
		requireCode(t, err, turnout.CodeNotFound, "Subscription does not exist")
		info, err := n.Topic(t.Context(), topicNamed("t"))
		require.NoError(t, err)
		require.Zero(t, info.Pending)
		require.Zero(t, n.records('s'))
		require.NotEqual(t, sub.ID, n.subscribe("t", hook).ID, "subscribing later makes another subscription")
	})
}

func TestUnsubscribingCanBeTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.topic("t")
		sub := n.confirmed("t", hook)
		require.NoError(t, n.Unsubscribe(t.Context(), sub.SubscriptionName))
		_, err := n.Subscription(t.Context(), sub.SubscriptionName)
		requireCode(t, err, turnout.CodeNotFound, "Subscription does not exist")
		synctest.Wait()
		posts := n.world.received()
		require.Len(t, posts, 1)
		require.Contains(t, string(posts[0].Body), fmt.Sprintf(`"Message" : "You have chosen to deactivate subscription %s.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."`, sub.ARN()))
		require.Equal(t, []string{"UnsubscribeConfirmation"}, posts[0].Header["X-Amz-Sns-Message-Type"])
		require.Equal(t, []string{sub.ARN()}, posts[0].Header["X-Amz-Sns-Subscription-Arn"])
		require.NoError(t, verify(string(posts[0].Body), string(smallSigner().Certificate())))
		var m struct{ Token string }
		require.NoError(t, json.Unmarshal(posts[0].Body, &m))
		n.publish("t", message("meanwhile"))
		n.restart()
		restored, err := n.ConfirmSubscription(t.Context(), topicNamed("t"), m.Token, false)
		require.NoError(t, err)
		require.Equal(t, sub, restored)
		n.publish("t", message("afterwards"))
		synctest.Wait()
		posts = n.world.received()
		require.Len(t, posts, 1)
		require.Contains(t, string(posts[0].Body), "afterwards")

		require.NoError(t, n.Unsubscribe(t.Context(), sub.SubscriptionName))
		token := n.token()
		other := n.confirmed("t", hook)
		kept, err := n.ConfirmSubscription(t.Context(), topicNamed("t"), token, false)
		require.NoError(t, err)
		require.Equal(t, other, kept, "an endpoint has one subscription")
		info, err := n.Topic(t.Context(), topicNamed("t"))
		require.NoError(t, err)
		require.Equal(t, [3]int{1, 0, 2}, [3]int{info.Confirmed, info.Pending, info.Deleted})
		time.Sleep(50 * time.Hour)
		require.Equal(t, 1, n.records('s'), "what was removed is forgotten in the end")
	})
}

func TestFailedDeliveriesAreTriedAgainByPolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, topic, subscription string
		delays                    []int // seconds before each retry
	}{
		{"default", "", "", []int{20, 20, 20}},
		{"subscription", "", `{"healthyRetryPolicy":{"numRetries":6,"numNoDelayRetries":1,"numMinDelayRetries":1,"numMaxDelayRetries":1,"minDelayTarget":2,"maxDelayTarget":12,"backoffFunction":"linear"}}`, []int{0, 2, 2, 7, 12, 12}},
		{"topic overrides", `{"http":{"defaultHealthyRetryPolicy":{"numRetries":1,"minDelayTarget":5,"maxDelayTarget":5},"disableSubscriptionOverrides":true}}`, `{"healthyRetryPolicy":{"numRetries":2,"minDelayTarget":1,"maxDelayTarget":1}}`, []int{5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := start(t, topics.Config{})
				n.queue("dlq")
				n.topic("t", func(a *turnout.TopicAttributes) { a.DeliveryPolicy = c.topic })
				n.confirmed("t", hook, deadLetters("dlq"), func(a *turnout.SubscriptionAttributes) { a.DeliveryPolicy = c.subscription })
				n.world.answer = failing(503)
				n.publish("t", message("x"))
				time.Sleep(10 * time.Minute)
				posts := n.world.received()
				require.Len(t, posts, len(c.delays)+1)
				for i, seconds := range c.delays {
					require.InDelta(t, seconds, posts[i+1].at.Sub(posts[i].at).Seconds(), 0.2, "retry %d", i+1)
				}
				require.Equal(t, []string{string(posts[0].Body)}, n.bodies("dlq"), "the dead letter is what would have been delivered")
			})
		})
	}
}

func TestClientErrorsAreNotTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.queue("dlq")
		n.topic("t")
		n.confirmed("t", hook, raw, deadLetters("dlq"), func(a *turnout.SubscriptionAttributes) {
			a.DeliveryPolicy = `{"requestPolicy":{"headerContentType":"application/json"}}`
		})
		m := message(`{"a":1}`)
		m.Attributes = []turnout.MessageAttribute{text("k", "v")}
		for status, attempts := range map[int]int{404: 1, 408: 1, 410: 1, 429: 4, 500: 4} {
			n.world.answer = failing(status)
			n.publish("t", m)
			time.Sleep(2 * time.Minute)
			posts := n.world.received()
			require.Len(t, posts, attempts, "status %d", status)
			require.Equal(t, `{"a":1}`, string(posts[0].Body))
			require.Equal(t, []string{"true"}, posts[0].Header["X-Amz-Sns-Rawdelivery"])
			require.Equal(t, []string{"application/json"}, posts[0].Header["Content-Type"])
			got := n.take("dlq")
			require.Len(t, got, 1)
			require.Equal(t, `{"a":1}`, string(got[0].Body))
			require.Equal(t, m.Attributes, got[0].Attributes[:1], "with its attributes, and behind them why it is dead")
			time.Sleep(time.Hour) // so that the endpoint is not given up
		}
	})
}

func TestFunctionsGetEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.topic("t", func(a *turnout.TopicAttributes) { a.SignatureVersion = "2" })
		sub := n.subscribe("t", "arn:aws:lambda:us-east-1:000000000000:function:f", func(a *turnout.SubscriptionAttributes) {
			a.RawMessageDelivery = true // which means nothing to functions
		})
		require.False(t, sub.Pending)
		m := message("default")
		m.Bodies["lambda"] = "for \"functions\""
		m.Attributes = []turnout.MessageAttribute{text("k", "v")}
		id := n.publish("t", m)[0].MessageID
		synctest.Wait()
		m.Subject, m.Attributes = new("s"), nil
		n.publish("t", m)
		synctest.Wait()
		require.Len(t, n.world.events, 2)
		var event struct {
			Records []struct{ Sns struct{ Signature string } }
		}
		require.NoError(t, json.Unmarshal([]byte(n.world.events[0]), &event))
		require.Equal(t, fmt.Sprintf(`{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","EventSubscriptionArn":"%s","Sns":{"Type":"Notification","MessageId":"%s","TopicArn":"%s","Subject":null,"Message":"for \"functions\"","Timestamp":"2000-01-01T00:00:00.000Z","SignatureVersion":"1","Signature":"%s","SigningCertUrl":"http://localhost:4566%s","UnsubscribeUrl":"http://localhost:4566/?Action=Unsubscribe&SubscriptionArn=%s","MessageAttributes":{"k":{"Type":"String","Value":"v"}}}}]}`,
			sub.ARN(), id, topicNamed("t").ARN(), event.Records[0].Sns.Signature, smallSigner().CertificatePath(), sub.ARN()), n.world.events[0])
		require.Contains(t, n.world.events[1], `"Subject":"s"`)
		require.Contains(t, n.world.events[1], `"MessageAttributes":{}`)
	})
}

func TestAFunctionWithoutAnEndpointIsADeadLetter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{Function: func(arn string) (sinks.Sink, error) {
			return nil, turnout.Errorf(turnout.CodeNotFound, "no %s", arn)
		}})
		n.queue("dlq")
		n.topic("t")
		n.subscribe("t", "arn:aws:lambda:us-east-1:000000000000:function:f", deadLetters("dlq"))
		n.publish("t", message("x"))
		synctest.Wait()
		letters := n.bodies("dlq")
		require.Len(t, letters, 1)
		require.Contains(t, letters[0], `"Message" : "x"`)
	})
}

func TestAnEndpointMayBeGivenSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, topics.Config{})
		n.topic("t")
		n.confirmed("t", hook, func(a *turnout.SubscriptionAttributes) {
			a.DeliveryPolicy = `{"throttlePolicy":{"maxReceivesPerSecond":2}}`
		})
		time.Sleep(time.Minute)
		for i := range 10 {
			n.publish("t", message(fmt.Sprint(i)))
		}
		time.Sleep(time.Minute)
		posts := n.world.received()
		require.Len(t, posts, 10)
		for i := 2; i < len(posts); i++ {
			require.GreaterOrEqual(t, posts[i].at.Sub(posts[i-2].at), 990*time.Millisecond, "at most two in a second")
		}
	})
}
