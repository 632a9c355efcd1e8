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

// Archives is what the operations on archives need.
type Archives interface {
	// CreateArchive is CodeAlreadyExists for a name that is taken, CodeNotFound for a bus that does not exist.
	CreateArchive(ctx context.Context, archive turnout.Archive) (turnout.Archive, error)
	// UpdateArchive changes an archive: an error from change leaves everything as it was.
	UpdateArchive(ctx context.Context, name turnout.ArchiveName, change func(*turnout.Archive) error) (turnout.Archive, error)
	DeleteArchive(ctx context.Context, name turnout.ArchiveName) error
	Archive(ctx context.Context, name turnout.ArchiveName) (turnout.ArchiveInfo, error)
	// Archives returns the archives of a scope in the order of their names.
	Archives(ctx context.Context, scope turnout.Scope) ([]turnout.ArchiveInfo, error)
}

// Replays is what the operations on replays need.
type Replays interface {
	StartReplay(ctx context.Context, spec turnout.ReplaySpec) (turnout.Replay, error)
	// CancelReplay is CodeConflict for a replay that has ended.
	CancelReplay(ctx context.Context, name turnout.ReplayName) (turnout.Replay, error)
	Replay(ctx context.Context, name turnout.ReplayName) (turnout.Replay, error)
	// Replays returns the replays of a scope in the order of their names.
	Replays(ctx context.Context, scope turnout.Scope) ([]turnout.Replay, error)
}

// Connections is what the operations on connections need. Messages of errors
// say what is wrong, such as "Connection 'x' does not exist."; what AWS puts
// before that is added here.
type Connections interface {
	CreateConnection(ctx context.Context, c turnout.Connection) (turnout.Connection, error)
	// UpdateConnection changes a connection: an error from change leaves
	// everything as it was. A secret that change leaves as it found it stays,
	// whether it was shown or not.
	UpdateConnection(ctx context.Context, name turnout.ConnectionName, change func(*turnout.Connection) error) (turnout.Connection, error)
	// DeleteConnection returns the connection as it was.
	DeleteConnection(ctx context.Context, name turnout.ConnectionName) (turnout.Connection, error)
	// DeauthorizeConnection removes the secrets of a connection.
	DeauthorizeConnection(ctx context.Context, name turnout.ConnectionName) (turnout.Connection, error)
	Connection(ctx context.Context, name turnout.ConnectionName) (turnout.Connection, error)
	// Connections returns the connections of a scope in the order of their names.
	Connections(ctx context.Context, scope turnout.Scope) ([]turnout.Connection, error)
}

// APIDestinations is what the operations on API destinations need. The messages
// of errors are like those of Connections.
type APIDestinations interface {
	CreateAPIDestination(ctx context.Context, d turnout.APIDestination) (turnout.APIDestination, error)
	UpdateAPIDestination(ctx context.Context, name turnout.APIDestinationName, change func(*turnout.APIDestination) error) (turnout.APIDestination, error)
	DeleteAPIDestination(ctx context.Context, name turnout.APIDestinationName) error
	APIDestination(ctx context.Context, name turnout.APIDestinationName) (turnout.APIDestination, error)
	// APIDestinations returns the destinations of a scope in the order of their names.
	APIDestinations(ctx context.Context, scope turnout.Scope) ([]turnout.APIDestination, error)
}

// Broker is everything that the operations on buses, rules and events need.
type Broker interface {
	Buses
	Rules
	Targets
	Events
}

// Config sets the limits of the API, and what there is beside the broker. The
// zero value of a field is its default.
type Config struct {
	// Archives, Replays, Connections and APIDestinations serve the operations of
	// that name; where one is nil, those are refused as not supported.
	Archives        Archives
	Replays         Replays
	Connections     Connections
	APIDestinations APIDestinations
	// Schedules says that something runs rules with a ScheduleExpression; they are refused otherwise.
	Schedules bool
	// HTTPEndpoints allows API destinations, and the authorization endpoints of
	// connections, to be plain http. AWS has https only.
	HTTPEndpoints bool
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
	a.optional(ops)
	return ops
}

// optional adds the operations on what the configuration may leave out.
func (a *api) optional(ops map[string]awswire.Operation) {
	for _, group := range []struct {
		offered    bool
		operations map[string]awswire.Operation
	}{
		{a.cfg.Archives != nil, map[string]awswire.Operation{
			"CreateArchive":   serve(createArchiveInput, a.createArchive),
			"UpdateArchive":   serve(updateArchiveInput, a.updateArchive),
			"DeleteArchive":   serve(oneArchiveInput, a.deleteArchive),
			"DescribeArchive": serve(oneArchiveInput, a.describeArchive),
			"ListArchives":    serve(listArchivesInput, a.listArchives),
		}},
		{a.cfg.Replays != nil, map[string]awswire.Operation{
			"StartReplay":    serve(startReplayInput, a.startReplay),
			"CancelReplay":   serve(oneReplayInput, a.cancelReplay),
			"DescribeReplay": serve(oneReplayInput, a.describeReplay),
			"ListReplays":    serve(listReplaysInput, a.listReplays),
		}},
		{a.cfg.Connections != nil, map[string]awswire.Operation{
			"CreateConnection":      serve(createConnectionInput, a.createConnection),
			"UpdateConnection":      serve(updateConnectionInput, a.updateConnection),
			"DeleteConnection":      serve(oneConnectionInput, a.deleteConnection),
			"DeauthorizeConnection": serve(oneConnectionInput, a.deauthorizeConnection),
			"DescribeConnection":    serve(oneConnectionInput, a.describeConnection),
			"ListConnections":       serve(listConnectionsInput, a.listConnections),
		}},
		{a.cfg.APIDestinations != nil, map[string]awswire.Operation{
			"CreateApiDestination":   serve(createAPIDestinationInput, a.createAPIDestination),
			"UpdateApiDestination":   serve(updateAPIDestinationInput, a.updateAPIDestination),
			"DeleteApiDestination":   serve(oneAPIDestinationInput, a.deleteAPIDestination),
			"DescribeApiDestination": serve(oneAPIDestinationInput, a.describeAPIDestination),
			"ListApiDestinations":    serve(listAPIDestinationsInput, a.listAPIDestinations),
		}},
	} {
		for name, op := range group.operations {
			if !group.offered {
				op = unsupported(name)
			}
			ops[name] = op
		}
	}
}

// unsupportedOperations are those that AWS has and Turnout does not offer:
// partners, who publish from AWS alone, and endpoints that span regions.
var unsupportedOperations = []string{
	"ActivateEventSource", "CreatePartnerEventSource", "DeactivateEventSource", "DeletePartnerEventSource",
	"DescribeEventSource", "DescribePartnerEventSource", "ListEventSources", "ListPartnerEventSourceAccounts",
	"ListPartnerEventSources", "PutPartnerEvents",
	"CreateEndpoint", "DeleteEndpoint", "DescribeEndpoint", "ListEndpoints", "UpdateEndpoint",
}

func unsupported(name string) awswire.Operation {
	return func(context.Context, *awswire.Request) (awswire.Result, error) {
		return nil, turnout.Errorf(turnout.CodeUnsupportedOperation, "Turnout does not support the EventBridge operation %s.", name)
	}
}
