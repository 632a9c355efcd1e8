package testbus

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the digest of signature version 1
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"
)

// hook is an HTTP endpoint that keeps what it gets.
type hook struct {
	got    chan *http.Request // with its body in memory
	bodies chan string
}

func newHook(b *Bus, host string) *hook {
	h := &hook{got: make(chan *http.Request, 100), bodies: make(chan string, 100)} // more than any test sends
	b.Serve(host, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.got <- r
		h.bodies <- string(body)
	}))
	return h
}

func (h *hook) next() (*http.Request, string) { return <-h.got, <-h.bodies }

// visit sends an unsigned GET, as whoever follows a link does.
func visit(t *testing.T, b *Bus, url string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	answer, err := b.HTTP().Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s", text)
}

func TestTopicHTTPHandshake(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		h := newHook(b, "hook")
		pending, err := p.client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: p.arn, Protocol: str("http"), Endpoint: str("http://hook/path")})
		require.NoError(t, err)
		require.Equal(t, "pending confirmation", *pending.SubscriptionArn)
		list, err := p.client.ListSubscriptions(t.Context(), &sns.ListSubscriptionsInput{})
		require.NoError(t, err)
		require.Equal(t, "PendingConfirmation", *list.Subscriptions[0].SubscriptionArn)

		r, body := h.next()
		require.Equal(t, "SubscriptionConfirmation", r.Header.Get("x-amz-sns-message-type"))
		require.Equal(t, *p.arn, r.Header.Get("x-amz-sns-topic-arn"))
		require.Empty(t, r.Header.Get("x-amz-sns-subscription-arn"))
		require.Equal(t, "/path", r.URL.Path)
		n := notificationOf(t, body)
		verify(t, b, &n)
		p.publish("nobody gets this")
		visit(t, b, n.SubscribeURL)
		visit(t, b, n.SubscribeURL) // twice is no error

		p.publish("m", func(in *sns.PublishInput) { in.Subject = str("s") })
		r, body = h.next()
		require.Equal(t, "Notification", r.Header.Get("x-amz-sns-message-type"))
		arn := r.Header.Get("x-amz-sns-subscription-arn")
		require.Contains(t, arn, *p.arn+":")
		require.Equal(t, "text/plain; charset=UTF-8", r.Header.Get("Content-Type"))
		require.Equal(t, "Amazon Simple Notification Service Agent", r.Header.Get("User-Agent"))
		n = notificationOf(t, body)
		require.Equal(t, "m", n.Message)
		verify(t, b, &n)
		attributes, err := p.client.GetSubscriptionAttributes(t.Context(), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
		require.NoError(t, err)
		require.Equal(t, "false", attributes.Attributes["ConfirmationWasAuthenticated"])
		require.Contains(t, attributes.Attributes["EffectiveDeliveryPolicy"], `"numRetries":3`)

		visit(t, b, n.UnsubscribeURL)
		r, body = h.next()
		require.Equal(t, "UnsubscribeConfirmation", r.Header.Get("x-amz-sns-message-type"))
		n = notificationOf(t, body)
		verify(t, b, &n)
		visit(t, b, n.SubscribeURL)
		p.publish("restored")
		_, body = h.next()
		require.Equal(t, "restored", notificationOf(t, body).Message)
		synctest.Wait()
		require.Empty(t, h.got, "each message came once")
	})
}

func TestTopicTokens(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		h := newHook(b, "hook")
		arn := p.subscribe("http", "http://hook/", nil)
		_, body := h.next()
		n := notificationOf(t, body)
		confirm := func(topic *string, token string) error {
			_, err := p.client.ConfirmSubscription(t.Context(), &sns.ConfirmSubscriptionInput{TopicArn: topic, Token: &token, AuthenticateOnUnsubscribe: str("true")})
			return err
		}
		last := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(n.Token, "0")]
		forged := n.Token[:len(n.Token)-1] + last
		requireError(t, confirm(p.arn, forged), "InvalidParameter", "Invalid parameter: Token")
		requireError(t, confirm(p.arn, "invalidToken"), "InvalidParameter", "Invalid token")
		requireError(t, confirm(p.arn, n.Token[2:]), "InvalidParameter", "Invalid token")
		requireError(t, confirm(str("arn:aws:sns:eu-west-1:000000000000:topic"), n.Token), "InvalidParameter", "Invalid parameter: Topic")
		require.NoError(t, confirm(p.arn, n.Token))

		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, URL+"/?Action=Unsubscribe&SubscriptionArn="+arn, http.NoBody)
		require.NoError(t, err)
		answer, err := b.HTTP().Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusForbidden, answer.StatusCode, "who confirmed asked for authentication")

		p.subscribe("http", "http://hook/late", nil)
		_, body = h.next()
		time.Sleep(49 * time.Hour)
		requireError(t, confirm(p.arn, notificationOf(t, body).Token), "InvalidParameter", "Invalid parameter: Token")
	})
}

