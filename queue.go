package turnout

import "time"

// QueueAttributes are a queue's settings. AWS documents each under the same
// name in SetQueueAttributes; durations here are whole seconds there.
type QueueAttributes struct {
	VisibilityTimeout   time.Duration // 0–12 h, default 30 s
	Delay               time.Duration // 0–15 min, default 0
	ReceiveWait         time.Duration // 0–20 s, default 0: how long an empty receive waits
	Retention           time.Duration // 60 s–14 d, default 4 d, counted from the send
	MessageSizeMaxBytes int           // 1,024–1,048,576, default 1,048,576

	FIFO                      bool
	ContentBasedDeduplication bool                // FIFO only
	DeduplicationScope        FIFOScope           // FIFO only, default per queue
	ThroughputLimit           FIFOScope           // FIFO only, default per queue
	Redrive                   *RedrivePolicy      // nil: no dead-letter queue
	RedriveAllow              *RedriveAllowPolicy // nil: every queue may use this one as its dead-letter queue

	Policy          string        // resource policy, JSON as given; "" is none
	KMSKeyID        string        // kept for round trips; Turnout does not call KMS
	KMSDataKeyReuse time.Duration // 60 s–24 h, default 5 min; meaningful with KMSKeyID
	SQSManagedSSE   bool          // kept for round trips, default true
}

// DefaultQueueAttributes returns what AWS gives a queue created without attributes.
func DefaultQueueAttributes() QueueAttributes {
	return QueueAttributes{
		VisibilityTimeout:   30 * time.Second,
		Retention:           4 * 24 * time.Hour,
		MessageSizeMaxBytes: MessageSizeMaxBytes,
		KMSDataKeyReuse:     5 * time.Minute,
		SQSManagedSSE:       true,
	}
}

// Limits of SQS that an SDK or a test can see.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-quotas.html
const (
	MessageSizeMaxBytes  = 1 << 20 // one message, and one batch together
	VisibilityTimeoutMax = 12 * time.Hour
	DelayMax             = 15 * time.Minute
	ReceiveWaitMax       = 20 * time.Second
	RetentionMin         = time.Minute
	RetentionMax         = 14 * 24 * time.Hour
	BatchEntriesMax      = 10
	InFlightMax          = 120_000
	DeduplicationWindow  = 5 * time.Minute
	PurgeInterval        = time.Minute
)

// FIFOScope says whether a FIFO queue's deduplication or throughput is counted
// for the whole queue or for each message group.
type FIFOScope uint8

// The FIFO scopes.
const (
	PerQueue FIFOScope = iota
	PerMessageGroup
)

// RedrivePolicy sends a message that was received MaxReceiveCount times
// without being deleted to a dead-letter queue.
type RedrivePolicy struct {
	DeadLetterTargetARN string
	MaxReceiveCount     int // 1–1,000
}

// RedriveAllowPolicy says which queues may name this one as their dead-letter queue.
type RedriveAllowPolicy struct {
	Permission RedrivePermission
	SourceARNs []string // with RedriveByQueue: 1–10 queue ARNs
}

// RedrivePermission is one of AWS's three values.
type RedrivePermission string

// The redrive permissions.
const (
	RedriveAllowAll RedrivePermission = "allowAll"
	RedriveDenyAll  RedrivePermission = "denyAll"
	RedriveByQueue  RedrivePermission = "byQueue"
)

// QueueSettings is what a caller may change about a queue after it was created.
type QueueSettings struct {
	Attributes QueueAttributes
	Tags       map[string]string // nil or empty: none
}

// QueueInfo describes a queue at one instant.
type QueueInfo struct {
	QueueName
	QueueSettings
	CreatedAt  time.Time // whole seconds
	ModifiedAt time.Time // whole seconds
	Depth      QueueDepth
}

// QueueDepth counts the messages of a queue. A message is in exactly one of the three.
type QueueDepth struct {
	Visible  int64 // ready to be received
	InFlight int64 // received, not deleted, still invisible
	Delayed  int64 // sent with a delay that has not passed
}

// MoveTaskSpec asks for the messages of a dead-letter queue to be moved away.
type MoveTaskSpec struct {
	Source       QueueName
	Destination  *QueueName // nil: each message goes back to the queue it came from
	PerSecondMax int        // messages a second, 1–500; 0 is as fast as the server likes
}

// MoveTaskStatus is the state of a message move task, in AWS's words.
type MoveTaskStatus string

// The states of a message move task.
const (
	MoveRunning    MoveTaskStatus = "RUNNING"
	MoveCompleted  MoveTaskStatus = "COMPLETED"
	MoveCancelling MoveTaskStatus = "CANCELLING"
	MoveCancelled  MoveTaskStatus = "CANCELLED"
	MoveFailed     MoveTaskStatus = "FAILED"
)

// MoveTask describes a message move task at one instant.
type MoveTask struct {
	MoveTaskSpec
	ID            string // a UUID
	Status        MoveTaskStatus
	StartedAt     time.Time
	Moved         int64
	ToMove        int64  // estimate made when the task started
	FailureReason string // with MoveFailed: an error code such as AWS.SimpleQueueService.NonExistentQueue
}
