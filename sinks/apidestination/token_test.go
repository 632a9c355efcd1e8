package apidestination_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/memnet"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/apidestination"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

// idp is an authorization endpoint and an API in one, in a bubble: the API
// accepts the tokens that were granted and not withdrawn.
type idp struct {
	t *testing.T

	handlers sync.WaitGroup

	mu        sync.Mutex
	answer    func(w http.ResponseWriter, n int) // to the n-th request for a token, which counts from 1; nil grants
	requests  []string                           // for tokens, as they arrived
	withdrawn map[string]bool
	accepted  []string // Authorization headers of deliveries
	refused   int

	outcomes []apidestination.Outcome
	sink     *apidestination.Sink
	conn     *apidestination.Connection
}

// oauthBubble runs f with an idp in virtual time.
func oauthBubble(t *testing.T, change func(*turnout.ConnectionAuth), f func(p *idp)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &idp{t: t, withdrawn: map[string]bool{}}
		listener := memnet.Listen("any")
		server := &http.Server{Handler: p}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(listener) })
		client := webhook.NewClient(webhook.Config{AllowHTTP: true, Dial: listener.DialContext})
		auth := turnout.ConnectionAuth{
			Type: turnout.AuthOAuth, ClientID: "client", ClientSecret: "cl1ent-s3cret",
			AuthorizationEndpoint: "http://idp.example/token", HTTPMethod: http.MethodPost,
		}
		if change != nil {
			change(&auth)
		}
		cfg := apidestination.Config{Client: client}
		var err error
		p.conn, err = apidestination.NewConnection(&turnout.Connection{Auth: auth}, cfg, func(o apidestination.Outcome) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.outcomes = append(p.outcomes, o)
		})
		require.NoError(t, err)
		p.sink, err = apidestination.New(&turnout.APIDestination{Endpoint: "http://api.example/", HTTPMethod: http.MethodPost, ConnectionARN: connectionARN}, fixed{p.conn}, cfg)
		require.NoError(t, err)
		defer p.handlers.Wait()
		defer serving.Wait()
		defer func() { _ = server.Close() }()
		defer client.Close()
		f(p)
	})
}

func (p *idp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.handlers.Add(1)
	defer p.handlers.Done()
	if r.Host == "idp.example" {
		p.mu.Lock()
		p.requests = append(p.requests, wire(r))
		n, answer := len(p.requests), p.answer
		p.mu.Unlock()
		if answer == nil {
			answer = grant(`3600`)
		}
		answer(w, n)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if token := r.Header.Get("Authorization"); !strings.HasPrefix(token, "Bearer token-") || p.withdrawn[token] {
		p.refused++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	p.accepted = append(p.accepted, r.Header.Get("Authorization"))
}

// grant answers with a token that holds for so long.
func grant(expiresIn string) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, n int) {
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":%s}`, n, expiresIn)
	}
}

