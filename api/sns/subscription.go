package sns

import (
	"context"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

const filterPolicyMax = 256 << 10 // bytes

// setSubscriptionAttribute changes one attribute of a subscription. An error
// about its value has its prefix, which how is.
func setSubscriptionAttribute(s *turnout.Subscription, name, value, how string) error {
	return attributeError(how, changeSubscriptionAttribute(s, name, value, how == creating))
}

func changeSubscriptionAttribute(s *turnout.Subscription, name, value string, isNew bool) (err error) {
	a := &s.Attributes
	switch name {
	case "RawMessageDelivery":
		if s.Protocol == protocolLambda {
			return refused("Delivery protocol [%s] does not support raw message delivery.", s.Protocol)
		}
		a.RawMessageDelivery, err = flag(name, value)
	case "FilterPolicy":
		a.FilterPolicy, err = value, checkFilterPolicy(value)
	case "FilterPolicyScope":
		a.FilterPolicyScope, err = turnout.FilterScope(value), oneOf(name, value, string(turnout.FilterBody), string(turnout.FilterAttributes))
	case "DeliveryPolicy":
		a.DeliveryPolicy, err = value, checkDeliveryPolicy(s.Protocol, value)
	case "RedrivePolicy":
		a.RedrivePolicy, err = value, checkRedrivePolicy(s, value)
	case "ReplayPolicy":
		a.ReplayPolicy, err = value, checkReplayPolicy(s, value)
	case "SubscriptionRoleArn":
		a.RoleARN = value
	default:
		return unknownAttribute(name, isNew)
	}
	return err
}

// checkFilterPolicy checks that a filter policy is JSON. What it says is for the engine.
func checkFilterPolicy(text string) error {
	switch {
	case text == "":
		return nil
	case len(text) > filterPolicyMax:
		return refused("FilterPolicy: is longer than %d bytes", filterPolicyMax)
	default:
		return checkJSON("FilterPolicy", text)
	}
}

func checkDeliveryPolicy(protocol, text string) error {
	switch {
	case !isHTTP(protocol):
		return refused("Delivery protocol [%s] does not support delivery policy.", protocol)
	case text == "":
		return nil
	case len(text) > deliveryPolicyMax:
		return refused("DeliveryPolicy: is longer than %d bytes", deliveryPolicyMax)
	}
	var members map[string]json.RawMessage
	return readObject("DeliveryPolicy", text, &members)
}

// checkRedrivePolicy checks {"deadLetterTargetArn": …}.
func checkRedrivePolicy(s *turnout.Subscription, text string) error {
	const attribute, target = "RedrivePolicy", "deadLetterTargetArn"
	if text == "" {
		return nil
	}
	var members map[string]json.RawMessage
	if err := readObject(attribute, text, &members); err != nil {
		return err
	}
	for _, member := range sortedKeys(members) {
		if member != target {
			return refused("%s: invalid JSON. Attribute %s is unknown.", attribute, member)
		}
	}
	var arn string
	queue, ok := turnout.QueueName{}, members[target] != nil && json.Unmarshal(members[target], &arn) == nil
	if ok {
		queue, ok = turnout.ParseQueueARN(arn)
	}
	switch {
	case !ok:
		return refused("%s: %s is an invalid arn", attribute, target)
	case isFIFO(s.Topic.Name) && s.Protocol == protocolSQS && isFIFO(s.Endpoint) && !isFIFO(queue.Name):
		return refused("%s: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.", attribute)
	}
	return nil
}

// checkReplayPolicy checks {"PointType": "Timestamp", "StartingPoint": …, "EndingPoint": …}.
// https://docs.aws.amazon.com/sns/latest/dg/message-archiving-and-replay-subscriber.html
func checkReplayPolicy(s *turnout.Subscription, text string) error {
	const attribute = "ReplayPolicy"
	if text == "" {
		return nil
	}
	if !isFIFO(s.Topic.Name) {
		return refused("%s: is only supported for subscriptions to FIFO topics", attribute)
	}
	if isHTTP(s.Protocol) {
		return refused("Delivery protocol [%s] does not support message replay.", s.Protocol)
	}
	var members map[string]json.RawMessage
	if err := readObject(attribute, text, &members); err != nil {
		return err
	}
	values := map[string]string{}
	for _, member := range sortedKeys(members) {
		var value string
		switch member {
		case "PointType", "StartingPoint", "EndingPoint":
		default:
			return refused("%s: invalid JSON. Attribute %s is unknown.", attribute, member)
		}
		if json.Unmarshal(members[member], &value) != nil {
			return refused("%s: %s must be a string", attribute, member)
		}
		values[member] = value
	}
	if values["PointType"] != "Timestamp" {
		return refused("%s: PointType must be Timestamp", attribute)
	}
	start, err := time.Parse(time.RFC3339, values["StartingPoint"])
	if err != nil {
		return refused("%s: StartingPoint must be a timestamp such as 2023-05-25T12:20:00.000Z", attribute)
	}
	if text, ok := values["EndingPoint"]; ok {
		end, err := time.Parse(time.RFC3339, text)
		switch {
		case err != nil:
			return refused("%s: EndingPoint must be a timestamp such as 2023-05-25T12:20:00.000Z", attribute)
		case end.Before(start):
			return refused("%s: EndingPoint must not be before StartingPoint", attribute)
		}
	}
	return nil
}

// sameSubscriptionAttributes reports whether two sets of attributes mean the same.
func sameSubscriptionAttributes(a, b turnout.SubscriptionAttributes) bool {
	for _, x := range []*turnout.SubscriptionAttributes{&a, &b} {
		x.FilterPolicy = canonical(x.FilterPolicy)
		x.FilterPolicyScope = turnout.FilterScope(orDefault(string(x.FilterPolicyScope), string(turnout.FilterAttributes)))
		x.DeliveryPolicy = canonical(x.DeliveryPolicy)
		x.RedrivePolicy = canonical(x.RedrivePolicy)
		x.ReplayPolicy = canonical(x.ReplayPolicy)
	}
	return reflect.DeepEqual(a, b)
}

// showSubscription returns the attributes of a subscription as GetSubscriptionAttributes shows them.
func showSubscription(s *turnout.Subscription) map[string]string {
	a := &s.Attributes
	shown := map[string]string{
		"SubscriptionArn":              s.ARN(),
		"TopicArn":                     s.Topic.ARN(),
		"Owner":                        s.Owner,
		"Protocol":                     s.Protocol,
		"Endpoint":                     shownEndpoint(s),
		"SubscriptionPrincipal":        "arn:aws:iam::" + s.Owner + ":root", // whom GetCallerIdentity shows
		"PendingConfirmation":          strconv.FormatBool(s.Pending),
		"ConfirmationWasAuthenticated": strconv.FormatBool(s.ConfirmedWithCredentials),
		"RawMessageDelivery":           strconv.FormatBool(a.RawMessageDelivery),
	}
	for name, value := range map[string]string{
		"DeliveryPolicy":          a.DeliveryPolicy,
		"EffectiveDeliveryPolicy": s.EffectiveDeliveryPolicy,
		"RedrivePolicy":           a.RedrivePolicy,
		"ReplayPolicy":            a.ReplayPolicy,
		"ReplayStatus":            s.ReplayStatus,
		"SubscriptionRoleArn":     a.RoleARN,
	} {
		if value != "" {
			shown[name] = value
		}
	}
	if a.FilterPolicy != "" {
		shown["FilterPolicy"] = a.FilterPolicy
		shown["FilterPolicyScope"] = orDefault(string(a.FilterPolicyScope), string(turnout.FilterAttributes))
	}
	return shown
}

// shownEndpoint returns the endpoint of a subscription, with the password of a
// URL masked as AWS does.
func shownEndpoint(s *turnout.Subscription) string {
	if !isHTTP(s.Protocol) {
		return s.Endpoint
	}
	scheme, rest, _ := strings.Cut(s.Endpoint, "://")
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return s.Endpoint
	}
	user, _, secret := strings.Cut(authority[:at], ":")
	if !secret {
		return s.Endpoint
	}
	return scheme + "://" + user + ":****" + rest[at:]
}

