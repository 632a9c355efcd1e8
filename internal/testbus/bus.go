package testbus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/internal/config"
	"github.com/seed567880c8/turnout/internal/memnet"
	"github.com/seed567880c8/turnout/internal/server"
	"github.com/seed567880c8/turnout/internal/store/pebblestore"
)

// Account and Region are those of the clients that SQS, EventBridge and STS return.
const (
	Account = "000000000000"
	Region  = "us-east-1"
	// URL is the base URL of the server.
	URL = "http://" + address
)

// Bus is one server and its disk. It belongs to the bubble and the goroutine
// that started it; its clients may be used by any.
type Bus struct {
	t         *testing.T
	cfg       config.Config
	chance    *rand.Rand
	disk      *pebblestore.Memory
	network   atomic.Pointer[network]
	grpc      atomic.Pointer[network]
	outside   outside
	transport atomic.Pointer[http.Transport] // of this start of the server: no connection outlives it
	cancel    context.CancelFunc             // nil: stopped
	done      chan error
}

// Test runs f in a bubble of its own with a running dev server.
func Test(t *testing.T, f func(t *testing.T, b *Bus)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, Start(t, config.Config{})) })
}

// Start runs a server with an empty disk until the test ends. It must be
// called in a bubble.
func Start(t *testing.T, cfg config.Config) *Bus {
	t.Helper()
	b := &Bus{
		t:      t,
		cfg:    cfg,
		chance: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // a failure must repeat
		disk:   pebblestore.NewMemory(),
	}
	b.outside.servers = map[string]*memnet.Listener{}
	if b.cfg.Secret.Key == "" { // one that outlives restarts, as a key file does
		b.cfg.Secret.Key = "c2VjcmV0cyBvZiB0ZXN0cyBhcmUgbm8gc2VjcmV0cyE="
	}
	b.boot()
	t.Cleanup(func() {
		b.transport.Load().CloseIdleConnections()
		if b.cancel != nil {
			require.NoError(t, b.Stop())
		}
	})
	return b
}

func (b *Bus) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return b.network.Load().Dial(ctx)
}

// boot starts a server on the disk as it is.
func (b *Bus) boot() {
	b.t.Helper()
	store, err := pebblestore.Open(pebblestore.Config{
		Dir: "data", FS: b.disk, CacheBytes: 1 << 20, MemTableBytes: 1 << 20,
		Exit: func(code int) { panic("the storage engine gave up") },
	})
	require.NoError(b.t, err, "open the disk")
	network := newNetwork()
	b.network.Store(network)
	grpcNetwork := newNetwork()
	b.grpc.Store(grpcNetwork)
	// Idle connections go before the server closes them, which it does after a
	// minute: a test that sleeps exactly so long would find one half closed.
	old := b.transport.Swap(&http.Transport{DialContext: b.dial, MaxIdleConnsPerHost: 1000, IdleConnTimeout: 30 * time.Second})
	if old != nil {
		old.CloseIdleConnections()
	}
	s, err := server.New(b.cfg, server.Options{
		Log: slog.New(slog.DiscardHandler), Version: "test", Store: store, Listener: network, GRPCListener: grpcNetwork, Dial: b.outside.dial,
	})
	require.NoError(b.t, err, "open the server")
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(b.t.Context()))
	b.done = make(chan error, 1)
	go func() { b.done <- s.Run(ctx) }()
	<-s.Ready()
}

// Stop stops the server as a signal would and returns what it returned.
func (b *Bus) Stop() error {
	b.cancel()
	b.cancel = nil
	return <-b.done
}

// Restart stops the server, which must succeed, and starts it again.
func (b *Bus) Restart() {
	b.t.Helper()
	require.NoError(b.t, b.Stop(), "a stop that was asked for is clean")
	b.boot()
}

// Crash takes the power away and starts the server on what the disk has kept:
// everything synced and, of what was not, each block with a chance of keepPercent.
func (b *Bus) Crash(keepPercent int) {
	b.t.Helper()
	b.network.Load().sever()
	b.grpc.Load().sever()
	kept := b.disk.PowerLoss(keepPercent, b.chance)
	_ = b.Stop() // the old server ends on a disk that nobody looks at any more
	b.disk = kept
	b.boot()
}

// SetDisk makes the disk report so many bytes free of so many in all.
func (b *Bus) SetDisk(free, total uint64) { b.disk.SetUsage(free, total) }

// HTTP returns a client whose every address is the server.
func (b *Bus) HTTP() *http.Client { return &http.Client{Transport: bodyFirst{b}} }

// bodyFirst hands on requests whose bodies are in memory. The SDK closes a
// body as soon as it has the answer's header; an answer that comes as fast as
// this server's would then cut off the transport, which still looks whether the
// body has ended.
type bodyFirst struct{ bus *Bus }

// RoundTrip sends r.
func (f bodyFirst) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return f.bus.transport.Load().RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return f.bus.transport.Load().RoundTrip(r)
}

// CloseIdleConnections is for http.Client.
func (f bodyFirst) CloseIdleConnections() { f.bus.transport.Load().CloseIdleConnections() }

// SQS returns a client for the default account and region.
func (b *Bus) SQS() *sqs.Client { return b.SQSIn(Account, Region) }

// SQSIn returns a client for an account and a region. It does not retry.
func (b *Bus) SQSIn(account, region string) *sqs.Client {
	return sqs.New(sqs.Options{
		Region: region, BaseEndpoint: aws.String(URL), Credentials: key(account), HTTPClient: b.HTTP(), Retryer: aws.NopRetryer{},
	})
}

// EventBridge returns a client for the default account and region.
func (b *Bus) EventBridge() *eventbridge.Client { return b.EventBridgeIn(Account, Region) }

// EventBridgeIn returns a client for an account and a region. It does not retry.
func (b *Bus) EventBridgeIn(account, region string) *eventbridge.Client {
	return eventbridge.New(eventbridge.Options{
		Region: region, BaseEndpoint: aws.String(URL), Credentials: key(account), HTTPClient: b.HTTP(), Retryer: aws.NopRetryer{},
	})
}

// SNS returns a client for the default account and region.
func (b *Bus) SNS() *sns.Client { return b.SNSIn(Account, Region) }

// SNSIn returns a client for an account and a region. It does not retry.
func (b *Bus) SNSIn(account, region string) *sns.Client {
	return sns.New(sns.Options{
		Region: region, BaseEndpoint: aws.String(URL), Credentials: key(account), HTTPClient: b.HTTP(), Retryer: aws.NopRetryer{},
	})
}

// STS returns a client for the default account and region.
func (b *Bus) STS() *sts.Client { return b.STSIn(Account, Region) }

// STSIn returns a client for an account and a region. It does not retry.
func (b *Bus) STSIn(account, region string) *sts.Client {
	return sts.New(sts.Options{
		Region: region, BaseEndpoint: aws.String(URL), Credentials: key(account), HTTPClient: b.HTTP(), Retryer: aws.NopRetryer{},
	})
}

// key returns the credentials that speak for an account.
func key(account string) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(account, "secret", "")
}
