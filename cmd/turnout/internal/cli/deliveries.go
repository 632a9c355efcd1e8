package cli

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/native"
	"github.com/seed567880c8/turnout/cmd/turnout/internal/terminal"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

const (
	outcomePrefix = "ATTEMPT_OUTCOME_"
	phasePrefix   = "ENDPOINT_PHASE_"
)

func newAttempts(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "attempts EVENT_ID",
		Short: "List the attempts to deliver an event to the outside",
		Long: `Attempts lists the attempts to deliver an event, or a topic's message, to API destinations, functions
and HTTP subscriptions, the oldest first. Deliveries to queues need no attempts and are not listed.`,
		Example: `  turnout attempts 0aa6720c-abe4-440e-bdaf-d4599e1c0e07
  turnout attempts 0aa6720c-abe4-440e-bdaf-d4599e1c0e07 -o json`,
		Args: oneArg("the id of an event"),
	}
	f := addNative(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return call(cmd.Context(), p, f, func(ctx context.Context, c *native.Client) (*turnoutv1.ListAttemptsResponse, error) {
			all := &turnoutv1.ListAttemptsResponse{}
			return all, pages(func(token string) (*turnoutv1.ListAttemptsResponse, error) {
				return c.Deliveries.ListAttempts(ctx, &turnoutv1.ListAttemptsRequest{EventId: args[0], PageSize: pageSize, PageToken: token})
			}, func(page *turnoutv1.ListAttemptsResponse) { all.Attempts = append(all.Attempts, page.GetAttempts()...) })
		}, printAttempts)
	}
	return cmd
}

func printAttempts(out *turnoutv1.ListAttemptsResponse, t *terminal.Printer) {
	table := terminal.Table{Columns: []terminal.Column{
		{Title: "time"}, {Title: "endpoint"}, {Title: "attempt", Right: true}, {Title: "outcome"}, {Title: "status", Right: true}, {Title: "latency", Right: true}, {Title: "what"},
	}}
	for _, a := range out.GetAttempts() {
		status := ""
		if a.GetStatus() != 0 {
			status = strconv.Itoa(int(a.GetStatus()))
		}
		table.Row(formatTime(a.GetTime()), a.GetEndpoint(), strconv.Itoa(int(a.GetAttempt())), word(a.GetOutcome().String(), outcomePrefix),
			status, fmt.Sprintf("%.1f ms", float64(a.GetLatency().AsDuration().Microseconds())/1000), whatHappened(a))
	}
	table.Print(t)
}

// whatHappened says why an attempt failed and what comes of it.
func whatHappened(a *turnoutv1.Attempt) string {
	var parts []string
	if a.GetErrorCode() != "" {
		parts = append(parts, strings.TrimSuffix(a.GetErrorCode()+": "+a.GetErrorMessage(), ": "))
	}
	if a.GetRetryTime() != nil {
		parts = append(parts, "next at "+formatTime(a.GetRetryTime()))
	}
	if a.GetDeadLetterQueue() != "" {
		parts = append(parts, "went to "+a.GetDeadLetterQueue())
	}
	return strings.Join(parts, "; ")
}

func newEndpoints(p *Process) *cobra.Command {
	var phases []string
	cmd := &cobra.Command{
		Use:   "endpoints",
		Short: "List the endpoints that are delivered to, and how they do",
		Long: `Endpoints lists the API destinations, functions and HTTP subscriptions that have deliveries waiting or
were called since the server started.`,
		Example: `  turnout endpoints
  turnout endpoints --phase open --phase disabled
  turnout endpoints enable arn:aws:events:us-east-1:000000000000:api-destination/crm/5f0c…`,
		Args: noArgs,
	}
	cmd.Flags().StringArrayVar(&phases, "phase", nil, "only endpoints in this phase: active, recovering, open, probing or disabled; may be repeated")
	f := addNative(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r := &turnoutv1.ListEndpointsRequest{PageSize: pageSize}
		for _, phase := range phases {
			value, ok := turnoutv1.EndpointPhase_value[phasePrefix+strings.ToUpper(phase)]
			if !ok || value == 0 {
				return usageError{fmt.Errorf("--phase: %q is no phase of an endpoint", phase)}
			}
			r.Phases = append(r.Phases, turnoutv1.EndpointPhase(value))
		}
		return call(cmd.Context(), p, f, func(ctx context.Context, c *native.Client) (*turnoutv1.ListEndpointsResponse, error) {
			all := &turnoutv1.ListEndpointsResponse{}
			return all, pages(func(token string) (*turnoutv1.ListEndpointsResponse, error) {
				r.PageToken = token
				return c.Deliveries.ListEndpoints(ctx, r)
			}, func(page *turnoutv1.ListEndpointsResponse) {
				all.Endpoints = append(all.Endpoints, page.GetEndpoints()...)
			})
		}, printEndpoints)
	}
	cmd.AddCommand(newEndpointsEnable(p))
	return cmd
}

func newEndpointsEnable(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "enable ARN",
		Short: "Have an endpoint that was disabled called again",
		Long: `Enable has an endpoint that was disabled called again: with one delivery first, and if that succeeds
with all that wait. One that is not disabled stays as it is.`,
		Example: "  turnout endpoints enable arn:aws:events:us-east-1:000000000000:api-destination/crm/5f0c…",
		Args:    oneArg("the ARN of an endpoint"),
	}
	f := addNative(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return call(cmd.Context(), p, f, func(ctx context.Context, c *native.Client) (*turnoutv1.Endpoint, error) {
			out, err := c.Deliveries.EnableEndpoint(ctx, &turnoutv1.EnableEndpointRequest{Arn: args[0]})
			return out.GetEndpoint(), err
		}, func(e *turnoutv1.Endpoint, t *terminal.Printer) {
			printEndpoints(&turnoutv1.ListEndpointsResponse{Endpoints: []*turnoutv1.Endpoint{e}}, t)
		})
	}
	return cmd
}

func printEndpoints(out *turnoutv1.ListEndpointsResponse, t *terminal.Printer) {
	table := terminal.Table{Columns: []terminal.Column{
		{Title: "endpoint"}, {Title: "phase"}, {Title: "waiting", Right: true}, {Title: "running", Right: true}, {Title: "next probe"}, {Title: "last error"},
	}}
	for _, e := range out.GetEndpoints() {
		table.Row(e.GetArn(), word(e.GetPhase().String(), phasePrefix), terminal.Count(e.GetWaiting()),
			fmt.Sprintf("%d of %d", e.GetRunning(), e.GetRunningMax()), formatTime(e.GetNextProbeTime()), cmp.Or(e.GetDisabledReason(), e.GetLastError()))
	}
	table.Print(t)
}
