package eventbridge

import (
	"context"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// Buses is what the operations on event buses need. Errors carry AWS's texts
// for what depends on state, such as a bus that does not exist.
type Buses interface {
	CreateBus(ctx context.Context, bus turnout.Bus) (turnout.Bus, error)
	UpdateBus(ctx context.Context, name turnout.BusName, change func(*turnout.Bus) error) (turnout.Bus, error)
	DeleteBus(ctx context.Context, name turnout.BusName) error
	Bus(ctx context.Context, name turnout.BusName) (turnout.Bus, error)
	// Buses returns the buses of a scope in the order of their names, the default bus included.
	Buses(ctx context.Context, scope turnout.Scope) ([]turnout.Bus, error)
}

// Rules is what the operations on rules need.
type Rules interface {
	// PutRule creates or changes a rule: change gets the present one, or a new
	// one with nothing but its name, and an error from it leaves everything as it was.
	PutRule(ctx context.Context, name turnout.RuleName, change func(r *turnout.Rule, exists bool) error) (turnout.Rule, error)
	DeleteRule(ctx context.Context, name turnout.RuleName) error
	Rule(ctx context.Context, name turnout.RuleName) (turnout.Rule, error)
	// Rules returns the rules of a bus in the order of their names.
	Rules(ctx context.Context, bus turnout.BusName) ([]turnout.Rule, error)
	// RuleNamesByTarget returns, in order, the names of the rules of a bus that have a target with this ARN.
	RuleNamesByTarget(ctx context.Context, bus turnout.BusName, targetARN string) ([]string, error)
}

// Targets is what the operations on targets need.
type Targets interface {
	// PutTargets returns one error per target, nil for one that was put.
	PutTargets(ctx context.Context, rule turnout.RuleName, targets []turnout.Target) ([]error, error)
	// RemoveTargets returns one error per id, nil for one that was removed.
	RemoveTargets(ctx context.Context, rule turnout.RuleName, ids []string) ([]error, error)
	// Targets returns the targets of a rule.
	Targets(ctx context.Context, rule turnout.RuleName) ([]turnout.Target, error)
}

// Events is what publishing and testing patterns need.
type Events interface {
	// Publish accepts entries as one batch and answers each; an event for a bus
	// that does not exist gets an id too, as AWS gives it one.
	Publish(ctx context.Context, entries []turnout.EventEntry) ([]turnout.PublishedEvent, error)
	TestEventPattern(ctx context.Context, pattern, event []byte) (bool, error)
}

// Broker is everything that the operations need.
type Broker interface {
	Buses
	Rules
	Targets
	Events
}

// Config sets the limits of the API. The zero value of a field is its default.
type Config struct {
	// EntriesBytesMax bounds the size of the entries of one PutEvents as
	// EventBridge computes it. Default 1 MiB, AWS's own limit since January 2026.
	EntriesBytesMax int
}

func (c Config) withDefaults() Config {
	if c.EntriesBytesMax == 0 {
		c.EntriesBytesMax = 1 << 20
	}
	return c
}

// api serves the operations.
type api struct {
	broker Broker
	cfg    Config
}

// New returns EventBridge as a service for awswire.
func New(b Broker, cfg Config) *awswire.Service {
	a := &api{broker: b, cfg: cfg.withDefaults()}
	return &awswire.Service{
		Name:         "events",
		TargetPrefix: "AWSEvents",
		JSONVersion:  "1.1",
		Operations:   a.operations(),
		ErrorOf:      errorOf,
		KeepsNothing: map[string]bool{"PutEvents": true},
	}
}

// handler serves one operation whose input is decoded and satisfies the model.
type handler func(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error)

// answer writes the members of a response; nil is a response without members.
type answer func(e *awswire.Encoder)

// EncodeTo writes the members.
func (a answer) EncodeTo(e *awswire.Encoder) { a(e) }

// serve returns the operation that decodes its input as s and calls h.
func serve(s *shape.Shape, h handler) awswire.Operation {
	return func(ctx context.Context, r *awswire.Request) (awswire.Result, error) {
		in, err := shape.Decode(s, r.Body)
		if err != nil {
			return nil, err
		}
		out, err := h(ctx, r, in)
		if err != nil || out == nil {
			return nil, err
		}
		return out, nil
	}
}

func (a *api) operations() map[string]awswire.Operation {
	ops := map[string]awswire.Operation{
		"CreateEventBus":   serve(createEventBusInput, a.createEventBus),
		"UpdateEventBus":   serve(updateEventBusInput, a.updateEventBus),
		"DeleteEventBus":   serve(deleteEventBusInput, a.deleteEventBus),
		"DescribeEventBus": serve(describeEventBusInput, a.describeEventBus),
		"ListEventBuses":   serve(listEventBusesInput, a.listEventBuses),
		"PutPermission":    serve(putPermissionInput, a.putPermission),
		"RemovePermission": serve(removePermissionInput, a.removePermission),

		"PutRule":               serve(putRuleInput, a.putRule),
		"DescribeRule":          serve(oneRuleInput, a.describeRule),
		"DeleteRule":            serve(deleteRuleInput, a.deleteRule),
		"ListRules":             serve(listRulesInput, a.listRules),
		"EnableRule":            serve(oneRuleInput, a.enableRule),
		"DisableRule":           serve(oneRuleInput, a.disableRule),
		"ListRuleNamesByTarget": serve(listRuleNamesByTargetInput, a.listRuleNamesByTarget),

		"PutTargets":        serve(putTargetsInput, a.putTargets),
		"RemoveTargets":     serve(removeTargetsInput, a.removeTargets),
		"ListTargetsByRule": serve(listTargetsByRuleInput, a.listTargetsByRule),

		"TagResource":         serve(tagResourceInput, a.tagResource),
		"UntagResource":       serve(untagResourceInput, a.untagResource),
		"ListTagsForResource": serve(listTagsForResourceInput, a.listTagsForResource),

		"PutEvents":        a.putEvents,
		"TestEventPattern": serve(testEventPatternInput, a.testEventPattern),
	}
	for _, name := range unsupportedOperations {
		ops[name] = unsupported(name)
	}
	return ops
}

// unsupportedOperations are those that AWS has and Turnout does not offer.
var unsupportedOperations = []string{
	"ActivateEventSource", "CreatePartnerEventSource", "DeactivateEventSource", "DeletePartnerEventSource",
	"DescribeEventSource", "DescribePartnerEventSource", "ListEventSources", "ListPartnerEventSourceAccounts",
	"ListPartnerEventSources", "PutPartnerEvents",
	"CreateArchive", "DeleteArchive", "DescribeArchive", "ListArchives", "UpdateArchive",
	"CancelReplay", "DescribeReplay", "ListReplays", "StartReplay",
	"CreateConnection", "DeauthorizeConnection", "DeleteConnection", "DescribeConnection", "ListConnections", "UpdateConnection",
	"CreateApiDestination", "DeleteApiDestination", "DescribeApiDestination", "ListApiDestinations", "UpdateApiDestination",
	"CreateEndpoint", "DeleteEndpoint", "DescribeEndpoint", "ListEndpoints", "UpdateEndpoint",
}

func unsupported(name string) awswire.Operation {
	return func(context.Context, *awswire.Request) (awswire.Result, error) {
		return nil, turnout.Errorf(turnout.CodeUnsupportedOperation, "Turnout does not support the EventBridge operation %s.", name)
	}
}
