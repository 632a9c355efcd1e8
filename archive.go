package turnout

import "time"

// ArchiveName names an event archive: its scope and the name within it.
type ArchiveName struct {
	Scope
	Name string // 1–48 of A–Z a–z 0–9 . - _
}

// ARN returns arn:aws:events:REGION:ACCOUNT:archive/NAME.
func (a ArchiveName) ARN() string { return eventsARN(a.Scope, "archive/"+a.Name) }

// RuleName returns the name of the managed rule on a bus that feeds the archive, as AWS names it.
func (a ArchiveName) RuleName(bus BusName) RuleName {
	return RuleName{Bus: bus, Name: "Events-Archive-" + a.Name}
}

// ParseArchiveARN returns the archive that an EventBridge ARN names.
func ParseArchiveARN(s string) (ArchiveName, bool) {
	scope, name, ok := parseEventsARN(s, "archive/")
	return ArchiveName{Scope: scope, Name: name}, ok
}

// Archive is an archive's configuration: a copy of every event of a bus that
// matches a pattern, kept for a time.
type Archive struct {
	ArchiveName
	Bus         BusName
	Pattern     string // event pattern, JSON as given; "" is every event
	Retention   time.Duration
	Description string // ≤ 512 characters
	KMSKeyID    string // kept for round trips
	CreatedAt   time.Time
}

// ArchiveInfo describes an archive at one instant. A Retention of 0 is for ever.
type ArchiveInfo struct {
	Archive
	EventCount int64
	SizeBytes  int64 // of the events' text
}

// ReplayName names a replay: its scope and the name within it.
type ReplayName struct {
	Scope
	Name string // 1–64 of A–Z a–z 0–9 . - _
}

// ARN returns arn:aws:events:REGION:ACCOUNT:replay/NAME.
func (r ReplayName) ARN() string { return eventsARN(r.Scope, "replay/"+r.Name) }

// ReplaySpec asks for events of the past to be delivered again.
type ReplaySpec struct {
	ReplayName
	Description string
	// SourceARN is an archive, or an event bus: its built-in history.
	SourceARN string
	// From and To bound the events by the time of their publish: From ≤ t < To.
	From, To time.Time
	Bus      BusName // the destination: the bus that the source belongs to
	// FilterARNs are the rules of Bus that get the events they match; empty is every rule.
	FilterARNs []string

	// The rest goes beyond AWS.

	// TargetID, with exactly one rule in FilterARNs, is the only target of it that gets events.
	TargetID string
	// Queue gets every event as it is, in place of the rules of Bus.
	Queue *QueueName
	// PerSecondMax paces the replay in events a second; 0 is as fast as the server likes.
	PerSecondMax int
	// TimeLapse paces the replay like the original, so many times as fast: 1 is
	// real time, 60 a minute each second; 0 is off.
	TimeLapse float64
	// SkipDelivered leaves out what is known to have been delivered to a target already.
	SkipDelivered bool
}

// ReplayState is the state of a replay, in AWS's words.
type ReplayState string

// The states of a replay.
const (
	ReplayStarting   ReplayState = "STARTING"
	ReplayRunning    ReplayState = "RUNNING"
	ReplayCancelling ReplayState = "CANCELLING"
	ReplayCompleted  ReplayState = "COMPLETED"
	ReplayCancelled  ReplayState = "CANCELLED"
	ReplayFailed     ReplayState = "FAILED"
)

// Replay describes a replay at one instant.
type Replay struct {
	ReplaySpec
	State       ReplayState
	StateReason string // why it failed
	StartedAt   time.Time
	EndedAt     time.Time // zero while it runs
	// LastEvent is the publish time of the event replayed last; zero before the first.
	LastEvent time.Time
	Events    int64 // read from the source and replayed
	Delivered int64 // deliveries made of them
	Skipped   int64 // deliveries left out because of SkipDelivered
}
