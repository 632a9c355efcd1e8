package sqs_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/api/awswire"
	"github.com/seed567880c8/turnout/api/sqs"
	"github.com/seed567880c8/turnout/broker/eventlog"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/queues"
)

// serve returns the API over a real engine and a real store in memory. Both
// end when the test does.
func serve(t testing.TB, cfg queues.Config) http.Handler {
	t.Helper()
	store, err := pebblestore.Open(pebblestore.Config{
		Dir: "data", FS: pebblestore.NewMemory(), MemTableBytes: 1 << 20, CacheBytes: 1 << 20,
	})
	require.NoError(t, err)
	loop := partition.New(store, partition.Config{})
	events, err := eventlog.Load(store)
	require.NoError(t, err)
	cfg.Random = rand.NewChaCha8([32]byte{1})
	engine, err := queues.New(loop, store, events, cfg)
	require.NoError(t, err)
	loop.Add(engine)
	loop.Add(events)
	loopCtx, stopLoop := context.WithCancel(context.Background())
	engineCtx, stopEngine := context.WithCancel(context.Background())
	loopDone, engineDone := make(chan error, 1), make(chan error, 1)
	go func() { loopDone <- loop.Run(loopCtx) }()
	go func() { engineDone <- engine.Run(engineCtx) }()
	t.Cleanup(func() {
		engine.Drain()
		stopEngine()
		require.NoError(t, <-engineDone)
		stopLoop()
		require.NoError(t, <-loopDone)
		require.NoError(t, store.Close())
	})
	api := sqs.New(engine)
	wire := awswire.Config{NewRequestID: func() string { return "the-request-id" }}
	mux := http.NewServeMux()
	mux.Handle(sqs.PeekPath, api.PeekHandler(wire))
	mux.Handle(sqs.PeekPath+"/", api.PeekHandler(wire))
	wire.Services = []*awswire.Service{api.Service()}
	mux.Handle("/", awswire.New(wire))
	return mux
}
