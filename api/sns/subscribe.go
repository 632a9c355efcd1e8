package sns

import (
	"context"
	"net/url"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// The protocols that Turnout delivers by.
const (
	protocolSQS    = "sqs"
	protocolHTTP   = "http"
	protocolHTTPS  = "https"
	protocolLambda = "lambda"
)

const endpointMax = 2_048 // bytes

func isHTTP(protocol string) bool { return protocol == protocolHTTP || protocol == protocolHTTPS }

// checkEndpoint checks the protocol and the endpoint of a subscription to be.
func checkEndpoint(topic turnout.TopicName, protocol, endpoint string) error {
	switch protocol {
	case protocolSQS:
		queue, ok := turnout.ParseQueueARN(endpoint)
		switch {
		case !ok:
			return invalid("SQS endpoint ARN")
		case isFIFO(queue.Name) && !isFIFO(topic.Name):
			// The doubled words are AWS's.
			return invalid(setting + "Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
		}
	case protocolHTTP, protocolHTTPS:
		return checkURL(protocol, endpoint)
	case protocolLambda:
		function, ok := turnout.ParseARN(endpoint)
		if !ok || function.Service != protocolLambda || !strings.HasPrefix(function.Resource, "function:") {
			return invalid("Lambda endpoint ARN")
		}
	case "sms":
		if !isPhoneNumber(endpoint) {
			return turnout.Errorf(turnout.CodeInvalidParameter, invalidSMS+"%s", endpoint)
		}
		return unsupportedProtocol(protocol)
	case "application", "email", "email-json", "firehose":
		return unsupportedProtocol(protocol)
	case "":
		return missing("Protocol")
	default:
		return invalid("Amazon SNS does not support this protocol string: %s", protocol)
	}
	return nil
}

func unsupportedProtocol(protocol string) error {
	return turnout.Errorf(turnout.CodeUnsupportedOperation,
		"Subscriptions of protocol %s are not supported: this server delivers by sqs, http, https and lambda.", protocol)
}

// checkURL checks the endpoint of an HTTP subscription. Whether the server may
// speak to it is decided when it does.
func checkURL(protocol, endpoint string) error {
	if !strings.HasPrefix(endpoint, protocol+"://") {
		return invalid("Endpoint must match the specified protocol")
	}
	if len(endpoint) > endpointMax {
		return invalid("Endpoint")
	}
	if u, err := url.Parse(endpoint); err != nil || u.Hostname() == "" {
		return invalid("Endpoint")
	}
	return nil
}

func (a *API) subscribe(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	topic, err := topicParam(r, "TopicArn")
	if err != nil {
		return nil, err
	}
	s := turnout.Subscription{SubscriptionName: turnout.SubscriptionName{Topic: topic}, Owner: r.Account}
	s.Protocol, _ = r.Form.Get("Protocol")
	s.Endpoint, _ = r.Form.Get("Endpoint")
	returnARN, err := returnSubscriptionARN(r)
	if err != nil {
		return nil, err
	}
	// AWS looks for the topic before it looks at the endpoint.
	if _, err := a.engine.Topic(ctx, topic); err != nil {
		return nil, err
	}
	if err := checkEndpoint(topic, s.Protocol, s.Endpoint); err != nil {
		return nil, err
	}
	attributes := readMap(r.Form, "Attributes")
	given := func(s *turnout.Subscription) error {
		for _, pair := range attributes {
			if err := setSubscriptionAttribute(s, pair[0], pair[1], creating); err != nil {
				return err
			}
		}
		return nil
	}
	if err := given(&s); err != nil {
		return nil, err
	}
	made, err := a.engine.Subscribe(ctx, s, func(has turnout.Subscription) error {
		asked := has // what was not asked for may be anything
		if err := given(&asked); err != nil {
			return err
		}
		if !sameSubscriptionAttributes(asked.Attributes, has.Attributes) {
			return refused("Subscription already exists with different attributes")
		}
		return nil
	})
	if err != nil {
		return nil, attributeError(creating, err)
	}
	arn := made.ARN()
	if made.Pending && !returnARN {
		arn = "pending confirmation"
	}
	return stringResult("SubscriptionArn", arn), nil
}

// returnSubscriptionARN reports whether the answer must hold the ARN of a subscription that is not confirmed yet.
func returnSubscriptionARN(r *awswire.Request) (bool, error) {
	const parameter = "ReturnSubscriptionArn"
	value, ok := r.Form.Get(parameter)
	if !ok || value == "" {
		return false, nil
	}
	v, err := flag(parameter, value)
	return v, attributeError(setting, err)
}

// confirmSubscription serves the owner of an endpoint, who has the token and,
// as a rule, no credential.
func (a *API) confirmSubscription(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	arn, _ := r.Form.Get("TopicArn")
	topic, ok := turnout.ParseTopicARN(arn)
	if !ok || !inRegion(r, topic.Scope) {
		return nil, invalid("Topic")
	}
	token, ok := r.Form.Get("Token")
	switch {
	case !ok:
		return nil, missing("Token")
	case !isToken(token):
		return nil, turnout.Errorf(turnout.CodeInvalidParameter, invalidToken)
	}
	authenticate := false
	if value, _ := r.Form.Get("AuthenticateOnUnsubscribe"); value != "" {
		var err error
		if authenticate, err = flag("AuthenticateOnUnsubscribe", value); err != nil {
			return nil, attributeError(setting, err)
		}
	}
	// AWS heeds it from those who could authenticate themselves later.
	s, err := a.engine.ConfirmSubscription(ctx, topic, token, authenticate && r.AccessKeyID != "")
	if err != nil {
		return nil, err
	}
	return stringResult("SubscriptionArn", s.ARN()), nil
}

// isToken reports whether a text has the form of a token: bytes in hexadecimal.
func isToken(s string) bool {
	if s == "" || len(s)%2 != 0 || len(s) > 1_024 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// unsubscribe also serves the URL in every notification, which needs no
// credential unless the endpoint's owner asked for that.
func (a *API) unsubscribe(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, err := subscriptionParam(r)
	if err != nil {
		return nil, err
	}
	if r.AccessKeyID == "" {
		s, err := a.engine.Subscription(ctx, name)
		if err == nil && s.AuthenticateOnUnsubscribe {
			return nil, turnout.Errorf(turnout.CodeAccessDenied, "User is not authorized to perform: SNS:Unsubscribe on resource: %s", name.ARN())
		}
	}
	return nil, a.engine.Unsubscribe(ctx, name)
}
