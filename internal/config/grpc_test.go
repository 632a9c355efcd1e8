package config

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestGRPCListenFollowsListenToAnyFreePort(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "127.0.0.1:4567"},
		{[]string{"--listen", "127.0.0.1:9000"}, "127.0.0.1:4567"},
		{[]string{"--listen", "127.0.0.1:0"}, "127.0.0.1:0"},
		{[]string{"--listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:4567"}, "127.0.0.1:4567"},
		{[]string{"--grpc-listen", "127.0.0.1:0"}, "127.0.0.1:0"},
	} {
		flags := pflag.NewFlagSet("dev", pflag.ContinueOnError)
		l := NewLoader(Dev, flags)
		require.NoError(t, flags.Parse(c.args))
		cfg, err := l.Load([]string{"TURNOUT_GRPC_ENDPOINT=bus:4567"})
		require.NoError(t, err, "a variable for the commands that call a server may be set")
		require.Equal(t, c.want, cfg.GRPCListen, "%v", c.args)
	}
	require.Equal(t, "127.0.0.1:0", Config{Listen: "127.0.0.1:0"}.WithDefaults().GRPCListen)
}

func TestGRPCListenBeyondLoopbackIsRefused(t *testing.T) {
	t.Parallel()

	c := Default(Dev)
	c.GRPCListen = "0.0.0.0:4567"
	require.ErrorContains(t, c.Validate(), "grpc_listen: 0.0.0.0:4567 can be reached from other machines")
	c.InsecureNoAuth = true
	require.NoError(t, c.Validate())
}
