package eventbridge

import (
	"context"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/paging"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// createEventBus serves CreateEventBus.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateEventBus.html
func (a *api) createEventBus(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	if source := in.Field("EventSourceName"); source != nil {
		// Partner event sources come from partners, whom Turnout has none of.
		return nil, turnout.Errorf(turnout.CodeNotFound, "Event source %s does not exist.", source.Text)
	}
	name := in.Str("Name")
	if strings.Contains(name, "/") {
		return nil, turnout.Errorf(turnout.CodeValidation, "Event bus name must not contain '/'.")
	}
	tags, err := tagsOf(nil, in.List("Tags"))
	if err != nil {
		return nil, err
	}
	bus, err := a.broker.CreateBus(ctx, turnout.Bus{
		BusName:       turnout.BusName{Scope: r.Scope, Name: name},
		Description:   in.Str("Description"),
		KMSKeyID:      in.Str("KmsKeyIdentifier"),
		DeadLetterARN: in.Field("DeadLetterConfig").Str("Arn"),
		LogConfig:     logConfigOf(in),
		Tags:          tags,
	})
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		e.String("EventBusArn", bus.ARN())
		encodeBusSettings(e, &bus)
	}, nil
}

// updateEventBus serves UpdateEventBus. What is left out returns to its default,
// but for the description: that is unset by an empty text only. It is what
// Terraform's provider relies on.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateEventBus.html
func (a *api) updateEventBus(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	name, err := busNamed(r.Scope, in.Str("Name"))
	if err != nil {
		return nil, err
	}
	bus, err := a.broker.UpdateBus(ctx, name, func(b *turnout.Bus) error {
		if d := in.Field("Description"); d != nil {
			b.Description = d.Text
		}
		b.KMSKeyID = in.Str("KmsKeyIdentifier")
		b.DeadLetterARN = in.Field("DeadLetterConfig").Str("Arn")
		b.LogConfig = logConfigOf(in)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		e.String("Arn", bus.ARN())
		e.String("Name", bus.Name)
		encodeBusSettings(e, &bus)
	}, nil
}

// deleteEventBus serves DeleteEventBus; a bus that does not exist is not an error.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteEventBus.html
func (a *api) deleteEventBus(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	return nil, a.broker.DeleteBus(ctx, turnout.BusName{Scope: r.Scope, Name: in.Str("Name")})
}

// describeEventBus serves DescribeEventBus.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeEventBus.html
func (a *api) describeEventBus(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	name, err := busNamed(r.Scope, in.Str("Name"))
	if err != nil {
		return nil, err
	}
	bus, err := a.broker.Bus(ctx, name)
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		e.String("Name", bus.Name)
		e.String("Arn", bus.ARN())
		encodeBusSettings(e, &bus)
		e.Optional("Policy", bus.Policy)
		e.Epoch("CreationTime", bus.CreatedAt)
		e.Epoch("LastModifiedTime", bus.ModifiedAt)
	}, nil
}

// listEventBuses serves ListEventBuses.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListEventBuses.html
func (a *api) listEventBuses(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	buses, err := a.broker.Buses(ctx, r.Scope)
	if err != nil {
		return nil, err
	}
	key := func(b *turnout.Bus) string { return b.Name }
	buses, token, err := paging.Page(paging.WithPrefix(buses, key, in.Str("NamePrefix")), key, in)
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		l := awswire.List{JSON: "EventBuses"}
		e.BeginList(l)
		for i := range buses {
			b := &buses[i]
			e.BeginItem(l)
			e.String("Name", b.Name)
			e.String("Arn", b.ARN())
			e.Optional("Description", b.Description)
			e.Optional("Policy", b.Policy)
			e.Epoch("CreationTime", b.CreatedAt)
			e.Epoch("LastModifiedTime", b.ModifiedAt)
			e.EndItem(l)
		}
		e.EndList()
		e.Optional("NextToken", token)
	}, nil
}

// busNamed returns the bus that a request names: by name in the request's own
// scope, by ARN in any account of its region, and the default bus by leaving
// the name out. The name has satisfied the model's pattern.
func busNamed(scope turnout.Scope, nameOrARN string) (turnout.BusName, error) {
	if nameOrARN == "" {
		return turnout.BusName{Scope: scope, Name: turnout.DefaultBus}, nil
	}
	if !strings.HasPrefix(nameOrARN, "arn:") {
		return turnout.BusName{Scope: scope, Name: nameOrARN}, nil
	}
	name, ok := turnout.ParseBusARN(nameOrARN)
	if !ok {
		return turnout.BusName{}, turnout.Errorf(turnout.CodeValidation, "Parameter EventBusName is not valid. Reason: Provided Arn is not in correct format.")
	}
	if name.Region != scope.Region {
		return turnout.BusName{}, turnout.Errorf(turnout.CodeValidation,
			"Parameter EventBusName is not valid. Reason: The event bus is in region %s, the request is for %s.", name.Region, scope.Region)
	}
	return name, nil
}

// busMissing is AWS's error for a bus that does not exist, or that the caller may not know of.
func busMissing(bus turnout.BusName) error {
	return turnout.Errorf(turnout.CodeNotFound, "Event bus %s does not exist.", bus.Name)
}

func encodeBusSettings(e *awswire.Encoder, b *turnout.Bus) {
	e.Optional("Description", b.Description)
	e.Optional("KmsKeyIdentifier", b.KMSKeyID)
	if b.DeadLetterARN != "" {
		e.Begin("DeadLetterConfig")
		e.String("Arn", b.DeadLetterARN)
		e.End("DeadLetterConfig")
	}
	if len(b.LogConfig) > 0 {
		e.Raw("LogConfig", b.LogConfig)
	}
}

// logConfigOf returns the LogConfig of a request as JSON, nil if it has none.
func logConfigOf(in *shape.Value) []byte {
	if c := in.Field("LogConfig"); c != nil {
		return c.AppendJSON(nil)
	}
	return nil
}
