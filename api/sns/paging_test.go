package sns_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/sns"
)

// get sends an unsigned request and returns the answer's body.
func get(t require.TestingT, h http.Handler, parameters url.Values) string {
	r := httptest.NewRequest(http.MethodGet, "/?"+parameters.Encode(), http.NoBody)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	return w.Body.String()
}

// TestPagesAreTheWholeList walks over lists of any length: every element is
// shown once, in order, a hundred a page, and one removed between two pages
// does not disturb the others.
func TestPagesAreTheWholeList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		engine := newMemory()
		h := serve(engine, sns.Config{})
		scope := turnout.Scope{Account: "000000000000", Region: "us-east-1"}
		topic := turnout.TopicName{Scope: scope, Name: "topic"}
		var topics, subscriptions []string
		for i := range rapid.IntRange(0, 350).Draw(rt, "elements") {
			name := turnout.TopicName{Scope: scope, Name: fmt.Sprintf("t%d", i)}
			engine.topics[name] = &turnout.TopicInfo{TopicName: name}
			topics = append(topics, name.ARN())
			s := turnout.SubscriptionName{Topic: topic, ID: fmt.Sprintf("%d", i)}
			engine.subscriptions[s] = &turnout.Subscription{SubscriptionName: s}
			subscriptions = append(subscriptions, s.ARN())
		}
		slices.Sort(topics)
		slices.Sort(subscriptions)
		remove := rapid.Bool().Draw(rt, "remove")
		require.Equal(rt, topics, walk(rt, h, "ListTopics", "TopicArn", func(last string) {
			if name, ok := turnout.ParseTopicARN(last); ok && remove {
				delete(engine.topics, name)
			}
		}))
		require.Equal(rt, subscriptions, walk(rt, h, "ListSubscriptions", "SubscriptionArn", func(last string) {
			if name, ok := turnout.ParseSubscriptionARN(last); ok && remove {
				delete(engine.subscriptions, name)
			}
		}))
	})
}

// walk lists everything, and calls between with the last element of each page.
func walk(t require.TestingT, h http.Handler, action, element string, between func(last string)) (all []string) {
	parameters := url.Values{"Action": {action}, "Version": {"2010-03-31"}}
	for {
		body := get(t, h, parameters)
		count := 0
		for _, rest := range strings.Split(body, "<"+element+">")[1:] {
			arn, _, _ := strings.Cut(rest, "<")
			all = append(all, arn)
			count++
		}
		require.LessOrEqual(t, count, 100)
		_, rest, more := strings.Cut(body, "<NextToken>")
		if !more {
			return all
		}
		require.Equal(t, 100, count, "only the last page is short")
		token, _, _ := strings.Cut(rest, "<")
		parameters.Set("NextToken", token)
		between(all[len(all)-1])
	}
}
