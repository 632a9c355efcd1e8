package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// Bounds of a gRPC connection.
const (
	streamsMax     = 256 // calls at the same time, on one connection
	headerMaxBytes = 64 << 10
	helloWithin    = 10 * time.Second // until a connection has said that it speaks HTTP/2
	idleMax        = 15 * time.Minute
	pingAfter      = time.Minute      // of silence; finds a client that is gone
	pingWithin     = 20 * time.Second // it answers, or the connection is closed
	pingsEvery     = 10 * time.Second // a client that pings more often is cut off
)

// grpcServer is the gRPC side of an API.
type grpcServer struct {
	api    *API
	server *grpc.Server
	health *health.Server
	limit  limit

	calls        atomic.Int64 // under way
	callsRefused atomic.Uint64
}

// Stats counts what the gRPC side has done since it was made.
type Stats struct {
	Calls              int64  // under way, streams among them
	CallsRefused       uint64 // because Config.CallsMax were under way
	Connections        int64  // open
	ConnectionsRefused uint64 // because Config.ConnectionsMax were open
}

// Stats counts. It may be called from any goroutine.
func (a *API) Stats() Stats {
	g := a.grpc
	return Stats{
		Calls: g.calls.Load(), CallsRefused: g.callsRefused.Load(),
		Connections: g.limit.open.Load(), ConnectionsRefused: g.limit.refused.Load(),
	}
}

func (a *API) newGRPC() *grpcServer {
	g := &grpcServer{api: a, health: health.NewServer()}
	g.server = grpc.NewServer(
		grpc.MaxRecvMsgSize(a.cfg.BodyBytesMax),
		grpc.MaxConcurrentStreams(streamsMax),
		grpc.MaxHeaderListSize(headerMaxBytes),
		grpc.ConnectionTimeout(helloWithin),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleMax, Time: pingAfter, Timeout: pingWithin}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingsEvery, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true), // else one could still run when the store is closed
		grpc.InTapHandle(g.admit),
		grpc.UnaryInterceptor(g.unary),
		grpc.StreamInterceptor(g.stream),
	)
	return g
}

// add registers services, and what tells clients of them.
func (g *grpcServer) add(register func(*grpc.Server)) {
	register(g.server)
	for name := range g.server.GetServiceInfo() {
		g.health.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
	healthpb.RegisterHealthServer(g.server, g.health)
	reflection.Register(g.server)
}

// admit bounds the calls of all connections before anything of them is read.
func (g *grpcServer) admit(ctx context.Context, _ *tap.Info) (context.Context, error) {
	if g.calls.Add(1) > int64(g.api.cfg.CallsMax) {
		g.calls.Add(-1)
		g.callsRefused.Add(1)
		return nil, status.Errorf(codes.ResourceExhausted, "The server has %d calls under way already; try again later.", g.api.cfg.CallsMax)
	}
	context.AfterFunc(ctx, func() { g.calls.Add(-1) }) // it ends with the call
	return ctx, nil
}

// unary bounds a call in time and turns its error into a status.
func (g *grpcServer) unary(ctx context.Context, r any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.api.cfg.CallWithin)
	defer cancel()
	defer g.recovered(ctx, info.FullMethod, &err)
	if answer, err = next(ctx, r); err != nil {
		return nil, g.asStatus(ctx, info.FullMethod, err)
	}
	return answer, nil
}

// stream turns the error of a stream into a status. The streams of others, of
// health and reflection, end when the server stops.
func (g *grpcServer) stream(service any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer g.recovered(s.Context(), info.FullMethod, &err)
	if !strings.HasPrefix(info.FullMethod, "/turnout.") {
		return next(service, s)
	}
	if err := next(service, s); err != nil {
		return g.asStatus(s.Context(), info.FullMethod, err)
	}
	return nil
}

// asStatus returns err as a client sees it.
func (g *grpcServer) asStatus(ctx context.Context, method string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		f, _ := describe(err)
		return f.grpcStatus().Err()
	}
	if s, ok := status.FromError(err); ok { // from gRPC itself, or a failure
		return s.Err()
	}
	f := g.api.describe(ctx, method, err)
	return f.grpcStatus().Err()
}

// recovered makes a panic the failure of one call, as net/http does.
func (g *grpcServer) recovered(ctx context.Context, method string, err *error) {
	if p := recover(); p != nil { //nolint:revive // it is what is deferred
		*err = g.asStatus(ctx, method, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}
}

// Serve serves the API over gRPC on a listener until ctx ends, then has the
// streams end and waits for the calls under way. It closes the listener. An
// error says that it could not serve, or that calls were cut off.
func (a *API) Serve(ctx context.Context, listener net.Listener) error {
	g := a.grpc
	served := make(chan error, 1)
	g.limit.Listener, g.limit.max = listener, int64(a.cfg.ConnectionsMax)
	go func() { served <- g.server.Serve(&g.limit) }()
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("serve gRPC on %s: %w", listener.Addr(), err)
		served <- nil
	case <-ctx.Done():
	}
	g.stop(context.WithoutCancel(ctx))
	if serr := <-served; serr != nil && !errors.Is(serr, grpc.ErrServerStopped) {
		err = errors.Join(err, serr)
	}
	a.readers.Wait()
	return err
}

// stop ends streams, waits for calls, and cuts off what is left.
func (g *grpcServer) stop(ctx context.Context) {
	g.health.Shutdown()
	close(g.api.draining)
	stopped := make(chan struct{})
	go func() {
		g.server.GracefulStop()
		close(stopped)
	}()
	timer := time.NewTimer(g.api.cfg.StopWithin)
	defer timer.Stop()
	select {
	case <-stopped:
		return
	case <-timer.C:
	}
	g.api.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "gRPC calls were still under way at the end of the stop and are cut off",
		slog.Int64("calls", g.calls.Load()))
	g.server.Stop()
	<-stopped
}

// limit is a listener that closes the connections beyond a number at once:
// letting them wait would tell a client nothing.
type limit struct {
	net.Listener

	max     int64
	open    atomic.Int64
	refused atomic.Uint64
}

// Accept returns the next connection within the limit.
func (l *limit) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.max {
			return &limitConn{Conn: c, limit: l}, nil
		}
		l.open.Add(-1)
		l.refused.Add(1)
		_ = c.Close() // nothing was said on it
	}
}

type limitConn struct {
	net.Conn

	limit *limit
	once  sync.Once
}

// Close closes the connection.
func (c *limitConn) Close() error {
	c.once.Do(func() { c.limit.open.Add(-1) })
	return c.Conn.Close()
}
