package connections_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/connections"
	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/sinks"
)

func errorOf(err error) (*turnout.Error, bool) { return errors.AsType[*turnout.Error](err) }

const missingConnection = "Failed to describe the connection(s). Connection 'c' does not exist."

const missingDestination = "Failed to describe the api-destination(s). An api-destination 'd' does not exist."

func TestLifeOfAConnection(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		ctx := n.t.Context()
		created := n.create("c", basicAuth())
		require.Equal(t, turnout.ConnectionAuthorized, created.State)
		require.Empty(t, created.Auth.Password, "secrets are not given back")
		require.Equal(t, "user", created.Auth.Username)
		require.Regexp(t, `^arn:aws:events:us-east-1:000000000000:connection/c/[0-9a-f-]{36}$`, created.ARN())
		require.Regexp(t, `^arn:aws:secretsmanager:us-east-1:000000000000:secret:events!connection/c/[0-9a-f-]{36}-[0-9a-f]{6}$`, created.SecretARN())
		require.False(t, created.AuthorizedAt.IsZero())

		_, err := n.CreateConnection(ctx, turnout.Connection{ConnectionName: connectionNamed("c"), Auth: basicAuth()})
		requireCode(n.t, err, turnout.CodeAlreadyExists, "Connection c already exists.")
		read, err := n.Connection(ctx, connectionNamed("c"))
		require.NoError(t, err)
		require.Equal(t, created, read)
		n.create("a", basicAuth())
		list, err := n.Connections.Connections(ctx, scope)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "c"}, []string{list[0].Name, list[1].Name})
		elsewhere, err := n.Connections.Connections(ctx, turnout.Scope{Account: "1", Region: "r"})
		require.NoError(t, err)
		require.Empty(t, elsewhere)

		time.Sleep(time.Minute)
		off, err := n.DeauthorizeConnection(ctx, connectionNamed("c"))
		require.NoError(t, err)
		require.Equal(t, turnout.ConnectionDeauthorized, off.State)
		require.Equal(t, turnout.ConnectionAuth{Type: turnout.AuthBasic}, off.Auth, "all authorization parameters are removed")
		require.Equal(t, created.CreatedAt.Add(time.Minute), off.ModifiedAt)

		deleted, err := n.DeleteConnection(ctx, connectionNamed("c"))
		require.NoError(t, err)
		require.Equal(t, turnout.ConnectionDeleting, deleted.State)
		for _, err := range []error{
			third(n.Connection(ctx, connectionNamed("c"))),
			third(n.DeleteConnection(ctx, connectionNamed("c"))),
			third(n.DeauthorizeConnection(ctx, connectionNamed("c"))),
			third(n.UpdateConnection(ctx, connectionNamed("c"), nil)),
		} {
			requireCode(n.t, err, turnout.CodeNotFound, missingConnection)
		}
		again := n.create("c", basicAuth())
		require.NotEqual(t, created.ARN(), again.ARN(), "a connection of the same name is another")
	})
}

func third[T any](_ T, err error) error { return err }

