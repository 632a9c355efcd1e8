package main

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == nothingCommand {
		os.Exit(exit(serveNothing()))
	}
	os.Exit(m.Run())
}

// A very short run over a server that is built and started for it. It says
// that every scenario works, and nothing of how fast.
func TestShortRunAgainstTurnout(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds and starts a server")
	}
	s := settings{
		dir: t.TempDir(), concurrency: 4, payload: 100, duration: 100 * time.Millisecond, rounds: 1, fanOut: 7,
		messages: 500, backlogBody: 64, starts: 1, webhooks: 20, eventRate: 20, outage: 100 * time.Millisecond, archived: 300, output: "json",
	}
	names := []string{"send", "send-batch", "receive", "receive-batch", "cycle", "put-events", "fan-out", "backlog", "webhooks", "hanging", "outage", "replay", "startup"}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), s, names, &out))
	found := map[string]map[string]any{}
	for line := range bytes.Lines(out.Bytes()) {
		var r map[string]any
		require.NoError(t, json.Unmarshal(line, &r), "%s", line)
		found[r["scenario"].(string)] = r
	}
	require.Len(t, found, len(names), "one line a scenario")
	for _, name := range names[:7] {
		require.Positive(t, found[name]["requests_per_s"], name)
		require.Positive(t, found[name]["ratio"], name)
	}
	require.InDelta(t, 7, found["fan-out"]["targets"], 0)
	require.Positive(t, found["backlog"]["restart_after_kill_to_first_message_ms"])
	require.Positive(t, found["webhooks"]["deliveries_per_s"])
	require.Positive(t, found["webhooks"]["bare_requests_per_s"])
	require.Positive(t, found["hanging"]["p99_ratio"])
	require.InDelta(t, 2, found["hanging"]["hanging"], 0)
	require.Zero(t, found["outage"]["plain_lost"])
	require.Zero(t, found["outage"]["grouped_lost"])
	require.Zero(t, found["outage"]["grouped_out_of_order"])
	require.Positive(t, found["replay"]["first_message_ms"])
	require.Positive(t, found["replay"]["replayed_events_per_s"])
	require.Positive(t, found["startup"]["binary_mib"])
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, left, "nothing is left behind")
}
