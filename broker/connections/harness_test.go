package connections_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/connections"
	"github.com/seed567880c8/turnout/internal/memnet"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

var scope = turnout.Scope{Account: "000000000000", Region: "us-east-1"}

func connectionNamed(name string) turnout.ConnectionName {
	return turnout.ConnectionName{Scope: scope, Name: name}
}

func destinationNamed(name string) turnout.APIDestinationName {
	return turnout.APIDestinationName{Scope: scope, Name: name}
}

// chance is deterministic randomness that goroutines may share.
type chance struct {
	mu  sync.Mutex
	rng *rand.ChaCha8
}

func (c *chance) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.Read(b)
}

// logged is a log that goroutines may share.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// node is a set of connections on a real store in memory that can lose power,
// with a network in memory where every host is web.
type node struct {
	t     *testing.T
	fs    *pebblestore.Memory
	cfg   connections.Config
	keys  []byte // one key a byte
	log   logged
	web   http.HandlerFunc
	store *pebblestore.Store
	*connections.Connections
	stop func()

	listener *memnet.Listener
	handlers sync.WaitGroup
}

// bubble runs f with a node in virtual time.
func bubble(t *testing.T, cfg connections.Config, f func(n *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &node{t: t, fs: pebblestore.NewMemory(), cfg: cfg, keys: []byte{1}, listener: memnet.Listen("any")}
		n.cfg.Random = &chance{rng: rand.NewChaCha8([32]byte{1})}
		n.cfg.Log = slog.New(slog.NewJSONHandler(&n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		n.cfg.Client = webhook.NewClient(webhook.Config{AllowHTTP: true, Dial: n.listener.DialContext})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.handlers.Add(1)
			defer n.handlers.Done()
			n.web(w, r)
		})}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(n.listener) })
		defer n.handlers.Wait()
		defer serving.Wait()
		defer func() { _ = server.Close() }()
		defer n.cfg.Client.Close()
		n.open()
		defer func() { n.stop() }()
		f(n)
	})
}

func (n *node) open() {
	n.t.Helper()
	var err error
	n.store, err = pebblestore.Open(pebblestore.Config{Dir: "data", FS: n.fs, MemTableBytes: 1 << 20, CacheBytes: 1 << 20})
	require.NoError(n.t, err)
	loop := partition.New(n.store, partition.Config{})
	all := make([][]byte, len(n.keys))
	for i, k := range n.keys {
		all[i] = bytes.Repeat([]byte{k}, secret.KeyBytes)
	}
	n.cfg.Keys, err = secret.NewKeyring(n.cfg.Random, all...)
	require.NoError(n.t, err)
	n.Connections, err = connections.New(loop, n.store, n.cfg)
	require.NoError(n.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	loopCtx, loopCancel := context.WithCancel(context.Background())
	var parts, loops sync.WaitGroup
	parts.Go(func() { _ = n.Run(ctx) })
	loops.Go(func() { _ = loop.Run(loopCtx) })
	n.stop = func() {
		cancel()
		parts.Wait()
		loopCancel()
		loops.Wait()
		require.NoError(n.t, n.store.Close())
	}
}

// crash loses power, with nothing kept that was not synced, and opens again.
func (n *node) crash() {
	n.t.Helper()
	n.fs = n.fs.PowerLoss(0, nil)
	n.stop()
	n.open()
}

// disk returns everything that is on the disk: log, tables and all.
func (n *node) disk() string {
	n.t.Helper()
	var all bytes.Buffer
	var walk func(path string)
	walk = func(path string) {
		info, err := n.fs.Stat(path)
		require.NoError(n.t, err)
		if info.IsDir() {
			names, err := n.fs.List(path)
			require.NoError(n.t, err)
			for _, name := range names {
				walk(n.fs.PathJoin(path, name))
			}
			return
		}
		f, err := n.fs.Open(path)
		require.NoError(n.t, err)
		_, err = all.ReadFrom(f)
		require.NoError(n.t, err)
		require.NoError(n.t, f.Close())
	}
	walk("data")
	return all.String()
}

// create creates a connection that must succeed.
func (n *node) create(name string, auth turnout.ConnectionAuth) turnout.Connection {
	n.t.Helper()
	c, err := n.CreateConnection(n.t.Context(), turnout.Connection{ConnectionName: connectionNamed(name), Auth: auth})
	require.NoError(n.t, err)
	return c
}

// destination creates an API destination of a connection; the host is its name's.
func (n *node) destination(name string, c turnout.Connection) turnout.APIDestination {
	n.t.Helper()
	d, err := n.CreateAPIDestination(n.t.Context(), turnout.APIDestination{
		APIDestinationName: destinationNamed(name), ConnectionARN: c.ARN(), HTTPMethod: http.MethodPost, Endpoint: "http://" + name + ".example/",
	})
	require.NoError(n.t, err)
	return d
}

// state returns the state of a connection and its reason.
func (n *node) state(name string) string {
	n.t.Helper()
	c, err := n.Connection(n.t.Context(), connectionNamed(name))
	require.NoError(n.t, err)
	if c.StateReason == "" {
		return string(c.State)
	}
	return fmt.Sprintf("%s: %s", c.State, c.StateReason)
}

// deliver makes an attempt at a delivery to an API destination.
func (n *node) deliver(arn string) sinks.Result {
	n.t.Helper()
	e, err := n.Endpoint(arn)
	require.NoError(n.t, err)
	ctx, cancel := context.WithTimeout(n.t.Context(), e.Timeout)
	defer cancel()
	return e.Sink.Attempt(ctx, sinks.Delivery{ID: "d", Endpoint: arn, Attempt: 1, Body: []byte(`{"a":1}`)})
}

func basicAuth() turnout.ConnectionAuth {
	return turnout.ConnectionAuth{Type: turnout.AuthBasic, Username: "user", Password: "p4ssw0rd"}
}

func oauth() turnout.ConnectionAuth {
	return turnout.ConnectionAuth{
		Type: turnout.AuthOAuth, ClientID: "client", ClientSecret: "cl1ent-s3cret",
		AuthorizationEndpoint: "http://idp.example/token", HTTPMethod: http.MethodPost,
	}
}

func requireCode(t *testing.T, err error, code turnout.Code, message string) {
	t.Helper()
	e, ok := errorOf(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, message, e.Message)
	require.Equal(t, code, e.Code)
}
