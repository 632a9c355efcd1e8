package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/native"
	"github.com/seed567880c8/turnout/cmd/turnout/internal/terminal"
)

// nativeFlags are those of every command that calls the native API.
type nativeFlags struct {
	cfg  native.Config
	form *output
}

func addNative(cmd *cobra.Command) *nativeFlags {
	f := &nativeFlags{}
	flags := cmd.Flags()
	flags.StringVar(&f.cfg.Endpoint, "grpc-endpoint", "", "HOST:PORT of the server's gRPC listener (environment: "+native.EndpointVariable+"; default "+native.DefaultEndpoint+")")
	flags.StringVar(&f.cfg.Account, "account", "", "account to speak for, twelve digits (environment: AWS_ACCESS_KEY_ID, if it is one; default: the server's)")
	flags.StringVar(&f.cfg.Region, "region", "", "AWS region (environment: AWS_REGION; default: the server's)")
	f.form = addOutput(cmd)
	return f
}

// call runs work with a client, and prints the message that it returns as the
// flags say: as JSON, or by table.
func call[M proto.Message](
	ctx context.Context, p *Process, f *nativeFlags,
	work func(ctx context.Context, c *native.Client) (M, error), table func(M, *terminal.Printer),
) error {
	c, err := native.New(f.cfg.FromEnvironment(p.getenv))
	if err != nil {
		return usageError{err}
	}
	defer c.Close()
	m, err := work(ctx, c)
	if err != nil {
		return err
	}
	if *f.form == asJSON {
		return native.WriteJSON(p.Stdout, m)
	}
	table(m, terminal.New(p.Stdout, p.getenv))
	return nil
}

// pages calls list for one page after another and hands each to add.
func pages[M interface{ GetNextPageToken() string }](list func(token string) (M, error), add func(M)) error {
	for token := ""; ; {
		page, err := list(token)
		if err != nil {
			return err
		}
		add(page)
		if token = page.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

// pageSize is what commands ask for at once.
const pageSize = 1000

// oneArg requires one argument, described by what.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s takes one argument, %s, but there are %d", cmd.CommandPath(), what, len(args))}
		}
		return nil
	}
}

// parseWhen reads a time: RFC 3339, or how long ago, such as 90m, 24h or 7d.
func parseWhen(text string, now time.Time) (*timestamppb.Timestamp, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return timestamppb.New(t), nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return timestamppb.New(now.Add(-time.Duration(n) * 24 * time.Hour)), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return timestamppb.New(now.Add(-ago)), nil
	}
	return nil, fmt.Errorf("%q is neither a time such as 2026-01-31T09:00:00Z nor how long ago, such as 90m, 24h or 7d", text)
}

// formatTime formats a time for a table, "" for none.
func formatTime(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format("2006-01-02 15:04:05.000")
}

// word returns an enum's value as people write it: DELIVERED of
// ATTEMPT_OUTCOME_DELIVERED is delivered.
func word(value, prefix string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(value, prefix)), "_", "-")
}
