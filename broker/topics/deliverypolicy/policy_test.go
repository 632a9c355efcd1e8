package deliverypolicy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/broker/topics/deliverypolicy"
)

func delays(r deliverypolicy.Retry) []float64 {
	var all []float64
	for n := range r.Retries {
		all = append(all, r.Delay(n+1).Seconds())
	}
	return all
}

func TestBackoffFunctions(t *testing.T) {
	t.Parallel()
	r := deliverypolicy.Retry{
		MinDelay: 2 * time.Second, MaxDelay: 32 * time.Second, Retries: 10, NoDelay: 2, MinDelayRetries: 1, MaxDelayRetries: 2,
	}
	for backoff, want := range map[deliverypolicy.Backoff][]float64{
		deliverypolicy.Linear:      {0, 0, 2, 2, 9.5, 17, 24.5, 32, 32, 32},
		deliverypolicy.Arithmetic:  {0, 0, 2, 2, 5, 11, 20, 32, 32, 32},
		deliverypolicy.Geometric:   {0, 0, 2, 2, 4, 8, 16, 32, 32, 32},
		deliverypolicy.Exponential: {0, 0, 2, 2, 4, 8, 16, 32, 32, 32},
	} {
		r.Backoff = backoff
		require.Equal(t, want, delays(r), backoff)
	}
	require.Equal(t, []float64{20, 20, 20}, delays(deliverypolicy.DefaultRetry()))
	managed := deliverypolicy.ManagedRetry()
	require.Equal(t, []float64{0, 0, 0, 1, 1, 1}, delays(managed)[:6])
	require.Equal(t, 20*time.Second, managed.Delay(15))
	require.Equal(t, 20*time.Second, managed.Delay(100_015))
}

func TestEffectivePolicies(t *testing.T) {
	t.Parallel()
	const defaults = `{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"}`
	topic, err := deliverypolicy.ParseTopic("")
	require.NoError(t, err)
	require.Equal(t, `{"http":{"defaultHealthyRetryPolicy":`+defaults+`,"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}`,
		topic.Document(), "AWS's document for a topic without a policy")
	p := deliverypolicy.Effective(topic, deliverypolicy.Subscription{})
	require.Equal(t, `{"healthyRetryPolicy":`+defaults+`,"sicklyRetryPolicy":null,"throttlePolicy":null,"requestPolicy":{"headerContentType":"text/plain; charset=UTF-8"},"guaranteed":false}`, p.Document())

	topic, err = deliverypolicy.ParseTopic(`{"http":{"defaultHealthyRetryPolicy":null,"defaultThrottlePolicy":{"maxReceivesPerSecond":5},"defaultRequestPolicy":{"headerContentType":"application/json"}}}`)
	require.NoError(t, err)
	require.Contains(t, topic.Document(), `"defaultThrottlePolicy":{"maxReceivesPerSecond":5}`)
	subscription, err := deliverypolicy.ParseSubscription(`{"healthyRetryPolicy":{"numRetries":1,"minDelayTarget":1,"maxDelayTarget":3,"backoffFunction":"geometric"},"throttlePolicy":{"maxReceivesPerSecond":9},"sicklyRetryPolicy":null,"guaranteed":false}`)
	require.NoError(t, err)
	p = deliverypolicy.Effective(topic, subscription)
	require.Equal(t, 1, p.Retry.Retries)
	require.Equal(t, 9, p.PerSecondMax)
	require.Equal(t, "application/json", p.ContentType)

	topic, err = deliverypolicy.ParseTopic(`{"http":{"disableSubscriptionOverrides":true}}`)
	require.NoError(t, err)
	require.Equal(t, deliverypolicy.Default(), deliverypolicy.Effective(topic, subscription))
}

