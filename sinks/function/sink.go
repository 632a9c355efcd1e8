package function

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// Invocation is how a function is invoked, in AWS's words.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
type Invocation string

// The kinds of invocation.
const (
	// Event hands the payload over and does not wait for the function: the
	// endpoint queues it and answers with status 202. It is what EventBridge
	// and SNS do. Emulators that do not queue run the function and answer as to
	// RequestResponse, which is taken as such.
	Event Invocation = "Event"
	// RequestResponse waits for the function; that it fails is a failure of the delivery.
	RequestResponse Invocation = "RequestResponse"
	// DryRun asks whether the function could be invoked. Emulators that ignore
	// the kind of invocation run it.
	DryRun Invocation = "DryRun"
)

// The largest payloads that AWS defines for Invoke, in bytes.
const (
	eventBytesMax   = 1 << 20
	requestBytesMax = 6 << 20
)

// timeoutDefault is how long a function may run if nothing else is configured:
// as long as in the runtime interface emulator. AWS lets none run for more than
// 15 minutes.
const timeoutDefault = 5 * time.Minute

// Config configures a Sink.
type Config struct {
	// Client sends the requests; it must allow the endpoints' addresses. Required.
	Client *webhook.Client
	// Endpoint is the URL at which functions are invoked that Endpoints does not
	// name; "" is nowhere.
	Endpoint string
	// Endpoints gives the URL for a function, by its ARN, by its name with the
	// version or alias, or by its name. The first that is there counts, in this order.
	//
	// A URL that ends with /invocations is used as it is: runtime interface
	// emulators know one function, by the path
	// /2015-03-31/functions/function/invocations. To any other Invoke's path
	// is added, with the function's name.
	Endpoints map[string]string
	// Lookup, if not nil, is asked before Endpoints; "" is that it knows none.
	// It must be safe for many goroutines.
	Lookup func(turnout.FunctionName) string
	// Invocation is how functions are invoked; "" is Event.
	Invocation Invocation
	// Timeout bounds how long a function may run; 0 is 5 minutes. The context's
	// deadline counts beside it.
	Timeout time.Duration
}

// Validate reports all faults of the configuration as one error.
func (c *Config) Validate() error {
	var faults []string
	if c.Client == nil {
		faults = append(faults, "the client is missing")
	}
	switch c.Invocation {
	case "", Event, RequestResponse, DryRun:
	default:
		faults = append(faults, fmt.Sprintf("invocation %q is not Event, RequestResponse or DryRun", c.Invocation))
	}
	check := func(what, raw string) {
		u, err := url.Parse(raw)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
			faults = append(faults, what+" is not an http or https URL without user information")
		}
	}
	if c.Endpoint != "" {
		check("the default endpoint", c.Endpoint)
	}
	for name, raw := range c.Endpoints {
		check("the endpoint of "+name, raw)
	}
	if len(faults) == 0 {
		return nil
	}
	return turnout.Errorf(turnout.CodeInvalidParameter, "functions: %s", strings.Join(faults, "; "))
}

// Sink invokes the function that a delivery's Endpoint names by its ARN.
type Sink struct {
	cfg Config
}

var _ sinks.Sink = (*Sink)(nil)

// New returns a sink for a valid configuration.
func New(cfg Config) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Invocation == "" {
		cfg.Invocation = Event
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = timeoutDefault
	}
	return &Sink{cfg: cfg}, nil
}

// Attempt invokes the function with d's body. Beside what fails with any
// endpoint, it is a failure, to be tried again, that the function ran and failed
// (ERROR_FROM_TARGET) or timed out. A function that is not there, and one that
// has no endpoint, is NO_RESOURCE and is not tried again.
func (s *Sink) Attempt(ctx context.Context, d sinks.Delivery) sinks.Result {
	name, ok := turnout.ParseFunctionARN(d.Endpoint)
	if !ok || !functionName.MatchString(name.Name) {
		return failed(permanent(sinks.CodeInvalidParameter, "the target is not the ARN of a function"))
	}
	bytesMax := eventBytesMax
	if s.cfg.Invocation != Event {
		bytesMax = requestBytesMax
	}
	if len(d.Body) > bytesMax {
		return failed(permanent(sinks.CodeLimitExceeded, fmt.Sprintf(
			"the payload for function %s has %d bytes; %s takes at most %d", name.Name, len(d.Body), s.cfg.Invocation, bytesMax)))
	}
	target := s.url(name)
	if target == "" {
		return failed(permanent(sinks.CodeNoResource, fmt.Sprintf(
			"no endpoint is configured for function %s; --function-endpoints %s=URL sets one, --function-endpoint URL one for all", name.Name, name.Name)))
	}
	header := http.Header{
		"Content-Type":          {"application/json"},
		"X-Amz-Invocation-Type": {string(s.cfg.Invocation)},
	}
	if d.TraceHeader != "" {
		header["X-Amzn-Trace-Id"] = []string{d.TraceHeader}
	}
	a := s.cfg.Client.Exchange(ctx, &webhook.Request{
		URL: target, Header: header, Body: d.Body, DeliveryID: d.ID, Attempt: d.Attempt, Timeout: s.cfg.Timeout,
	})
	judge(&a, name.Name)
	return a.Result
}

// functionName is a name with an optional version or alias, as AWS defines them.
var functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}(:(\$LATEST|[A-Za-z0-9_-]{1,128}))?$`)

// url returns where to invoke the function; "" is nowhere.
func (s *Sink) url(f turnout.FunctionName) string {
	name, qualifier, _ := strings.Cut(f.Name, ":")
	base := ""
	if s.cfg.Lookup != nil {
		base = s.cfg.Lookup(f)
	}
	for _, key := range []string{f.ARN(), f.Name, name} {
		if base == "" {
			base = s.cfg.Endpoints[key]
		}
	}
	if base == "" {
		base = s.cfg.Endpoint
	}
	if base == "" || strings.HasSuffix(base, "/invocations") {
		return base
	}
	base = strings.TrimSuffix(base, "/") + "/2015-03-31/functions/" + name + "/invocations"
	if qualifier != "" {
		base += "?Qualifier=" + url.QueryEscape(qualifier)
	}
	return base
}

func failed(f *sinks.Failure) sinks.Result { return sinks.Result{Failure: f} }

func permanent(code, message string) *sinks.Failure {
	return &sinks.Failure{Code: code, Message: message, Permanent: true}
}
