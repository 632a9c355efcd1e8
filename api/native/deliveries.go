package native

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/seed567880c8/turnout"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

// deliveries serves DeliveryService.
type deliveries struct {
	turnoutv1.UnimplementedDeliveryServiceServer

	api *API
}

// ListAttempts lists the attempts to deliver an event.
func (s *deliveries) ListAttempts(ctx context.Context, r *turnoutv1.ListAttemptsRequest) (*turnoutv1.ListAttemptsResponse, error) {
	scope, err := s.api.scope(ctx)
	if err != nil {
		return nil, err
	}
	var c check
	if c.text("event_id", r.GetEventId(), 1, 256) && strings.ContainsRune(r.GetEventId(), 0) {
		c.add("event_id", "must not have a NUL")
	}
	list := "attempts " + r.GetEventId()
	p := c.page(list, r.GetPageSize(), r.GetPageToken())
	if err := c.err(); err != nil {
		return nil, err
	}
	all, err := s.api.cfg.Deliveries.Attempts(ctx, r.GetEventId())
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a Attempt) bool {
		if a.RuleARN != "" {
			return !sees(scope, a.RuleARN)
		}
		return !sees(scope, a.Endpoint)
	})
	slices.SortStableFunc(all, func(a, b Attempt) int { return strings.Compare(a.cursor(), b.cursor()) })
	out := &turnoutv1.ListAttemptsResponse{}
	all, out.NextPageToken = take(all, p, list, (*Attempt).cursor)
	for i := range all {
		out.Attempts = append(out.Attempts, all[i].encode())
	}
	return out, nil
}

// cursor orders attempts by time, those of one millisecond by their delivery.
func (a *Attempt) cursor() string {
	return fmt.Sprintf("%013d %s %05d", a.At.UnixMilli(), a.DeliveryID, a.Number)
}

func (a *Attempt) encode() *turnoutv1.Attempt {
	outcome := turnoutv1.AttemptOutcome_value["ATTEMPT_OUTCOME_"+strings.ToUpper(strings.ReplaceAll(a.Outcome, "-", "_"))]
	return &turnoutv1.Attempt{
		Time: encodeTime(a.At), EventId: a.EventID, DeliveryId: a.DeliveryID,
		Endpoint: a.Endpoint, RuleArn: a.RuleARN, TargetId: a.TargetID,
		Attempt: int32(a.Number), Outcome: turnoutv1.AttemptOutcome(outcome), //nolint:gosec // an attempt's number is small
		RetryTime: encodeTime(a.RetryAt), DeadLetterQueue: a.DeadLetterARN,
		Latency: durationpb.New(a.Latency), Status: int32(a.Status), //nolint:gosec // three digits
		ErrorCode: a.ErrorCode, ErrorMessage: valid(a.ErrorReason), ResponseExcerpt: valid(string(a.Excerpt)),
	}
}

// valid replaces what is not UTF-8, which Protocol Buffers refuse to carry.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// ListEndpoints lists endpoints.
func (s *deliveries) ListEndpoints(ctx context.Context, r *turnoutv1.ListEndpointsRequest) (*turnoutv1.ListEndpointsResponse, error) {
	const list = "endpoints"
	var c check
	for i, phase := range r.GetPhases() {
		if _, ok := turnoutv1.EndpointPhase_name[int32(phase)]; !ok || phase == turnoutv1.EndpointPhase_ENDPOINT_PHASE_UNSPECIFIED {
			c.add("phases["+strconv.Itoa(i)+"]", "must be a phase of an endpoint")
		}
	}
	p := c.page(list, r.GetPageSize(), r.GetPageToken())
	if err := c.err(); err != nil {
		return nil, err
	}
	all, err := s.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	if len(r.GetPhases()) > 0 {
		all = slices.DeleteFunc(all, func(e Endpoint) bool { return !slices.Contains(r.GetPhases(), encodePhase(e.Phase)) })
	}
	out := &turnoutv1.ListEndpointsResponse{}
	all, out.NextPageToken = take(all, p, list, func(e *Endpoint) string { return e.ARN })
	for i := range all {
		out.Endpoints = append(out.Endpoints, all[i].encode())
	}
	return out, nil
}

// endpoints returns those that the caller may see, in the order of their ARNs.
func (s *deliveries) endpoints(ctx context.Context) ([]Endpoint, error) {
	scope, err := s.api.scope(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.api.cfg.Deliveries.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(e Endpoint) bool { return !sees(scope, e.ARN) }), nil
}

func (e *Endpoint) encode() *turnoutv1.Endpoint {
	return &turnoutv1.Endpoint{
		Arn: e.ARN, Phase: encodePhase(e.Phase), Waiting: e.Waiting,
		Running: int32(e.Running), RunningMax: int32(e.RunningMax), //nolint:gosec // bounded by the server's attempts
		AttemptsPerSecondMax: e.PerSecondMax, NormalAttemptsPerSecond: e.NormalRate,
		NextProbeTime: encodeTime(e.NextProbe), FailingSince: encodeTime(e.FailingSince),
		DisabledTime: encodeTime(e.DisabledAt), DisabledReason: valid(e.DisabledReason), LastError: valid(e.LastError),
	}
}

func encodePhase(phase string) turnoutv1.EndpointPhase {
	return turnoutv1.EndpointPhase(turnoutv1.EndpointPhase_value["ENDPOINT_PHASE_"+strings.ToUpper(phase)])
}

// EnableEndpoint has an endpoint called again.
func (s *deliveries) EnableEndpoint(ctx context.Context, r *turnoutv1.EnableEndpointRequest) (*turnoutv1.EnableEndpointResponse, error) {
	var c check
	if c.text("arn", r.GetArn(), 1, 2048) {
		if _, ok := turnout.ParseARN(r.GetArn()); !ok {
			c.add("arn", "must be an ARN")
		}
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	if _, err := s.endpoint(ctx, r.GetArn()); err != nil {
		return nil, err
	}
	if err := s.api.cfg.Deliveries.Enable(ctx, r.GetArn()); err != nil {
		return nil, err
	}
	found, err := s.endpoint(ctx, r.GetArn())
	if err != nil {
		return nil, err
	}
	return &turnoutv1.EnableEndpointResponse{Endpoint: found.encode()}, nil
}

// endpoint finds one endpoint, or says which there are.
func (s *deliveries) endpoint(ctx context.Context, arn string) (*Endpoint, error) {
	all, err := s.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i := range all {
		if all[i].ARN == arn {
			return &all[i], nil
		}
		names[i] = all[i].ARN
	}
	return nil, turnout.Errorf(turnout.CodeNotFound, "Endpoint %s has no deliveries and was not called since the server started. %s", arn, oneOf("endpoints", names))
}
