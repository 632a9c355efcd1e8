package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/seed567880c8/turnout/api/admin"
	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/internal/config"
	"github.com/seed567880c8/turnout/internal/metrics"
	"github.com/seed567880c8/turnout/internal/service"
	"github.com/seed567880c8/turnout/internal/store"
)

// Options are what a server gets from its surroundings rather than from its
// configuration. The zero value of a field is its default.
type Options struct {
	// Log takes the log. Default: nothing.
	Log *slog.Logger
	// Version is what the pages about the server call this program. Default: the module's version from the build.
	Version string
	// Store holds the data. The server closes it, also when New fails. Default: cfg.DataDir, on disk.
	Store store.Store
	// Listener is the HTTP listener. The server closes it, also when New fails. Default: cfg.Listen, TCP.
	Listener net.Listener
	// GRPCListener is the gRPC listener. The server closes it, also when New
	// fails. Default: cfg.GRPCListen, TCP; none if Listener is given.
	GRPCListener net.Listener
	// Dial makes the connections to whom the server calls by itself, for tests
	// in virtual time. Default: the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Server is one Turnout: everything from the listener to the disk. Make it
// with New, then Run it once; a server that is not run must be closed.
type Server struct {
	cfg      config.Config
	log      *slog.Logger
	version  string
	tempDir  string // removed at the end; "" is none
	rooms    *rooms
	web      *web
	native   nativeServer
	pprof    *pprofServer // nil: off
	own      ownAddresses // set before anything runs
	ready    chan struct{}
	stopping atomic.Bool
	left     atomic.Int32 // parts that have not returned
}

// New opens everything: the listeners, the data directory, what it holds. An
// error names what was wrong and what to do; nothing stays open then.
func New(cfg config.Config, o Options) (_ *Server, err error) {
	cfg = cfg.WithDefaults()
	s := &Server{cfg: cfg, log: o.Log, version: o.Version, ready: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.version == "" {
		s.version = buildVersion()
	}
	undo := o.closers()
	defer func() {
		if err != nil {
			err = errors.Join(err, undo.close())
		}
	}()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	// Before the data is opened, so that a busy port costs nothing; who
	// connects now waits in the backlog until Run.
	if err := s.listen(&o, &undo); err != nil {
		return nil, err
	}
	if o.Store == nil {
		if o.Store, err = s.openData(); err != nil {
			return nil, err
		}
		undo = append(undo, s.removeTemp, o.Store.Close)
	}
	keys, err := loadKeys(cfg, s.DataDir(), s.log)
	if err != nil {
		return nil, err
	}
	with := surroundings{log: s.log, keys: keys, client: newClient(cfg, o.Dial, s.own.all, s.version), baseURL: s.publicURL}
	undo = append(undo, func() error { with.client.Close(); return nil })
	if s.rooms, err = newRooms(cfg, o.Store, with); err != nil {
		return nil, fmt.Errorf("open the data in %s: %w", s.DataDir(), err)
	}
	if s.native.api, err = s.newNative(); err != nil {
		return nil, err
	}
	s.web = s.newWeb(o.Listener)
	return s, nil
}

// closers close what was handed in.
func (o *Options) closers() (all closers) {
	if o.Store != nil {
		all = append(all, o.Store.Close)
	}
	if o.Listener != nil {
		all = append(all, o.Listener.Close)
	}
	if o.GRPCListener != nil {
		all = append(all, o.GRPCListener.Close)
	}
	return all
}

// listen opens the listeners that were not handed in.
func (s *Server) listen(o *Options, undo *closers) (err error) {
	if o.Listener == nil {
		if o.Listener, err = listen("--listen", s.cfg.Listen); err != nil {
			return err
		}
		*undo = append(*undo, o.Listener.Close)
		if o.GRPCListener == nil {
			if o.GRPCListener, err = listenGRPC(s.cfg, s.log); err != nil {
				return err
			}
			*undo = append(*undo, o.GRPCListener.Close)
		}
	}
	s.own.add(o.Listener)
	if s.native.listener = o.GRPCListener; s.native.listener != nil {
		s.own.add(s.native.listener)
	}
	if s.pprof, err = newPprof(s.cfg.PprofListen, s.log); err != nil || s.pprof == nil {
		return err
	}
	*undo = append(*undo, s.pprof.listener.Close)
	s.own.add(s.pprof.listener)
	return nil
}

// publicURL is how others reach the server.
func (s *Server) publicURL() string { return cmp.Or(s.cfg.PublicURL, s.URL()) }

// newWeb puts the AWS APIs and the pages about the server behind listener.
func (s *Server) newWeb(listener net.Listener) *web {
	w := &web{cfg: s.cfg.Limits, log: s.log, listener: listener, drain: s.drain}
	registry := s.newMetrics(w)
	wire := s.wire(registry)
	apis := s.rooms.apis(s.cfg, wire)
	setRegion(apis.services, s.cfg.Region)
	wire.Services = apis.services
	w.aws = apis.certificate(awswire.New(wire))
	names := make([]string, len(apis.services))
	for i, service := range apis.services {
		names[i] = service.Name
	}
	w.admin = admin.New(admin.Config{
		Version:      s.version,
		Services:     names,
		Ready:        s.checks,
		Metrics:      registry.Handler(s.log),
		Reset:        s.rooms.reset,
		ResetAllowed: s.cfg.Mode == config.Dev,
		Mounts:       s.native.pages(apis.pages),
		Log:          s.log,
	})
	w.init()
	return w
}

// wire is how the AWS protocols are spoken, but for the services.
func (s *Server) wire(registry *metrics.Registry) awswire.Config {
	return awswire.Config{
		BodyBytesMax:  s.cfg.Limits.BodyMaxBytes,
		Authenticator: accountOf{fallback: s.cfg.Account},
		Log:           s.log,
		Observe: func(c awswire.Call) {
			registry.Observe(metrics.Request{
				Service: c.Service, Operation: c.Operation, Status: c.Status, Error: c.ErrorCode,
				BytesIn: c.BytesIn, BytesOut: c.BytesOut, Duration: c.Duration,
			})
		},
	}
}

// drain begins the stop: no more readiness, no more waiting.
func (s *Server) drain() {
	s.stopping.Store(true)
	s.rooms.queues.Drain()
}

// Ready is closed when requests are being served.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// URL returns the base URL of the HTTP listener, as a client on this machine would use it.
func (s *Server) URL() string { return "http://" + localAddress(s.web.listener.Addr()) }

// DataDir returns the directory of the data, "" when a store was handed in.
func (s *Server) DataDir() string {
	if s.tempDir != "" {
		return s.tempDir
	}
	return s.cfg.DataDir
}

// Run serves until ctx ends or something fails, then stops in stages: the
// listener and its requests, the background work, the writer; at last it
// closes the store. It returns nil after a stop that was asked for and lost
// nothing. The whole stop takes at most five seconds unless the disk hangs.
func (s *Server) Run(ctx context.Context) error {
	var g service.Group
	g.Add(service.Stage{Name: "writer", StopWithin: workWithin, Parts: []service.Part{
		s.part("writer", s.rooms.loop.Run),
	}})
	g.Add(service.Stage{Name: "background", StopWithin: workWithin, Parts: []service.Part{
		s.part("queues", s.rooms.queues.Run),
		s.part("broker", s.rooms.broker.Run),
		s.part("archives", s.rooms.archives.Run),
		s.part("connections", s.rooms.connections.Run),
		s.part("topics", s.rooms.topics.Run),
		s.part("disk watch", s.rooms.disk.Run),
	}})
	g.Add(service.Stage{Name: "dispatch", StopWithin: workWithin, Parts: []service.Part{
		s.part("dispatch", s.rooms.dispatch.Run),
		s.part("schedules", s.rooms.schedules.Run),
	}})
	serving := service.Stage{Name: "listeners", StopWithin: webWithin, Parts: []service.Part{s.part("http", s.web.Run)}}
	if s.native.listener != nil {
		serving.Parts = append(serving.Parts, s.part("grpc", s.native.Run))
	}
	if s.pprof != nil {
		serving.Parts = append(serving.Parts, s.part("pprof", s.pprof.Run))
	}
	g.Add(serving)

	s.log.LogAttrs(ctx, slog.LevelInfo, "server is ready",
		slog.String("url", s.URL()), slog.String("grpc", s.GRPCAddr()), slog.String("data", s.DataDir()), slog.String("mode", string(s.cfg.Mode)))
	close(s.ready)
	err := g.Run(ctx)
	if s.left.Load() > 0 {
		// Closing the store under what still uses it could turn a slow stop
		// into damage; left open, it is recovered by the next start.
		return fmt.Errorf("stop was not clean, what was acknowledged is kept: %w", err)
	}
	if err = errors.Join(err, s.closeData()); err == nil {
		s.log.LogAttrs(ctx, slog.LevelInfo, "server has stopped")
	}
	return err
}

// part counts p while it runs.
func (s *Server) part(name string, run func(context.Context) error) service.Part {
	s.left.Add(1)
	return service.Part{Name: name, Run: func(ctx context.Context) error {
		defer s.left.Add(-1)
		return run(ctx)
	}}
}

// Close releases what New opened, for a server that is never run.
func (s *Server) Close() error {
	err := errors.Join(s.web.listener.Close(), s.native.Close())
	if s.pprof != nil {
		err = errors.Join(err, s.pprof.listener.Close())
	}
	return errors.Join(err, s.closeData())
}

func (s *Server) closeData() error {
	s.rooms.client.Close()
	return errors.Join(s.rooms.store.Close(), s.removeTemp())
}
