package cli

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/seed567880c8/turnout/internal/config"
	"github.com/seed567880c8/turnout/internal/server"
)

func newDev(p *Process) *cobra.Command {
	return newServerCommand(p, config.Dev, &cobra.Command{
		Use:   "dev",
		Short: "Run a server for development: everything on, nothing kept",
		Long: `Dev runs a server on this machine alone. Requests are not authenticated, the data lives in a
temporary directory that is removed when the server stops, and POST /_turnout/reset empties it.`,
		Example: `  turnout dev
  turnout dev --listen 127.0.0.1:0      # any free port
  export AWS_ENDPOINT_URL=http://localhost:4566
  aws sqs create-queue --queue-name orders`,
	})
}

func newServe(p *Process) *cobra.Command {
	return newServerCommand(p, config.Serve, &cobra.Command{
		Use:   "serve",
		Short: "Run a server that keeps its data",
		Long: `Serve runs a server on a data directory. A change is answered when it is synced to disk.
Requests are not authenticated yet, so it listens on this machine alone unless told otherwise.`,
		Example: `  turnout serve --data /var/lib/turnout
  turnout serve --config /etc/turnout.yaml
  TURNOUT_DATA=/var/lib/turnout turnout serve --log-format json`,
	})
}

// newServerCommand completes cmd with the settings of mode.
func newServerCommand(p *Process, mode config.Mode, cmd *cobra.Command) *cobra.Command {
	loader := config.NewLoader(mode, cmd.Flags())
	cmd.Args = noArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loader.Load(p.Environ)
		if err != nil {
			return usageError{err}
		}
		ctx, stop := untilSignal(cmd.Context())
		defer stop()
		return p.runServer(ctx, cfg, func(ctx context.Context, url string) error {
			_, err := fmt.Fprintf(p.Stdout, "turnout %s is ready on %s, try: export AWS_ENDPOINT_URL=%s\n", mode, url, url)
			if err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		})
	}
	return cmd
}

// runServer runs a server for as long as work takes: it calls work with the
// server's URL once that answers, and stops the server when work returns. The
// context of work ends with ctx, and when the server fails.
func (p *Process) runServer(ctx context.Context, cfg config.Config, work func(ctx context.Context, url string) error) error {
	p.tuneGC()
	logger := slog.New(cfg.Log.Handler(p.Stderr))
	// net/http writes what a hostile endpoint sends out of turn to the standard
	// logger: not a line that anybody else should be able to write.
	slog.SetLogLoggerLevel(slog.LevelDebug)
	slog.SetDefault(logger)
	srv, err := server.New(cfg, server.Options{Log: logger, Version: p.build().Version}) //nolint:contextcheck // opening a server starts nothing that a context could end
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1) // taken below in every case
	go func() {
		served <- srv.Run(ctx)
		cancel()
	}()
	select {
	case err := <-served:
		return err
	case <-srv.Ready():
	}
	err = work(ctx, srv.URL())
	cancel()
	if serr := <-served; serr != nil {
		return serr // what work met, if anything, came of it
	}
	return err
}

// gcPercent lets the heap grow to five times what is in use before it is
// collected. What a server keeps is bounded and small beside what requests
// allocate, so that Go's default, twice, would have it collect many times a
// second: a fifth of its CPU under load.
const gcPercent = 400

// tuneGC sets that, unless the operator has decided.
func (p *Process) tuneGC() {
	if p.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
