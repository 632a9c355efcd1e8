package native

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed567880c8/turnout"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

// replays serves ReplayService.
type replays struct {
	turnoutv1.UnimplementedReplayServiceServer

	api *API
}

// Limits of a replay.
const (
	replayNameMax  = 64
	archiveNameMax = 48
	ruleNameMax    = 64
	rulesMax       = 100
	targetIDMax    = 64
	perSecondMax   = 1_000_000
	timeLapseMax   = 1_000_000
)

// StartReplay starts a replay.
func (s *replays) StartReplay(ctx context.Context, r *turnoutv1.StartReplayRequest) (*turnoutv1.StartReplayResponse, error) {
	spec, err := s.spec(ctx, r.GetSpec(), true)
	if err != nil {
		return nil, err
	}
	started, err := s.api.cfg.Archives.StartReplay(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &turnoutv1.StartReplayResponse{Replay: encodeReplay(&started)}, nil
}

// DryRun says what a replay would do.
func (s *replays) DryRun(ctx context.Context, r *turnoutv1.DryRunRequest) (*turnoutv1.DryRunResponse, error) {
	spec, err := s.spec(ctx, r.GetSpec(), false)
	if err != nil {
		return nil, err
	}
	run, err := s.api.cfg.Archives.DryRun(ctx, spec)
	if err != nil {
		return nil, err
	}
	out := &turnoutv1.DryRunResponse{Events: run.Events, Complete: run.Complete}
	for _, t := range run.Targets {
		out.Targets = append(out.Targets, &turnoutv1.DryRunTarget{
			Rule: t.Rule, TargetId: t.TargetID, Deliveries: t.Deliveries, Skipped: t.Skipped,
		})
	}
	for _, event := range run.Samples {
		out.Samples = append(out.Samples, string(event))
	}
	return out, nil
}

// GetReplay describes a replay.
func (s *replays) GetReplay(ctx context.Context, r *turnoutv1.GetReplayRequest) (*turnoutv1.GetReplayResponse, error) {
	name, err := s.name(ctx, r.GetName())
	if err != nil {
		return nil, err
	}
	found, err := s.api.cfg.Archives.Replay(ctx, name)
	if err != nil {
		return nil, s.noReplay(ctx, name, err)
	}
	return &turnoutv1.GetReplayResponse{Replay: encodeReplay(&found)}, nil
}

// CancelReplay stops a replay.
func (s *replays) CancelReplay(ctx context.Context, r *turnoutv1.CancelReplayRequest) (*turnoutv1.CancelReplayResponse, error) {
	name, err := s.name(ctx, r.GetName())
	if err != nil {
		return nil, err
	}
	cancelled, err := s.api.cfg.Archives.CancelReplay(ctx, name)
	if err != nil {
		return nil, s.noReplay(ctx, name, err)
	}
	return &turnoutv1.CancelReplayResponse{Replay: encodeReplay(&cancelled)}, nil
}

// ListReplays lists replays.
func (s *replays) ListReplays(ctx context.Context, r *turnoutv1.ListReplaysRequest) (*turnoutv1.ListReplaysResponse, error) {
	const list = "replays"
	scope, err := s.api.scope(ctx)
	if err != nil {
		return nil, err
	}
	var c check
	c.text("name_prefix", r.GetNamePrefix(), 0, replayNameMax)
	for i, state := range r.GetStates() {
		if _, ok := turnoutv1.ReplayState_name[int32(state)]; !ok || state == turnoutv1.ReplayState_REPLAY_STATE_UNSPECIFIED {
			c.add("states["+strconv.Itoa(i)+"]", "must be a state of a replay")
		}
	}
	p := c.page(list, r.GetPageSize(), r.GetPageToken())
	if err := c.err(); err != nil {
		return nil, err
	}
	all, err := s.api.cfg.Archives.Replays(ctx, scope)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(one turnout.Replay) bool {
		return !strings.HasPrefix(one.Name, r.GetNamePrefix()) ||
			len(r.GetStates()) > 0 && !slices.Contains(r.GetStates(), encodeState(one.State))
	})
	out := &turnoutv1.ListReplaysResponse{}
	all, out.NextPageToken = take(all, p, list, func(one *turnout.Replay) string { return one.Name })
	for i := range all {
		out.Replays = append(out.Replays, encodeReplay(&all[i]))
	}
	return out, nil
}