func TestRefusedPolicies(t *testing.T) {
	t.Parallel()
	for document, message := range map[string]string{
		`{"numRetries":3}`:                                          "healthyRetryPolicy.minDelayTarget must be specified",
		`{"minDelayTarget":1,"maxDelayTarget":1}`:                   "healthyRetryPolicy.numRetries must be specified",
		`{"numRetries":101,"minDelayTarget":1,"maxDelayTarget":1}`:  "healthyRetryPolicy.numRetries must be less than or equal to 100",
		`{"numRetries":-1,"minDelayTarget":1,"maxDelayTarget":1}`:   "healthyRetryPolicy.numRetries must be greater than or equal to 0",
		`{"numRetries":1,"minDelayTarget":0,"maxDelayTarget":1}`:    "healthyRetryPolicy.minDelayTarget must be greater than or equal to 1",
		`{"numRetries":1,"minDelayTarget":1,"maxDelayTarget":3601}`: "healthyRetryPolicy.maxDelayTarget must be less than or equal to 3600",
		`{"numRetries":1,"minDelayTarget":5,"maxDelayTarget":4}`:    "healthyRetryPolicy.maxDelayTarget must be greater than or equal to minDelayTarget",
		`{"numRetries":3,"minDelayTarget":1,"maxDelayTarget":1,"numNoDelayRetries":2,"numMinDelayRetries":1,"numMaxDelayRetries":1}`: "healthyRetryPolicy.numRetries must be greater than or equal to the sum of numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries",
		`{"numRetries":100,"minDelayTarget":37,"maxDelayTarget":37}`:                                                                 "healthyRetryPolicy must not take longer than 3600 seconds in total",
		`{"numRetries":1,"minDelayTarget":1,"maxDelayTarget":1,"backoffFunction":"random"}`:                                          "healthyRetryPolicy.backoffFunction must be one of linear, arithmetic, geometric, exponential",
	} {
		_, err := deliverypolicy.ParseSubscription(fmt.Sprintf(`{"healthyRetryPolicy":%s}`, document))
		require.EqualError(t, err, message, document)
		_, err = deliverypolicy.ParseTopic(fmt.Sprintf(`{"http":{"defaultHealthyRetryPolicy":%s}}`, document))
		require.EqualError(t, err, "http.defaultH"+message[1:], document)
	}
	for _, document := range []string{`{"throttlePolicy":{"maxReceivesPerSecond":0}}`, `{"requestPolicy":{"headerContentType":"image/png"}}`, `{"requestPolicy":{"headerContentType":"text/plain;\n"}}`, `{"x":1}`, `{} {}`, `[]`, `{`} {
		_, err := deliverypolicy.ParseSubscription(document)
		require.Error(t, err, document)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"healthyRetryPolicy":{"numRetries":6,"numNoDelayRetries":1,"numMinDelayRetries":1,"numMaxDelayRetries":1,"minDelayTarget":2,"maxDelayTarget":12,"backoffFunction":"arithmetic"}}`)
	f.Add(`{"http":{"defaultHealthyRetryPolicy":{"numRetries":100,"minDelayTarget":1,"maxDelayTarget":36,"backoffFunction":"geometric"},"disableSubscriptionOverrides":true}}`)
	f.Add(`{"requestPolicy":{"headerContentType":"text/plain"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		topic, err := deliverypolicy.ParseTopic(text)
		if err == nil {
			again, err := deliverypolicy.ParseTopic(topic.Document())
			require.NoError(t, err, "what is shown can be set again")
			require.Equal(t, topic.Document(), again.Document())
		}
		subscription, err := deliverypolicy.ParseSubscription(text)
		if err != nil {
			return
		}
		p := deliverypolicy.Effective(topic, subscription)
		last := time.Duration(0)
		for n := range p.Retry.Retries {
			delay := p.Retry.Delay(n + 1)
			require.GreaterOrEqual(t, delay, last, "delays do not shrink")
			require.LessOrEqual(t, delay, p.Retry.MaxDelay)
			last = delay
		}
	})
}