func TestUpdateMergesWhatIsNotGiven(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		var got http.Header
		n.web = func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }
		auth := basicAuth()
		auth.Invocation.Header = []turnout.Parameter{{Key: "X-A", Value: "s3cret-a", Secret: true}, {Key: "X-B", Value: "b"}}
		c := n.create("c", auth)
		d := n.destination("d", c)
		update := func(change func(*turnout.Connection) error) (turnout.Connection, error) {
			return n.UpdateConnection(n.t.Context(), connectionNamed("c"), change)
		}
		authorizedAt := c.AuthorizedAt
		time.Sleep(time.Minute)

		c, err := update(func(c *turnout.Connection) error {
			require.Empty(t, c.Auth.Password, "a change does not see secrets")
			require.Empty(t, c.Auth.Invocation.Header[0].Value)
			c.Description = "new"
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, "new", c.Description)
		require.Equal(t, authorizedAt, c.AuthorizedAt, "a description authorizes nothing")
		require.Nil(t, n.deliver(d.ARN()).Failure)
		require.Equal(t, "Basic dXNlcjpwNHNzdzByZA==", got.Get("Authorization"))
		require.Equal(t, "s3cret-a", got.Get("X-A"))

		_, err = update(func(c *turnout.Connection) error { c.Auth.Username = "other"; return nil })
		require.NoError(t, err)
		require.Nil(t, n.deliver(d.ARN()).Failure)
		require.Equal(t, "Basic b3RoZXI6cDRzc3cwcmQ=", got.Get("Authorization"), "the password stays")

		_, err = update(func(c *turnout.Connection) error {
			c.Auth.Invocation.Header = []turnout.Parameter{{Key: "X-A", Secret: true}, {Key: "X-C", Value: "s3cret-c", Secret: true}}
			return nil
		})
		require.NoError(t, err)
		require.Nil(t, n.deliver(d.ARN()).Failure)
		require.Equal(t, []string{"s3cret-a", "", "s3cret-c"}, []string{got.Get("X-A"), got.Get("X-B"), got.Get("X-C")})

		_, err = update(func(c *turnout.Connection) error { c.Auth.Type = turnout.AuthAPIKey; return nil })
		requireCode(n.t, err, turnout.CodeValidation, "Parameter AuthParameters.ApiKeyAuthParameters is not valid. Reason: ApiKeyName and ApiKeyValue are required.")
		_, err = update(func(*turnout.Connection) error { return errors.New("no") })
		require.EqualError(t, err, "no")
		require.Nil(t, n.deliver(d.ARN()).Failure)
		require.NotEmpty(t, got.Get("Authorization"), "a failed change changes nothing")

		c, err = update(func(c *turnout.Connection) error {
			c.Auth.Type, c.Auth.APIKeyName, c.Auth.APIKeyValue = turnout.AuthAPIKey, "X-Key", "k3y"
			return nil
		})
		require.NoError(t, err)
		require.Empty(t, c.Auth.Username, "another type replaces the first")
		require.Nil(t, n.deliver(d.ARN()).Failure)
		require.Empty(t, got.Get("Authorization"))
		require.Equal(t, "k3y", got.Get("X-Key"))
		require.Equal(t, "s3cret-a", got.Get("X-A"))

		_, err = n.DeauthorizeConnection(n.t.Context(), connectionNamed("c"))
		require.NoError(t, err)
		_, err = update(func(c *turnout.Connection) error { c.Description = "still"; return nil })
		require.NoError(t, err, "a deauthorized connection can be described")
		require.Equal(t, "DEAUTHORIZED", n.state("c"))
		_, err = update(func(c *turnout.Connection) error {
			c.Auth.APIKeyName, c.Auth.APIKeyValue = "X-Key", "again"
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, "AUTHORIZED", n.state("c"))
		require.Nil(t, n.deliver(d.ARN()).Failure)
		require.Equal(t, "again", got.Get("X-Key"))
	})
}

func TestKeyOfACertificateIsASecretAnyway(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		auth := basicAuth()
		auth.Invocation.Body = []turnout.Parameter{{Key: "Turnout-TLS-Key", Value: "k"}}
		_, err := n.CreateConnection(n.t.Context(), turnout.Connection{ConnectionName: connectionNamed("c"), Auth: auth})
		requireCode(n.t, err, turnout.CodeValidation,
			"Parameter AuthParameters.InvocationHttpParameters is not valid. Reason: turnout-tls-key must be PEM, or PEM in base64.")
		auth.Invocation.Body = append(certificate(n.t), turnout.Parameter{Key: "m", Value: "v"})
		c := n.create("c", auth)
		require.Equal(t, []turnout.Parameter{
			{Key: "turnout-tls-certificate", Value: auth.Invocation.Body[0].Value}, {Key: "turnout-tls-key", Secret: true}, {Key: "m", Value: "v"},
		}, c.Auth.Invocation.Body)
	})
}

// certificate returns settings of a certificate and its key.
func certificate(t *testing.T) []turnout.Parameter {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	text := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return []turnout.Parameter{
		{Key: "turnout-tls-certificate", Value: text("CERTIFICATE", der)},
		{Key: "turnout-tls-key", Value: text("PRIVATE KEY", key)},
	}
}

func TestUpdatesDoNotOverwriteEachOther(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		n.create("c", basicAuth())
		var updates sync.WaitGroup
		for range 20 {
			updates.Go(func() {
				_, err := n.UpdateConnection(n.t.Context(), connectionNamed("c"), func(c *turnout.Connection) error {
					c.Description += "x"
					return nil
				})
				require.NoError(t, err)
			})
		}
		updates.Wait()
		c, err := n.Connection(n.t.Context(), connectionNamed("c"))
		require.NoError(t, err)
		require.Len(t, c.Description, 20)
	})
}

