package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/rules/transform"
)

// Kind says what a target is.
type Kind uint8

// The kinds of targets.
const (
	ToQueue    Kind = iota
	ToBus           // another event bus, in the same publish
	ToTopic         // an SNS topic, in the same publish
	ToEndpoint      // an API destination or a function: the dispatch engine carries it there
	ToArchive       // of the managed rule that feeds an archive

	// Kinds is how many there are.
	Kinds = iota
)

// Target is a target, compiled.
type Target struct {
	turnout.Target
	// Kind says which of the next fields is set; for ToEndpoint the target's ARN is what counts.
	Kind    Kind
	Queue   turnout.QueueName
	Bus     turnout.BusName
	Topic   turnout.TopicName
	Archive turnout.ArchiveName
	// DeadLetter is the target's own dead-letter queue; its name is empty if it has none.
	DeadLetter turnout.QueueName
	// FIFO says that Queue is a FIFO queue.
	FIFO bool
	// Parameters are the target's HttpParameters, JSON as given; nil is none.
	Parameters json.RawMessage
	// Number names the target in the history of events: no other has it or ever had. 0 until it is in a Catalog.
	Number uint64

	input *transform.Transform // nil: the event as it is
	group *transform.Path      // nil: MessageGroupID is a constant
	order uint64               // of the first put, for listing
}

// NewTarget compiles t. It is CodeUnsupportedOperation for what AWS can
// deliver to and Turnout cannot, CodeValidation with AWS's message for what AWS
// refuses too. It may be called on any goroutine.
func NewTarget(t turnout.Target) (*Target, error) {
	n := &Target{Target: t}
	if !n.classify() {
		return nil, turnout.Errorf(turnout.CodeUnsupportedOperation,
			"Turnout does not deliver to %q: the targets it supports are SQS queues, SNS topics, event buses, API destinations and Lambda functions.", t.ARN)
	}
	if t.DeadLetterARN != "" && !IsDeadLetterQueue(t.DeadLetterARN) {
		return nil, turnout.Errorf(turnout.CodeValidation,
			"Parameter %s is not valid. Reason: The dead-letter queue of target %s must be a standard SQS queue.", t.DeadLetterARN, t.ID)
	}
	n.DeadLetter, _ = turnout.ParseQueueARN(t.DeadLetterARN)
	if t.Other != nil {
		var other struct {
			HTTPParameters json.RawMessage `json:"HttpParameters"`
		}
		if err := json.Unmarshal(t.Other, &other); err != nil {
			return nil, turnout.Errorf(turnout.CodeValidation, "The parameters of target %s are not valid.", t.ID)
		}
		n.Parameters = other.HTTPParameters
	}
	if err := n.compileInput(); err != nil {
		return nil, err
	}
	return n, n.compileGroup()
}

// classify finds out from its ARN what the target is; false if it is nothing that Turnout delivers to.
func (t *Target) classify() (ok bool) {
	if t.Queue, ok = turnout.ParseQueueARN(t.ARN); ok {
		t.Kind, t.FIFO = ToQueue, isFIFO(t.Queue)
		return true
	}
	if t.Bus, ok = turnout.ParseBusARN(t.ARN); ok {
		t.Kind = ToBus
		return true
	}
	if t.Topic, ok = turnout.ParseTopicARN(t.ARN); ok {
		t.Kind = ToTopic
		return true
	}
	if t.Archive, ok = turnout.ParseArchiveARN(t.ARN); ok {
		t.Kind = ToArchive
		return true
	}
	t.Kind = ToEndpoint
	if _, _, ok = turnout.ParseAPIDestinationARN(t.ARN); ok {
		return true
	}
	_, ok = turnout.ParseFunctionARN(t.ARN)
	return ok
}

// What AWS gives a target without a retry policy.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
const (
	retriesDefault  = 185
	eventAgeDefault = 24 * time.Hour
)

// RetriesMax returns how often a failed delivery is repeated, 0–185.
func (t *Target) RetriesMax() int {
	if t.Retry == nil || t.Retry.MaximumRetryAttempts == nil {
		return retriesDefault
	}
	return *t.Retry.MaximumRetryAttempts
}

