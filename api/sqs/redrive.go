package sqs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// setRedrive parses a RedrivePolicy; "" removes it. Whether the dead-letter
// queue exists and fits is for the engine to say.
func setRedrive(a *turnout.QueueAttributes, value string) error {
	if value == "" {
		a.Redrive = nil
		return nil
	}
	invalid := func(reason string) error { return invalidParameter("RedrivePolicy", value, reason) }
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(value), &members) != nil || members == nil {
		return turnout.Errorf(turnout.CodeInvalidParameter, "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map.")
	}
	for name := range members {
		if name != "deadLetterTargetArn" && name != "maxReceiveCount" {
			return invalid("Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].")
		}
	}
	for _, name := range []string{"maxReceiveCount", "deadLetterTargetArn"} {
		if _, ok := members[name]; !ok {
			return invalid("Redrive policy does not contain mandatory attribute: " + name + ".")
		}
	}
	count, ok := receiveCount(members["maxReceiveCount"])
	if !ok {
		return invalid(fmt.Sprintf("Invalid value for maxReceiveCount: %s, valid values are from 1 to 1000 both inclusive.", bytes.Trim(members["maxReceiveCount"], `"`)))
	}
	var target string
	if json.Unmarshal(members["deadLetterTargetArn"], &target) != nil {
		return invalid("Invalid value for deadLetterTargetArn.")
	}
	arn, ok := turnout.ParseARN(target)
	if !ok {
		return invalid("Invalid value for deadLetterTargetArn.")
	}
	if arn.Service != "sqs" {
		return invalid("Only SQS queues are valid resources for deadLetterTargetArn.")
	}
	a.Redrive = &turnout.RedrivePolicy{DeadLetterTargetARN: target, MaxReceiveCount: count}
	return nil
}

// receiveCount reads a whole number from 1 to 1,000, which AWS takes as a string too.
func receiveCount(raw json.RawMessage) (int, bool) {
	text := string(raw)
	if len(text) > 1 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	return parseInt(text, 1, 1000)
}

func getRedrive(a *turnout.QueueAttributes) (string, bool) {
	if a.Redrive == nil {
		return "", false
	}
	b := awswire.AppendJSONString([]byte(`{"deadLetterTargetArn":`), a.Redrive.DeadLetterTargetARN)
	b = append(b, `,"maxReceiveCount":`...)
	b = strconv.AppendInt(b, int64(a.Redrive.MaxReceiveCount), 10)
	return string(append(b, '}')), true
}

const sourceARNsMax = 10

// redriveAllow is the JSON of a RedriveAllowPolicy.
type redriveAllow struct {
	Permission turnout.RedrivePermission `json:"redrivePermission"`
	Sources    []string                  `json:"sourceQueueArns,omitempty"`
}

// setRedriveAllow parses a RedriveAllowPolicy; "" removes it.
func setRedriveAllow(a *turnout.QueueAttributes, value string) error {
	if value == "" {
		a.RedriveAllow = nil
		return nil
	}
	policy, err := parseRedriveAllow(value)
	if err != nil {
		return errAttributeValue("RedriveAllowPolicy", "Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.")
	}
	reason := ""
	switch byQueue := policy.Permission == turnout.RedriveByQueue; {
	case byQueue && len(policy.Sources) == 0:
		reason = "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values."
	case byQueue && len(policy.Sources) > sourceARNsMax:
		reason = "The maximum number of source queue ARNs you can specify is 10."
	case !byQueue && len(policy.Sources) > 0:
		reason = "To specify one or more source queue ARNs, you must set redrivePermission to byQueue."
	}
	if reason != "" {
		return invalidParameter("RedriveAllowPolicy", value, "Amazon SQS can't create the redrive allow policy. "+reason)
	}
	a.RedriveAllow = &turnout.RedriveAllowPolicy{Permission: policy.Permission, SourceARNs: policy.Sources}
	return nil
}

func parseRedriveAllow(value string) (policy redriveAllow, err error) {
	d := json.NewDecoder(bytes.NewReader([]byte(value)))
	d.DisallowUnknownFields()
	if err := d.Decode(&policy); err != nil {
		return policy, err
	}
	if d.More() {
		return policy, errors.New("more than one value")
	}
	switch policy.Permission {
	case turnout.RedriveAllowAll, turnout.RedriveDenyAll, turnout.RedriveByQueue:
	default:
		return policy, errors.New("unknown redrivePermission")
	}
	for _, source := range policy.Sources {
		if _, ok := turnout.ParseQueueARN(source); !ok {
			return policy, errors.New("a source is not the ARN of a queue")
		}
	}
	return policy, nil
}

func getRedriveAllow(a *turnout.QueueAttributes) (string, bool) {
	if a.RedriveAllow == nil {
		return "", false
	}
	b, err := json.Marshal(redriveAllow{Permission: a.RedriveAllow.Permission, Sources: a.RedriveAllow.SourceARNs})
	return string(b), err == nil
}