func TestLifeOfAnAPIDestination(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		ctx := n.t.Context()
		c := n.create("c", basicAuth())
		d := n.destination("d", c)
		require.Equal(t, 300, d.PerSecondMax, "AWS's default")
		require.Equal(t, turnout.APIDestinationActive, d.State)
		require.Regexp(t, `^arn:aws:events:us-east-1:000000000000:api-destination/d/[0-9a-f-]{36}$`, d.ARN())
		_, err := n.CreateAPIDestination(ctx, d)
		requireCode(n.t, err, turnout.CodeAlreadyExists, "An api-destination 'd' already exists.")
		e, err := n.Endpoint(d.ARN())
		require.NoError(t, err)
		require.Equal(t, 300, e.PerSecondMax)
		require.Equal(t, 30*time.Second, e.Timeout)

		time.Sleep(time.Minute)
		d, err = n.UpdateAPIDestination(ctx, d.APIDestinationName, func(d *turnout.APIDestination) error {
			d.PerSecondMax, d.Description, d.ID = 7, "new", "not mine to change"
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, "new", d.Description)
		require.Equal(t, d.CreatedAt.Add(time.Minute), d.ModifiedAt)
		e, err = n.Endpoint(d.ARN())
		require.NoError(t, err)
		require.Equal(t, 7, e.PerSecondMax)
		n.destination("b", c)
		list, err := n.APIDestinations(ctx, scope)
		require.NoError(t, err)
		require.Equal(t, []string{"b", "d"}, []string{list[0].Name, list[1].Name})

		_, err = n.DeauthorizeConnection(ctx, c.ConnectionName)
		require.NoError(t, err)
		d, err = n.APIDestination(ctx, d.APIDestinationName)
		require.NoError(t, err)
		require.Equal(t, turnout.APIDestinationInactive, d.State)
		require.Equal(t, &sinks.Failure{
			Code: sinks.CodeNoPermissions, Message: "Connection c is deauthorized. Update its authorization parameters.",
		}, n.deliver(d.ARN()).Failure)

		_, err = n.DeleteConnection(ctx, c.ConnectionName)
		require.NoError(t, err, "a connection in use may be deleted, as on AWS")
		require.Equal(t, &sinks.Failure{
			Code: sinks.CodeNoPermissions, Message: "Connection c of the API destination does not exist any more. Give the API destination another.",
		}, n.deliver(d.ARN()).Failure)
		_, err = n.UpdateAPIDestination(ctx, d.APIDestinationName, func(d *turnout.APIDestination) error { d.Description = "x"; return nil })
		require.NoError(t, err, "what does not concern the connection may be changed")

		other := n.create("other", basicAuth())
		n.web = func(http.ResponseWriter, *http.Request) {}
		_, err = n.UpdateAPIDestination(ctx, d.APIDestinationName, func(d *turnout.APIDestination) error { d.ConnectionARN = other.ARN(); return nil })
		require.NoError(t, err)
		require.Nil(t, n.deliver(d.ARN()).Failure)

		require.NoError(t, n.DeleteAPIDestination(ctx, d.APIDestinationName))
		requireCode(n.t, n.DeleteAPIDestination(ctx, d.APIDestinationName), turnout.CodeNotFound, missingDestination)
		_, err = n.APIDestination(ctx, d.APIDestinationName)
		requireCode(n.t, err, turnout.CodeNotFound, missingDestination)
		_, err = n.UpdateAPIDestination(ctx, d.APIDestinationName, nil)
		requireCode(n.t, err, turnout.CodeNotFound, missingDestination)
		_, err = n.Endpoint(d.ARN())
		requireCode(n.t, err, turnout.CodeNotFound, missingDestination)
		_, err = n.Endpoint("nonsense")
		require.Error(t, err)
	})
}

