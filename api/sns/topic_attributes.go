package sns

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed567880c8/turnout"
)

// AWS's limits on attributes of topics.
const (
	displayNameMax      = 100    // characters
	policyBytesMax      = 30_720 // of a topic's Policy, and of a DataProtectionPolicy
	deliveryPolicyMax   = 32_768 // bytes; AWS names no limit
	retentionDaysMax    = 365    // of an ArchivePolicy
	defaultPolicyID     = "__default_policy_ID"
	scopeTopic          = "Topic" // FifoThroughputScope
	tracingPassThrough  = "PassThrough"
	signatureVersionOne = "1"
)

// flag reads a boolean attribute, in any case of letters.
func flag(name, value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, refused("%s: Invalid value [%s]. Must be true or false.", name, value)
	}
}

// oneOf checks a value that is one of a list of words.
func oneOf(name, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return refused("%s: Invalid value [%s]. Please use either %s", name, value, strings.Join(words, " or "))
}

// unsetOr is oneOf for an attribute that nothing takes back to its default.
func unsetOr(name, value string, words ...string) error {
	if value == "" {
		return nil
	}
	return oneOf(name, value, words...)
}

// setTopicAttribute changes one attribute of a topic. An error about its value
// has its prefix, which how is.
func setTopicAttribute(to *turnout.TopicAttributes, topic turnout.TopicName, name, value, how string) error {
	return attributeError(how, changeTopicAttribute(to, topic, name, value, how == creating))
}

func changeTopicAttribute(to *turnout.TopicAttributes, topic turnout.TopicName, name, value string, isNew bool) (err error) {
	switch name {
	case "FifoTopic":
		to.FIFO, err = flag(name, value)
	case "DisplayName":
		if utf8.RuneCountInString(value) > displayNameMax {
			return refused("DisplayName")
		}
		to.DisplayName = value
	case "Policy":
		to.Policy, err = value, checkPolicy(value)
	case "DeliveryPolicy":
		to.DeliveryPolicy, err = topicDeliveryPolicy(value)
	case "KmsMasterKeyId":
		to.KMSKeyID = value
	case "TracingConfig":
		to.TracingConfig, err = value, unsetOr(name, value, tracingPassThrough, "Active")
	case "SignatureVersion":
		to.SignatureVersion, err = value, unsetOr(name, value, signatureVersionOne, "2")
	case "ContentBasedDeduplication", "FifoThroughputScope", "ArchivePolicy":
		if !isFIFO(topic.Name) {
			return unknownAttribute(name, isNew)
		}
		return changeFIFOAttribute(to, name, value)
	default:
		if !isFeedback(name) {
			return unknownAttribute(name, isNew)
		}
		return changeFeedback(to, name, value)
	}
	return err
}

// unknownAttribute is AWS's error for an attribute that a resource does not
// have: only the operations that make one say which it is.
func unknownAttribute(name string, isNew bool) error {
	if isNew {
		return refused("Unknown attribute %s", name)
	}
	return refused("AttributeName")
}

// changeFIFOAttribute changes an attribute that only FIFO topics have.
func changeFIFOAttribute(to *turnout.TopicAttributes, name, value string) (err error) {
	switch name {
	case "ContentBasedDeduplication":
		to.ContentBasedDeduplication, err = flag(name, value)
	case "FifoThroughputScope":
		to.FIFOThroughputScope, err = value, oneOf(name, value, scopeTopic, "MessageGroup")
	default:
		to.ArchivePolicy, err = value, checkArchivePolicy(value)
		if emptyObject(value) {
			to.ArchivePolicy = ""
		}
	}
	return err
}

// emptyObject reports whether a document that was checked has no members.
func emptyObject(text string) bool {
	var members map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &members) == nil && len(members) == 0
}

// checkArchivePolicy checks {"MessageRetentionPeriod": days}, where days may be text.
func checkArchivePolicy(text string) error {
	if text == "" {
		return nil
	}
	var members map[string]json.RawMessage
	if err := readObject("ArchivePolicy", text, &members); err != nil || len(members) == 0 {
		return err
	}
	for _, member := range sortedKeys(members) {
		if member != "MessageRetentionPeriod" {
			return refused("ArchivePolicy: invalid JSON. Attribute %s is unknown.", member)
		}
	}
	days, err := strconv.Atoi(strings.Trim(string(members["MessageRetentionPeriod"]), `"`))
	if err != nil || days < 1 || days > retentionDaysMax {
		return refused("ArchivePolicy: MessageRetentionPeriod must be an integer between 1 and %d", retentionDaysMax)
	}
	return nil
}

// readObject reads a JSON object; its values stay as they are written.
func readObject(attribute, text string, into *map[string]json.RawMessage) error {
	if err := checkJSON(attribute, text); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), into); err != nil || *into == nil {
		return refused("%s: failed to parse JSON. The document must be a JSON object.", attribute)
	}
	return nil
}

