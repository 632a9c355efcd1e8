package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/awsclient"
	"github.com/seed567880c8/turnout/cmd/turnout/internal/demo"
	"github.com/seed567880c8/turnout/cmd/turnout/internal/terminal"
	"github.com/seed567880c8/turnout/internal/config"
)

// demoFlags is what the command line of demo says.
type demoFlags struct {
	keep   bool
	listen string
	events int
	form   *output
}

func newDemo(p *Process) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a server on recorded input and check everything it does",
		Long: `Demo starts a server in a temporary directory and, with the AWS SDK, creates a bus, rules, standard
and FIFO queues and a dead-letter queue. It publishes 20,560 readings of room sensors and 273 GitHub
webhooks, consumes every queue, and compares what arrived with what plain Go computes from the input.
The exit code is 1 if anything differs.`,
		Example: `  turnout demo
  turnout demo --keep                   # leave the server up to try commands on it
  turnout demo -o json`,
		Args: noArgs,
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.keep, "keep", false, "leave the server up when done, until Ctrl-C")
	flags.StringVar(&f.listen, "listen", "", "address of the HTTP listener (default any free port; with --keep 127.0.0.1:4566)")
	flags.IntVar(&f.events, "events", 0, "publish only so many of the recorded events (default all)")
	f.form = addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.run(cmd, p) }
	return cmd
}

func (f *demoFlags) run(cmd *cobra.Command, p *Process) error {
	cfg := config.Default(config.Dev)
	switch {
	case f.listen != "":
		cfg.Listen = f.listen
	case !f.keep:
		cfg.Listen, cfg.GRPCListen = "127.0.0.1:0", "127.0.0.1:0"
	}
	cfg.Log.Level = slog.LevelWarn
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	return p.runServer(ctx, cfg, func(ctx context.Context, url string) error { return f.against(ctx, p, url) })
}

// against runs the demo against the server at url.
func (f *demoFlags) against(ctx context.Context, p *Process, url string) error {
	clients, err := awsclient.New(awsclient.Config{Endpoint: url})
	if err != nil {
		return err
	}
	defer clients.Close()
	stderr := terminal.New(p.Stderr, p.getenv)
	stderr.Printf("Turnout runs on %s; publishing and consuming …\n", url)
	var progress *terminal.Progress
	report, err := demo.Run(ctx, demo.Config{
		Clients:   clients,
		EventsMax: f.events,
		Progress: func(done, expected int) {
			if progress == nil {
				progress = terminal.NewProgress(stderr, "messages consumed", expected)
			}
			progress.Set(done)
		},
	})
	if progress != nil {
		progress.Done()
	}
	if err != nil {
		return err
	}
	out := terminal.New(p.Stdout, p.getenv)
	if *f.form == asJSON {
		if err := printJSON(p.Stdout, report); err != nil {
			return err
		}
	} else {
		report.Print(out)
	}
	if f.keep {
		printTries(stderr, url)
		<-ctx.Done()
	}
	if !report.OK {
		return errReported
	}
	return nil
}

// printTries shows commands that work on the server that the demo leaves up.
func printTries(p *terminal.Printer, endpoint string) {
	queue, _ := url.JoinPath(endpoint, "000000000000", "alerts") // the server's own URL parses
	p.Printf("\nThe server is still up, until Ctrl-C. In another shell:\n\n")
	p.Printf("  export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo AWS_DEFAULT_REGION=us-east-1\n\n")
	for _, c := range []string{
		"events list-rules --event-bus-name demo",
		fmt.Sprintf("events put-events --entries '%s'", `[{"EventBusName":"demo","Source":"rooms","DetailType":"reading","Detail":"{\"device\":\"lab-9\",\"co2\":1200}","Resources":["try"]}]`),
		fmt.Sprintf("sqs receive-message --wait-time-seconds 5 --queue-url %s", queue),
	} {
		// With the option rather than the variable AWS_ENDPOINT_URL, which
		// version 1 of the aws command does not heed for sqs.
		p.Printf("  %s\n", p.Bold("aws --endpoint-url "+endpoint+" "+c))
	}
	p.Printf("\n")
}