func TestBadInputChangesNothing(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{ConnectionsMax: 1, DestinationsMax: 1}, func(n *node) {
		ctx := n.t.Context()
		for name, auth := range map[string]turnout.ConnectionAuth{
			"no type":     {},
			"no password": {Type: turnout.AuthBasic, Username: "u"},
			"headers": {Type: turnout.AuthBasic, Username: "u", Password: "p", Invocation: turnout.HTTPParameters{
				Header: make([]turnout.Parameter, 101),
			}},
			"body": {Type: turnout.AuthBasic, Username: "u", Password: "p", Invocation: turnout.HTTPParameters{
				Body: []turnout.Parameter{{Key: "a", Value: strings.Repeat("x", 40<<10)}, {Key: "b", Value: strings.Repeat("x", 40<<10)}},
			}},
			"setting": {Type: turnout.AuthBasic, Username: "u", Password: "p", Invocation: turnout.HTTPParameters{
				Header: []turnout.Parameter{{Key: "turnout-tls-ca", Value: strings.Repeat("x", 65<<10)}},
			}},
		} {
			_, err := n.CreateConnection(ctx, turnout.Connection{ConnectionName: connectionNamed("c"), Auth: auth})
			e, ok := errorOf(err)
			require.True(t, ok, "%s: %v", name, err)
			require.Equal(t, turnout.CodeValidation, e.Code, name)
		}
		_, err := n.CreateConnection(ctx, turnout.Connection{ConnectionName: connectionNamed("a/b"), Auth: basicAuth()})
		requireCode(n.t, err, turnout.CodeValidation, "Parameter Name is not valid.")
		list, err := n.Connections.Connections(ctx, scope)
		require.NoError(t, err)
		require.Empty(t, list)

		connection := n.create("c", basicAuth())
		const limit = "The requested resource exceeds the maximum number allowed."
		_, err = n.CreateConnection(ctx, turnout.Connection{ConnectionName: connectionNamed("x"), Auth: basicAuth()})
		requireCode(n.t, err, turnout.CodeLimitExceeded, limit)

		good := turnout.APIDestination{APIDestinationName: destinationNamed("d"), ConnectionARN: connection.ARN(), HTTPMethod: http.MethodPost, Endpoint: "https://x.example/*"}
		for _, c := range []struct {
			change func(d *turnout.APIDestination)
			want   string
		}{
			{func(d *turnout.APIDestination) { d.Name = "" }, "Parameter Name is not valid."},
			{func(d *turnout.APIDestination) { d.Endpoint = "ftp://x" }, "Parameter InvocationEndpoint is not valid. Reason: the URL must begin with https://."},
			{func(d *turnout.APIDestination) { d.Endpoint = "https://%" }, "Parameter InvocationEndpoint is not valid. Reason: the URL cannot be parsed."},
			{func(d *turnout.APIDestination) { d.Endpoint = "https:///x" }, "Parameter InvocationEndpoint is not valid. Reason: the URL names no host."},
			{func(d *turnout.APIDestination) { d.Endpoint = "https://*.example/" }, "Parameter InvocationEndpoint is not valid. Reason: the host of the URL cannot hold a wildcard."},
			{func(d *turnout.APIDestination) { d.Endpoint += strings.Repeat("x", 2048) }, "Parameter InvocationEndpoint is not valid. Reason: the URL is longer than 2048 bytes."},
			{func(d *turnout.APIDestination) { d.Endpoint = "https://u:p@x/" }, "Parameter InvocationEndpoint is not valid. Reason: the URL must not hold a user name or password: a connection holds them."},
			{func(d *turnout.APIDestination) { d.HTTPMethod = "CONNECT" }, "Parameter HttpMethod is not valid."},
			{func(d *turnout.APIDestination) { d.ConnectionARN = "arn" }, "Parameter ConnectionArn is not valid. Reason: Provided Arn is not in correct format."},
			{func(d *turnout.APIDestination) { d.ConnectionARN += "0" }, "Failed to describe the connection(s). Connection 'c' does not exist."},
			{
				func(d *turnout.APIDestination) {
					d.ConnectionARN = strings.Replace(d.ConnectionARN, "/c/", "/nope/", 1)
				},
				"Failed to describe the connection(s). Connection 'nope' does not exist.",
			},
		} {
			bad := good
			c.change(&bad)
			_, err := n.CreateAPIDestination(ctx, bad)
			require.EqualError(t, err, c.want)
		}
		d, err := n.CreateAPIDestination(ctx, good)
		require.NoError(t, err)
		good.Name = "e"
		_, err = n.CreateAPIDestination(ctx, good)
		requireCode(n.t, err, turnout.CodeLimitExceeded, limit)
		for _, change := range []func(*turnout.APIDestination) error{
			func(*turnout.APIDestination) error { return errors.New("no") },
			func(d *turnout.APIDestination) error { d.Endpoint = "nonsense"; return nil },
			func(d *turnout.APIDestination) error { d.ConnectionARN = "arn"; return nil },
		} {
			_, err := n.UpdateAPIDestination(ctx, d.APIDestinationName, change)
			require.Error(t, err)
		}
		same, err := n.APIDestination(ctx, d.APIDestinationName)
		require.NoError(t, err)
		require.Equal(t, d, same)
	})
}

