package turnout

import "time"

// TopicName names an SNS topic: its scope and the name within it.
type TopicName struct {
	Scope
	Name string // 1–256 of A–Z a–z 0–9 - _, and for a FIFO topic the suffix .fifo
}

// ARN returns arn:aws:sns:REGION:ACCOUNT:NAME.
func (t TopicName) ARN() string {
	return ARN{Partition: "aws", Service: "sns", Region: t.Region, Account: t.Account, Resource: t.Name}.String()
}

// ParseTopicARN returns the topic that an SNS ARN names.
func ParseTopicARN(s string) (TopicName, bool) {
	a, ok := ParseARN(s)
	if !ok || a.Service != "sns" || !isPlain(a.Resource) {
		return TopicName{}, false
	}
	return TopicName{Scope: a.Scope(), Name: a.Resource}, true
}

// SubscriptionName names a subscription: its topic and the id within it.
type SubscriptionName struct {
	Topic TopicName
	ID    string // a UUID
}

// ARN returns the topic's ARN, a colon and the id.
func (s SubscriptionName) ARN() string { return s.Topic.ARN() + ":" + s.ID }

// ParseSubscriptionARN returns the subscription that an SNS ARN names.
func ParseSubscriptionARN(s string) (SubscriptionName, bool) {
	i := lastColon(s)
	if i < 0 || !isPlain(s[i+1:]) {
		return SubscriptionName{}, false
	}
	topic, ok := ParseTopicARN(s[:i])
	return SubscriptionName{Topic: topic, ID: s[i+1:]}, ok
}

// TopicAttributes are a topic's settings. AWS documents each under the same
// name in SetTopicAttributes; JSON documents are kept as given, "" is none.
type TopicAttributes struct {
	FIFO                      bool   // fixed when the topic is created
	ContentBasedDeduplication bool   // FIFO only
	FIFOThroughputScope       string // FIFO only: Topic or MessageGroup
	DisplayName               string // ≤ 100 characters
	Policy                    string // resource policy; "" is the default one
	DeliveryPolicy            string
	ArchivePolicy             string // FIFO only
	DataProtectionPolicy      string
	KMSKeyID                  string            // kept for round trips
	TracingConfig             string            // PassThrough or Active; "" is not set
	SignatureVersion          string            // 1 or 2; "" is not set and means 1
	Feedback                  map[string]string // delivery status attributes such as HTTPSuccessFeedbackRoleArn, kept for round trips
}

// TopicSettings is what a caller may change about a topic after it was created.
type TopicSettings struct {
	Attributes TopicAttributes
	Tags       map[string]string // nil or empty: none
}

// TopicInfo describes a topic at one instant.
type TopicInfo struct {
	TopicName
	TopicSettings
	CreatedAt time.Time
	Confirmed int // subscriptions that get messages
	Pending   int // subscriptions that wait for their confirmation
	Deleted   int // subscriptions removed since the topic was created
	// ArchiveBegins is the time of the oldest archived message; zero without an archive.
	ArchiveBegins time.Time
	// EffectiveDeliveryPolicy is the JSON document that results from
	// DeliveryPolicy and AWS's defaults, with AWS's members in AWS's order.
	EffectiveDeliveryPolicy string
}

// FilterScope says what a subscription's filter policy looks at, in AWS's words.
type FilterScope string

// The filter scopes.
const (
	FilterAttributes FilterScope = "MessageAttributes" // the default
	FilterBody       FilterScope = "MessageBody"
)

// SubscriptionAttributes are a subscription's settings. AWS documents each
// under the same name in SetSubscriptionAttributes; JSON documents are kept as
// given, "" is none.
type SubscriptionAttributes struct {
	RawMessageDelivery bool
	FilterPolicy       string
	FilterPolicyScope  FilterScope // "" is FilterAttributes
	DeliveryPolicy     string      // http and https
	RedrivePolicy      string      // {"deadLetterTargetArn": …}
	ReplayPolicy       string      // FIFO topics with an archive
	RoleARN            string      // SubscriptionRoleArn, kept for round trips
}

// Subscription is one receiver of a topic's messages.
type Subscription struct {
	SubscriptionName
	Attributes SubscriptionAttributes
	Owner      string // account
	Protocol   string // sqs, http, https, lambda
	Endpoint   string // a queue's or function's ARN, or a URL
	CreatedAt  time.Time

	Pending                   bool // not confirmed yet: gets nothing but the confirmation
	ConfirmedWithCredentials  bool // ConfirmationWasAuthenticated
	AuthenticateOnUnsubscribe bool
	ReplayStatus              string // "", Pending, In progress, Completed or Failed
	// EffectiveDeliveryPolicy is the JSON document that results from the
	// subscription's and the topic's DeliveryPolicy and AWS's defaults. Only
	// http and https subscriptions have one.
	EffectiveDeliveryPolicy string
}

// TopicMessage is a message on its way into a topic.
type TopicMessage struct {
	// Bodies gives the message by protocol, "default" at least: with
	// MessageStructure json there may be others, such as sqs or http.
	Bodies          map[string]string
	Subject         *string            // 1–100 characters; nil is none
	Attributes      []MessageAttribute // beside SQS's types also String.Array, a JSON array
	GroupID         string             // FIFO: required. Standard: the tenant for fair queues, optional
	DeduplicationID string             // FIFO only; "" with content-based deduplication
	TraceHeader     string             // X-Ray header, kept on every copy
}

// PublishedMessage is the answer to one TopicMessage: either Err or the rest.
type PublishedMessage struct {
	MessageID      string // a UUID
	SequenceNumber string // FIFO only: 20 digits, strictly increasing within a topic
	Err            error  // this message was refused; the others of the request stand
}