func (a *API) getSubscriptionAttributes(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, err := subscriptionParam(r)
	if err != nil {
		return nil, err
	}
	s, err := a.engine.Subscription(ctx, name)
	if err != nil {
		return nil, err
	}
	return attributeMap(showSubscription(&s)), nil
}

func (a *API) setSubscriptionAttributes(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	name, err := subscriptionParam(r)
	if err != nil {
		return nil, err
	}
	attribute, _ := r.Form.Get("AttributeName")
	value, _ := r.Form.Get("AttributeValue")
	// What an attribute may be depends on the protocol and the endpoint, which never change.
	s, err := a.engine.Subscription(ctx, name)
	if err != nil {
		return nil, err
	}
	err = a.engine.UpdateSubscription(ctx, name, func(attributes *turnout.SubscriptionAttributes) error {
		s.Attributes = *attributes
		if err := setSubscriptionAttribute(&s, attribute, value, setting); err != nil {
			return err
		}
		*attributes = s.Attributes
		return nil
	})
	return nil, attributeError(setting, err)
}

func (a *API) listSubscriptions(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	all, err := a.engine.Subscriptions(ctx, r.Scope)
	if err != nil {
		return nil, err
	}
	return subscriptionPage(r, all)
}

func (a *API) listSubscriptionsByTopic(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	topic, err := topicParam(r, "TopicArn")
	if err != nil {
		return nil, err
	}
	all, err := a.engine.SubscriptionsByTopic(ctx, topic)
	if err != nil {
		return nil, err
	}
	return subscriptionPage(r, all)
}

// subscriptionPage answers with a part of a list.
func subscriptionPage(r *awswire.Request, all []turnout.Subscription) (awswire.Result, error) {
	part, next, err := page(r, all, subscriptionOrder())
	if err != nil {
		return nil, err
	}
	return resultFunc(func(e *awswire.Encoder) {
		e.BeginMembers("Subscriptions")
		for i := range part {
			s := &part[i]
			arn := s.ARN()
			if s.Pending {
				arn = "PendingConfirmation"
			}
			e.BeginMember()
			e.String("TopicArn", s.Topic.ARN())
			e.String("Protocol", s.Protocol)
			e.String("SubscriptionArn", arn)
			e.String("Owner", s.Owner)
			e.String("Endpoint", shownEndpoint(s))
			e.EndMember()
		}
		e.EndMembers("Subscriptions")
		e.Optional("NextToken", next)
	}), nil
}
