package config

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()

	require.NoError(t, Default(Dev).Validate())
	serve := Default(Serve)
	serve.DataDir = "/data"
	require.NoError(t, serve.Validate())
	require.Equal(t, Default(Dev), Config{}.WithDefaults(), "a zero Config is a dev server")
	require.Equal(t, serve, serve.WithDefaults(), "defaults do not replace what is set")
}

func TestValidateReportsEveryFault(t *testing.T) {
	t.Parallel()

	c := Default(Serve)
	c.Listen = "nowhere"
	c.GRPCListen = "127.0.0.1:x"
	c.Durability = "none"
	c.Account = "12"
	c.Region = "Mars!"
	c.PprofListen = "0.0.0.0:6060"
	c.Limits = Limits{ConnectionsMax: -1, ConnectionsPerIPMax: 1, BodyMaxBytes: 1 << 20, BodiesMaxBytes: 1 << 19, PendingMax: 1}
	c.Disk = Disk{FreeMinBytes: 1, FreeMinPercent: 91}
	c.Log.Format = "xml"
	err := c.Validate()
	require.Error(t, err)
	for _, path := range []string{
		"data: missing", "listen: \"nowhere\" is not HOST:PORT", "grpc_listen: ", "durability: \"none\" is not offered",
		"account: ", "region: ", "pprof_listen: ", "limits.connections_max: -1 is not between 1 and 1000000",
		"limits.bodies_max_bytes: ", "disk.free_min_percent: ", "log.format: ",
	} {
		require.ErrorContains(t, err, path)
	}
}

func TestListenBeyondLoopback(t *testing.T) {
	t.Parallel()

	for address, loopback := range map[string]bool{
		"127.0.0.1:4566": true, "localhost:1": true, "[::1]:4566": true, "127.9.9.9:1": true, "[::ffff:127.0.0.1]:1": true,
		":4566": false, "0.0.0.0:4566": false, "[::]:4566": false, "192.168.1.2:4566": false, "example.com:4566": false, "localhost.example.com:1": false,
	} {
		c := Default(Dev)
		c.Listen = address
		err := c.Validate()
		if loopback {
			require.NoError(t, err, address)
			continue
		}
		require.ErrorContains(t, err, "requests are not authenticated", address)
		require.ErrorContains(t, err, "--insecure-no-auth", "the error says how to fix it")
		c.InsecureNoAuth = true
		require.NoError(t, c.Validate(), address)
	}
}

func TestListenForm(t *testing.T) {
	t.Parallel()

	for _, bad := range []string{"", "4566", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "::1:4566"} {
		require.Error(t, validateListen("listen", bad), bad)
	}
	require.NoError(t, validateListen("listen", "127.0.0.1:0"), "port 0 asks the system for a free one")
}

func TestLogHandler(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer
	log := slog.New(Log{Format: formatJSON, Level: slog.LevelWarn}.Handler(&out))
	log.LogAttrs(t.Context(), slog.LevelInfo, "quiet")
	log.LogAttrs(t.Context(), slog.LevelWarn, "loud", slog.Int("n", 1))
	require.NotContains(t, out.String(), "quiet")
	require.Contains(t, out.String(), `"n":1`)
	out.Reset()
	slog.New(Log{Format: formatText}.Handler(&out)).LogAttrs(t.Context(), slog.LevelInfo, "plain")
	require.Contains(t, out.String(), "msg=plain")
}
