package config

import (
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// Mode says which of the two servers runs.
type Mode string

// The modes.
const (
	// Dev is everything on, a temporary directory, no authentication, loopback: the default.
	Dev Mode = "dev"
	// Serve is the durable server.
	Serve Mode = "serve"
)

// Config is everything a server can be told. The zero value of a field is its
// default, which WithDefaults fills in; a zero Config is a dev server.
type Config struct {
	Mode Mode

	Listen     string // HOST:PORT of the HTTP listener; default 127.0.0.1:4566
	GRPCListen string // HOST:PORT of the gRPC listener; default 127.0.0.1:4567, or any free port if Listen is on any free port
	DataDir    string // directory of the data; Dev: "" is a temporary one, removed at the stop
	Durability string // only "sync": an answer leaves when its batch is synced to disk
	StrictAWS  bool   // restore the AWS quotas that Turnout relaxes

	// InsecureNoAuth allows a listener beyond loopback although nobody is authenticated.
	InsecureNoAuth bool

	Account string // twelve digits: the account of an access key that is not itself an account; default 000000000000
	Region  string // region of an unsigned request; default us-east-1

	// PublicURL is the base URL under which others reach the server: it begins
	// the links in notifications. Default: that of the HTTP listener.
	PublicURL string

	Limits      Limits
	Disk        Disk
	Webhook     Webhook
	Function    Function
	Secret      Secret
	History     History
	Schedule    Schedule
	Log         Log
	PprofListen string // loopback HOST:PORT of net/http/pprof; "" is none

	MetricsQueuesMax int // queues that get series of their own, the deepest first; default 100, -1 is none
}

// Limits bounds what clients can make the server hold.
type Limits struct {
	ConnectionsMax      int   // open HTTP connections, and as many of gRPC; default 10,000
	ConnectionsPerIPMax int   // of those from one address that is not loopback; default 512
	BodyMaxBytes        int64 // one request body, on the wire and after decompression; default 4 MiB
	BodiesMaxBytes      int64 // request bodies being handled, together; default 256 MiB
	PendingMax          int   // operations that wait for the writer; default 16,384
	EventsMaxBytes      int64 // the entries of one PutEvents, as EventBridge counts them; default 1 MiB
}

// Webhook says whom the server may call, and how: API destinations, HTTP
// subscriptions of topics, functions and token endpoints.
type Webhook struct {
	Allow       []netip.Prefix // networks that are refused by default and yet may be called; a dev server adds those of this machine and its site
	AllowHTTP   bool           // call http as well as https; a dev server always does
	Timeout     time.Duration  // of one attempt; default 30 s
	AttemptsMax int            // attempts under way at the same time; default 4,096
}

// Function says where functions are invoked.
type Function struct {
	Endpoint  string            // base URL of a service that speaks Lambda's Invoke; "" is none
	Endpoints map[string]string // the same for single functions, by name
}

// Secret holds the keys that secrets are encrypted with at rest.
type Secret struct {
	Key     string // 32 bytes as base64 or hex, several of them as a list; "" is none
	KeyFile string // a file with the same, one key a line; "" is none
}

// History bounds the built-in history of events.
type History struct {
	Off       bool          // keep none
	Retention time.Duration // default 24 h
	MaxBytes  int64         // of all buses together; default 1 GiB
}

// Schedule says how scheduled rules behave.
type Schedule struct {
	CatchUp time.Duration // after a stop, a tick that was missed no longer than this ago fires once; default 15 min
}

// Disk says when new data is refused. The zero Disk is the default of the mode.
type Disk struct {
	FreeMinBytes   int64 // refuse sends below this much free space; default 1 GiB, in Dev 64 MiB
	FreeMinPercent int   // and below this share of the volume, 0–90; default 5, in Dev 0
}

// Log says how the log is written.
type Log struct {
	Format string     // json or text; default json, in Dev text
	Level  slog.Level // default info
}

// Formats of the log.
const (
	formatJSON = "json"
	formatText = "text"
)

// DurabilitySync is the one durability there is: every answered change has been synced to disk.
const DurabilitySync = "sync"

// Default returns the settings of a server that was told nothing.
func Default(mode Mode) Config { return Config{Mode: mode}.WithDefaults() }

// WithDefaults returns a copy in which every zero field has its default.
func (c Config) WithDefaults() Config {
	setDefault(&c.Mode, Dev)
	setDefault(&c.Listen, "127.0.0.1:4566")
	if strings.HasSuffix(c.Listen, ":0") {
		setDefault(&c.GRPCListen, "127.0.0.1:0")
	}
	setDefault(&c.GRPCListen, "127.0.0.1:4567")
	setDefault(&c.Durability, DurabilitySync)
	setDefault(&c.Account, "000000000000")
	setDefault(&c.Region, "us-east-1")
	setDefault(&c.Limits.ConnectionsMax, 10_000)
	setDefault(&c.Limits.ConnectionsPerIPMax, 512)
	// A batch of 1 MiB, of which a client may write three bytes for one (percent or \u escapes), and 1 MiB around it.
	setDefault(&c.Limits.BodyMaxBytes, 4<<20)
	setDefault(&c.Limits.BodiesMaxBytes, 256<<20)
	setDefault(&c.Limits.PendingMax, 16<<10)
	setDefault(&c.Limits.EventsMaxBytes, 1<<20)
	setDefault(&c.Webhook.Timeout, 30*time.Second)
	setDefault(&c.Webhook.AttemptsMax, 4096)
	setDefault(&c.History.Retention, 24*time.Hour)
	setDefault(&c.History.MaxBytes, 1<<30)
	setDefault(&c.Schedule.CatchUp, 15*time.Minute)
	setDefault(&c.MetricsQueuesMax, 100)
	if c.Mode == Serve {
		setDefault(&c.Disk, Disk{FreeMinBytes: 1 << 30, FreeMinPercent: 5})
		setDefault(&c.Log.Format, formatJSON)
	} else {
		setDefault(&c.Disk, Disk{FreeMinBytes: 64 << 20})
		setDefault(&c.Log.Format, formatText)
	}
	return c
}

// WebhookHTTP reports whether http may be called, not only https.
func (c Config) WebhookHTTP() bool { return c.Webhook.AllowHTTP || c.Mode == Dev }

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Handler returns a handler that writes the log to w as l says.
func (l Log) Handler(w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: l.Level}
	if l.Format == formatText {
		return slog.NewTextHandler(w, options)
	}
	return slog.NewJSONHandler(w, options)
}