// TestTopicHTTPRetries checks that the delivery policy of a subscription says
// when its endpoint is tried again, and that the dead-letter queue gets what
// would have been delivered.
func TestTopicHTTPRetries(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", nil)
		dlq := newQueue(t, b.SQS(), "dlq", nil)
		tries := make(chan time.Time, 100) // more than there can be
		tokens := make(chan string, 1)
		b.Serve("hook", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Header.Get("x-amz-sns-message-type") == "SubscriptionConfirmation" {
				tokens <- string(body)
				return
			}
			tries <- time.Now()
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}))
		p.subscribe("http", "http://hook/", attributes{
			"RawMessageDelivery": "true",
			"DeliveryPolicy":     `{"healthyRetryPolicy":{"numRetries":2,"minDelayTarget":5,"maxDelayTarget":5}}`,
			"RedrivePolicy":      `{"deadLetterTargetArn":"` + dlq.arn() + `"}`,
		})
		visit(t, b, notificationOf(t, <-tokens).SubscribeURL)
		p.publish("m", withText("k", "v"))
		first := <-tries
		require.Equal(t, 5*time.Second, (<-tries).Sub(first).Round(time.Second))
		require.Equal(t, 10*time.Second, (<-tries).Sub(first).Round(time.Second))
		m := dlq.one(waiting(20))
		require.Equal(t, "m", *m.Body)
		require.Equal(t, "v", *m.MessageAttributes["k"].StringValue)
		time.Sleep(time.Hour)
		require.Empty(t, tries, "two retries, no more")
	})
}

// verify checks the signature of a message as a subscriber does, with the
// certificate that it names.
func verify(t *testing.T, b *Bus, n *notification) {
	t.Helper()
	require.True(t, strings.HasPrefix(n.SigningCertURL, URL+"/SimpleNotificationService-"), n.SigningCertURL)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.SigningCertURL, http.NoBody)
	require.NoError(t, err)
	answer, err := b.HTTP().Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	block, _ := pem.Decode(text)
	require.NotNil(t, block, "%s", text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)

	var signed strings.Builder
	pairs := [][2]string{{"Message", n.Message}, {"MessageId", n.MessageId}, {"Subject", n.Subject}, {"Timestamp", n.Timestamp}, {"TopicArn", n.TopicArn}, {"Type", n.Type}}
	if n.Type != "Notification" {
		pairs[2] = [2]string{"SubscribeURL", n.SubscribeURL}
		pairs = slices.Insert(pairs, 4, [2]string{"Token", n.Token})
	}
	for _, pair := range pairs {
		if pair[1] != "" {
			fmt.Fprintf(&signed, "%s\n%s\n", pair[0], pair[1])
		}
	}
	signature, err := base64.StdEncoding.DecodeString(n.Signature)
	require.NoError(t, err)
	hash, sum := crypto.SHA1, sha1.New() //nolint:gosec // signature version 1
	if n.SignatureVersion == "2" {
		hash, sum = crypto.SHA256, sha256.New()
	}
	sum.Write([]byte(signed.String()))
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	require.True(t, ok)
	require.NoError(t, rsa.VerifyPKCS1v15(key, hash, sum.Sum(nil), signature), "what is signed must be what was sent")
}

func TestTopicSignatureVersion2(t *testing.T) {
	t.Parallel()
	Test(t, func(t *testing.T, b *Bus) {
		p := newTopic(t, b.SNS(), "topic", attributes{"SignatureVersion": "2"})
		q := newQueue(t, b.SQS(), "q", nil)
		p.subscribe("sqs", q.arn(), nil)
		p.publish("m")
		n := notificationOf(t, *q.one().Body)
		require.Equal(t, "2", n.SignatureVersion)
		verify(t, b, &n)
		b.Restart()
		p.publish("after a restart the certificate is the same")
		again := notificationOf(t, *q.one().Body)
		require.Equal(t, n.SigningCertURL, again.SigningCertURL)
		verify(t, b, &again)
	})
}
