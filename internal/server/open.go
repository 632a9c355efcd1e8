package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
)

// openData opens the data directory; a dev server without one gets a
// temporary directory that goes away with it.
func (s *Server) openData() (store.Store, error) {
	dir := s.cfg.DataDir
	if dir == "" {
		temp, err := os.MkdirTemp("", "turnout-dev-")
		if err != nil {
			return nil, fmt.Errorf("data: make a temporary directory: %w; name one with --data", err)
		}
		dir, s.tempDir = temp, temp
	}
	opened, err := pebblestore.Open(pebblestore.Config{Dir: dir, Log: s.log})
	if err != nil {
		return nil, errors.Join(err, s.removeTemp())
	}
	return opened, nil
}

func (s *Server) removeTemp() error {
	if s.tempDir == "" {
		return nil
	}
	return os.RemoveAll(s.tempDir)
}

// listen opens a TCP listener on address, which the given flag sets.
func listen(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address) //nolint:noctx // listening on an address does not wait for anything
	if err == nil {
		return l, nil
	}
	port := address[strings.LastIndexByte(address, ':')+1:]
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %s is in use by another program: stop that one, or choose another port with %s HOST:PORT (%w)", port, flag, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen on port %s: choose one above 1023 with %s HOST:PORT (%w)", port, flag, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("this machine does not have the address of %s: choose another with %s HOST:PORT (%w)", address, flag, err)
	}
	return nil, fmt.Errorf("listen on %s, see %s: %w", address, flag, err)
}

// localAddress returns addr as a client on this machine reaches it: a listener
// on every address is on localhost too.
func localAddress(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", fmt.Sprint(tcp.Port))
	}
	return addr.String()
}

// buildVersion returns the version that the Go command recorded, or devel.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

// closers are what to undo, in reverse order.
type closers []func() error

func (c closers) close() error {
	var errs []error
	for _, f := range slices.Backward(c) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}
