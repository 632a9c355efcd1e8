package apidestination

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// The names that mean something to Turnout and are not sent. AWS has no place
// for what they say; they are parameters so that unchanged clients can set it.
const (
	// signatureHeader, as the name of an API key, makes the key sign requests.
	signatureHeader = "webhook-signature"

	settingPrefix      = "turnout-"
	settingCloudEvents = "turnout-cloudevents"
	settingCA          = "turnout-tls-ca"
	settingCertificate = "turnout-tls-certificate"
	settingKey         = "turnout-tls-key"
)

// isSetting reports whether a header or body parameter is one of those that are
// not sent but say how to send. Body parameters are, too, because AWS bounds
// the values of headers to one line of 512 characters, which PEM is beyond.
func isSetting(key string) bool {
	return len(key) > len(settingPrefix) && strings.EqualFold(key[:len(settingPrefix)], settingPrefix)
}

// IsSecretSetting reports whether a header or body parameter of a connection is
// a setting whose value is a secret even if it was not declared one.
func IsSecretSetting(key string) bool { return strings.EqualFold(key, settingKey) }

// Config is what connections and sinks work with.
type Config struct {
	// Client makes every request. Required.
	Client *webhook.Client
	// StrictAWS sends AWS's User-Agent and nothing that AWS would not send.
	StrictAWS bool
}

// Connection is a connection, ready to authorize requests. It is immutable but
// for the OAuth token it holds, and may be used by many goroutines: one
// Connection serves all API destinations that use it, and they share the token.
type Connection struct {
	header, query, body []parameter
	authorization       *parameter // the header of BASIC and API_KEY
	token               *token     // of OAUTH_CLIENT_CREDENTIALS
	sign                *webhook.Signing
	tls                 *webhook.TLSOptions
	cloudEvents         webhook.CloudEventsMode
	secrets             []secret.Text // what an answer must not be seen to hold
}

// Outcome is what came of asking for an OAuth token.
type Outcome struct {
	// Granted says that there is a token.
	Granted bool
	// Refused says that the authorization endpoint does not accept the
	// credentials. If neither is set it could not be asked, or made no sense.
	Refused bool
	// Reason says for people why there is none. It holds no secret.
	Reason string
}

// NewConnection makes a connection ready; c holds its secrets. observe, if not
// nil, is called with what came of each request for a token, on the goroutine
// that made it. The error is CodeValidation and says which parameter is wrong.
func NewConnection(c *turnout.Connection, cfg Config, observe func(Outcome)) (*Connection, error) {
	n := &Connection{}
	settings, sent, err := splitSettings(&c.Auth.Invocation, "InvocationHttpParameters")
	if err != nil {
		return nil, err
	}
	if n.cloudEvents, err = cloudEventsMode(settings); err != nil {
		return nil, err
	}
	if n.tls, err = tlsOptions(settings, "InvocationHttpParameters"); err != nil {
		return nil, err
	}
	if n.header, err = headers(sent.Header, "InvocationHttpParameters"); err != nil {
		return nil, err
	}
	n.query, n.body = parameters(sent.Query), parameters(sent.Body)
	if n.cloudEvents != webhook.CloudEventsOff && len(n.body) > 0 {
		return nil, invalid("InvocationHttpParameters", "BodyParameters cannot be added to a CloudEvent")
	}
	if err := n.authorize(&c.Auth, cfg, observe); err != nil {
		return nil, err
	}
	n.secrets = append(n.secrets, secretsOf(&c.Auth)...)
	return n, nil
}

// invalid is what a parameter of a connection that cannot be used is answered with.
func invalid(parameter, reason string) error {
	return turnout.Errorf(turnout.CodeValidation, "Parameter AuthParameters.%s is not valid. Reason: %s.", parameter, reason)
}

// authorize sets what authorizes a request.
func (n *Connection) authorize(a *turnout.ConnectionAuth, cfg Config, observe func(Outcome)) error {
	switch a.Type {
	case turnout.AuthBasic:
		if a.Username == "" || a.Password == "" {
			return invalid("BasicAuthParameters", "Username and Password are required")
		}
		if strings.Contains(a.Username, ":") {
			return invalid("BasicAuthParameters", "Username must not hold a colon")
		}
		credentials := base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password))
		n.authorization = &parameter{key: "Authorization", value: secret.NewText("Basic " + credentials)}
		n.secrets = append(n.secrets, secret.NewText(credentials))
	case turnout.AuthAPIKey:
		if a.APIKeyName == "" || a.APIKeyValue == "" {
			return invalid("ApiKeyAuthParameters", "ApiKeyName and ApiKeyValue are required")
		}
		if strings.EqualFold(a.APIKeyName, signatureHeader) {
			return n.signing(a.APIKeyValue)
		}
		if !validHeader(a.APIKeyName, a.APIKeyValue) || isFixedHeader(a.APIKeyName) {
			return invalid("ApiKeyAuthParameters", "ApiKeyName and ApiKeyValue cannot be sent as a header")
		}
		n.authorization = &parameter{key: a.APIKeyName, value: secret.NewText(a.APIKeyValue)}
	case turnout.AuthOAuth:
		t, err := newToken(a, cfg, observe)
		n.token = t
		return err
	default:
		return turnout.Errorf(turnout.CodeValidation, "Parameter AuthorizationType is not valid.")
	}
	return nil
}

