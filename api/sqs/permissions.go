package sqs

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

// AWS's limits on what AddPermission may grant.
const (
	permissionActionsMax = 7
	policyBytesMax       = 8_192
	policyStatementsMax  = 20
)

// policy is a queue's resource policy, with statements kept as they were written.
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

// parsePolicy reads a policy that SetQueueAttributes has accepted as JSON; "" is the one that AWS begins with.
func parsePolicy(text, arn string) (policy, error) {
	p := policy{Version: "2008-10-17", ID: arn + "/SQSDefaultPolicy"}
	if text == "" {
		return p, nil
	}
	var loose struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &loose); err != nil {
		return p, errAttributeValue("Policy", "")
	}
	p.Version, p.ID = loose.Version, loose.ID
	switch list := bytes.TrimSpace(loose.Statement); {
	case len(list) == 0:
	case list[0] == '{': // one statement needs no list
		p.Statement = []json.RawMessage{list}
	default:
		if err := json.Unmarshal(list, &p.Statement); err != nil {
			return p, errAttributeValue("Policy", "")
		}
	}
	return p, nil
}

// find returns the place of the statement with a label.
func (p *policy) find(label string) int {
	return slices.IndexFunc(p.Statement, func(raw json.RawMessage) bool {
		var s struct{ Sid string }
		return json.Unmarshal(raw, &s) == nil && s.Sid == label
	})
}

// text returns the policy as JSON, "" when nothing is left of it.
func (p *policy) text() (string, error) {
	if len(p.Statement) == 0 {
		return "", nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the statements of others stay as they were written
	if err := enc.Encode(p); err != nil {
		return "", fmt.Errorf("encode policy: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// grantable reports whether AddPermission may grant an action: all but those of the queue's owner.
func grantable(action string) bool {
	switch action {
	case "*", "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl",
		"ListDeadLetterSourceQueues", "PurgeQueue":
		return true
	default:
		return false
	}
}

func (a *API) addPermission(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	label, _ := p.String("Label")
	accounts, _ := p.Strings("AWSAccountIds", "AWSAccountId")
	actions, _ := p.Strings("Actions", "ActionName")
	name, err := queueParam(r, p)
	if err != nil {
		return nil, err
	}
	if err := checkGrant(label, accounts, actions); err != nil {
		return nil, err
	}
	s := statement{Sid: label, Effect: "Allow", Principal: map[string]oneOrMany{}, Resource: name.ARN()}
	for _, account := range accounts {
		s.Principal["AWS"] = append(s.Principal["AWS"], "arn:aws:iam::"+account+":root")
	}
	for _, action := range actions {
		s.Action = append(s.Action, "SQS:"+action)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode statement: %w", err)
	}
	return nil, a.changePolicy(ctx, name, func(p *policy) error {
		if p.find(label) >= 0 {
			return invalidParameter("Label", label, "Already exists.")
		}
		if len(p.Statement) >= policyStatementsMax {
			return turnout.Errorf(turnout.CodeOverLimit, "%d statements were found, maximum allowed is %d.", len(p.Statement)+1, policyStatementsMax)
		}
		p.Statement = append(p.Statement, raw)
		return nil
	})
}

// checkGrant checks the parameters of AddPermission.
func checkGrant(label string, accounts, actions []string) error {
	switch {
	case label == "":
		return missingParameter("Label")
	case len(label) > nameMax || !isNameText(label):
		return invalidParameter("Label", label, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")
	case len(accounts) == 0:
		return turnout.Errorf(turnout.CodeInvalidParameter, "Value [] for parameter PrincipalId is invalid. Reason: Unable to verify.")
	case len(actions) == 0:
		return missingParameter("Actions")
	case len(actions) > permissionActionsMax:
		return turnout.Errorf(turnout.CodeOverLimit, "%d Actions were found, maximum allowed is %d.", len(actions), permissionActionsMax)
	}
	for _, account := range accounts {
		if !isAccount(account) {
			return turnout.Errorf(turnout.CodeInvalidParameter, "Value [%s] for parameter PrincipalId is invalid. Reason: Unable to verify.", account)
		}
	}
	for _, action := range actions {
		if !grantable(action) {
			return invalidParameter("ActionName", "SQS:"+action, "Only the queue owner is allowed to invoke this action.")
		}
	}
	return nil
}

func (a *API) removePermission(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
	p := r.Params()
	label, _ := p.String("Label")
	name, err := queueParam(r, p)
	if err != nil {
		return nil, err
	}
	if label == "" {
		return nil, missingParameter("Label")
	}
	return nil, a.changePolicy(ctx, name, func(p *policy) error {
		i := p.find(label)
		if i < 0 {
			return invalidParameter("Label", label, "can't find label.")
		}
		p.Statement = slices.Delete(p.Statement, i, i+1)
		return nil
	})
}

// changePolicy changes the policy of a queue in one step.
func (a *API) changePolicy(ctx context.Context, name turnout.QueueName, change func(*policy) error) error {
	return a.engine.UpdateQueue(ctx, name, func(s *turnout.QueueSettings) error {
		p, err := parsePolicy(s.Attributes.Policy, name.ARN())
		if err != nil {
			return err
		}
		if err := change(&p); err != nil {
			return err
		}
		text, err := p.text()
		if err != nil {
			return err
		}
		if len(text) > policyBytesMax {
			return turnout.Errorf(turnout.CodeOverLimit, "The policy would be longer than %d bytes.", policyBytesMax)
		}
		s.Attributes.Policy = text
		return nil
	})
}
