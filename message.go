package turnout

import "time"

// MessageAttribute is one user attribute of a message.
type MessageAttribute struct {
	Name  string // 1–256 bytes
	Type  string // String, Number or Binary, with an optional .suffix; ≤ 256 bytes
	Value []byte // the UTF-8 text, or the bytes when Type is Binary
}

// OutgoingMessage is a message on its way into a queue.
type OutgoingMessage struct {
	Body            []byte
	Attributes      []MessageAttribute
	Delay           *time.Duration // nil or 0: the queue's own; 0–15 min; must not be > 0 on a FIFO queue
	GroupID         string         // FIFO: required. Standard: the tenant for fair queues, optional. ≤ 128 characters
	DeduplicationID string         // FIFO only; "" with content-based deduplication: SHA-256 of the body
	TraceHeader     string         // AWSTraceHeader, ≤ 500 bytes; kept on every copy
	SenderID        string         // who sent it, as SenderId shows
}

// SentMessage is the answer to one OutgoingMessage: either Err or the rest.
type SentMessage struct {
	MessageID      string // a UUID
	SequenceNumber string // FIFO only: 20 digits, strictly increasing within a queue
	Err            error  // this message was refused; the others of the request stand
}

// ReceiveOptions says what a receive asks for.
type ReceiveOptions struct {
	Max        int            // 1–10
	Wait       *time.Duration // nil: the queue's ReceiveWait; 0–20 s
	Visibility *time.Duration // nil: the queue's VisibilityTimeout; 0–12 h
	AttemptID  string         // FIFO only: ReceiveRequestAttemptId, ≤ 128 characters; "" is none
}

// ReceivedMessage is a message handed to one consumer.
type ReceivedMessage struct {
	MessageID           string
	ReceiptHandle       string
	Body                []byte
	Attributes          []MessageAttribute
	SenderID            string
	SentAt              time.Time // millisecond precision
	FirstReceivedAt     time.Time // millisecond precision
	ReceiveCount        int       // ≥ 1
	GroupID             string
	DeduplicationID     string
	SequenceNumber      string // FIFO only
	TraceHeader         string
	DeadLetterSourceARN string // the queue it was dead-lettered from, or ""
}

// VisibilityChange asks for one message in flight to stay invisible for
// Timeout from now; 0 makes it visible at once.
type VisibilityChange struct {
	ReceiptHandle string
	Timeout       time.Duration // 0–12 h
}
