package native_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/native"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

func TestConfigFromEnvironment(t *testing.T) {
	t.Parallel()

	env := map[string]string{
		"TURNOUT_GRPC_ENDPOINT": "bus:1", "AWS_ACCESS_KEY_ID": "111111111111", "AWS_DEFAULT_REGION": "eu-west-1",
	}
	getenv := func(name string) string { return env[name] }
	require.Equal(t, native.Config{Endpoint: "bus:1", Account: "111111111111", Region: "eu-west-1"}, native.Config{}.FromEnvironment(getenv))
	own := native.Config{Endpoint: "other:2", Account: "222222222222", Region: "us-west-2"}
	require.Equal(t, own, own.FromEnvironment(getenv), "what is given wins")
	env["AWS_ACCESS_KEY_ID"] = "AKIAIOSFODNN7EXAMPLE"
	require.Empty(t, native.Config{}.FromEnvironment(getenv).Account, "a key that is no account leaves it to the server")
}

func TestNewRefusesAURL(t *testing.T) {
	t.Parallel()

	_, err := native.New(native.Config{Endpoint: "http://localhost"})
	require.ErrorContains(t, err, "is not HOST:PORT such as 127.0.0.1:4567")
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()

	c, err := native.New(native.Config{Endpoint: "127.0.0.1:9"})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Replays.GetReplay(t.Context(), &turnoutv1.GetReplayRequest{Name: "x"})
	require.ErrorContains(t, err, "no server answers at 127.0.0.1:9: start one with 'turnout dev'")
}

func TestWriteJSONIsOneLine(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer
	require.NoError(t, native.WriteJSON(&out, &turnoutv1.DryRunTarget{Rule: "r", Deliveries: 2}))
	require.Equal(t, `{"rule":"r","targetId":"","deliveries":"2","skipped":"0"}`+"\n", out.String())
}