// topicDeliveryPolicy returns a topic's DeliveryPolicy as AWS shows it: without
// members that are null, and with disableSubscriptionOverrides.
func topicDeliveryPolicy(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if len(text) > deliveryPolicyMax {
		return "", refused("DeliveryPolicy: is longer than %d bytes", deliveryPolicyMax)
	}
	var members, http map[string]json.RawMessage
	if err := readObject("DeliveryPolicy", text, &members); err != nil {
		return "", err
	}
	if raw, ok := members["http"]; ok && string(raw) != "null" {
		if err := readObject("DeliveryPolicy", string(raw), &http); err != nil {
			return "", err
		}
		dropNulls(http)
		if http["disableSubscriptionOverrides"] == nil {
			http["disableSubscriptionOverrides"] = json.RawMessage("false")
		}
		members["http"] = object(http, "defaultHealthyRetryPolicy", "disableSubscriptionOverrides", "defaultThrottlePolicy", "defaultRequestPolicy")
	}
	dropNulls(members)
	return string(object(members)), nil
}

func dropNulls(members map[string]json.RawMessage) {
	maps.DeleteFunc(members, func(_ string, raw json.RawMessage) bool { return string(raw) == "null" })
}

// object writes a JSON object: the members named first in that order, and then the others.
func object(members map[string]json.RawMessage, first ...string) json.RawMessage {
	keys := slices.DeleteFunc(slices.Clone(first), func(key string) bool { return members[key] == nil })
	for _, key := range sortedKeys(members) {
		if !slices.Contains(first, key) {
			keys = append(keys, key)
		}
	}
	text := []byte{'{'}
	for i, key := range keys {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendQuoted(text, key)
		text = append(text, ':')
		text = append(text, compact(members[key])...)
	}
	return append(text, '}')
}

// isFeedback reports whether an attribute is about the delivery status logs of
// AWS, which Turnout keeps and shows, and does not act on.
func isFeedback(name string) bool {
	for _, service := range []string{"HTTP", "SQS", "Lambda", "Firehose", "Application"} {
		if rest, ok := strings.CutPrefix(name, service); ok {
			return rest == "SuccessFeedbackRoleArn" || rest == "SuccessFeedbackSampleRate" || rest == "FailureFeedbackRoleArn"
		}
	}
	return false
}

func changeFeedback(to *turnout.TopicAttributes, name, value string) error {
	if strings.HasSuffix(name, "SampleRate") && value != "" {
		if rate, err := strconv.Atoi(value); err != nil || rate < 0 || rate > 100 {
			return refused("%s: %s value provided is not an integer between 0-100", name, value)
		}
	}
	feedback := maps.Clone(to.Feedback)
	if feedback == nil {
		feedback = map[string]string{}
	}
	feedback[name] = value
	if value == "" {
		delete(feedback, name)
	}
	to.Feedback = feedback
	return nil
}

// showTopic returns the attributes of a topic as GetTopicAttributes shows them.
func showTopic(t *turnout.TopicInfo) map[string]string {
	a := &t.Attributes
	shown := map[string]string{
		"TopicArn":                t.ARN(),
		"Owner":                   t.Account,
		"DisplayName":             a.DisplayName,
		"Policy":                  effectivePolicy(t.TopicName, a.Policy),
		"EffectiveDeliveryPolicy": t.EffectiveDeliveryPolicy,
		"SubscriptionsConfirmed":  strconv.Itoa(t.Confirmed),
		"SubscriptionsPending":    strconv.Itoa(t.Pending),
		"SubscriptionsDeleted":    strconv.Itoa(t.Deleted),
	}
	for name, value := range map[string]string{
		"DeliveryPolicy":   a.DeliveryPolicy,
		"KmsMasterKeyId":   a.KMSKeyID,
		"TracingConfig":    a.TracingConfig,
		"SignatureVersion": a.SignatureVersion,
	} {
		if value != "" {
			shown[name] = value
		}
	}
	maps.Copy(shown, a.Feedback)
	if !a.FIFO {
		return shown
	}
	shown["FifoTopic"] = "true"
	shown["ContentBasedDeduplication"] = strconv.FormatBool(a.ContentBasedDeduplication)
	if a.FIFOThroughputScope != "" {
		shown["FifoThroughputScope"] = a.FIFOThroughputScope
	}
	if a.ArchivePolicy != "" {
		shown["ArchivePolicy"] = a.ArchivePolicy
	}
	if !t.ArchiveBegins.IsZero() {
		shown["BeginningArchiveTime"] = t.ArchiveBegins.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return shown
}

// sameTopicAttributes reports whether two sets of attributes mean the same: a
// default that is given is no different from one that is not, nor is the
// order of the members of a document.
func sameTopicAttributes(topic turnout.TopicName, a, b turnout.TopicAttributes) bool {
	for _, x := range []*turnout.TopicAttributes{&a, &b} {
		x.Policy = canonical(effectivePolicy(topic, x.Policy))
		x.DeliveryPolicy = canonical(x.DeliveryPolicy)
		x.ArchivePolicy = canonical(x.ArchivePolicy)
		x.DataProtectionPolicy = canonical(x.DataProtectionPolicy)
		x.TracingConfig = orDefault(x.TracingConfig, tracingPassThrough)
		x.SignatureVersion = orDefault(x.SignatureVersion, signatureVersionOne)
		x.FIFOThroughputScope = orDefault(x.FIFOThroughputScope, scopeTopic)
		if len(x.Feedback) == 0 {
			x.Feedback = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

func orDefault(value, normal string) string {
	if value == "" {
		return normal
	}
	return value
}

// canonical returns a JSON document with its members sorted, and anything else as it is.
func canonical(text string) string {
	var value any
	if text == "" || json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		return text
	}
	return string(sorted)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