// signing reads the keys that requests are signed with.
func (n *Connection) signing(keys string) error {
	n.sign = &webhook.Signing{}
	for i, text := range strings.Fields(keys) {
		key, err := webhook.ParseKey(text)
		if err == nil && strings.HasPrefix(text, "whpk_") {
			err = errors.New("a public key cannot sign")
		}
		if err != nil {
			return invalid("ApiKeyAuthParameters", fmt.Sprintf("an API key named %s holds the keys to sign with, separated by spaces; key %d: %s", signatureHeader, i+1, err))
		}
		n.sign.Keys = append(n.sign.Keys, key)
	}
	if len(n.sign.Keys) == 0 || len(n.sign.Keys) > 16 {
		return invalid("ApiKeyAuthParameters", "an API key named "+signatureHeader+" holds 1 to 16 keys to sign with")
	}
	return nil
}

// splitSettings tells the settings among the parameters from what is sent.
func splitSettings(all *turnout.HTTPParameters, where string) (settings map[string]string, sent turnout.HTTPParameters, err error) {
	settings = make(map[string]string)
	sent.Query = all.Query
	for _, lists := range []struct {
		from []turnout.Parameter
		to   *[]turnout.Parameter
	}{{all.Header, &sent.Header}, {all.Body, &sent.Body}} {
		for _, p := range lists.from {
			if !isSetting(p.Key) {
				*lists.to = append(*lists.to, p)
				continue
			}
			name := strings.ToLower(p.Key)
			if err := checkSetting(settings, name, where); err != nil {
				return nil, sent, err
			}
			settings[name] = p.Value
		}
	}
	return settings, sent, nil
}

// checkSetting refuses a setting that there is not, or is there already.
func checkSetting(settings map[string]string, name, where string) error {
	switch name {
	case settingCloudEvents, settingCA, settingCertificate, settingKey:
	default:
		return invalid(where, fmt.Sprintf("%s is no setting of Turnout, which are %s, %s, %s and %s",
			name, settingCloudEvents, settingCA, settingCertificate, settingKey))
	}
	if _, twice := settings[name]; twice {
		return invalid(where, name+" is given twice")
	}
	return nil
}

func cloudEventsMode(settings map[string]string) (webhook.CloudEventsMode, error) {
	value, given := settings[settingCloudEvents]
	switch mode := webhook.CloudEventsMode(strings.ToLower(strings.TrimSpace(value))); {
	case !given:
		return webhook.CloudEventsOff, nil
	case mode == webhook.CloudEventsStructured || mode == webhook.CloudEventsBinary:
		return mode, nil
	}
	return "", invalid("InvocationHttpParameters", settingCloudEvents+" must be structured or binary")
}

// tlsOptions returns what the settings say of TLS, nil for nothing.
func tlsOptions(settings map[string]string, where string) (*webhook.TLSOptions, error) {
	o := &webhook.TLSOptions{}
	for name, to := range map[string]*[]byte{settingCA: &o.Roots, settingCertificate: &o.Certificate, settingKey: &o.Key} {
		value, given := settings[name]
		if !given {
			continue
		}
		text, ok := readPEM(value)
		if !ok {
			return nil, invalid(where, name+" must be PEM, or PEM in base64")
		}
		*to = text
	}
	if o.Roots == nil && o.Certificate == nil && o.Key == nil {
		return nil, nil
	}
	if err := o.Validate(); err != nil {
		return nil, invalid(where, err.Error())
	}
	return o, nil
}

// readPEM takes PEM as it is, in one line with \n for its line ends, or in base64.
func readPEM(value string) ([]byte, bool) {
	candidates := [][]byte{[]byte(value), []byte(strings.ReplaceAll(value, `\n`, "\n"))}
	if decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value)); err == nil {
		candidates = append(candidates, decoded)
	}
	for _, text := range candidates {
		if block, _ := pem.Decode(text); block != nil {
			return text, true
		}
	}
	return nil, false
}

// headers checks header parameters and leaves out those that are not for them to set.
func headers(all []turnout.Parameter, where string) ([]parameter, error) {
	for _, p := range all {
		if !validHeader(p.Key, p.Value) {
			return nil, invalid(where, fmt.Sprintf("the header %q is not valid in HTTP", p.Key))
		}
	}
	return slices.DeleteFunc(parameters(all), func(p parameter) bool { return isFixedHeader(p.key) }), nil
}

func parameters(all []turnout.Parameter) []parameter {
	if len(all) == 0 {
		return nil
	}
	out := make([]parameter, len(all))
	for i, p := range all {
		out[i] = parameter{key: p.Key, value: secret.NewText(p.Value)}
	}
	return out
}

// secretsOf returns the secrets of a connection that are sent as they are. An
// endpoint may repeat them in its answer.
func secretsOf(a *turnout.ConnectionAuth) []secret.Text {
	all := []secret.Text{secret.NewText(a.Password), secret.NewText(a.APIKeyValue), secret.NewText(a.ClientSecret)}
	for _, set := range []turnout.HTTPParameters{a.Invocation, a.OAuthParameters} {
		for _, p := range slices.Concat(set.Header, set.Query, set.Body) {
			if p.Secret {
				all = append(all, secret.NewText(p.Value))
			}
		}
	}
	return slices.DeleteFunc(all, secret.Text.IsEmpty)
}
