package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/native"
	"github.com/seed567880c8/turnout/cmd/turnout/internal/terminal"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

const statePrefix = "REPLAY_STATE_"

func newReplay(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Deliver events of the past again",
		Long: `Replay delivers events again that were published before: those of an archive, or of a bus's built-in
history. They go to the rules of the bus, to some of them, to one target or to a queue, in the order of
their publish, as fast as the server likes or at a pace.`,
		Example: `  turnout replay dry-run --bus orders --from 2h
  turnout replay start again-1 --bus orders --from 2h --rule invoices --target 1 --skip-delivered --wait
  turnout replay list
  turnout replay cancel again-1`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newReplayStart(p), newReplayDryRun(p), newReplayGet(p), newReplayList(p), newReplayCancel(p))
	return cmd
}

// specFlags say what a replay is to do.
type specFlags struct {
	archive, bus, from, to, target, queue, description string
	rules                                              []string
	rate                                               int32
	timeLapse                                          float64
	skipDelivered                                      bool
}

func addSpec(cmd *cobra.Command) *specFlags {
	f := &specFlags{}
	flags := cmd.Flags()
	flags.StringVar(&f.archive, "archive", "", "archive to replay")
	flags.StringVar(&f.bus, "bus", "", "bus whose history to replay")
	flags.StringVar(&f.from, "from", "", "only events published then or later: a time such as 2026-01-31T09:00:00Z, or how long ago, such as 90m, 24h or 7d")
	flags.StringVar(&f.to, "to", "", "only events published before then (default now)")
	flags.StringArrayVar(&f.rules, "rule", nil, "rule that gets the events that it matches; may be repeated (default all rules)")
	flags.StringVar(&f.target, "target", "", "id of the only target that gets events, of the one --rule")
	flags.StringVar(&f.queue, "queue", "", "queue, by name or ARN, that gets every event in place of rules")
	flags.Int32Var(&f.rate, "rate", 0, "most events a second (default as fast as the server likes)")
	flags.Float64Var(&f.timeLapse, "time-lapse", 0, "keep the pauses of the original, so many times as fast: 1 is real time, 60 a minute each second")
	flags.BoolVar(&f.skipDelivered, "skip-delivered", false, "leave out what is known to have been delivered")
	return f
}

func (f *specFlags) spec(name string) (*turnoutv1.ReplaySpec, error) {
	spec := &turnoutv1.ReplaySpec{
		Name: name, Description: f.description, Rules: f.rules, TargetId: f.target, Queue: f.queue,
		EventsPerSecondMax: f.rate, TimeLapse: f.timeLapse, SkipDelivered: f.skipDelivered,
	}
	switch {
	case f.archive != "" && f.bus != "" || f.archive == "" && f.bus == "":
		return nil, usageError{errors.New("give either --archive or --bus")}
	case f.archive != "":
		spec.Source = &turnoutv1.ReplaySpec_Archive{Archive: f.archive}
	default:
		spec.Source = &turnoutv1.ReplaySpec_Bus{Bus: f.bus}
	}
	now := time.Now()
	var err error
	if f.from == "" {
		return nil, usageError{errors.New("--from is missing: since when, for example --from 2h")}
	}
	if spec.From, err = parseWhen(f.from, now); err != nil {
		return nil, usageError{fmt.Errorf("--from: %w", err)}
	}
	if f.to != "" {
		if spec.To, err = parseWhen(f.to, now); err != nil {
			return nil, usageError{fmt.Errorf("--to: %w", err)}
		}
	}
	return spec, nil
}

func newReplayStart(p *Process) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "start NAME",
		Short: "Start a replay",
		Long: `Start starts a replay. It goes on by itself, across restarts of the server. With --wait the command
shows how far it is until it ends, and fails if it fails or is cancelled; ending the command does not end the replay.`,
		Example: `  turnout replay start again-1 --bus orders --from 2h
  turnout replay start again-2 --archive orders --from 7d --to 6d --queue inspection --rate 500 --wait
  turnout replay start again-3 --bus orders --from 24h --rule invoices --target 1 --time-lapse 60`,
		Args: oneArg("the name of the replay"),
	}
	spec := addSpec(cmd)
	cmd.Flags().StringVar(&spec.description, "description", "", "what the replay is for")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the replay has ended")
	f := addNative(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		asked, err := spec.spec(args[0])
		if err != nil {
			return err
		}
		ctx, stop := untilSignal(cmd.Context())
		defer stop()
		var ended *turnoutv1.Replay
		err = call(ctx, p, f, func(ctx context.Context, c *native.Client) (*turnoutv1.Replay, error) {
			out, err := c.Replays.StartReplay(ctx, &turnoutv1.StartReplayRequest{Spec: asked})
			if err != nil || !wait {
				return out.GetReplay(), err
			}
			ended, err = waitReplay(ctx, p, c, args[0])
			return ended, err
		}, printReplay)
		if err == nil && ended != nil && ended.GetState() != turnoutv1.ReplayState_REPLAY_STATE_COMPLETED {
			return errReported
		}
		return err
	}
	return cmd
}

