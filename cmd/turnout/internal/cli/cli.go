package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/terminal"
)

// Process is what a command sees of its surroundings.
type Process struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string // as os.Environ returns it
	Version        string   // of a release build; "" takes it from the build information
}

// getenv returns the value of a variable, or "".
func (p *Process) getenv(name string) string {
	for _, pair := range slices.Backward(p.Environ) {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			return v
		}
	}
	return ""
}

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // the command was understood and failed
	exitUsage   = 2 // the command line or the settings make no sense
)

// usageError is a fault of the command line or the settings.
type usageError struct{ error }

// Unwrap returns the fault itself.
func (e usageError) Unwrap() error { return e.error }

// errReported fails a command that has already said why.
var errReported = errors.New("failure reported")

// Main runs the command that args (without the program's name) ask for and
// returns the exit code. SIGINT and SIGTERM ask a running command to stop; a
// second one ends the process at once.
func Main(ctx context.Context, args []string, p Process) int {
	root := newRoot(&p) //nolint:contextcheck // cobra hands ctx to the command that it runs
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	printer := terminal.New(p.Stderr, p.getenv)
	if !errors.Is(err, errReported) {
		printer.Printf("%s %v\n", printer.Red("error:"), err)
	}
	if _, ok := errors.AsType[usageError](err); ok {
		printer.Printf("Run '%s --help' for usage.\n", cmd.CommandPath())
		return exitUsage
	}
	return exitFailure
}

func newRoot(p *Process) *cobra.Command {
	root := &cobra.Command{
		Use:   "turnout",
		Short: "A self-hosted event bus and message router that speaks the AWS APIs",
		Long: `Turnout is what EventBridge and SQS do, in one binary: producers publish events,
rules match them, and every match waits on a durable queue until it is consumed.
Unchanged AWS SDKs and the aws command work against it.`,
		Example: `  turnout demo                          # see it work on recorded input
  turnout dev                           # a server for development
  turnout serve --data /var/lib/turnout # a server that keeps its data
  export AWS_ENDPOINT_URL=http://localhost:4566
  turnout put --source shop --detail-type OrderPlaced --detail '{"id": 1}'`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			message := fmt.Sprintf("unknown command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				message += "; did you mean " + strings.Join(near, " or ") + "?"
			}
			return usageError{errors.New(message)}
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newDev(p), newServe(p), newDemo(p), newPut(p), newReplay(p), newAttempts(p), newEndpoints(p), newVersion(p))
	return root
}

// noArgs refuses arguments as a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments, and %q is one", cmd.CommandPath(), args[0])}
	}
	return nil
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM.
// From then on a signal has its usual effect again, so a second one ends the
// process whatever the command is doing. Call stop when the command is done.
func untilSignal(ctx context.Context) (_ context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
