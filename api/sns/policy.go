package sns

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// policy is a topic's resource policy, with statements kept as they were
// written. No policy is enforced.
type policy struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// statement is what AddPermission adds to a policy.
type statement struct {
	Sid       string               `json:"Sid"`
	Effect    string               `json:"Effect"`
	Principal map[string]oneOrMany `json:"Principal"`
	Action    oneOrMany            `json:"Action"`
	Resource  string               `json:"Resource"`
}

// oneOrMany is a list that a policy writes as a string when it has one element.
type oneOrMany []string

// MarshalJSON writes a string or an array.
func (o oneOrMany) MarshalJSON() ([]byte, error) {
	if len(o) == 1 {
		return json.Marshal(o[0])
	}
	return json.Marshal([]string(o))
}

// UnmarshalJSON reads a string or an array.
func (o *oneOrMany) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMany{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// effectivePolicy returns the policy of a topic that has none of its own as AWS
// writes it: its owner may do everything.
func effectivePolicy(topic turnout.TopicName, own string) string {
	if own != "" {
		return own
	}
	return `{"Version":"2008-10-17","Id":"` + defaultPolicyID + `","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},` +
		`"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe",` +
		`"SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":"` + topic.ARN() + `","Condition":{"StringEquals":{"AWS:SourceOwner":"` + topic.Account + `"}}}]}`
}

// parsePolicy reads a policy whose statements are a list or a single one.
func parsePolicy(text string) (p policy, ok bool) {
	var loose struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if json.Unmarshal([]byte(text), &loose) != nil {
		return p, false
	}
	p.Version, p.ID = loose.Version, loose.ID
	switch list := bytes.TrimSpace(loose.Statement); {
	case len(list) == 0:
		return p, false
	case list[0] == '{':
		p.Statement = []json.RawMessage{list}
	default:
		if json.Unmarshal(list, &p.Statement) != nil {
			return p, false
		}
	}
	return p, true
}

// checkPolicy checks a policy that is to be a topic's.
func checkPolicy(text string) error {
	if text == "" {
		return nil
	}
	p, ok := parsePolicy(text)
	if !ok {
		return refused("Policy Error: null")
	}
	if len(text) > policyBytesMax {
		return refused("Policy Error: the policy is longer than %d bytes", policyBytesMax)
	}
	for _, raw := range p.Statement {
		var s struct{ Action oneOrMany }
		if json.Unmarshal(raw, &s) != nil {
			return refused("Policy Error: null")
		}
		for _, action := range s.Action {
			service, name, _ := strings.Cut(action, ":")
			if !strings.EqualFold(service, "SNS") || !strings.ContainsAny(name, "*?") && !grantable(name) {
				return refused(errOutOfScope)
			}
		}
	}
	return nil
}

const errOutOfScope = "Policy statement action out of service scope!"

// grantable reports whether a policy of a topic may speak of an action.
// https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html
func grantable(action string) bool {
	return slices.ContainsFunc([]string{
		"AddPermission", "DeleteTopic", "GetDataProtectionPolicy", "GetTopicAttributes", "ListSubscriptionsByTopic", "ListTagsForResource",
		"Publish", "PutDataProtectionPolicy", "Receive", "RemovePermission", "SetTopicAttributes", "Subscribe",
	}, func(known string) bool { return strings.EqualFold(known, action) })
}

// find returns the place of the statement with a label.
func (p *policy) find(label string) int {
	return slices.IndexFunc(p.Statement, func(raw json.RawMessage) bool {
		var s struct{ Sid string }
		return json.Unmarshal(raw, &s) == nil && s.Sid == label
	})
}

func (a *API) addPermission(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	label, _ := p.String("Label")
	accounts, _ := p.Strings("", "AWSAccountId.member")
	actions, _ := p.Strings("", "ActionName.member")
	topic, err := topicParam(r, "TopicArn")
	switch {
	case err != nil:
		return nil, err
	case label == "":
		return nil, missing("Label")
	case len(accounts) == 0:
		return nil, missing("AWSAccountId")
	case len(actions) == 0:
		return nil, missing("ActionName")
	}
	s := statement{Sid: label, Effect: "Allow", Principal: map[string]oneOrMany{}, Resource: topic.ARN()}
	for _, account := range accounts {
		if len(account) != 12 || strings.Trim(account, "0123456789") != "" {
			return nil, invalid("AWSAccountId Reason: %s is not an account of twelve digits", account)
		}
		s.Principal["AWS"] = append(s.Principal["AWS"], "arn:aws:iam::"+account+":root")
	}
	for _, action := range actions {
		s.Action = append(s.Action, "SNS:"+action)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode statement: %w", err)
	}
	return nil, a.changePolicy(ctx, topic, func(p *policy) error {
		switch {
		case p.find(label) >= 0:
			return invalid("Statement already exists")
		case !slices.ContainsFunc(actions, func(action string) bool { return !grantable(action) }):
			p.Statement = append(p.Statement, raw)
			return nil
		default:
			return invalid(errOutOfScope)
		}
	})
}

func (a *API) removePermission(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	topic, err := topicParam(r, "TopicArn")
	if err != nil {
		return nil, err
	}
	label, ok := r.Form.Get("Label")
	if !ok {
		return nil, missing("Label")
	}
	return nil, a.changePolicy(ctx, topic, func(p *policy) error {
		if i := p.find(label); i >= 0 { // AWS does not mind a label that is not there
			p.Statement = slices.Delete(p.Statement, i, i+1)
		}
		return nil
	})
}

// changePolicy changes the policy of a topic in one step.
func (a *API) changePolicy(ctx context.Context, topic turnout.TopicName, change func(*policy) error) error {
	return a.engine.UpdateTopic(ctx, topic, func(s *turnout.TopicSettings) error {
		was := effectivePolicy(topic, s.Attributes.Policy)
		p, ok := parsePolicy(was)
		if !ok {
			return invalid("Policy Error: null")
		}
		if err := change(&p); err != nil {
			return err
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false) // the statements of others stay as they were written
		if err := enc.Encode(&p); err != nil {
			return fmt.Errorf("encode policy: %w", err)
		}
		text := strings.TrimSuffix(b.String(), "\n")
		if len(text) > policyBytesMax {
			return invalid("Policy Error: the policy is longer than %d bytes", policyBytesMax)
		}
		if text == effectivePolicy(topic, "") {
			text = "" // nothing of its own is left of it
		}
		s.Attributes.Policy = text
		return nil
	})
}

// setDataProtectionPolicy keeps a data protection policy for round trips; it is not acted on.
func setDataProtectionPolicy(to *turnout.TopicAttributes, text string) error {
	const about = "DataProtectionPolicy Reason: "
	to.DataProtectionPolicy = text
	if text == "" {
		return nil
	}
	var document struct {
		Name, Version string
		Statement     []struct{ DataDirection string }
	}
	switch err := json.Unmarshal([]byte(text), &document); {
	case len(text) > policyBytesMax:
		return invalid(about+"The policy is longer than %d bytes", policyBytesMax)
	case err != nil:
		return invalid(about + "The policy is not a JSON document of the form that Amazon SNS documents")
	case document.Name == "" || document.Version == "" || len(document.Statement) == 0:
		return invalid(about + "The policy must have a Name, a Version and a Statement")
	}
	for _, s := range document.Statement {
		if s.DataDirection != "Inbound" && s.DataDirection != "Outbound" {
			return invalid(about + "Statement DataDirection must be either Inbound or Outbound")
		}
	}
	return nil
}

func (a *API) getDataProtectionPolicy(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	topic, err := topicParam(r, "ResourceArn")
	if err != nil {
		return nil, err
	}
	info, err := a.engine.Topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	return stringResult("DataProtectionPolicy", info.Attributes.DataProtectionPolicy), nil
}

func (a *API) putDataProtectionPolicy(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	topic, err := topicParam(r, "ResourceArn")
	if err != nil {
		return nil, err
	}
	document, ok := r.Form.Get("DataProtectionPolicy")
	if !ok {
		return nil, missing("DataProtectionPolicy")
	}
	return nil, a.engine.UpdateTopic(ctx, topic, func(s *turnout.TopicSettings) error {
		return setDataProtectionPolicy(&s.Attributes, document)
	})
}

// appendQuoted appends s as a JSON string.
func appendQuoted(dst []byte, s string) []byte { return awswire.AppendJSONString(dst, s) }

// compact returns a JSON text without white space.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}
