package connections_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/connections"
	"github.com/seed567880c8/turnout/sinks/webhook"
)

func newStrictClient() *webhook.Client { return webhook.NewClient(webhook.Config{}) }

// authority is an authorization endpoint that answers with a status, 200 for a token.
type authority struct {
	status atomic.Int64
	asked  atomic.Int64
	wait   time.Duration
}

func (a *authority) serve(w http.ResponseWriter, r *http.Request) {
	if r.Host != "idp.example" {
		return
	}
	a.asked.Add(1)
	time.Sleep(a.wait)
	w.WriteHeader(int(a.status.Load()))
	_, _ = fmt.Fprint(w, `{"access_token":"token","expires_in":3600,"error":"said"}`)
}

func TestOAuthConnectionIsAuthorizedByItsFirstToken(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		a := &authority{wait: 3 * time.Second}
		a.status.Store(200)
		n.web = a.serve
		c := n.create("c", oauth())
		d := n.destination("d", c)
		require.Equal(t, turnout.ConnectionAuthorizing, c.State)
		require.Equal(t, turnout.APIDestinationInactive, d.State)
		require.Equal(t, "AUTHORIZING", n.state("c"))
		time.Sleep(4 * time.Second)
		require.Equal(t, "AUTHORIZED", n.state("c"))
		got, err := n.Connection(n.t.Context(), c.ConnectionName)
		require.NoError(t, err)
		require.Equal(t, c.CreatedAt.Add(3*time.Second), got.AuthorizedAt)
		d, err = n.APIDestination(n.t.Context(), d.APIDestinationName)
		require.NoError(t, err)
		require.Equal(t, turnout.APIDestinationActive, d.State)
		require.Nil(t, n.deliver(d.ARN()).Failure)
		require.EqualValues(t, 1, a.asked.Load(), "the first token serves the first delivery")
	})
}

func TestUnreachableAuthorityIsAskedAgain(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		a := &authority{}
		a.status.Store(503)
		n.web = a.serve
		n.create("c", oauth())
		synctest.Wait()
		require.Equal(t, "AUTHORIZING: The authorization endpoint gave no OAuth token: POST http://idp.example: the endpoint answered with status 503 (said)", n.state("c"))
		n.crash()
		time.Sleep(90 * time.Second)
		a.status.Store(200)
		time.Sleep(time.Minute)
		require.Equal(t, "AUTHORIZED", n.state("c"))
		asked := a.asked.Load()
		require.Less(t, asked, int64(12), "with longer and longer pauses")
		time.Sleep(time.Hour)
		require.Equal(t, asked, a.asked.Load(), "no token is asked for that nobody needs")
	})
}

func TestRefusedConnectionIsDeauthorizedUntilATokenIsGranted(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		a := &authority{}
		a.status.Store(401)
		n.web = a.serve
		d := n.destination("d", n.create("c", oauth()))
		synctest.Wait()
		const refused = "DEAUTHORIZED: The authorization endpoint gave no OAuth token: status 401 (said)"
		require.Equal(t, refused, n.state("c"))
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, a.asked.Load(), "who refuses is not asked again for nothing")
		n.crash()
		require.Equal(t, refused, n.state("c"))

		r := n.deliver(d.ARN())
		require.NotNil(t, r.Failure)
		require.False(t, r.Failure.Permanent)
		a.status.Store(200)
		time.Sleep(time.Second)
		require.Nil(t, n.deliver(d.ARN()).Failure, "a delivery asks again")
		synctest.Wait()
		require.Equal(t, "AUTHORIZED", n.state("c"))

		time.Sleep(time.Hour)
		a.status.Store(400)
		require.NotNil(t, n.deliver(d.ARN()).Failure)
		synctest.Wait()
		require.Equal(t, "DEAUTHORIZED: The authorization endpoint gave no OAuth token: status 400 (said)", n.state("c"))
	})
}

func TestUpdateAuthorizesAnew(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		a := &authority{}
		a.status.Store(401)
		n.web = a.serve
		c := n.create("c", oauth())
		synctest.Wait()
		a.status.Store(200)
		next, err := n.UpdateConnection(n.t.Context(), c.ConnectionName, func(c *turnout.Connection) error {
			c.Auth.ClientSecret = "cl1ent-s3cret" // the same as before: repaired on the other side
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, turnout.ConnectionAuthorizing, next.State)
		synctest.Wait()
		require.Equal(t, "AUTHORIZED", n.state("c"))
	})
}

func TestOutcomeOfAnOldVersionIsForgotten(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		a := &authority{wait: 10 * time.Second}
		a.status.Store(401)
		n.web = a.serve
		c := n.create("c", oauth())
		synctest.Wait()
		_, err := n.UpdateConnection(n.t.Context(), c.ConnectionName, func(c *turnout.Connection) error {
			c.Auth.Type, c.Auth.Username, c.Auth.Password = turnout.AuthBasic, "u", "p4ssw0rd"
			return nil
		})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Equal(t, "AUTHORIZED", n.state("c"))
		_, err = n.DeleteConnection(n.t.Context(), c.ConnectionName)
		require.NoError(t, err)
	})
}

func TestHangingAuthoritiesHoldUpNoDeliveries(t *testing.T) {
	t.Parallel()
	bubble(t, connections.Config{}, func(n *node) {
		a := &authority{wait: time.Hour}
		n.web = a.serve
		a.status.Store(200)
		d := n.destination("d", n.create("basic", basicAuth()))
		for i := range 30 {
			n.create(fmt.Sprint("c", i), oauth())
		}
		synctest.Wait()
		require.EqualValues(t, 8, a.asked.Load(), "at most eight at once")
		began := time.Now()
		require.Nil(t, n.deliver(d.ARN()).Failure)
		require.Zero(t, time.Since(began))
		time.Sleep(31 * time.Second)
		require.EqualValues(t, 16, a.asked.Load(), "one after another they get their turn")
	})
}
