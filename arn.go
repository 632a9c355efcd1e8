package turnout

import "strings"

// Scope is the account and region that a request speaks for. Resources of one
// scope are invisible in every other.
type Scope struct {
	Account string // twelve digits; 000000000000 by default
	Region  string // for example us-east-1
}

// ARN is an Amazon Resource Name, split at its colons.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html.
type ARN struct {
	Partition string // aws, aws-cn, …
	Service   string // sqs, events, …
	Region    string
	Account   string
	Resource  string // everything after the fifth colon
}

// String joins the parts again.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Scope returns the account and region in which the resource lives.
func (a ARN) Scope() Scope { return Scope{Account: a.Account, Region: a.Region} }

// ParseARN splits s; ok is false when s does not have six parts, does not
// begin with "arn" or names no service or resource.
func ParseARN(s string) (a ARN, ok bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] == "" || parts[5] == "" {
		return ARN{}, false
	}
	return ARN{Partition: parts[1], Service: parts[2], Region: parts[3], Account: parts[4], Resource: parts[5]}, true
}

// QueueName names a queue: its scope and the name within it.
type QueueName struct {
	Scope
	Name string // 1–80 of A–Z a–z 0–9 - _, and for a FIFO queue the suffix .fifo
}

// ARN returns arn:aws:sqs:REGION:ACCOUNT:NAME.
func (q QueueName) ARN() string {
	return ARN{Partition: "aws", Service: "sqs", Region: q.Region, Account: q.Account, Resource: q.Name}.String()
}

// ParseQueueARN returns the queue that an SQS ARN names.
func ParseQueueARN(s string) (QueueName, bool) {
	a, ok := ParseARN(s)
	if !ok || a.Service != "sqs" || !isPlain(a.Resource) {
		return QueueName{}, false
	}
	return QueueName{Scope: a.Scope(), Name: a.Resource}, true
}

// BusName names an event bus: its scope and the name within it.
type BusName struct {
	Scope
	Name string // "default", or 1–256 of A–Z a–z 0–9 . - _ /
}

// DefaultBus is the name of the bus that exists in every scope and cannot be deleted.
const DefaultBus = "default"

// ARN returns arn:aws:events:REGION:ACCOUNT:event-bus/NAME.
func (b BusName) ARN() string {
	return eventsARN(b.Scope, "event-bus/"+b.Name)
}

// ParseBusARN returns the bus that an EventBridge ARN names.
func ParseBusARN(s string) (BusName, bool) {
	scope, name, ok := parseEventsARN(s, "event-bus/")
	if !ok {
		return BusName{}, false
	}
	return BusName{Scope: scope, Name: name}, true
}

// RuleName names a rule: its bus and the name on it.
type RuleName struct {
	Bus  BusName
	Name string // 1–64 of A–Z a–z 0–9 . - _
}

// ARN returns …:rule/NAME on the default bus and …:rule/BUS/NAME on any other, as AWS does.
func (r RuleName) ARN() string {
	resource := "rule/" + r.Name
	if r.Bus.Name != DefaultBus {
		resource = "rule/" + r.Bus.Name + "/" + r.Name
	}
	return eventsARN(r.Bus.Scope, resource)
}

// ParseRuleARN returns the rule that an EventBridge ARN names. A bus name may
// itself hold slashes, so the rule's name is what follows the last one.
func ParseRuleARN(s string) (RuleName, bool) {
	scope, rest, ok := parseEventsARN(s, "rule/")
	if !ok {
		return RuleName{}, false
	}
	bus, name := DefaultBus, rest
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		bus, name = rest[:i], rest[i+1:]
	}
	if bus == "" || name == "" {
		return RuleName{}, false
	}
	return RuleName{Bus: BusName{Scope: scope, Name: bus}, Name: name}, true
}

// eventsARN returns the ARN of an EventBridge resource.
func eventsARN(s Scope, resource string) string {
	return ARN{Partition: "aws", Service: "events", Region: s.Region, Account: s.Account, Resource: resource}.String()
}

// parseEventsARN returns what follows kind in the ARN of an EventBridge resource.
func parseEventsARN(s, kind string) (scope Scope, name string, ok bool) {
	a, ok := ParseARN(s)
	if !ok || a.Service != "events" {
		return Scope{}, "", false
	}
	name, ok = strings.CutPrefix(a.Resource, kind)
	return a.Scope(), name, ok && name != ""
}

// isPlain reports whether a resource's name is only a name: not empty, and without further parts.
func isPlain(name string) bool { return name != "" && !strings.ContainsAny(name, ":/") }

func lastColon(s string) int { return strings.LastIndexByte(s, ':') }

// cutSlash splits NAME/ID; ok is false unless both are there.
func cutSlash(s string) (name, id string, ok bool) {
	name, id, ok = strings.Cut(s, "/")
	return name, id, ok && name != "" && id != ""
}
