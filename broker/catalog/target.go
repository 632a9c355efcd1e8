package catalog

import (
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
)

// Target is a target, compiled.
type Target struct {
	turnout.Target
	// Queue and Bus say where deliveries go: one of the two has a name.
	Queue turnout.QueueName
	Bus   turnout.BusName
	// DeadLetter is the target's own dead-letter queue; its name is empty if it has none.
	DeadLetter turnout.QueueName

	order uint64 // of the first put, for listing
}

// NewTarget compiles t. The error's message names what AWS, or Turnout, does
// not accept.
func NewTarget(t turnout.Target) (*Target, error) {
	n := &Target{Target: t}
	var isQueue, isBus bool
	n.Queue, isQueue = turnout.ParseQueueARN(t.ARN)
	n.Bus, isBus = turnout.ParseBusARN(t.ARN)
	if !isQueue && !isBus {
		return nil, turnout.Errorf(turnout.CodeUnsupportedOperation,
			"Turnout does not deliver to %q: the targets it supports are SQS queues and event buses.", t.ARN)
	}
	if t.Input != nil || t.InputPath != nil || t.InputTransformer != nil || strings.HasPrefix(t.MessageGroupID, "$") {
		return nil, turnout.Errorf(turnout.CodeUnsupportedOperation, "Target %s transforms the event, which Turnout cannot do.", t.ID)
	}
	if t.DeadLetterARN != "" {
		if !IsDeadLetterQueue(t.DeadLetterARN) {
			return nil, turnout.Errorf(turnout.CodeValidation,
				"Parameter %s is not valid. Reason: The dead-letter queue of target %s must be a standard SQS queue.", t.DeadLetterARN, t.ID)
		}
		n.DeadLetter, _ = turnout.ParseQueueARN(t.DeadLetterARN)
	}
	return n, nil
}

// IsDeadLetterQueue reports whether an ARN names a standard queue, the only
// kind that AWS accepts failed deliveries into.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func IsDeadLetterQueue(arn string) bool {
	q, ok := turnout.ParseQueueARN(arn)
	return ok && !IsFIFO(q)
}

// IsFIFO reports whether a queue's name makes it a FIFO queue.
func IsFIFO(q turnout.QueueName) bool { return strings.HasSuffix(q.Name, ".fifo") }

// HasInput reports whether the target gets something other than the event.
func (t *Target) HasInput() bool { return false }

// AppendInput appends to dst what the target gets in place of the event.
func (t *Target) AppendInput(dst, _ []byte, _ *Rule, _ time.Time) ([]byte, error) { return dst, nil }

// Group returns the message group of a delivery.
func (t *Target) Group([]byte) (string, error) { return t.MessageGroupID, nil }
