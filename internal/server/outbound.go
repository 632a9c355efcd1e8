package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/connections"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/broker/topics"
	"github.com/seed567880c8/turnout/internal/config"
	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/function"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// outbound is what a server calls by itself: one client for everything, and
// who knows how to reach what.
type outbound struct {
	client    *webhook.Client
	functions sinks.Sink
	timeout   time.Duration // of an attempt

	connections *connections.Connections
	topics      *topics.Topics
}

// newClient returns the client for everything that leaves the server. own are
// the addresses that it listens on, which nobody may have it call.
func newClient(cfg config.Config, dial func(context.Context, string, string) (net.Conn, error), own func() []netip.AddrPort, version string) *webhook.Client {
	networks := slices.Clone(cfg.Webhook.Allow)
	if cfg.Mode == config.Dev {
		networks = append(networks, webhook.LocalNetworks()...)
	}
	return webhook.NewClient(webhook.Config{
		AllowCIDRs: networks,
		AllowHTTP:  cfg.WebhookHTTP(),
		Own:        own,
		UserAgent:  "Turnout/" + version,
		Timeout:    cfg.Webhook.Timeout,
		Dial:       dial,
	})
}

// Endpoint returns how to deliver to an API destination, a function or a
// subscription of a topic.
func (o *outbound) Endpoint(arn string) (dispatch.Endpoint, error) {
	if _, _, ok := turnout.ParseAPIDestinationARN(arn); ok {
		return o.connections.Endpoint(arn)
	}
	if _, ok := turnout.ParseFunctionARN(arn); ok {
		return dispatch.Endpoint{Sink: o.functions, Timeout: o.timeout}, nil
	}
	if _, ok := turnout.ParseSubscriptionARN(arn); ok {
		return o.topics.Endpoint(arn)
	}
	return dispatch.Endpoint{}, turnout.Errorf(turnout.CodeNotFound, "Nothing that can be delivered to is called %s.", arn)
}

// function returns the sink of a function, for subscriptions.
func (o *outbound) function(string) (sinks.Sink, error) { return o.functions, nil }

// newFunctions returns the sink that invokes functions where the settings say.
func newFunctions(cfg config.Config, client *webhook.Client) (sinks.Sink, error) {
	sink, err := function.New(function.Config{
		Client: client, Endpoint: cfg.Function.Endpoint, Endpoints: cfg.Function.Endpoints, Timeout: cfg.Webhook.Timeout,
	})
	if err != nil {
		return nil, fmt.Errorf("function: %w", err)
	}
	return sink, nil
}

// keyFileName is the file in the data directory for the key that a server
// makes when it is given none.
const keyFileName = "secrets.key"

// loadKeys returns the keys that secrets are encrypted with: those of the
// settings; else those of a file beside the data, made at the first start; and
// for a server without a data directory of its own, a key for this run.
func loadKeys(cfg config.Config, dir string, log *slog.Logger) (*secret.Keyring, error) {
	var keys [][]byte
	var err error
	switch {
	case cfg.Secret.Key != "":
		if keys, err = secret.ParseKeys(cfg.Secret.Key); err != nil {
			return nil, fmt.Errorf("secret.key: %w", err)
		}
	case cfg.Secret.KeyFile != "":
		if keys, err = secret.LoadFile(cfg.Secret.KeyFile); err != nil {
			return nil, fmt.Errorf("secret.key_file: %w", err)
		}
	case dir != "":
		var created bool
		path := filepath.Join(dir, keyFileName)
		if keys, created, err = secret.LoadOrCreateFile(path, rand.Reader); err != nil {
			return nil, fmt.Errorf("%w; or name a file with --secret-key-file", err)
		}
		if created && cfg.Mode == config.Serve {
			log.Warn("made a key for secrets; keep a copy, and keep it apart from backups of the data with --secret-key-file", slog.String("file", path))
		}
	default:
		key := make([]byte, secret.KeyBytes)
		rand.Read(key) // never fails: it would end the process
		keys = [][]byte{key}
	}
	return secret.NewKeyring(rand.Reader, keys...)
}

// ownAddresses are the addresses that a server listens on.
type ownAddresses []netip.AddrPort

func (o *ownAddresses) add(l net.Listener) {
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		*o = append(*o, tcp.AddrPort())
	}
}

func (o *ownAddresses) all() []netip.AddrPort { return *o }
