package eventbridge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/paging"
	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

// startReplay serves StartReplay. The source may be an event bus as well: its
// built-in history, which AWS does not have.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_StartReplay.html
func (a *api) startReplay(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	to := in.Field("Destination")
	bus, ok := turnout.ParseBusARN(to.Str("Arn"))
	if !ok {
		return nil, turnout.Errorf(turnout.CodeValidation, "Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN.")
	}
	if bus.Scope != r.Scope {
		return nil, busMissing(bus)
	}
	if _, err := a.broker.Bus(ctx, bus); err != nil {
		return nil, err
	}
	spec := turnout.ReplaySpec{
		ReplayName:  turnout.ReplayName{Scope: r.Scope, Name: in.Str("ReplayName")},
		Description: in.Str("Description"),
		SourceARN:   in.Str("EventSourceArn"),
		From:        in.Time("EventStartTime"),
		To:          in.Time("EventEndTime"),
		Bus:         bus,
	}
	for _, arn := range to.List("FilterArns") {
		spec.FilterARNs = append(spec.FilterARNs, arn.Text)
	}
	if err := checkReplay(r.Scope, &spec); err != nil {
		return nil, err
	}
	replay, err := a.cfg.Replays.StartReplay(ctx, spec)
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		encodeReplayState(e, &replay)
		e.Epoch("ReplayStartTime", replay.StartedAt)
	}, nil
}

// checkReplay checks what needs no knowledge of archives and rules.
func checkReplay(scope turnout.Scope, spec *turnout.ReplaySpec) error {
	archive, isArchive := turnout.ParseArchiveARN(spec.SourceARN)
	source, isBus := turnout.ParseBusARN(spec.SourceARN)
	switch {
	case isArchive && archive.Scope != scope:
		return turnout.Errorf(turnout.CodeValidation, "Parameter EventSourceArn is not valid. Reason: Archive %s does not exist.", archive.Name)
	case isBus && source != spec.Bus:
		return turnout.Errorf(turnout.CodeValidation, "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
	case !isArchive && !isBus:
		return turnout.Errorf(turnout.CodeValidation, "Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN.")
	case !spec.From.Before(spec.To):
		return turnout.Errorf(turnout.CodeValidation, "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.")
	}
	for _, arn := range spec.FilterARNs {
		if rule, ok := turnout.ParseRuleARN(arn); !ok || rule.Bus != spec.Bus {
			return turnout.Errorf(turnout.CodeValidation,
				"Parameter Destination.FilterArns is not valid. Reason: %s is not the ARN of a rule on EventBus %s.", arn, spec.Bus.Name)
		}
	}
	return nil
}

func encodeReplayState(e *awswire.Encoder, r *turnout.Replay) {
	e.String("ReplayArn", r.ARN())
	e.String("State", string(r.State))
	e.Optional("StateReason", r.StateReason)
}

// cancelReplay serves CancelReplay.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CancelReplay.html
func (a *api) cancelReplay(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	name := turnout.ReplayName{Scope: r.Scope, Name: in.Str("ReplayName")}
	replay, err := a.cfg.Replays.CancelReplay(ctx, name)
	if e, ok := errors.AsType[*turnout.Error](err); ok && e.Code == turnout.CodeConflict {
		// AWS has a name of its own for this one conflict.
		return nil, &awswire.WireError{
			Shape: "IllegalStatusException", Status: http.StatusBadRequest,
			Message: "Replay " + name.Name + " is not in a valid state for this operation.",
		}
	}
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) { encodeReplayState(e, &replay) }, nil
}

// describeReplay serves DescribeReplay.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeReplay.html
func (a *api) describeReplay(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	replay, err := a.cfg.Replays.Replay(ctx, turnout.ReplayName{Scope: r.Scope, Name: in.Str("ReplayName")})
	if err != nil {
		return nil, err
	}
	return func(e *awswire.Encoder) {
		e.String("ReplayArn", replay.ARN())
		e.Optional("Description", replay.Description)
		e.Begin("Destination")
		e.String("Arn", replay.Bus.ARN())
		if len(replay.FilterARNs) > 0 {
			e.Strings(awswire.List{JSON: "FilterArns"}, replay.FilterARNs)
		}
		e.End("Destination")
		encodeReplay(e, &replay)
	}, nil
}

// encodeReplay writes what ListReplays and DescribeReplay have in common.
func encodeReplay(e *awswire.Encoder, r *turnout.Replay) {
	e.String("ReplayName", r.Name)
	e.String("EventSourceArn", r.SourceARN)
	e.String("State", string(r.State))
	e.Optional("StateReason", r.StateReason)
	e.Epoch("EventStartTime", r.From)
	e.Epoch("EventEndTime", r.To)
	optionalTime(e, "EventLastReplayedTime", r.LastEvent)
	e.Epoch("ReplayStartTime", r.StartedAt)
	optionalTime(e, "ReplayEndTime", r.EndedAt)
}

// optionalTime writes a timestamp that is absent when zero.
func optionalTime(e *awswire.Encoder, name string, t time.Time) {
	if !t.IsZero() {
		e.Epoch(name, t)
	}
}

// listReplays serves ListReplays.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListReplays.html
func (a *api) listReplays(ctx context.Context, r *awswire.Request, in *shape.Value) (answer, error) {
	if err := oneFilter("ListReplays", in); err != nil {
		return nil, err
	}
	replays, err := a.cfg.Replays.Replays(ctx, r.Scope)
	if err != nil {
		return nil, err
	}
	if source := in.Field("EventSourceArn"); source != nil {
		replays = kept(replays, func(r *turnout.Replay) bool { return r.SourceARN == source.Text })
	}
	if state := in.Field("State"); state != nil {
		replays = kept(replays, func(r *turnout.Replay) bool { return string(r.State) == state.Text })
	}
	key := func(r *turnout.Replay) string { return r.Name }
	replays, token, err := paging.Page(paging.WithPrefix(replays, key, in.Str("NamePrefix")), key, in)
	if err != nil {
		return nil, err
	}
	return listed("Replays", replays, token, encodeReplay), nil
}
