package native

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"

	"github.com/seed567880c8/turnout"
	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

// Events publishes. Its errors are *turnout.Error.
type Events interface {
	// Publish accepts events and answers each; when it returns, what was accepted is durable.
	Publish(ctx context.Context, entries []turnout.EventEntry) ([]turnout.PublishedEvent, error)
	// HasBus reports whether a bus exists. It is asked for every publish, so it must be cheap.
	HasBus(name turnout.BusName) bool
	// Buses returns the buses of a scope in the order of their names.
	Buses(ctx context.Context, scope turnout.Scope) ([]turnout.Bus, error)
}

// Archives keeps events and replays them. Its errors are *turnout.Error.
type Archives interface {
	// Archive describes an archive, or is CodeNotFound.
	Archive(ctx context.Context, name turnout.ArchiveName) (turnout.ArchiveInfo, error)
	// Archives returns the archives of a scope in the order of their names.
	Archives(ctx context.Context, scope turnout.Scope) ([]turnout.ArchiveInfo, error)
	// StartReplay starts a replay; when it returns, the replay is durable.
	StartReplay(ctx context.Context, spec turnout.ReplaySpec) (turnout.Replay, error)
	// DryRun says what a replay would do.
	DryRun(ctx context.Context, spec turnout.ReplaySpec) (DryRun, error)
	// CancelReplay stops a replay, or is CodeNotFound or CodeConflict.
	CancelReplay(ctx context.Context, name turnout.ReplayName) (turnout.Replay, error)
	// Replay describes a replay, or is CodeNotFound.
	Replay(ctx context.Context, name turnout.ReplayName) (turnout.Replay, error)
	// Replays returns the replays of a scope in the order of their names.
	Replays(ctx context.Context, scope turnout.Scope) ([]turnout.Replay, error)
}

// DryRun says what a replay would do.
type DryRun struct {
	Events   int64
	Complete bool // all events were counted
	Targets  []DryRunTarget
	Samples  [][]byte // events, JSON
}

// DryRunTarget says what a target would get.
type DryRunTarget struct {
	Rule, TargetID      string // "" for a queue
	Deliveries, Skipped int64
}

// Deliveries knows what becomes of deliveries to the outside. Its errors are *turnout.Error.
type Deliveries interface {
	// Attempts returns the attempts to deliver an event, of all scopes, in order of time.
	Attempts(ctx context.Context, eventID string) ([]Attempt, error)
	// Endpoints describes the endpoints of all scopes in the order of their ARNs.
	Endpoints(ctx context.Context) ([]Endpoint, error)
	// Enable has an endpoint that was disabled called again.
	Enable(ctx context.Context, arn string) error
}

// Attempt is one attempt at a delivery. Zero values are what does not apply.
type Attempt struct {
	At                     time.Time
	EventID, DeliveryID    string
	Endpoint               string // ARN
	RuleARN, TargetID      string
	Number                 int
	Outcome                string // retried, delivered, dead-lettered or dropped
	RetryAt                time.Time
	DeadLetterARN          string
	Latency                time.Duration
	Status                 int
	ErrorCode, ErrorReason string
	Excerpt                []byte
}

// Endpoint describes an endpoint at one instant. Zero values are what does not apply.
type Endpoint struct {
	ARN                      string
	Phase                    string // active, recovering, open, probing or disabled
	Waiting                  int64
	Running, RunningMax      int
	PerSecondMax, NormalRate float64
	NextProbe                time.Time
	FailingSince             time.Time
	DisabledAt               time.Time
	DisabledReason           string
	LastError                string
}

// Config is what an API serves. Events, Archives and Deliveries must be set.
type Config struct {
	Events     Events
	Archives   Archives
	Deliveries Deliveries

	// Scope is whom a request speaks for that names no account or region.
	Scope turnout.Scope
	// EventsBytesMax bounds the events of one request together. Default: 1 MiB.
	EventsBytesMax int
	// BodyBytesMax bounds the body of a REST request and one gRPC message. Default: 4 MiB.
	BodyBytesMax int
	// ConnectionsMax bounds the open gRPC connections. Default: 10,000.
	ConnectionsMax int
	// CallsMax bounds the gRPC calls and streams under way, of all connections. Default: 1,024.
	CallsMax int
	// CallWithin bounds a call that is not a stream, and a REST request. Default: 50 s.
	CallWithin time.Duration
	// StopWithin is how long calls under way may take to end when the server stops. Default: 3 s.
	StopWithin time.Duration
	// Log takes the log. Default: nothing.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	c.EventsBytesMax = cmp.Or(c.EventsBytesMax, 1<<20)
	c.BodyBytesMax = cmp.Or(c.BodyBytesMax, 4<<20)
	c.ConnectionsMax = cmp.Or(c.ConnectionsMax, 10_000)
	c.CallsMax = cmp.Or(c.CallsMax, 1024)
	c.CallWithin = cmp.Or(c.CallWithin, 50*time.Second)
	c.StopWithin = cmp.Or(c.StopWithin, 3*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// API is the native API. Handler serves it as REST, Serve as gRPC.
type API struct {
	cfg      Config
	events   *events
	grpc     *grpcServer
	rest     http.Handler
	draining chan struct{}  // closed when streams are to end
	readers  sync.WaitGroup // goroutines that read streams; they end after their handlers
}

// New returns an API that serves what cfg says.
func New(cfg Config) (*API, error) {
	a := &API{cfg: cfg.withDefaults(), draining: make(chan struct{})}
	a.events = &events{api: a}
	replays := &replays{api: a}
	deliveries := &deliveries{api: a}

	a.grpc = a.newGRPC()
	a.grpc.add(func(s *grpc.Server) {
		turnoutv1.RegisterEventServiceServer(s, a.events)
		turnoutv1.RegisterReplayServiceServer(s, replays)
		turnoutv1.RegisterDeliveryServiceServer(s, deliveries)
	})

	mux := newMux()
	var unused context.Context // it ends connections, and services that are called directly have none
	for _, register := range []func(context.Context, *runtime.ServeMux) error{
		func(ctx context.Context, m *runtime.ServeMux) error {
			return turnoutv1.RegisterEventServiceHandlerServer(ctx, m, a.events)
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return turnoutv1.RegisterReplayServiceHandlerServer(ctx, m, replays)
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return turnoutv1.RegisterDeliveryServiceHandlerServer(ctx, m, deliveries)
		},
	} {
		if err := register(unused, mux); err != nil {
			return nil, err
		}
	}
	a.rest = a.wrap(mux)
	return a, nil
}

// Handler serves the API as REST: the paths below /v1/.
func (a *API) Handler() http.Handler { return a.rest }
