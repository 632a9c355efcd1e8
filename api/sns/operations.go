package sns

import (
	"context"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
)

// Topics is what the operations on topics need. Errors carry AWS's texts for
// what depends on state, such as a topic that does not exist.
type Topics interface {
	// CreateTopic makes a topic, or returns same(its settings) when the name is taken.
	CreateTopic(ctx context.Context, name turnout.TopicName, s turnout.TopicSettings, same func(turnout.TopicSettings) error) error
	// UpdateTopic changes settings in one step; change gets a copy, and its error leaves everything as it was.
	UpdateTopic(ctx context.Context, name turnout.TopicName, change func(*turnout.TopicSettings) error) error
	// DeleteTopic succeeds also when there is no such topic.
	DeleteTopic(ctx context.Context, name turnout.TopicName) error
	Topic(ctx context.Context, name turnout.TopicName) (turnout.TopicInfo, error)
	// TopicNames returns the topics of a scope in the order of their names.
	TopicNames(ctx context.Context, scope turnout.Scope) ([]turnout.TopicName, error)
	// PublishTopic answers each message: one that is refused does not keep the others out.
	PublishTopic(ctx context.Context, topic turnout.TopicName, ms []turnout.TopicMessage) ([]turnout.PublishedMessage, error)
}

// Subscriptions is what the operations on subscriptions need.
type Subscriptions interface {
	// Subscribe makes a subscription, or returns the one that the endpoint has,
	// when same takes it. One of protocol http or https is pending at first.
	Subscribe(ctx context.Context, s turnout.Subscription, same func(existing turnout.Subscription) error) (turnout.Subscription, error)
	ConfirmSubscription(ctx context.Context, topic turnout.TopicName, token string, authenticateOnUnsubscribe bool) (turnout.Subscription, error)
	// Unsubscribe succeeds also when there is no such subscription.
	Unsubscribe(ctx context.Context, name turnout.SubscriptionName) error
	// UpdateSubscription changes attributes in one step; change gets a copy, and its error leaves everything as it was.
	UpdateSubscription(ctx context.Context, name turnout.SubscriptionName, change func(*turnout.SubscriptionAttributes) error) error
	Subscription(ctx context.Context, name turnout.SubscriptionName) (turnout.Subscription, error)
	Subscriptions(ctx context.Context, scope turnout.Scope) ([]turnout.Subscription, error)
	SubscriptionsByTopic(ctx context.Context, topic turnout.TopicName) ([]turnout.Subscription, error)
}

// Engine is everything that the operations need.
type Engine interface {
	Topics
	Subscriptions
}

// Config is what may be set about the API. The zero value has AWS's limits.
type Config struct {
	// MessageBytesMax bounds what one request publishes: bodies, and names,
	// types and values of attributes. Default 262,144, as on AWS.
	MessageBytesMax int
	// Certificate returns the PEM that CertificateHandler serves, or nil while there is none.
	Certificate func() []byte
}

func (c Config) withDefaults() Config {
	if c.MessageBytesMax == 0 {
		c.MessageBytesMax = 256 << 10
	}
	if c.Certificate == nil {
		c.Certificate = func() []byte { return nil }
	}
	return c
}

// API is the Amazon SNS API of one engine. It is safe for concurrent use.
type API struct {
	engine Engine
	cfg    Config
	errors map[turnout.Code]awswire.WireError
}

// New returns the API of engine.
func New(engine Engine, cfg Config) *API {
	return &API{engine: engine, cfg: cfg.withDefaults(), errors: errorTable()}
}

// Service describes the API to the wire.
func (a *API) Service() *awswire.Service {
	s := &awswire.Service{
		Name:         "sns",
		QueryVersion: "2010-03-31",
		XMLNamespace: "http://sns.amazonaws.com/doc/2010-03-31/",
		PlainErrors:  true,
		ErrorOf:      a.wireError,
		Operations: map[string]awswire.Operation{
			"AddPermission":             a.addPermission,
			"ConfirmSubscription":       a.confirmSubscription,
			"CreateTopic":               a.createTopic,
			"DeleteTopic":               a.deleteTopic,
			"GetDataProtectionPolicy":   a.getDataProtectionPolicy,
			"GetSubscriptionAttributes": a.getSubscriptionAttributes,
			"GetTopicAttributes":        a.getTopicAttributes,
			"ListSubscriptions":         a.listSubscriptions,
			"ListSubscriptionsByTopic":  a.listSubscriptionsByTopic,
			"ListTagsForResource":       a.listTagsForResource,
			"ListTopics":                a.listTopics,
			"Publish":                   a.publish,
			"PublishBatch":              a.publishBatch,
			"PutDataProtectionPolicy":   a.putDataProtectionPolicy,
			"RemovePermission":          a.removePermission,
			"SetSubscriptionAttributes": a.setSubscriptionAttributes,
			"SetTopicAttributes":        a.setTopicAttributes,
			"Subscribe":                 a.subscribe,
			"TagResource":               a.tagResource,
			"Unsubscribe":               a.unsubscribe,
			"UntagResource":             a.untagResource,
		},
		// Parameters of the query protocol are decoded into memory of their own.
		KeepsNothing: map[string]bool{"Publish": true, "PublishBatch": true},
	}
	for _, name := range unsupported {
		s.Operations[name] = refuse
	}
	return s
}

// unsupported names the operations on text messages to telephones and on
// notifications to apps, neither of which Turnout delivers.
var unsupported = [...]string{
	"CheckIfPhoneNumberIsOptedOut", "CreatePlatformApplication", "CreatePlatformEndpoint", "CreateSMSSandboxPhoneNumber",
	"DeleteEndpoint", "DeletePlatformApplication", "DeleteSMSSandboxPhoneNumber", "GetEndpointAttributes",
	"GetPlatformApplicationAttributes", "GetSMSAttributes", "GetSMSSandboxAccountStatus", "ListEndpointsByPlatformApplication",
	"ListOriginationNumbers", "ListPhoneNumbersOptedOut", "ListPlatformApplications", "ListSMSSandboxPhoneNumbers",
	"OptInPhoneNumber", "SetEndpointAttributes", "SetPlatformApplicationAttributes", "SetSMSAttributes", "VerifySMSSandboxPhoneNumber",
}

func refuse(_ context.Context, r *awswire.Request) (awswire.Result, error) {
	return nil, turnout.Errorf(turnout.CodeUnsupportedOperation,
		"The operation %s is not supported: this server sends neither SMS nor mobile push notifications.", r.Operation)
}

// resultFunc is a Result made of a function.
type resultFunc func(e *awswire.Encoder)

// EncodeTo calls the function.
func (f resultFunc) EncodeTo(e *awswire.Encoder) { f(e) }

// empty is the answer of the operations that AWS gives an empty result element.
func empty(*awswire.Encoder) {}

// stringResult is an answer of one string member.
func stringResult(name, value string) awswire.Result {
	return resultFunc(func(e *awswire.Encoder) { e.String(name, value) })
}
