package awsclient

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// DefaultEndpoint is where a server listens unless it is told otherwise.
const DefaultEndpoint = "http://localhost:4566"

// DefaultRegion is the region of a client that is told none.
const DefaultRegion = "us-east-1"

// Config says how to reach a server. The zero value is a server on this
// machine without authentication.
type Config struct {
	Endpoint        string // URL; default DefaultEndpoint
	Region          string // default DefaultRegion
	AccessKeyID     string // default "turnout"; a 12-digit one names the account
	SecretAccessKey string // default "turnout"
	SessionToken    string
}

// FromEnvironment returns c with what it leaves empty taken from the variables
// that every AWS SDK reads.
func (c Config) FromEnvironment(getenv func(string) string) Config {
	c.Endpoint = cmp.Or(c.Endpoint, getenv("AWS_ENDPOINT_URL"))
	c.Region = cmp.Or(c.Region, getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"))
	if c.AccessKeyID == "" {
		c.AccessKeyID = getenv("AWS_ACCESS_KEY_ID")
		c.SecretAccessKey = getenv("AWS_SECRET_ACCESS_KEY")
		c.SessionToken = getenv("AWS_SESSION_TOKEN")
	}
	return c
}

func (c Config) withDefaults() Config {
	c.Endpoint = cmp.Or(c.Endpoint, DefaultEndpoint)
	c.Region = cmp.Or(c.Region, DefaultRegion)
	c.AccessKeyID = cmp.Or(c.AccessKeyID, "turnout")
	c.SecretAccessKey = cmp.Or(c.SecretAccessKey, "turnout")
	return c
}

// Clients talk to one server.
type Clients struct {
	Events   *eventbridge.Client
	Queues   *sqs.Client
	Endpoint string

	transport *http.Transport
}

// New returns clients for c. Nothing is sent yet; it fails only if the
// endpoint is not an http or https URL.
func New(c Config) (*Clients, error) {
	c = c.withDefaults()
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("endpoint %q is not a URL such as %s", c.Endpoint, DefaultEndpoint)
	}
	// One transport for both services. Idle connections are kept for every
	// worker of the demo, else they would be dialled anew for each request.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	httpClient := &http.Client{Transport: transport}
	creds := credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	return &Clients{
		Events: eventbridge.New(eventbridge.Options{
			Region: c.Region, BaseEndpoint: aws.String(c.Endpoint), Credentials: creds, HTTPClient: httpClient,
		}),
		Queues: sqs.New(sqs.Options{
			Region: c.Region, BaseEndpoint: aws.String(c.Endpoint), Credentials: creds, HTTPClient: httpClient,
		}),
		Endpoint:  c.Endpoint,
		transport: transport,
	}, nil
}

// Close drops the idle connections.
func (c *Clients) Close() { c.transport.CloseIdleConnections() }
