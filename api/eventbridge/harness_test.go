package eventbridge_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge"
	"github.com/seed567880c8/turnout/api/sqs"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/broker/archive"
	"github.com/seed567880c8/turnout/broker/connections"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/broker/history"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/queues"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// serve returns the API, and that of SQS beside it, over a real broker, real
// queues, archives and connections and a real store in memory. There is no
// network. All of it ends when the test does.
func serve(t *testing.T, cfg eventbridge.Config, limits broker.Config) http.Handler {
	t.Helper()
	store, err := pebblestore.Open(pebblestore.Config{
		Dir: "data", FS: pebblestore.NewMemory(), MemTableBytes: 1 << 20, CacheBytes: 1 << 20,
	})
	require.NoError(t, err)
	loop := partition.New(store, partition.Config{})
	events, err := eventlog.Load(store)
	require.NoError(t, err)
	engine, err := queues.New(loop, store, events, queues.Config{Random: rand.NewChaCha8([32]byte{1})})
	require.NoError(t, err)
	limits.Random = &lockedReader{r: rand.NewChaCha8([32]byte{2})}
	past, err := history.Load(loop, store, events, history.Config{})
	require.NoError(t, err)
	archives, err := archive.New(loop, store, past, archive.Config{})
	require.NoError(t, err)
	keys, err := secret.NewKeyring(limits.Random, make([]byte, secret.KeyBytes))
	require.NoError(t, err)
	client := webhook.NewClient(webhook.Config{Dial: noNetwork})
	destinations, err := connections.New(loop, store, connections.Config{Random: limits.Random, Keys: keys, Client: client})
	require.NoError(t, err)
	b, err := broker.New(loop, store, events, broker.Receivers{Queues: engine, Archives: archives, History: past}, limits)
	require.NoError(t, err)
	archives.Use(b)
	for _, part := range []partition.Part{engine, past, archives, events} {
		loop.Add(part)
	}

	stopped := func(run func(context.Context) error) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- run(ctx) }()
		return func() {
			cancel()
			require.NoError(t, <-done)
		}
	}
	stops := []func(){stopped(loop.Run), stopped(engine.Run), stopped(b.Run), stopped(archives.Run), stopped(destinations.Run)}
	t.Cleanup(func() {
		engine.Drain()
		for i := range stops {
			stops[len(stops)-1-i]()
		}
		client.Close()
		require.NoError(t, store.Close())
	})
	cfg.Archives, cfg.Replays, cfg.Connections, cfg.APIDestinations = archives, archives, destinations, destinations
	return awswire.New(awswire.Config{Services: []*awswire.Service{eventbridge.New(b, cfg), sqs.New(engine).Service()}})
}

// noNetwork is a network that reaches nobody: a connection for OAuth never gets a token.
func noNetwork(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("there is no network")
}

type lockedReader struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}