func refuse(status int, body string) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, _ int) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func (p *idp) set(answer func(http.ResponseWriter, int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *idp) attempt() sinks.Result {
	p.t.Helper()
	return p.sink.Attempt(p.t.Context(), sinks.Delivery{ID: "d", Body: []byte("{}")})
}

func (p *idp) delivers() {
	p.t.Helper()
	require.Nil(p.t, p.attempt().Failure)
}

// asked returns how many tokens were asked for.
func (p *idp) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

func TestTokenIsRefreshedAMinuteBeforeItEnds(t *testing.T) {
	t.Parallel()
	oauthBubble(t, nil, func(p *idp) {
		p.delivers()
		time.Sleep(58 * time.Minute)
		p.delivers()
		require.Equal(t, 1, p.asked(), "a token is used while it holds")
		time.Sleep(61 * time.Second)
		p.delivers()
		require.Equal(t, 2, p.asked())
		require.Equal(t, []string{"Bearer token-1", "Bearer token-1", "Bearer token-2"}, p.accepted)
		require.Equal(t, []apidestination.Outcome{{Granted: true}, {Granted: true}}, p.outcomes)
	})
}

func TestShortLivedTokenIsUsedForHalfItsLife(t *testing.T) {
	t.Parallel()
	for _, form := range []string{`20`, `"20"`} {
		oauthBubble(t, nil, func(p *idp) {
			p.set(grant(form))
			p.delivers()
			time.Sleep(9 * time.Second)
			p.delivers()
			require.Equal(t, 1, p.asked())
			time.Sleep(2 * time.Second)
			p.delivers()
			require.Equal(t, 2, p.asked())
		})
	}
}

func TestTokenOfUnknownLifeIsUsedForAnHour(t *testing.T) {
	t.Parallel()
	for _, form := range []string{`null`, `-1`, `"soon"`} {
		oauthBubble(t, nil, func(p *idp) {
			p.set(grant(form))
			p.delivers()
			time.Sleep(58 * time.Minute)
			p.delivers()
			require.Equal(t, 1, p.asked())
			time.Sleep(2 * time.Minute)
			p.delivers()
			require.Equal(t, 2, p.asked())
		})
	}
}

func TestWithdrawnTokenIsReplacedWithinTheAttempt(t *testing.T) {
	t.Parallel()
	oauthBubble(t, nil, func(p *idp) {
		p.delivers()
		p.withdrawn["Bearer token-1"] = true
		time.Sleep(time.Minute)
		p.delivers()
		require.Equal(t, 2, p.asked())
		require.Equal(t, 1, p.refused, "the endpoint saw the old token once")
	})
}

func TestFreshTokenThatIsNotAcceptedIsNotReplaced(t *testing.T) {
	t.Parallel()
	oauthBubble(t, nil, func(p *idp) {
		for n := range 100 {
			p.withdrawn[fmt.Sprint("Bearer token-", n)] = true
		}
		for range 100 {
			r := p.attempt()
			require.Equal(t, http.StatusUnauthorized, r.Status)
			require.False(t, r.Failure.Permanent, "401 is worth another attempt")
		}
		require.Equal(t, 1, p.asked(), "no token for each delivery")
		time.Sleep(11 * time.Second)
		p.attempt()
		require.Equal(t, 2, p.asked())
	})
}

func TestManyDeliveriesAskForOneToken(t *testing.T) {
	t.Parallel()
	oauthBubble(t, nil, func(p *idp) {
		p.set(func(w http.ResponseWriter, n int) {
			time.Sleep(5 * time.Second)
			grant(`3600`)(w, n)
		})
		var deliveries sync.WaitGroup
		for range 50 {
			deliveries.Go(func() { p.delivers() })
		}
		deliveries.Wait()
		require.Equal(t, 1, p.asked())
		require.Len(t, p.accepted, 50)
	})
}

func TestOldTokenIsUsedWhileANewOneIsAskedFor(t *testing.T) {
	t.Parallel()
	oauthBubble(t, nil, func(p *idp) {
		p.delivers()
		p.set(func(http.ResponseWriter, int) { time.Sleep(20 * time.Second) }) // slow, and then no JSON
		time.Sleep(59*time.Minute + time.Second)
		began := time.Now()
		var slow sync.WaitGroup
		slow.Go(func() { p.delivers() }) // asks, and in the end uses the old one
		synctest.Wait()
		p.delivers()
		require.Zero(t, time.Since(began), "others do not wait")
		slow.Wait()
		require.Equal(t, 20*time.Second, time.Since(began))
		p.delivers()
		require.Equal(t, 2, p.asked(), "the endpoint is left alone for a second")
	})
}

func TestSlowAuthorizationEndpointCostsOneTimeoutEach(t *testing.T) {
	t.Parallel()
	oauthBubble(t, nil, func(p *idp) {
		p.set(func(http.ResponseWriter, int) { time.Sleep(time.Hour) })
		began := time.Now()
		var deliveries sync.WaitGroup
		for range 20 {
			deliveries.Go(func() {
				ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Second)
				defer cancel()
				r := p.sink.Attempt(ctx, sinks.Delivery{ID: "d"})
				require.NotNil(t, r.Failure)
				require.Equal(t, sinks.CodeTimeout, r.Failure.Code)
				require.False(t, r.Failure.Permanent)
			})
		}
		deliveries.Wait()
		require.Less(t, time.Since(began), 5*time.Second+100*time.Millisecond)
		require.Less(t, p.asked(), 3)
	})
}

func TestCalledOffRequestHandsOverToAnother(t *testing.T) {
	t.Parallel()
	oauthBubble(t, nil, func(p *idp) {
		p.set(func(w http.ResponseWriter, n int) {
			if n == 1 {
				time.Sleep(time.Minute)
			}
			grant(`3600`)(w, n)
		})
		first, cancel := context.WithCancel(p.t.Context())
		var deliveries sync.WaitGroup
		deliveries.Go(func() {
			require.NotNil(t, p.sink.Attempt(first, sinks.Delivery{ID: "d"}).Failure)
		})
		synctest.Wait()
		deliveries.Go(func() { p.delivers() })
		synctest.Wait()
		cancel()
		deliveries.Wait()
		require.Equal(t, 2, p.asked())
		require.Equal(t, []apidestination.Outcome{{Granted: true}}, p.outcomes, "that it was called off says nothing of the endpoint")
	})
}

