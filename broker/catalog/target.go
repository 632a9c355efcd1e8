package catalog

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/rules/transform"
)

// Target is a target, compiled.
type Target struct {
	turnout.Target
	// Queue and Bus say where deliveries go: one of the two has a name.
	Queue turnout.QueueName
	Bus   turnout.BusName
	// DeadLetter is the target's own dead-letter queue; its name is empty if it has none.
	DeadLetter turnout.QueueName
	// FIFO says that Queue is a FIFO queue.
	FIFO bool

	input *transform.Transform // nil: the event as it is
	group *transform.Path      // nil: MessageGroupID is a constant
	order uint64               // of the first put, for listing
}

// NewTarget compiles t. It is CodeUnsupportedOperation for what AWS can
// deliver to and Turnout cannot, CodeValidation with AWS's message for what AWS
// refuses too. It may be called on any goroutine.
func NewTarget(t turnout.Target) (*Target, error) {
	n := &Target{Target: t}
	var isQueue, isBus bool
	n.Queue, isQueue = turnout.ParseQueueARN(t.ARN)
	n.Bus, isBus = turnout.ParseBusARN(t.ARN)
	n.FIFO = isQueue && isFIFO(n.Queue)
	switch {
	case !isQueue && !isBus:
		return nil, turnout.Errorf(turnout.CodeUnsupportedOperation,
			"Turnout does not deliver to %q: the targets it supports are SQS queues and event buses.", t.ARN)
	case t.DeadLetterARN != "" && !IsDeadLetterQueue(t.DeadLetterARN):
		return nil, turnout.Errorf(turnout.CodeValidation,
			"Parameter %s is not valid. Reason: The dead-letter queue of target %s must be a standard SQS queue.", t.DeadLetterARN, t.ID)
	}
	n.DeadLetter, _ = turnout.ParseQueueARN(t.DeadLetterARN)
	if err := n.compileInput(); err != nil {
		return nil, err
	}
	return n, n.compileGroup()
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
	case t.Bus.Name != "":
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