func (s *replays) name(ctx context.Context, name string) (turnout.ReplayName, error) {
	scope, err := s.api.scope(ctx)
	if err != nil {
		return turnout.ReplayName{}, err
	}
	var c check
	c.name("name", name, replayNameMax)
	return turnout.ReplayName{Scope: scope, Name: name}, c.err()
}

// noReplay adds which replays there are to the error of one that does not exist.
func (s *replays) noReplay(ctx context.Context, name turnout.ReplayName, err error) error {
	if e, ok := errors.AsType[*turnout.Error](err); !ok || e.Code != turnout.CodeNotFound {
		return err
	}
	all, err := s.api.cfg.Archives.Replays(ctx, name.Scope)
	if err != nil {
		return err
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return turnout.Errorf(turnout.CodeNotFound, "Replay %s does not exist. %s", name.Name, oneOf("replays", names))
}

// spec checks what a replay is to do.
func (s *replays) spec(ctx context.Context, in *turnoutv1.ReplaySpec, named bool) (turnout.ReplaySpec, error) {
	scope, err := s.api.scope(ctx)
	if err != nil {
		return turnout.ReplaySpec{}, err
	}
	var c check
	if !c.required("spec", in != nil) {
		return turnout.ReplaySpec{}, c.err()
	}
	spec := turnout.ReplaySpec{
		ReplayName:  turnout.ReplayName{Scope: scope, Name: in.GetName()},
		Description: in.GetDescription(),
		From:        c.time("spec.from", in.GetFrom()), To: c.time("spec.to", in.GetTo()),
		TargetID: in.GetTargetId(), PerSecondMax: int(in.GetEventsPerSecondMax()),
		TimeLapse: in.GetTimeLapse(), SkipDelivered: in.GetSkipDelivered(),
	}
	if named || spec.Name != "" {
		c.name("spec.name", spec.Name, replayNameMax)
	}
	c.text("spec.description", spec.Description, 0, 512)
	s.checkTimes(&c, in, &spec)
	c.receivers(in, &spec)
	c.number("spec.events_per_second_max", int64(spec.PerSecondMax), 0, perSecondMax)
	if l := spec.TimeLapse; l != 0 && (math.IsNaN(l) || l < 1.0/timeLapseMax || l > timeLapseMax) {
		c.add("spec.time_lapse", "must be 0, or 0.000001–1,000,000, but is %v", l)
	}
	s.checkSource(&c, in, &spec)
	if err := c.err(); err != nil {
		return turnout.ReplaySpec{}, err
	}
	if name, ok := in.GetSource().(*turnoutv1.ReplaySpec_Archive); ok {
		archive, err := s.api.cfg.Archives.Archive(ctx, turnout.ArchiveName{Scope: scope, Name: name.Archive})
		if err != nil {
			return turnout.ReplaySpec{}, s.noArchive(ctx, scope, name.Archive, err)
		}
		spec.SourceARN, spec.Bus = archive.ARN(), archive.Bus
	}
	for _, rule := range in.GetRules() {
		spec.FilterARNs = append(spec.FilterARNs, turnout.RuleName{Bus: spec.Bus, Name: rule}.ARN())
	}
	return spec, nil
}

// noArchive adds which archives there are to the error of one that does not exist.
func (s *replays) noArchive(ctx context.Context, scope turnout.Scope, name string, err error) error {
	if e, ok := errors.AsType[*turnout.Error](err); !ok || e.Code != turnout.CodeNotFound {
		return err
	}
	all, err := s.api.cfg.Archives.Archives(ctx, scope)
	if err != nil {
		return err
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return turnout.Errorf(turnout.CodeNotFound, "Archive %s does not exist. %s", name, oneOf("archives", names))
}

func (s *replays) checkTimes(c *check, in *turnoutv1.ReplaySpec, spec *turnout.ReplaySpec) {
	c.required("spec.from", in.GetFrom() != nil)
	if in.GetTo() == nil {
		spec.To = time.Now().UTC()
	}
	if in.GetFrom() != nil && len(c.faults) == 0 && !spec.From.Before(spec.To) {
		c.add("spec.from", "must be before spec.to, which is %s", spec.To.Format(time.RFC3339Nano))
	}
}

func (s *replays) checkSource(c *check, in *turnoutv1.ReplaySpec, spec *turnout.ReplaySpec) {
	switch source := in.GetSource().(type) {
	case *turnoutv1.ReplaySpec_Archive:
		c.name("spec.archive", source.Archive, archiveNameMax)
	case *turnoutv1.ReplaySpec_Bus:
		c.busName("spec.bus", source.Bus)
		spec.Bus = turnout.BusName{Scope: spec.Scope, Name: source.Bus}
		spec.SourceARN = spec.Bus.ARN()
	default:
		c.add("spec.source", "is required: give spec.archive or spec.bus")
	}
}

// receivers checks who gets the events.
func (c *check) receivers(in *turnoutv1.ReplaySpec, spec *turnout.ReplaySpec) {
	if n := len(in.GetRules()); n > rulesMax {
		c.add("spec.rules", "must have at most %d items, but has %s", rulesMax, thousands(int64(n)))
	}
	for i, rule := range in.GetRules() {
		c.name("spec.rules["+strconv.Itoa(i)+"]", rule, ruleNameMax)
	}
	if spec.TargetID != "" {
		c.name("spec.target_id", spec.TargetID, targetIDMax)
		if len(in.GetRules()) != 1 {
			c.add("spec.target_id", "needs exactly one rule in spec.rules, but there are %s", thousands(int64(len(in.GetRules()))))
		}
	}
	text := in.GetQueue()
	if text == "" {
		return
	}
	if len(in.GetRules()) > 0 {
		c.add("spec.queue", "must not be given together with spec.rules")
	}
	queue, ok := turnout.ParseQueueARN(text)
	if !ok {
		if strings.HasPrefix(text, "arn:") {
			c.add("spec.queue", "must be the name or the ARN of a queue")
			return
		}
		queue = turnout.QueueName{Scope: spec.Scope, Name: text}
	} else if queue.Account != spec.Account {
		c.add("spec.queue", "must be a queue of account %s", spec.Account)
	}
	c.name("spec.queue", queue.Name, 80)
	spec.Queue = &queue
}

func encodeReplay(r *turnout.Replay) *turnoutv1.Replay {
	spec := &turnoutv1.ReplaySpec{
		Name: r.Name, Description: r.Description,
		From: timestamppb.New(r.From), To: timestamppb.New(r.To),
		TargetId: r.TargetID, EventsPerSecondMax: int32(min(r.PerSecondMax, math.MaxInt32)), //nolint:gosec // bounded
		TimeLapse: r.TimeLapse, SkipDelivered: r.SkipDelivered,
	}
	if archive, ok := turnout.ParseArchiveARN(r.SourceARN); ok {
		spec.Source = &turnoutv1.ReplaySpec_Archive{Archive: archive.Name}
	} else {
		spec.Source = &turnoutv1.ReplaySpec_Bus{Bus: r.Bus.Name}
	}
	for _, arn := range r.FilterARNs {
		if rule, ok := turnout.ParseRuleARN(arn); ok {
			spec.Rules = append(spec.Rules, rule.Name)
		}
	}
	if r.Queue != nil {
		spec.Queue = r.Queue.Name
		if r.Queue.Scope != r.Scope {
			spec.Queue = r.Queue.ARN()
		}
	}
	return &turnoutv1.Replay{
		Spec: spec, Arn: r.ARN(), State: encodeState(r.State), StateReason: r.StateReason,
		StartTime: encodeTime(r.StartedAt), EndTime: encodeTime(r.EndedAt), LastEventTime: encodeTime(r.LastEvent),
		Events: r.Events, Deliveries: r.Delivered, Skipped: r.Skipped, Progress: progress(r),
	}
}

// progress says how far a replay has come through its time.
func progress(r *turnout.Replay) float64 {
	if r.State == turnout.ReplayCompleted {
		return 1
	}
	to := r.To
	if !r.StartedAt.IsZero() && r.StartedAt.Before(to) {
		to = r.StartedAt // nothing later is part of it
	}
	whole := to.Sub(r.From)
	if r.LastEvent.IsZero() || whole <= 0 {
		return 0
	}
	return min(max(float64(r.LastEvent.Sub(r.From))/float64(whole), 0), 1)
}

// encodeTime leaves out the zero time.
func encodeTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func encodeState(s turnout.ReplayState) turnoutv1.ReplayState {
	return turnoutv1.ReplayState(turnoutv1.ReplayState_value["REPLAY_STATE_"+string(s)])
}
