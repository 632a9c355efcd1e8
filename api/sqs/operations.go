package sqs

import (
	"context"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// Catalog is what the operations on queues as such need. Errors carry AWS's
// texts for what depends on state, such as a queue that does not exist.
type Catalog interface {
	// CreateQueue makes a queue, or returns same(its attributes) when the name is taken.
	CreateQueue(ctx context.Context, name turnout.QueueName, s turnout.QueueSettings, same func(turnout.QueueAttributes) error) error
	// UpdateQueue changes settings in one step; change gets a copy, and its error leaves everything as it was.
	UpdateQueue(ctx context.Context, name turnout.QueueName, change func(*turnout.QueueSettings) error) error
	DeleteQueue(ctx context.Context, name turnout.QueueName) error
	PurgeQueue(ctx context.Context, name turnout.QueueName) error
	Queue(ctx context.Context, name turnout.QueueName) (turnout.QueueInfo, error)
	// Queues returns the queues of a scope whose name begins with prefix, in the order of their names.
	Queues(ctx context.Context, scope turnout.Scope, prefix string) ([]turnout.QueueName, error)
	// DeadLetterSources returns the queues whose dead-letter queue is name, in the order of their names.
	DeadLetterSources(ctx context.Context, name turnout.QueueName) ([]turnout.QueueName, error)
}

// Messages is what the operations on messages need.
type Messages interface {
	// Send answers each message: one that is refused does not keep the others out.
	Send(ctx context.Context, name turnout.QueueName, msgs []turnout.OutgoingMessage) ([]turnout.SentMessage, error)
	// Receive waits for a message as long as o asks, or until ctx ends.
	Receive(ctx context.Context, name turnout.QueueName, o turnout.ReceiveOptions) ([]turnout.ReceivedMessage, error)
	// Delete returns one error per handle, nil for one that was done.
	Delete(ctx context.Context, name turnout.QueueName, receiptHandles []string) ([]error, error)
	// ChangeVisibility returns one error per change, nil for one that was made.
	ChangeVisibility(ctx context.Context, name turnout.QueueName, changes []turnout.VisibilityChange) ([]error, error)
	// Peek returns messages without receiving them, at most limit.
	Peek(ctx context.Context, name turnout.QueueName, limit int) ([]turnout.ReceivedMessage, error)
}

// Mover is what the operations on message move tasks need.
type Mover interface {
	StartMoveTask(ctx context.Context, spec turnout.MoveTaskSpec) (turnout.MoveTask, error)
	CancelMoveTask(ctx context.Context, source turnout.QueueName, id string) (moved int64, err error)
	// MoveTasks returns the tasks of a source queue, newest first, at most ten.
	MoveTasks(ctx context.Context, source turnout.QueueName) ([]turnout.MoveTask, error)
}

// Engine is everything that the operations need.
type Engine interface {
	Catalog
	Messages
	Mover
}

// API is the Amazon SQS API of one engine. It is safe for concurrent use.
type API struct {
	engine Engine
	errors map[turnout.Code]awswire.WireError
}

// New returns the API of engine.
func New(engine Engine) *API {
	return &API{engine: engine, errors: errorTable()}
}

const xmlNamespace = "http://queue.amazonaws.com/doc/2012-11-05/"

// Service describes the API to the wire.
func (a *API) Service() *awswire.Service {
	return &awswire.Service{
		Name:           "sqs",
		TargetPrefix:   "AmazonSQS",
		JSONVersion:    "1.0",
		QueryVersion:   "2012-11-05",
		XMLNamespace:   xmlNamespace,
		ShapeNamespace: "com.amazonaws.sqs",
		ErrorOf:        a.wireError,
		KeepsNothing: map[string]bool{
			"SendMessage": true, "SendMessageBatch": true, "ReceiveMessage": true,
			"DeleteMessage": true, "DeleteMessageBatch": true,
			"ChangeMessageVisibility": true, "ChangeMessageVisibilityBatch": true,
		},
		Operations: map[string]awswire.Operation{
			"AddPermission":                a.addPermission,
			"CancelMessageMoveTask":        a.cancelMessageMoveTask,
			"ChangeMessageVisibility":      a.changeMessageVisibility,
			"ChangeMessageVisibilityBatch": a.changeMessageVisibilityBatch,
			"CreateQueue":                  a.createQueue,
			"DeleteMessage":                a.deleteMessage,
			"DeleteMessageBatch":           a.deleteMessageBatch,
			"DeleteQueue":                  a.deleteQueue,
			"GetQueueAttributes":           a.getQueueAttributes,
			"GetQueueUrl":                  a.getQueueURL,
			"ListDeadLetterSourceQueues":   a.listDeadLetterSourceQueues,
			"ListMessageMoveTasks":         a.listMessageMoveTasks,
			"ListQueueTags":                a.listQueueTags,
			"ListQueues":                   a.listQueues,
			"PurgeQueue":                   a.purgeQueue,
			"ReceiveMessage":               a.receiveMessage,
			"RemovePermission":             a.removePermission,
			"SendMessage":                  a.sendMessage,
			"SendMessageBatch":             a.sendMessageBatch,
			"SetQueueAttributes":           a.setQueueAttributes,
			"StartMessageMoveTask":         a.startMessageMoveTask,
			"TagQueue":                     a.tagQueue,
			"UntagQueue":                   a.untagQueue,
		},
	}
}

// resultFunc is a Result made of a function.
type resultFunc func(e *awswire.Encoder)

// EncodeTo calls the function.
func (f resultFunc) EncodeTo(e *awswire.Encoder) { f(e) }