func TestFailingAuthorizationEndpointIsLeftAloneForLongerAndLonger(t *testing.T) {
	t.Parallel()
	oauthBubble(t, nil, func(p *idp) {
		p.set(refuse(http.StatusInternalServerError, ""))
		began := time.Now()
		var at []time.Duration
		for asked := 0; asked < 9; {
			r := p.attempt()
			require.NotNil(t, r.Failure)
			require.Equal(t, sinks.CodeConnectionFailure, r.Failure.Code)
			require.False(t, r.Failure.Permanent)
			require.Positive(t, r.RetryAfter, "deliveries are told when to come back")
			if n := p.asked(); n > asked {
				asked = n
				at = append(at, time.Since(began).Truncate(time.Second))
			}
			time.Sleep(min(r.RetryAfter, 500*time.Millisecond))
		}
		require.Equal(t, []time.Duration{
			0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 31 * time.Second,
			63 * time.Second, 123 * time.Second, 183 * time.Second,
		}, at)
		p.set(nil)
		time.Sleep(time.Minute)
		p.delivers()
	})
}

func TestAuthorizationEndpointSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	oauthBubble(t, nil, func(p *idp) {
		p.set(func(w http.ResponseWriter, _ int) {
			w.Header().Set("Retry-After", "40")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		require.Equal(t, 40*time.Second, p.attempt().RetryAfter)
		time.Sleep(30 * time.Second)
		require.Equal(t, 10*time.Second, p.attempt().RetryAfter)
		require.Equal(t, 1, p.asked())
	})
}

func TestRefusalsAndNonsenseAreToldApart(t *testing.T) {
	t.Parallel()
	const prefix = "The authorization endpoint gave no OAuth token: "
	for name, c := range map[string]struct {
		status  int
		body    string
		code    string
		refused bool
		reason  string
	}{
		"refused":    {400, `{"error":"invalid_client","error_description":"no\nsuch client cl1ent-s3cret"}`, sinks.CodeNoPermissions, true, "status 400 (invalid_client no such client [redacted])"},
		"forbidden":  {403, `<html>`, sinks.CodeNoPermissions, true, "status 403"},
		"broken":     {502, `bad gateway`, sinks.CodeConnectionFailure, false, "POST http://idp.example: the endpoint answered with status 502"},
		"no JSON":    {200, `<html>`, sinks.CodeConnectionFailure, false, "the answer is not a JSON object of the form of RFC 6749"},
		"no token":   {200, `{"error":"later"}`, sinks.CodeConnectionFailure, false, "the answer has no access_token (later)"},
		"bad token":  {200, `{"access_token":"a\r\nX-Injected: b"}`, sinks.CodeConnectionFailure, false, "the access_token cannot be sent as a header"},
		"huge token": {200, `{"access_token":"` + strings.Repeat("a", 17<<10) + `"}`, sinks.CodeConnectionFailure, false, "the access_token cannot be sent as a header"},
		"huge":       {200, strings.Repeat(" ", 1<<20), sinks.CodeConnectionFailure, false, "POST http://idp.example: the answer has more than 65536 bytes"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			oauthBubble(t, nil, func(p *idp) {
				p.set(refuse(c.status, c.body))
				r := p.attempt()
				require.NotNil(t, r.Failure)
				require.Equal(t, sinks.Failure{Code: c.code, Message: prefix + c.reason}, *r.Failure)
				require.Equal(t, []apidestination.Outcome{{Refused: c.refused, Reason: prefix + c.reason}}, p.outcomes)
				require.Empty(t, p.accepted)
			})
		})
	}
}

