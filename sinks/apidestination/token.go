package apidestination

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

const (
	// refreshAhead is how long before its end a token is replaced, as AWS does:
	// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-target-connection-auth.html
	refreshAhead = time.Minute
	// lifetimeDefault is how long a token is used that does not say how long it holds.
	lifetimeDefault = time.Hour
	lifetimeMax     = 30 * 24 * time.Hour
	// freshFor is how long after its grant a token that an endpoint does not
	// accept is not replaced: another would not be accepted either, and each
	// delivery would ask for one.
	freshFor = 10 * time.Second
	// After a failure the authorization endpoint is left alone for a while,
	// which doubles with each further one.
	pauseMin, pauseMax = time.Second, time.Minute

	tokenAnswerBytesMax = 64 << 10
	tokenBytesMax       = 16 << 10
)

// token gets and keeps the OAuth token of a connection, by the grant of client
// credentials: RFC 6749, section 4.4.
//
// At most one request for a token is under way for a connection. Who needs a
// token while there is none waits for it, as long as its own context allows;
// while the present one still holds, it is used. The request runs on the
// goroutine that found it necessary, so there is none to wait for at the end.
type token struct {
	client  *webhook.Client
	request webhook.Request
	hidden  []secret.Text // must not appear in reasons
	observe func(Outcome)

	mu struct {
		sync.Mutex
		value    secret.Text   // the Authorization header; empty: none
		granted  time.Time     // when value was asked for
		refresh  time.Time     // from when on to replace value
		expires  time.Time     // until when to use value
		flight   chan struct{} // closed when the request under way is over; nil: none is
		failure  *sinks.Failure
		failures int       // in a row
		retryAt  time.Time // not before then after a failure
	}
}

// newToken checks what a connection says of OAuth and builds the request. It
// is a form unless the connection's header parameters say that it is JSON; the
// credentials go into the body, into the query of a GET, or nowhere if an
// Authorization header is given.
func newToken(a *turnout.ConnectionAuth, cfg Config, observe func(Outcome)) (*token, error) {
	const where = "OAuthParameters"
	if a.ClientID == "" || a.ClientSecret == "" || a.AuthorizationEndpoint == "" {
		return nil, invalid(where, "AuthorizationEndpoint, ClientID and ClientSecret are required")
	}
	switch a.HTTPMethod {
	case http.MethodGet, http.MethodPost, http.MethodPut:
	default:
		return nil, invalid(where, "HttpMethod must be GET, POST or PUT")
	}
	endpoint, err := ParseEndpoint(a.AuthorizationEndpoint)
	if err != nil {
		return nil, invalid(where+".AuthorizationEndpoint", err.Error())
	}
	if failure := cfg.Client.CheckURL(a.AuthorizationEndpoint); failure != nil {
		return nil, invalid(where+".AuthorizationEndpoint", failure.Message)
	}
	settings, sent, err := splitSettings(&a.OAuthParameters, where+".OAuthHttpParameters")
	if err != nil {
		return nil, err
	}
	if _, given := settings[settingCloudEvents]; given {
		return nil, invalid(where+".OAuthHttpParameters", settingCloudEvents+" is for InvocationHttpParameters")
	}
	t := &token{client: cfg.Client, hidden: secretsOf(a), observe: observe}
	if t.request.TLS, err = tlsOptions(settings, where+".OAuthHttpParameters"); err != nil {
		return nil, err
	}
	extra, err := headers(sent.Header, where+".OAuthHttpParameters")
	if err != nil {
		return nil, err
	}
	t.request.Method = a.HTTPMethod
	t.request.Header = http.Header{"Accept": {"application/json"}, "User-Agent": {userAgent(cfg)}}
	for _, h := range extra {
		t.request.Header.Set(h.key, h.value.Reveal())
	}
	return t, t.fill(endpoint, a, &sent)
}

