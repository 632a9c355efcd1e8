package connections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/internal/store"
	"github.com/seed567880c8/turnout/sinks/apidestination"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// Config configures Connections. The zero value of a field is its default.
type Config struct {
	// Random makes ids. It must be safe for concurrent use. Required.
	Random io.Reader
	// Keys seal secrets. Required; a keyring without keys refuses connections.
	Keys *secret.Keyring
	// Client makes every request that goes out. Required.
	Client *webhook.Client
	// Log takes what an operator should hear of. Default: nothing.
	Log *slog.Logger
	// StrictAWS brings back AWS's bounds: 5 s an attempt, 3,000 connections and
	// 3,000 API destinations an account and region.
	StrictAWS bool
	// Timeout bounds an attempt at a delivery. Default 30 s.
	Timeout time.Duration
	// ConnectionsMax bounds the connections of an account and region. Default 10,000.
	ConnectionsMax int
	// DestinationsMax bounds the API destinations of an account and region. Default 10,000.
	DestinationsMax int
}

func (c Config) withDefaults() Config {
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.ConnectionsMax = cmp.Or(c.ConnectionsMax, 10_000)
	c.DestinationsMax = cmp.Or(c.DestinationsMax, 10_000)
	if c.StrictAWS {
		// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
		c.Timeout = min(c.Timeout, 5*time.Second)
		c.ConnectionsMax, c.DestinationsMax = min(c.ConnectionsMax, 3000), min(c.DestinationsMax, 3000)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Connections is every connection and API destination of a partition.
//
// The two maps belong to the loop. What they hold is immutable: a change puts
// another value in its place, so a caller can take one on the loop, prepare its
// successor without holding anybody up, and put that there if the first still
// is. The sync.Maps are for the goroutines that deliver: they are written on
// the loop and may be a batch ahead of the disk, which costs a delivery nothing.
//
// Secrets are in the store sealed only, in a record of their own, and in memory
// inside of the ready connections; no method returns them.
type Connections struct {
	cfg  Config
	loop *partition.Partition

	connections  map[turnout.ConnectionName]*connection
	destinations map[turnout.APIDestinationName]*destination

	byARN     sync.Map // ARN of a connection → *connection
	endpoints sync.Map // ARN of an API destination → dispatch.Endpoint

	authorizer authorizer
}

// connection is one version of a connection. It is not changed.
type connection struct {
	turnout.Connection // without its secrets
	// version counts the changes of the secrets, to which their sealed form is bound.
	version uint64
	sealed  []byte // nil: there are no secrets
	// ready authorizes requests; nil if it cannot, and then unusable says why.
	ready    *apidestination.Connection
	unusable string
}

// destination is one version of an API destination. It is not changed.
type destination struct {
	turnout.APIDestination
	sink dispatch.Endpoint
}

// New returns the connections and API destinations that s holds. The loop must
// not run yet. A connection whose secrets cannot be read, because their key is
// missing or they are damaged, is there but cannot be used: the log and its
// state say why, and it is as before once the key is back.
func New(loop *partition.Partition, s store.Reader, cfg Config) (*Connections, error) {
	if cfg.Random == nil || cfg.Keys == nil || cfg.Client == nil {
		return nil, errors.New("connections: Config.Random, Config.Keys and Config.Client are required")
	}
	c := &Connections{
		cfg: cfg.withDefaults(), loop: loop,
		connections:  make(map[turnout.ConnectionName]*connection),
		destinations: make(map[turnout.APIDestinationName]*destination),
	}
	c.authorizer.init()
	if err := c.load(s); err != nil {
		return nil, fmt.Errorf("load connections: %w", err)
	}
	return c, nil
}

// Reset removes every connection and API destination of every account and region.
func (c *Connections) Reset(context.Context) error {
	return c.loop.Do(func(tx *partition.Tx) error {
		tx.Batch.DeleteRange([]byte{prefix}, []byte{prefix + 1})
		clear(c.connections)
		clear(c.destinations)
		c.byARN.Clear()
		c.endpoints.Clear()
		return nil
	})
}

// sinkConfig is what sinks and ready connections work with.
func (c *Connections) sinkConfig() apidestination.Config {
	return apidestination.Config{Client: c.cfg.Client, StrictAWS: c.cfg.StrictAWS}
}

// newID makes the UUID of a connection or an API destination.
func (c *Connections) newID() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(c.cfg.Random, b[:]); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return turnout.UUID(b), nil
}

// read runs f on the loop and returns when what it saw is durable. f should
// take pointers to what does not change and leave the work to the caller.
func (c *Connections) read(f func() error) error {
	return c.loop.Do(func(*partition.Tx) error { return f() })
}

// changesMax bounds how often a change is prepared anew because another one
// came before it.
const changesMax = 100

// errBusy is what AWS answers when changes collide.
func errBusy(arn string) error {
	return turnout.Errorf(turnout.CodeConflict, "%s is being changed by other requests. Try again.", arn)
}

// errLimit is what AWS answers when a quota is used up.
func errLimit() error {
	return turnout.Errorf(turnout.CodeLimitExceeded, "The requested resource exceeds the maximum number allowed.")
}