func TestStrictAWSBringsBackItsTimeout(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{StrictAWS: true}, func(n *node) {
		d := n.destination("d", n.create("c", basicAuth()))
		e, err := n.Endpoint(d.ARN())
		require.NoError(t, err)
		require.Equal(t, 5*time.Second, e.Timeout)
	})
}

func TestEverythingSurvivesAPowerLoss(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		var got []string
		n.web = func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Host == "idp.example" {
				_, _ = fmt.Fprintf(w, `{"access_token":"token","expires_in":3600}`)
				return
			}
			got = append(got, r.URL.RawQuery+" "+r.Header.Get("Authorization")+" "+r.Header.Get("X-A")+" "+string(body))
		}
		auth := oauth()
		auth.OAuthParameters.Body = []turnout.Parameter{{Key: "scope", Value: "s3cret-scope", Secret: true}, {Key: "plain", Value: "<p>"}}
		auth.Invocation = turnout.HTTPParameters{
			Header: []turnout.Parameter{{Key: "X-A", Value: "s3cret-a", Secret: true}},
			Query:  []turnout.Parameter{{Key: "q", Value: "1"}, {Key: "k", Value: "s3cret-k", Secret: true}},
			Body:   []turnout.Parameter{{Key: "m", Value: "s3cret-m", Secret: true}},
		}
		c, err := n.CreateConnection(n.t.Context(), turnout.Connection{
			ConnectionName: connectionNamed("c"), Description: "<d>", KMSKeyID: "alias/k", Auth: auth,
		})
		require.NoError(t, err)
		d := n.destination("d", c)
		off := n.create("off", basicAuth())
		_, err = n.DeauthorizeConnection(n.t.Context(), off.ConnectionName)
		require.NoError(t, err)
		n.create("gone", basicAuth())
		_, err = n.DeleteConnection(n.t.Context(), connectionNamed("gone"))
		require.NoError(t, err)
		synctest.Wait()
		require.Nil(t, n.deliver(d.ARN()).Failure)
		before, err := n.Connections.Connections(n.t.Context(), scope)
		require.NoError(t, err)
		destinations, err := n.APIDestinations(n.t.Context(), scope)
		require.NoError(t, err)
		require.Len(t, before, 2)
		require.Equal(t, "AUTHORIZED", n.state("c"))

		n.crash()
		after, err := n.Connections.Connections(n.t.Context(), scope)
		require.NoError(t, err)
		require.Equal(t, before, after)
		again, err := n.APIDestinations(n.t.Context(), scope)
		require.NoError(t, err)
		require.Equal(t, destinations, again)
		require.Nil(t, n.deliver(d.ARN()).Failure)
		const want = `q=1&k=s3cret-k Bearer token s3cret-a {"a":1,"m":"s3cret-m"}`
		require.Equal(t, []string{want, want}, got)

		require.NoError(t, n.Reset(n.t.Context()))
		_, err = n.Endpoint(d.ARN())
		require.Error(t, err)
		n.crash()
		none, err := n.Connections.Connections(n.t.Context(), scope)
		require.NoError(t, err)
		require.Empty(t, none)
	})
}

func TestEndpointThatIsNotAllowedAnyMoreWaits(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		d := n.destination("d", n.create("c", basicAuth()))
		strict := newStrictClient()
		defer strict.Close()
		was := n.cfg.Client
		n.cfg.Client = strict
		n.crash()
		r := n.deliver(d.ARN())
		require.NotNil(t, r.Failure)
		require.False(t, r.Failure.Permanent)
		require.Contains(t, r.Failure.Message, "--webhook-allow-http")
		require.Contains(t, n.log.text(), "api destination cannot be used")
		n.cfg.Client, n.web = was, func(http.ResponseWriter, *http.Request) {}
		n.crash()
		require.Nil(t, n.deliver(d.ARN()).Failure)
	})
}

