package turnout

import "time"

// ConnectionName names a connection: its scope and the name within it.
type ConnectionName struct {
	Scope
	Name string // 1–64 of A–Z a–z 0–9 . - _
}

// ConnectionARN returns arn:aws:events:REGION:ACCOUNT:connection/NAME/ID.
func ConnectionARN(c ConnectionName, id string) string {
	return eventsARN(c.Scope, "connection/"+c.Name+"/"+id)
}

// ParseConnectionARN returns the connection that an EventBridge ARN names, and its id.
func ParseConnectionARN(s string) (c ConnectionName, id string, ok bool) {
	scope, rest, ok := parseEventsARN(s, "connection/")
	name, id, cut := cutSlash(rest)
	return ConnectionName{Scope: scope, Name: name}, id, ok && cut
}

// AuthorizationType is how a connection authorises, in AWS's words.
type AuthorizationType string

// The authorization types.
const (
	AuthBasic  AuthorizationType = "BASIC"
	AuthAPIKey AuthorizationType = "API_KEY"
	AuthOAuth  AuthorizationType = "OAUTH_CLIENT_CREDENTIALS"
)

// Parameter is a header, a query parameter or a body member.
type Parameter struct {
	Key    string
	Value  string // "" in what is read back of a secret one
	Secret bool   // IsValueSecret
}

// HTTPParameters are sent with each invocation of a connection.
type HTTPParameters struct {
	Header, Query, Body []Parameter // ≤ 100 each
}

// ConnectionAuth is how a connection authorises. The secrets in it – Password,
// APIKeyValue, ClientSecret and the values of secret parameters – are written,
// never read back.
type ConnectionAuth struct {
	Type AuthorizationType

	Username, Password string // AuthBasic

	APIKeyName, APIKeyValue string // AuthAPIKey

	// AuthOAuth.
	ClientID, ClientSecret string
	AuthorizationEndpoint  string
	HTTPMethod             string // GET, POST or PUT
	OAuthParameters        HTTPParameters

	Invocation HTTPParameters
}

// ConnectionState is the state of a connection, in AWS's words.
type ConnectionState string

// The states of a connection.
const (
	ConnectionAuthorized   ConnectionState = "AUTHORIZED"
	ConnectionAuthorizing  ConnectionState = "AUTHORIZING"
	ConnectionDeauthorized ConnectionState = "DEAUTHORIZED"
	ConnectionDeleting     ConnectionState = "DELETING"
)

// Connection is a connection's configuration.
type Connection struct {
	ConnectionName
	ID           string // a UUID, part of the ARN
	Description  string // ≤ 512 characters
	KMSKeyID     string // kept for round trips
	Auth         ConnectionAuth
	State        ConnectionState
	StateReason  string
	CreatedAt    time.Time
	ModifiedAt   time.Time
	AuthorizedAt time.Time // zero: never
}

// SecretARN returns the ARN under which AWS would keep the connection's secrets
// in Secrets Manager; Turnout shows it for clients that expect one. It is "" for
// a connection without an ID.
func (c *Connection) SecretARN() string {
	if len(c.ID) < 6 {
		return ""
	}
	return ARN{
		Partition: "aws", Service: "secretsmanager", Region: c.Region, Account: c.Account,
		Resource: "secret:events!connection/" + c.Name + "/" + c.ID + "-" + c.ID[:6],
	}.String()
}

// ARN returns the connection's ARN.
func (c *Connection) ARN() string { return ConnectionARN(c.ConnectionName, c.ID) }

// APIDestinationName names an API destination: its scope and the name within it.
type APIDestinationName struct {
	Scope
	Name string // 1–64 of A–Z a–z 0–9 . - _
}

// APIDestinationARN returns arn:aws:events:REGION:ACCOUNT:api-destination/NAME/ID.
func APIDestinationARN(d APIDestinationName, id string) string {
	return eventsARN(d.Scope, "api-destination/"+d.Name+"/"+id)
}

// ParseAPIDestinationARN returns the API destination that an EventBridge ARN names, and its id.
func ParseAPIDestinationARN(s string) (d APIDestinationName, id string, ok bool) {
	scope, rest, ok := parseEventsARN(s, "api-destination/")
	name, id, cut := cutSlash(rest)
	return APIDestinationName{Scope: scope, Name: name}, id, ok && cut
}

// APIDestinationState is the state of an API destination, in AWS's words.
type APIDestinationState string

// The states of an API destination: active while its connection is authorized.
const (
	APIDestinationActive   APIDestinationState = "ACTIVE"
	APIDestinationInactive APIDestinationState = "INACTIVE"
)

// APIDestination is an HTTP endpoint that rules deliver to.
type APIDestination struct {
	APIDestinationName
	ID            string // a UUID, part of the ARN
	Description   string // ≤ 512 characters
	ConnectionARN string
	Endpoint      string              // URL; each * stands for a path parameter of the target
	HTTPMethod    string              // POST, GET, HEAD, OPTIONS, PUT, PATCH or DELETE
	PerSecondMax  int                 // InvocationRateLimitPerSecond; 0 is the default, 300
	State         APIDestinationState // follows from the connection
	CreatedAt     time.Time
	ModifiedAt    time.Time
}

// ARN returns the destination's ARN.
func (d *APIDestination) ARN() string { return APIDestinationARN(d.APIDestinationName, d.ID) }

// FunctionName names a function: its scope and the name within it.
type FunctionName struct {
	Scope
	Name string // 1–64 of A–Z a–z 0–9 - _, with an optional :version or :alias
}

// ARN returns arn:aws:lambda:REGION:ACCOUNT:function:NAME.
func (f FunctionName) ARN() string {
	return ARN{Partition: "aws", Service: "lambda", Region: f.Region, Account: f.Account, Resource: "function:" + f.Name}.String()
}

// ParseFunctionARN returns the function that a Lambda ARN names.
func ParseFunctionARN(s string) (FunctionName, bool) {
	a, ok := ParseARN(s)
	const kind = "function:"
	if !ok || a.Service != "lambda" || len(a.Resource) <= len(kind) || a.Resource[:len(kind)] != kind {
		return FunctionName{}, false
	}
	return FunctionName{Scope: a.Scope(), Name: a.Resource[len(kind):]}, true
}
