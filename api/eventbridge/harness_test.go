package eventbridge_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/eventbridge"
	"github.com/seed567880c8/turnout/api/sqs"
	"github.com/seed567880c8/turnout/broker"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/queues"
)

// serve returns the API, and that of SQS beside it, over a real broker, real
// queues and a real store in memory; archives, connections and the like are
// only kept. All of it ends when the test does.
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
	b, err := broker.New(loop, store, events, broker.Receivers{Queues: engine}, limits)
	require.NoError(t, err)
	loop.Add(engine)
	loop.Add(events)

	stopped := func(run func(context.Context) error) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- run(ctx) }()
		return func() {
			cancel()
			require.NoError(t, <-done)
		}
	}
	stops := []func(){stopped(loop.Run), stopped(engine.Run), stopped(b.Run)}
	t.Cleanup(func() {
		engine.Drain()
		for i := range stops {
			stops[len(stops)-1-i]()
		}
		require.NoError(t, store.Close())
	})
	m := &memory{buses: b}
	cfg.Archives, cfg.Replays, cfg.Connections, cfg.APIDestinations = m, m, m, m
	return awswire.New(awswire.Config{Services: []*awswire.Service{eventbridge.New(b, cfg), sqs.New(engine).Service()}})
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
