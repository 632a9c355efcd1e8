package server

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"syscall"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/admin"
	"github.com/seed567880c8/turnout/api/native"
	"github.com/seed567880c8/turnout/broker/archive"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/internal/config"
	"github.com/seed567880c8/turnout/internal/metrics"
)

// nativeServer is the native API and where it is served over gRPC.
type nativeServer struct {
	api      *native.API
	listener net.Listener // nil: over REST alone
}

// listenGRPC opens the gRPC listener. A dev server that was not told where to
// listen takes any port when its usual one is busy, so that two of them can run
// side by side; everybody else is told that it is busy.
func listenGRPC(cfg config.Config, log *slog.Logger) (net.Listener, error) {
	l, err := listen("--grpc-listen", cfg.GRPCListen)
	if err == nil || cfg.Mode != config.Dev || cfg.GRPCListen != config.Default(config.Dev).GRPCListen || !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if l, err = listen("--grpc-listen", "127.0.0.1:0"); err == nil {
		log.Warn("the gRPC port is in use by another program, another one was taken",
			slog.String("wanted", cfg.GRPCListen), slog.String("grpc", l.Addr().String()))
	}
	return l, err
}

// newNative makes the native API of what is in the rooms.
func (s *Server) newNative() (*native.API, error) {
	return native.New(native.Config{
		Events:         s.rooms.broker,
		Archives:       nativeArchives{s.rooms.archives},
		Deliveries:     nativeDeliveries{s.rooms.dispatch},
		Scope:          turnout.Scope{Account: s.cfg.Account, Region: s.cfg.Region},
		EventsBytesMax: int(s.cfg.Limits.EventsMaxBytes),
		BodyBytesMax:   int(s.cfg.Limits.BodyMaxBytes),
		ConnectionsMax: s.cfg.Limits.ConnectionsMax,
		StopWithin:     drainWithin,
		Log:            s.log,
	})
}

// pages adds the REST side of the native API to the pages beside the AWS protocols.
func (n *nativeServer) pages(beside map[string]http.Handler) map[string]http.Handler {
	all := maps.Clone(beside)
	all["/v1/"] = admin.RefuseBrowsers(n.api.Handler())
	return all
}

// Run serves gRPC until ctx ends.
func (n *nativeServer) Run(ctx context.Context) error { return n.api.Serve(ctx, n.listener) }

// Close closes the listener of a server that was not run.
func (n *nativeServer) Close() error {
	if n.listener == nil {
		return nil
	}
	return n.listener.Close()
}

func reportNative(r *metrics.Registry, api *native.API) {
	var t table[native.Stats]
	t.gauge("turnout_grpc_calls_running", "gRPC calls and streams under way.", func(s native.Stats) float64 { return float64(s.Calls) })
	t.counter("turnout_grpc_calls_refused_total", "gRPC calls refused because too many were under way.", func(s native.Stats) float64 { return float64(s.CallsRefused) })
	t.gauge("turnout_grpc_connections", "Open gRPC connections.", func(s native.Stats) float64 { return float64(s.Connections) })
	t.counter("turnout_grpc_connections_refused_total", "gRPC connections closed at once because too many were open.", func(s native.Stats) float64 { return float64(s.ConnectionsRefused) })
	t.report(r, api.Stats)
}

// GRPCAddr returns the HOST:PORT of the gRPC listener as a client on this
// machine would use it, "" if there is none.
func (s *Server) GRPCAddr() string {
	if s.native.listener == nil {
		return ""
	}
	return localAddress(s.native.listener.Addr())
}

// nativeArchives shows archives as the native API wants them.
type nativeArchives struct{ *engine }

// engine is archives by a name that none of its methods has.
type engine = archive.Archives

// DryRun says what a replay would do.
func (a nativeArchives) DryRun(ctx context.Context, spec turnout.ReplaySpec) (native.DryRun, error) {
	run, err := a.engine.DryRun(ctx, spec)
	if err != nil {
		return native.DryRun{}, err
	}
	out := native.DryRun{Events: run.Events, Complete: run.Complete, Samples: run.Samples}
	for _, t := range run.Targets {
		out.Targets = append(out.Targets, native.DryRunTarget{
			Rule: t.Rule.Name, TargetID: t.TargetID, Deliveries: t.Deliveries, Skipped: t.Skipped,
		})
	}
	return out, nil
}

// nativeDeliveries shows the dispatcher as the native API wants it.
type nativeDeliveries struct{ dispatcher *dispatch.Dispatcher }

// Attempts returns the attempts to deliver an event.
func (d nativeDeliveries) Attempts(ctx context.Context, eventID string) ([]native.Attempt, error) {
	all, err := d.dispatcher.Attempts(ctx, eventID)
	out := make([]native.Attempt, len(all))
	for i := range all {
		r := &all[i]
		out[i] = native.Attempt{
			At: r.At, EventID: r.EventID, DeliveryID: r.DeliveryID, Endpoint: r.Endpoint,
			RuleARN: r.RuleARN, TargetID: r.TargetID, Number: r.Attempt, Outcome: r.Outcome.String(),
			RetryAt: r.RetryAt, Latency: r.Latency, Status: r.Status,
			ErrorCode: r.ErrorCode, ErrorReason: r.ErrorMessage, Excerpt: r.Excerpt,
		}
		if r.Outcome == dispatch.DeadLettered {
			out[i].DeadLetterARN = r.DeadLetterQueue.ARN()
		}
	}
	return out, err
}

// Endpoints describes the endpoints.
func (d nativeDeliveries) Endpoints(ctx context.Context) ([]native.Endpoint, error) {
	all, err := d.dispatcher.EndpointStates(ctx)
	out := make([]native.Endpoint, len(all))
	for i := range all {
		s := &all[i]
		out[i] = native.Endpoint{
			ARN: s.Endpoint, Phase: string(s.Phase), Waiting: s.Waiting, Running: s.Running, RunningMax: s.RunningMax,
			PerSecondMax: s.PerSecond, NormalRate: s.NormalRate, NextProbe: s.Until, FailingSince: s.FailingSince,
			DisabledAt: s.DisabledAt, DisabledReason: s.Reason, LastError: s.LastError,
		}
	}
	return out, err
}

// Enable has an endpoint called again.
func (d nativeDeliveries) Enable(ctx context.Context, arn string) error {
	return d.dispatcher.Enable(ctx, arn)
}
