package native

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	turnoutv1 "github.com/seed567880c8/turnout/proto/turnout/v1"
)

// DefaultEndpoint is where a server listens for gRPC unless it is told otherwise.
const DefaultEndpoint = "127.0.0.1:4567"

// EndpointVariable is the environment variable that names another one.
const EndpointVariable = "TURNOUT_GRPC_ENDPOINT"

// callWithin bounds one call; the server's own bound is shorter.
const callWithin = time.Minute

// Config says how to reach a server, and for whom to speak. The zero value is a
// server on this machine and its own account and region.
type Config struct {
	Endpoint string // HOST:PORT; default DefaultEndpoint
	Account  string // twelve digits; "" is the server's
	Region   string // "" is the server's
}

// FromEnvironment returns c with what it leaves empty taken from the
// environment: the endpoint from EndpointVariable, and account and region from
// the variables of the AWS SDKs, so that all commands speak for the same.
func (c Config) FromEnvironment(getenv func(string) string) Config {
	c.Endpoint = cmp.Or(c.Endpoint, getenv(EndpointVariable))
	c.Region = cmp.Or(c.Region, getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"))
	if key := getenv("AWS_ACCESS_KEY_ID"); c.Account == "" && len(key) == 12 && strings.Trim(key, "0123456789") == "" {
		c.Account = key
	}
	return c
}

// Client talks to one server.
type Client struct {
	Replays    turnoutv1.ReplayServiceClient
	Deliveries turnoutv1.DeliveryServiceClient

	endpoint string
	conn     *grpc.ClientConn
}

// New returns a client for c. Nothing is sent yet; it fails only if the
// endpoint is not HOST:PORT.
func New(c Config) (*Client, error) {
	c.Endpoint = cmp.Or(c.Endpoint, DefaultEndpoint)
	_, port, err := net.SplitHostPort(c.Endpoint)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 {
		return nil, fmt.Errorf("gRPC endpoint %q is not HOST:PORT such as %s", c.Endpoint, DefaultEndpoint)
	}
	var pairs []string
	if c.Account != "" {
		pairs = append(pairs, "turnout-account", c.Account)
	}
	if c.Region != "" {
		pairs = append(pairs, "turnout-region", c.Region)
	}
	conn, err := grpc.NewClient("dns:///"+c.Endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(ctx, pairs...), callWithin)
			defer cancel()
			return explain(invoke(ctx, method, req, reply, cc, opts...), c.Endpoint)
		}))
	if err != nil {
		return nil, err
	}
	return &Client{
		Replays: turnoutv1.NewReplayServiceClient(conn), Deliveries: turnoutv1.NewDeliveryServiceClient(conn),
		endpoint: c.Endpoint, conn: conn,
	}, nil
}

// Close drops the connection.
func (c *Client) Close() {
	_ = c.conn.Close() // nothing is under way
}

// explained is an error of a server in words for people.
type explained struct {
	err  error
	text string
}

// Error returns the words.
func (e explained) Error() string { return e.text }

// Unwrap returns the error as it came.
func (e explained) Unwrap() error { return e.err }

// explain words err.
func explain(err error, endpoint string) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	switch {
	case s.Code() == codes.Unavailable && len(s.Details()) == 0: // not the server's own words
		return explained{err: err, text: fmt.Sprintf(
			"no server answers at %s: start one with 'turnout dev', or name its gRPC address with --grpc-endpoint or %s (%s)",
			endpoint, EndpointVariable, s.Message())}
	case s.Code() == codes.Unimplemented && len(s.Details()) == 0:
		return explained{err: err, text: fmt.Sprintf("the server at %s does not offer this: %s", endpoint, s.Message())}
	}
	text := s.Message()
	for _, detail := range s.Details() {
		bad, ok := detail.(*errdetails.BadRequest)
		if !ok {
			continue
		}
		var faults []string
		for _, v := range bad.GetFieldViolations() {
			faults = append(faults, strings.TrimPrefix(v.GetField(), "spec.")+" "+v.GetDescription())
		}
		text = strings.Join(faults, "; ")
	}
	return explained{err: err, text: text}
}

// WriteJSON writes a message on one line, in the JSON of the REST API.
func WriteJSON(w io.Writer, m proto.Message) error {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return err
	}
	var line bytes.Buffer // protojson varies its spaces
	if err := json.Compact(&line, text); err != nil {
		return err
	}
	line.WriteByte('\n')
	_, err = w.Write(line.Bytes())
	return err
}
