package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
)

// pprofServer serves the profiles of this process on a listener of its own,
// apart from everything that clients can reach.
type pprofServer struct {
	listener net.Listener
	server   *http.Server
}

// newPprof opens the listener; nil when address is empty.
func newPprof(address string, log *slog.Logger) (*pprofServer, error) {
	if address == "" {
		return nil, nil
	}
	l, err := listen("--pprof-listen", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	// No write timeout: a profile is taken for as long as its reader asks.
	return &pprofServer{listener: l, server: &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: readHeaderWithin,
		IdleTimeout:       idleWithin,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}, nil
}

// Run serves until ctx ends. A profile being taken is cut off.
func (p *pprofServer) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(p.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", p.listener.Addr(), err)
	case <-ctx.Done():
	}
	err := p.server.Close()
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