func TestTokenRequests(t *testing.T) {
	t.Parallel()
	parameters := turnout.HTTPParameters{
		Header: []turnout.Parameter{{Key: "X-Tenant", Value: "t"}},
		Query:  []turnout.Parameter{{Key: "v", Value: "1 2"}},
		Body:   []turnout.Parameter{{Key: "scope", Value: "a b"}, {Key: "audience", Value: "x&y", Secret: true}},
	}
	const form = "audience=x%26y&client_id=client&client_secret=cl1ent-s3cret&grant_type=client_credentials&scope=a+b"
	for name, c := range map[string]struct {
		change func(*turnout.ConnectionAuth)
		want   string
	}{
		"post": {func(*turnout.ConnectionAuth) {}, "POST /token?v=1%202\n" +
			"Accept: application/json\nContent-Length: 99\nContent-Type: application/x-www-form-urlencoded\n" +
			"User-Agent: Amazon/EventBridge/ApiDestinations (compatible; Turnout)\nX-Tenant: t\n\n" + form + "\n"},
		"put": {func(a *turnout.ConnectionAuth) { a.HTTPMethod = http.MethodPut }, "PUT /token?v=1%202\n" +
			"Accept: application/json\nContent-Length: 99\nContent-Type: application/x-www-form-urlencoded\n" +
			"User-Agent: Amazon/EventBridge/ApiDestinations (compatible; Turnout)\nX-Tenant: t\n\n" + form + "\n"},
		"get": {func(a *turnout.ConnectionAuth) {
			a.HTTPMethod, a.AuthorizationEndpoint = http.MethodGet, "http://idp.example/*/token?own=1"
		}, "GET /*/token?own=1&scope=a%20b&audience=x%26y&grant_type=client_credentials&client_id=client&client_secret=cl1ent-s3cret&v=1%202\n" +
			"Accept: application/json\nUser-Agent: Amazon/EventBridge/ApiDestinations (compatible; Turnout)\nX-Tenant: t\n"},
		"json": {func(a *turnout.ConnectionAuth) {
			a.OAuthParameters.Header = []turnout.Parameter{{Key: "content-type", Value: "application/json"}}
		}, "POST /token?v=1%202\n" +
			"Accept: application/json\nContent-Length: 119\nContent-Type: application/json\n" +
			"User-Agent: Amazon/EventBridge/ApiDestinations (compatible; Turnout)\n\n" +
			`{"scope":"a b","audience":"x&y","grant_type":"client_credentials","client_id":"client","client_secret":"cl1ent-s3cret"}` + "\n"},
		"authorization of its own": {func(a *turnout.ConnectionAuth) {
			a.OAuthParameters.Header = []turnout.Parameter{{Key: "Authorization", Value: "Basic eA==", Secret: true}}
			a.OAuthParameters.Body = []turnout.Parameter{{Key: "grant_type", Value: "password"}}
		}, "POST /token?v=1%202\n" +
			"Accept: application/json\nAuthorization: Basic eA==\nContent-Length: 19\nContent-Type: application/x-www-form-urlencoded\n" +
			"User-Agent: Amazon/EventBridge/ApiDestinations (compatible; Turnout)\n\ngrant_type=password\n"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			oauthBubble(t, func(a *turnout.ConnectionAuth) {
				a.OAuthParameters = turnout.HTTPParameters{
					Header: slices.Clone(parameters.Header), Query: slices.Clone(parameters.Query), Body: slices.Clone(parameters.Body),
				}
				c.change(a)
			}, func(p *idp) {
				p.delivers()
				require.Equal(t, []string{c.want}, p.requests)
			})
		})
	}
}

func TestAuthorizeAsksOnce(t *testing.T) {
	t.Parallel()
	oauthBubble(t, nil, func(p *idp) {
		p.set(refuse(http.StatusInternalServerError, ""))
		again := p.conn.Authorize(p.t.Context())
		require.Equal(t, time.Second, time.Until(again))
		p.set(nil)
		time.Sleep(time.Until(again))
		require.Zero(t, p.conn.Authorize(p.t.Context()))
		require.Zero(t, p.conn.Authorize(p.t.Context()))
		p.delivers()
		require.Equal(t, 2, p.asked())
	})
}

func FuzzTokenAnswer(f *testing.F) {
	f.Add(200, []byte(`{"access_token":"a","token_type":"Bearer","expires_in":1}`))
	f.Add(200, []byte(`{"access_token":"a","token_type":"x y","expires_in":1e308}`))
	f.Add(400, []byte(`{"error":"invalid_client"}`))
	f.Add(200, []byte(`{"access_token":{},"expires_in":[]}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		value, lifetime, failure := apidestination.ReadToken(status, body)
		if failure != nil {
			require.NotEmpty(t, failure.Code)
			require.Less(t, len(failure.Message), 1<<10)
			return
		}
		require.GreaterOrEqual(t, lifetime, time.Second)
		require.True(t, json.Valid(body))
		h := http.Header{}
		h.Set("Authorization", value)
		require.NotContains(t, value, "\n")
		require.NotContains(t, value, "\r")
	})
}

func FuzzMergeBody(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":[]}}`), "a", "x")
	f.Add([]byte(`{"a":1}{"b":2}`), "k", "\xff")
	f.Add([]byte(`  `), "", "")
	f.Add([]byte(`{"a":1,"a":2,"A":3}`), "a", "<>")
	f.Fuzz(func(t *testing.T, body []byte, key, value string) {
		if !utf8.ValidString(key) {
			return // the API's requests are UTF-8
		}
		merged, err := apidestination.MergeBody(body, key, value)
		if err != nil {
			return
		}
		var got map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(merged, &got), "%s", merged)
		var text string
		require.NoError(t, json.Unmarshal(got[key], &text))
		if len(body) == 0 || json.Unmarshal(body, new(map[string]json.RawMessage)) != nil {
			return
		}
		var was map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &was))
		for k, v := range was {
			if k != key {
				require.Contains(t, got, k)
				require.Equal(t, string(v), string(got[k]), "values stay as they are")
			}
		}
	})
}
