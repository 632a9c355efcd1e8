package sns

import (
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

const (
	fifoSuffix   = ".fifo"
	topicNameMax = 256 // characters, the suffix included
)

func isFIFO(name string) bool { return strings.HasSuffix(name, fifoSuffix) }

// checkTopicName checks the name of a topic to be.
func checkTopicName(name string, fifo bool) error {
	base, suffixed := strings.CutSuffix(name, fifoSuffix)
	if base == "" || len(name) > topicNameMax || suffixed != fifo {
		return invalid("Topic Name")
	}
	for _, c := range []byte(base) {
		if !isAlphanumeric(c) && c != '-' && c != '_' {
			return invalid("Topic Name")
		}
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// arnError is AWS's error for a text with too few colons for an ARN; nil when there are enough.
func arnError(parameter, text string) error {
	if n := strings.Count(text, ":") + 1; n < 6 {
		return invalid("%s Reason: An ARN must have at least 6 elements, not %d", parameter, n)
	}
	return nil
}

// topicOf returns the topic that an ARN names, which must be in the request's
// region. A request without a credential has no region of its own.
func topicOf(r *awswire.Request, parameter, arn string) (turnout.TopicName, error) {
	if err := arnError(parameter, arn); err != nil {
		return turnout.TopicName{}, err
	}
	name, ok := turnout.ParseTopicARN(arn)
	if !ok || !inRegion(r, name.Scope) {
		return turnout.TopicName{}, invalid("%s", parameter)
	}
	return name, nil
}

func inRegion(r *awswire.Request, s turnout.Scope) bool {
	return r.AccessKeyID == "" || s.Region == r.Region
}

// topicParam returns the topic that a parameter names.
func topicParam(r *awswire.Request, parameter string) (turnout.TopicName, error) {
	arn, _ := r.Form.Get(parameter)
	return topicOf(r, parameter, arn)
}

// subscriptionParam returns the subscription that SubscriptionArn names.
func subscriptionParam(r *awswire.Request) (turnout.SubscriptionName, error) {
	const parameter = "SubscriptionArn"
	arn, ok := r.Form.Get(parameter)
	if !ok {
		return turnout.SubscriptionName{}, missing(parameter)
	}
	if err := arnError(parameter, arn); err != nil {
		return turnout.SubscriptionName{}, err
	}
	name, ok := turnout.ParseSubscriptionARN(arn)
	switch {
	case !ok:
		return turnout.SubscriptionName{}, invalid("SubscriptionId")
	case !inRegion(r, name.Topic.Scope):
		return turnout.SubscriptionName{}, invalid(parameter)
	}
	return name, nil
}