// fill sets the URL and the body of the request.
func (t *token) fill(endpoint *Endpoint, a *turnout.ConnectionAuth, sent *turnout.HTTPParameters) error {
	members := parameters(sent.Body)
	add := func(key, value string) {
		if !slices.ContainsFunc(members, func(p parameter) bool { return p.key == key }) {
			members = append(members, parameter{key: key, value: secret.NewText(value)})
		}
	}
	query := parameters(sent.Query)
	if !slices.ContainsFunc(query, func(p parameter) bool { return p.key == "grant_type" }) {
		add("grant_type", "client_credentials")
	}
	if t.request.Header.Get("Authorization") == "" { // RFC 6749, 2.3: a client has one way to authenticate
		add("client_id", a.ClientID)
		add("client_secret", a.ClientSecret)
	}
	kind := t.request.Header.Get("Content-Type")
	var err error
	switch {
	case a.HTTPMethod == http.MethodGet:
		query = overlay(members, query, false)
	case strings.Contains(strings.ToLower(kind), "json"):
		t.request.Body, err = mergeBody(nil, members)
	default:
		form := url.Values{}
		for _, m := range members {
			form.Add(m.key, m.value.Reveal())
		}
		t.request.Body = []byte(form.Encode())
		if kind == "" {
			t.request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	if err != nil {
		return err
	}
	// A * in the path of an authorization endpoint is itself: nothing gives it a value.
	t.request.URL = endpoint.origin + strings.Join(endpoint.path, "*") + joinQuery(endpoint.query, query)
	return nil
}

// header returns the Authorization header, asking for a token if there is none
// that holds; or why there is none, and when to try again.
func (t *token) header(ctx context.Context) (secret.Text, sinks.Result) {
	for {
		t.mu.Lock()
		now := time.Now()
		holds := !t.mu.value.IsEmpty() && now.Before(t.mu.expires)
		switch {
		case holds && (now.Before(t.mu.refresh) || t.mu.flight != nil || now.Before(t.mu.retryAt)):
			value := t.mu.value
			t.mu.Unlock()
			return value, sinks.Result{}
		case t.mu.flight != nil:
			flight := t.mu.flight
			t.mu.Unlock()
			select {
			case <-flight:
				continue
			case <-ctx.Done():
				return secret.Text{}, sinks.Result{Failure: &sinks.Failure{
					Code: sinks.CodeTimeout, Message: "The authorization endpoint did not answer in time with an OAuth token.",
				}}
			}
		case now.Before(t.mu.retryAt):
			r := sinks.Result{Failure: new(*t.mu.failure), RetryAfter: t.mu.retryAt.Sub(now)}
			t.mu.Unlock()
			return secret.Text{}, r
		}
		value := t.mu.value
		t.mu.flight = make(chan struct{})
		t.mu.Unlock()
		fresh, r := t.fetch(ctx, now)
		if r.Failure != nil && holds {
			return value, sinks.Result{} // the old token still holds
		}
		return fresh, r
	}
}

// fetch asks for a token and keeps what came of it. The caller has set flight.
func (t *token) fetch(ctx context.Context, now time.Time) (secret.Text, sinks.Result) {
	request := t.request
	answer := t.client.Fetch(ctx, &request, tokenAnswerBytesMax)
	value, lifetime, outcome, failure := t.read(&answer)
	r := sinks.Result{Failure: failure}
	calledOff := errors.Is(ctx.Err(), context.Canceled)
	t.mu.Lock()
	switch {
	case outcome.Granted:
		t.mu.value, t.mu.granted, t.mu.expires = value, now, now.Add(lifetime)
		t.mu.refresh = t.mu.expires.Add(-min(refreshAhead, lifetime/2))
		t.mu.failure, t.mu.failures, t.mu.retryAt = nil, 0, time.Time{}
	case calledOff:
		// That says nothing of the endpoint. Whoever waits asks again.
	default:
		r.RetryAfter = max(min(pauseMin<<min(t.mu.failures, 10), pauseMax), answer.RetryAfter)
		t.mu.failures++
		t.mu.failure, t.mu.retryAt = failure, time.Now().Add(r.RetryAfter)
	}
	close(t.mu.flight)
	t.mu.flight = nil
	t.mu.Unlock()
	if t.observe != nil && (outcome.Granted || !calledOff) {
		t.observe(outcome)
	}
	return value, r
}

// read makes a token, or a failure, of the answer of an authorization endpoint.
func (t *token) read(a *webhook.Answer) (value secret.Text, lifetime time.Duration, o Outcome, f *sinks.Failure) {
	failed := func(code, format string, args ...any) (secret.Text, time.Duration, Outcome, *sinks.Failure) {
		reason := string(redact([]byte("The authorization endpoint gave no OAuth token: "+fmt.Sprintf(format, args...)), t.hidden...))
		return secret.Text{}, 0, Outcome{Refused: code == sinks.CodeNoPermissions, Reason: reason}, &sinks.Failure{Code: code, Message: reason}
	}
	var in struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
		Error       string          `json:"error"`
		Description string          `json:"error_description"`
	}
	parsed := json.Unmarshal(a.Body, &in)
	switch {
	case a.Failure != nil && a.Status >= 400 && a.Status < 500 && a.Failure.Permanent:
		return failed(sinks.CodeNoPermissions, "status %d%s", a.Status, oauthError(in.Error, in.Description))
	case a.Failure != nil && a.Failure.Code == sinks.CodeTimeout:
		return failed(sinks.CodeTimeout, "%s", a.Failure.Message)
	case a.Failure != nil:
		return failed(sinks.CodeConnectionFailure, "%s%s", a.Failure.Message, oauthError(in.Error, in.Description))
	case parsed != nil:
		return failed(sinks.CodeConnectionFailure, "the answer is not a JSON object of the form of RFC 6749")
	case in.AccessToken == "":
		return failed(sinks.CodeConnectionFailure, "the answer has no access_token%s", oauthError(in.Error, in.Description))
	case len(in.AccessToken) > tokenBytesMax || !validHeaderValue(in.AccessToken):
		return failed(sinks.CodeConnectionFailure, "the access_token cannot be sent as a header")
	}
	scheme := in.TokenType
	if strings.EqualFold(scheme, "bearer") || !validHeader(scheme, "") {
		scheme = "Bearer"
	}
	return secret.NewText(scheme + " " + in.AccessToken), lifetimeOf(in.ExpiresIn), Outcome{Granted: true}, nil
}

// oauthError returns what an endpoint says about a refusal, at most a line of it.
func oauthError(code, description string) string {
	text := strings.TrimSpace(code + " " + description)
	if text == "" {
		return ""
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text[:min(len(text), 200)], "?"))
	return " (" + text + ")"
}

// lifetimeOf reads expires_in: seconds, as a number or, as some servers send it, a string.
func lifetimeOf(text json.RawMessage) time.Duration {
	var seconds float64
	if err := json.Unmarshal([]byte(strings.Trim(string(text), `"`)), &seconds); err != nil || seconds <= 0 {
		return lifetimeDefault
	}
	return time.Duration(max(1, min(seconds, lifetimeMax.Seconds())) * float64(time.Second))
}

// reject takes back a token that an endpoint did not accept and reports
// whether another attempt with another token makes sense.
func (t *token) reject(used secret.Text) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.mu.value.Equal(used) {
		return true // it was replaced meanwhile
	}
	if time.Since(t.mu.granted) < freshFor {
		return false
	}
	t.mu.value = secret.Text{}
	return true
}

// Authorize asks for a token if the connection needs one and has none. It
// returns when to try again, or the zero time if it is authorized.
func (c *Connection) Authorize(ctx context.Context) time.Time {
	if c.token == nil {
		return time.Time{}
	}
	if _, r := c.token.header(ctx); r.Failure != nil {
		return time.Now().Add(max(r.RetryAfter, pauseMin))
	}
	return time.Time{}
}