// pollEvery is how often a replay is looked at while a command waits for it.
const pollEvery = 250 * time.Millisecond

// waitReplay shows the progress of a replay until it has ended.
func waitReplay(ctx context.Context, p *Process, c *native.Client, name string) (*turnoutv1.Replay, error) {
	progress := terminal.NewProgress(terminal.New(p.Stderr, p.getenv), "replay "+name+", percent", 100)
	defer progress.Done()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		out, err := c.Replays.GetReplay(ctx, &turnoutv1.GetReplayRequest{Name: name})
		if err != nil {
			return nil, err
		}
		progress.Set(int(out.GetReplay().GetProgress() * 100))
		switch out.GetReplay().GetState() {
		case turnoutv1.ReplayState_REPLAY_STATE_COMPLETED, turnoutv1.ReplayState_REPLAY_STATE_CANCELLED, turnoutv1.ReplayState_REPLAY_STATE_FAILED:
			return out.GetReplay(), nil
		default:
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("stopped waiting; the replay goes on, see 'turnout replay get %s'", name)
		}
	}
}

func newReplayDryRun(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dry-run",
		Short: "Count what a replay would deliver, and deliver nothing",
		Example: `  turnout replay dry-run --bus orders --from 2h
  turnout replay dry-run --archive orders --from 7d --rule invoices --skip-delivered -o json`,
		Args: noArgs,
	}
	spec := addSpec(cmd)
	f := addNative(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asked, err := spec.spec("")
		if err != nil {
			return err
		}
		return call(cmd.Context(), p, f, func(ctx context.Context, c *native.Client) (*turnoutv1.DryRunResponse, error) {
			return c.Replays.DryRun(ctx, &turnoutv1.DryRunRequest{Spec: asked})
		}, func(out *turnoutv1.DryRunResponse, t *terminal.Printer) { printDryRun(out, spec.queue, t) })
	}
	return cmd
}

func printDryRun(out *turnoutv1.DryRunResponse, queue string, t *terminal.Printer) {
	events := " events"
	switch {
	case !out.GetComplete():
		events = " or more events"
	case out.GetEvents() == 1:
		events = " event"
	}
	t.Printf("%s%s would be replayed\n", terminal.Count(out.GetEvents()), events)
	if len(out.GetTargets()) > 0 {
		table := terminal.Table{Columns: []terminal.Column{{Title: "rule"}, {Title: "target"}, {Title: "deliveries", Right: true}, {Title: "skipped", Right: true}}}
		for _, one := range out.GetTargets() {
			rule := one.GetRule()
			if rule == "" {
				rule = "queue " + queue
			}
			table.Row(rule, one.GetTargetId(), terminal.Count(one.GetDeliveries()), terminal.Count(one.GetSkipped()))
		}
		t.Printf("\n")
		table.Print(t)
	}
	if len(out.GetSamples()) > 0 {
		t.Printf("\n%s\n", t.Bold("samples"))
		for _, sample := range out.GetSamples() {
			t.Printf("%s\n", sample)
		}
	}
}

func newReplayGet(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "get NAME", Short: "Describe a replay", Args: oneArg("the name of a replay"),
		Example: "  turnout replay get again-1\n  turnout replay get again-1 -o json",
	}
	f := addNative(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return call(cmd.Context(), p, f, func(ctx context.Context, c *native.Client) (*turnoutv1.Replay, error) {
			out, err := c.Replays.GetReplay(ctx, &turnoutv1.GetReplayRequest{Name: args[0]})
			return out.GetReplay(), err
		}, printReplay)
	}
	return cmd
}

