package turnout

import (
	"encoding/json"
	"time"
)

// EventEntry is one entry of a publish: what a producer says about an event.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
type EventEntry struct {
	Bus         BusName
	Account     string // of the publisher, as the event shows it; "" is the bus's
	Source      string
	DetailType  string
	Detail      []byte    // a JSON object
	Resources   []string  // ARNs or any other names; never nil in a delivered event
	Time        time.Time // zero: the time of the publish
	TraceHeader string    // X-Ray header, ≤ 500 bytes
}

// PublishedEvent is the answer to one EventEntry: either Err or the event's id.
type PublishedEvent struct {
	ID  string // a UUID, the same in every copy that rules deliver
	Err error  // this entry was refused; the others of the request stand
}

// EventSizeBytes computes the size of an entry as EventBridge does: 14 bytes if a
// time is given, and the UTF-8 lengths of source, detail type, detail and each resource.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
func EventSizeBytes(e *EventEntry) int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if !e.Time.IsZero() {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// Bus is an event bus's configuration.
type Bus struct {
	BusName
	Description   string            // ≤ 512 characters
	Policy        string            // resource policy, JSON; "" is none
	KMSKeyID      string            // kept for round trips
	DeadLetterARN string            // bus-level dead-letter queue, or ""
	LogConfig     json.RawMessage   // kept for round trips; nil is none
	Tags          map[string]string // nil or empty: none
	CreatedAt     time.Time
	ModifiedAt    time.Time
}

// RuleState says whether a rule matches events.
type RuleState string

// The states of a rule, in AWS's words.
const (
	RuleEnabled              RuleState = "ENABLED"
	RuleDisabled             RuleState = "DISABLED"
	RuleEnabledAllCloudTrail RuleState = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
)

// Rule is a pattern on a bus; the targets that its matches go to are kept beside it.
type Rule struct {
	RuleName
	Pattern     string // event pattern, JSON as given; "" with a schedule
	Schedule    string // rate(…) or cron(…); "" with a pattern
	State       RuleState
	Description string // ≤ 512 characters
	RoleARN     string // kept for round trips
	CreatedBy   string // account
	ManagedBy   string // service that manages the rule; "" if its user does
	CreatedAt   time.Time
	Tags        map[string]string
}

// Target is one receiver of a rule's matches. At most one of Input, InputPath
// and InputTransformer is set.
type Target struct {
	ID               string // 1–64 of . - _ A–Z a–z 0–9, unique within the rule
	ARN              string // what to deliver to: a queue, topic, bus, API destination or function
	RoleARN          string // kept for round trips
	Input            *string
	InputPath        *string
	InputTransformer *InputTransformer
	MessageGroupID   string // SqsParameters.MessageGroupId: a constant, or a path such as $.detail.device
	DeadLetterARN    string // a standard queue, or ""
	Retry            *RetryPolicy
	Other            json.RawMessage // further AWS target parameters as given, kept for round trips; nil is none
}

// InputTransformer builds a target's input from values of the event.
type InputTransformer struct {
	Paths    map[string]string // placeholder → JSON path
	Template string            // ≤ 8,192 characters
}

// RetryPolicy bounds the attempts to deliver one event to one target.
type RetryPolicy struct {
	MaximumRetryAttempts *int           // 0–185, AWS's default is 185
	MaximumEventAge      *time.Duration // 60 s–24 h, AWS's default is 24 h
}