// EventAgeMax returns how long deliveries of an event are tried, 60 s–24 h.
func (t *Target) EventAgeMax() time.Duration {
	if t.Retry == nil || t.Retry.MaximumEventAge == nil {
		return eventAgeDefault
	}
	return *t.Retry.MaximumEventAge
}

func (t *Target) compileInput() error {
	spec := transform.Spec{TargetID: t.ID}
	if t.Input != nil {
		spec.Input = *t.Input
	}
	if t.InputPath != nil {
		spec.InputPath = *t.InputPath
	}
	if in := t.InputTransformer; in != nil {
		spec.InputTransformer = &transform.InputTransformer{InputPathsMap: in.Paths, InputTemplate: in.Template}
	}
	input, err := transform.Parse(spec)
	switch {
	case err != nil:
		return &turnout.Error{Code: turnout.CodeValidation, Message: err.Error()}
	case input.Identity():
		return nil
	case t.Kind == ToBus:
		return turnout.Errorf(turnout.CodeUnsupportedOperation,
			"Turnout delivers events to event buses as they are: target %s must not have Input, InputPath or InputTransformer.", t.ID)
	}
	t.input = input
	return nil
}

// compileGroup tells a path from a constant. A path is Turnout's own: AWS
// knows constants only, and none that anybody would use begins like a path.
func (t *Target) compileGroup() error {
	id := t.MessageGroupID
	if strings.HasPrefix(id, "$.") || strings.HasPrefix(id, "$[") {
		path, err := transform.ParsePath(id)
		if err != nil {
			return turnout.Errorf(turnout.CodeValidation, "MessageGroupId for target %s is not a valid path. Reason: %s.", t.ID, err)
		}
		t.group = &path
		return nil
	}
	if id != "" && !isGroupID(id) {
		return turnout.Errorf(turnout.CodeValidation, "MessageGroupId for target %s is not valid. Reason: %s", t.ID, groupRule)
	}
	return nil
}

const groupRule = "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."

// isGroupID reports whether SQS takes s as a message group id: 1–128 printable ASCII characters but the space.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func isGroupID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// HasInput reports whether the target gets something other than the event.
func (t *Target) HasInput() bool { return t.input != nil }

// AppendInput appends to dst what the target of rule r gets in place of event,
// which has passed rules.Scan and was accepted at the given time.
func (t *Target) AppendInput(dst, event []byte, r *Rule, accepted time.Time) ([]byte, error) {
	dst, err := t.input.Apply(dst, event, transform.Context{RuleARN: r.ARN, RuleName: r.Name, IngestionTime: accepted})
	if err != nil {
		return dst, fmt.Errorf("target %s: %w", t.ID, err)
	}
	return dst, nil
}

// Group returns the message group of an event's delivery: the constant, or
// the string, number or boolean that the path selects in the event.
func (t *Target) Group(event []byte) (string, error) {
	if t.group == nil {
		return t.MessageGroupID, nil
	}
	_, kind, ok := t.group.Extract(event)
	if !ok {
		return "", fmt.Errorf("the path %s of the message group selects nothing in the event", t.group)
	}
	switch kind {
	case transform.String, transform.Number, transform.Bool:
	default:
		return "", fmt.Errorf("the path %s of the message group does not select a string, number or boolean", t.group)
	}
	id, _ := t.group.Text(event)
	if !isGroupID(id) {
		return "", fmt.Errorf("the path %s of the message group selects no valid group: %s", t.group, groupRule)
	}
	return id, nil
}

// IsDeadLetterQueue reports whether an ARN names a standard queue, the only
// kind that AWS accepts failed deliveries into.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func IsDeadLetterQueue(arn string) bool {
	q, ok := turnout.ParseQueueARN(arn)
	return ok && !isFIFO(q)
}

func isFIFO(q turnout.QueueName) bool { return strings.HasSuffix(q.Name, ".fifo") }

// IsNoValue reports whether an error of AppendInput is that a path selects
// nothing in the event, and not that the result is no JSON.
func IsNoValue(err error) bool { return errors.Is(err, transform.ErrNoValue) }