func TestSecretsAreNeitherOnTheDiskNorInTheLog(t *testing.T) {
	t.Parallel()
	const canary = "canary-5up3r-s3cr3t"
	bubble(t, connections.Config{}, func(n *node) {
		n.web = func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": canary, "error_description": string(body)})
		}
		secretParameter := []turnout.Parameter{{Key: "k", Value: canary + "-parameter", Secret: true}}
		all := turnout.HTTPParameters{Header: secretParameter, Query: secretParameter, Body: secretParameter}
		withOAuth := oauth()
		withOAuth.ClientSecret, withOAuth.OAuthParameters, withOAuth.Invocation = canary, all, all
		auths := []turnout.ConnectionAuth{
			{Type: turnout.AuthBasic, Username: "u", Password: canary, Invocation: all},
			{Type: turnout.AuthAPIKey, APIKeyName: "x-k", APIKeyValue: canary, Invocation: all},
			withOAuth,
		}
		var shown strings.Builder
		for i, auth := range auths {
			name := fmt.Sprint("c", i)
			c := n.create(name, auth)
			d := n.destination(name, c)
			synctest.Wait()
			r := n.deliver(d.ARN())
			require.NotNil(t, r.Failure)
			updated, err := n.UpdateConnection(n.t.Context(), c.ConnectionName, func(c *turnout.Connection) error {
				c.Auth.Invocation.Query = append(c.Auth.Invocation.Query, turnout.Parameter{Key: "l", Value: canary, Secret: true})
				return nil
			})
			require.NoError(t, err)
			read, err := n.Connection(n.t.Context(), c.ConnectionName)
			require.NoError(t, err)
			for _, x := range []any{c, updated, read, *r.Failure, string(r.Excerpt)} {
				fmt.Fprintf(&shown, "%+v\n", x)
			}
		}
		synctest.Wait()
		require.Contains(t, n.log.text(), "connection cannot be authorized")
		disk := n.disk()
		n.stop() // flushes what was in memory
		disk += n.disk()
		n.open()
		require.Contains(t, disk, "idp.example", "what is no secret is there to be found")
		for name, text := range map[string]string{"disk": disk, "log": n.log.text(), "answers": shown.String()} {
			require.NotContains(t, text, canary, name)
		}
	})
}

func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		n.web = func(http.ResponseWriter, *http.Request) {}
		d := n.destination("d", n.create("c", basicAuth()))
		off := n.create("off", basicAuth())
		_, err := n.DeauthorizeConnection(n.t.Context(), off.ConnectionName)
		require.NoError(t, err)
		n.keys = []byte{2, 1}
		n.crash()
		synctest.Wait()
		require.Contains(t, n.log.text(), `"msg":"secrets are sealed under the first key","connections":1`)
		n.keys = []byte{2}
		n.crash()
		require.Nil(t, n.deliver(d.ARN()).Failure, "the old key is not needed any more")
		sealed, err := n.Rewrap(n.t.Context())
		require.NoError(t, err)
		require.Zero(t, sealed)
	})
}

func TestMissingKeyIsSaidAndCanBePutRight(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		n.web = func(http.ResponseWriter, *http.Request) {}
		c := n.create("c", basicAuth())
		d := n.destination("d", c)
		n.keys = []byte{2}
		n.crash()
		require.Contains(t, n.state("c"), "DEAUTHORIZED: Connection c cannot be used: the secret is encrypted with key ")
		require.Contains(t, n.log.text(), "connection cannot be used")
		r := n.deliver(d.ARN())
		require.NotNil(t, r.Failure)
		require.False(t, r.Failure.Permanent, "the key may come back")
		_, err := n.UpdateConnection(n.t.Context(), c.ConnectionName, func(c *turnout.Connection) error { c.Description = "x"; return nil })
		require.NoError(t, err)
		_, err = n.UpdateConnection(n.t.Context(), c.ConnectionName, func(c *turnout.Connection) error { c.Auth.Username = "x"; return nil })
		require.ErrorContains(t, err, "Username and Password are required", "the password is lost")

		n.keys = []byte{1, 2}
		n.crash()
		require.Equal(t, "AUTHORIZED", n.state("c"))
		require.Nil(t, n.deliver(d.ARN()).Failure)

		n.keys = []byte{3}
		n.crash()
		_, err = n.UpdateConnection(n.t.Context(), c.ConnectionName, func(c *turnout.Connection) error { c.Auth.Password = "new-pass"; return nil })
		require.NoError(t, err, "who enters the secret again needs no key")
		require.Equal(t, "AUTHORIZED", n.state("c"))
		require.Nil(t, n.deliver(d.ARN()).Failure)

		n.keys = nil
		n.crash()
		_, err = n.CreateConnection(n.t.Context(), turnout.Connection{ConnectionName: connectionNamed("x"), Auth: basicAuth()})
		requireCode(n.t, err, turnout.CodeUnsupportedOperation,
			"Turnout has no key to encrypt the secrets of connections with. Give it one by --secret-key-file or TURNOUT_SECRET_KEY, and start it again.")
	})
}

func TestConfigurationIsComplete(t *testing.T) {
	t.Parallel()
	_, err := connections.New(nil, nil, connections.Config{Keys: &secret.Keyring{}})
	require.Error(t, err)
}