func newReplayCancel(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "cancel NAME", Short: "Stop a replay; what it has delivered stays", Args: oneArg("the name of a replay"),
		Example: "  turnout replay cancel again-1",
	}
	f := addNative(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return call(cmd.Context(), p, f, func(ctx context.Context, c *native.Client) (*turnoutv1.Replay, error) {
			out, err := c.Replays.CancelReplay(ctx, &turnoutv1.CancelReplayRequest{Name: args[0]})
			return out.GetReplay(), err
		}, printReplay)
	}
	return cmd
}

func newReplayList(p *Process) *cobra.Command {
	var prefix string
	var states []string
	cmd := &cobra.Command{
		Use: "list", Short: "List replays: those under way, and those of the last 90 days", Args: noArgs,
		Example: "  turnout replay list\n  turnout replay list --state running --prefix again- -o json",
	}
	cmd.Flags().StringVar(&prefix, "prefix", "", "only replays whose names begin so")
	cmd.Flags().StringArrayVar(&states, "state", nil, "only replays in this state: starting, running, cancelling, completed, cancelled or failed; may be repeated")
	f := addNative(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r := &turnoutv1.ListReplaysRequest{NamePrefix: prefix, PageSize: pageSize}
		for _, state := range states {
			value, ok := turnoutv1.ReplayState_value[statePrefix+strings.ToUpper(state)]
			if !ok || value == 0 {
				return usageError{fmt.Errorf("--state: %q is no state of a replay", state)}
			}
			r.States = append(r.States, turnoutv1.ReplayState(value))
		}
		return call(cmd.Context(), p, f, func(ctx context.Context, c *native.Client) (*turnoutv1.ListReplaysResponse, error) {
			all := &turnoutv1.ListReplaysResponse{}
			return all, pages(func(token string) (*turnoutv1.ListReplaysResponse, error) {
				r.PageToken = token
				return c.Replays.ListReplays(ctx, r)
			}, func(page *turnoutv1.ListReplaysResponse) { all.Replays = append(all.Replays, page.GetReplays()...) })
		}, printReplays)
	}
	return cmd
}

func printReplays(out *turnoutv1.ListReplaysResponse, t *terminal.Printer) {
	table := terminal.Table{Columns: []terminal.Column{
		{Title: "name"}, {Title: "state"}, {Title: "progress", Right: true}, {Title: "events", Right: true}, {Title: "deliveries", Right: true}, {Title: "started"},
	}}
	for _, r := range out.GetReplays() {
		table.Row(r.GetSpec().GetName(), word(r.GetState().String(), statePrefix), percent(r),
			terminal.Count(r.GetEvents()), terminal.Count(r.GetDeliveries()), formatTime(r.GetStartTime()))
	}
	table.Print(t)
}

func percent(r *turnoutv1.Replay) string { return fmt.Sprintf("%.0f %%", 100*r.GetProgress()) }

// printReplay describes one replay, a line for each thing worth saying.
func printReplay(r *turnoutv1.Replay, t *terminal.Printer) {
	spec := r.GetSpec()
	source := "bus " + spec.GetBus()
	if spec.GetArchive() != "" {
		source = "archive " + spec.GetArchive()
	}
	to := "all rules"
	switch {
	case spec.GetQueue() != "":
		to = "queue " + spec.GetQueue()
	case spec.GetTargetId() != "":
		to = fmt.Sprintf("target %s of rule %s", spec.GetTargetId(), strings.Join(spec.GetRules(), ", "))
	case len(spec.GetRules()) > 0:
		to = "rules " + strings.Join(spec.GetRules(), ", ")
	}
	state := word(r.GetState().String(), statePrefix)
	if r.GetStateReason() != "" {
		state += ": " + r.GetStateReason()
	}
	for _, line := range [...][2]string{
		{"name", spec.GetName()},
		{"state", state},
		{"source", source},
		{"from", formatTime(spec.GetFrom())},
		{"to", formatTime(spec.GetTo())},
		{"receivers", to},
		{"progress", percent(r)},
		{"events", terminal.Count(r.GetEvents())},
		{"deliveries", terminal.Count(r.GetDeliveries())},
		{"skipped", terminal.Count(r.GetSkipped())},
		{"started", formatTime(r.GetStartTime())},
		{"ended", formatTime(r.GetEndTime())},
	} {
		if line[1] != "" {
			t.Printf("%-10s  %s\n", line[0], line[1])
		}
	}
}
