package server

import (
	"bytes"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/seed567880c8/turnout/internal/config"
)

func TestGRPCOnARealSocket(t *testing.T) {
	t.Parallel()

	s, stop := start(t, config.Config{})
	conn, err := grpc.NewClient(s.GRPCAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	out, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "turnout.v1.EventService"})
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, out.Status)
	require.NoError(t, stop())
	_, err = net.Dial("tcp", s.GRPCAddr())
	require.Error(t, err, "the listener is closed")
}

// What happens when the usual gRPC port is busy: a development server takes
// another one, everybody else is told.
func TestBusyGRPCPort(t *testing.T) {
	t.Parallel()

	if l, err := net.Listen("tcp", config.Default(config.Dev).GRPCListen); err == nil { // else it is busy already
		defer l.Close()
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	l, err := listenGRPC(config.Default(config.Dev), logger)
	require.NoError(t, err)
	require.NotEqual(t, "127.0.0.1:4567", l.Addr().String())
	require.Contains(t, log.String(), "the gRPC port is in use by another program, another one was taken")
	given := config.Default(config.Dev)
	given.GRPCListen = l.Addr().String()
	_, err = listenGRPC(given, logger)
	require.ErrorContains(t, err, "choose another port with --grpc-listen", "one that was asked for is not replaced")
	require.NoError(t, l.Close())
	_, err = listenGRPC(config.Default(config.Serve), logger)
	require.ErrorContains(t, err, "port 4567 is in use by another program", "a server that others look for does not hide")
}

func TestCloseWithoutRunClosesGRPC(t *testing.T) {
	t.Parallel()

	s, err := New(config.Config{Listen: "127.0.0.1:0"}, Options{})
	require.NoError(t, err)
	address := s.GRPCAddr()
	require.NoError(t, s.Close())
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
