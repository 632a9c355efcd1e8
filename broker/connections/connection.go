package connections

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/sinks/apidestination"
)

// Bounds of AWS for what a connection adds to requests.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ConnectionHttpParameters.html
const (
	parametersMax     = 100
	parameterBytesMax = 64 << 10 // of the body parameters together
	settingBytesMax   = 64 << 10 // certificates
)

func errConnectionNotFound(name string) error {
	return turnout.Errorf(turnout.CodeNotFound, "Failed to describe the connection(s). Connection '%s' does not exist.", name)
}

// CreateConnection creates a connection and returns it, without its secrets,
// with its id, state and times set. One for OAuth is AUTHORIZING until it has
// its first token. It is CodeAlreadyExists for a name in use, CodeLimitExceeded
// beyond Config.ConnectionsMax, CodeValidation for parameters that cannot be
// used, and CodeUnsupportedOperation if there is no key to seal secrets with.
func (c *Connections) CreateConnection(_ context.Context, n turnout.Connection) (turnout.Connection, error) {
	if !validName(n.Scope, n.Name) {
		return turnout.Connection{}, turnout.Errorf(turnout.CodeValidation, "Parameter Name is not valid.")
	}
	x := &connection{Connection: n, version: 1}
	auth := normalize(n.Auth)
	if err := checkAuth(&auth); err != nil {
		return turnout.Connection{}, err
	}
	var err error
	if x.ID, err = c.newID(); err != nil {
		return turnout.Connection{}, err
	}
	if err := c.seal(x, auth); err != nil {
		return turnout.Connection{}, err
	}
	if err := c.makeReady(x, auth); err != nil {
		return turnout.Connection{}, err
	}
	err = c.loop.Do(func(tx *partition.Tx) error {
		if c.connections[x.ConnectionName] != nil {
			return turnout.Errorf(turnout.CodeAlreadyExists, "Connection %s already exists.", x.Name)
		}
		if c.count(x.Scope) >= c.cfg.ConnectionsMax {
			return errLimit()
		}
		x.CreatedAt, x.ModifiedAt, x.AuthorizedAt = tx.Now, tx.Now, tx.Now
		x.State, x.StateReason = stateOf(&auth), ""
		c.put(tx, x)
		return nil
	})
	if err != nil {
		return turnout.Connection{}, err
	}
	c.startAuthorizing(x)
	return cloneConnection(x.Connection), nil
}

// UpdateConnection changes a connection and returns it, without its secrets.
// change gets a copy of the present one without its secrets; what it leaves
// empty of them stays as it is, unless it changes the type of authorization. A
// change of the authorization authorizes the connection anew. change may be
// called several times; its error leaves everything as it was. Name, id, state
// and times are not its to change. Errors are those of CreateConnection, and
// CodeNotFound.
func (c *Connections) UpdateConnection(_ context.Context, name turnout.ConnectionName, change func(*turnout.Connection) error) (turnout.Connection, error) {
	for range changesMax {
		current, err := c.connection(name)
		if err != nil {
			return turnout.Connection{}, err
		}
		next, again, err := c.changed(current, change)
		if err != nil {
			return turnout.Connection{}, err
		}
		replaced, err := c.replace(current, next)
		if err != nil {
			return turnout.Connection{}, err
		}
		if replaced {
			if again {
				c.startAuthorizing(next)
			}
			return cloneConnection(next.Connection), nil
		}
	}
	return turnout.Connection{}, errBusy(name.Name)
}

// changed prepares what a change makes of a connection; again says that it is
// to be authorized anew.
func (c *Connections) changed(current *connection, change func(*turnout.Connection) error) (next *connection, again bool, err error) {
	asked := cloneConnection(current.Connection)
	if err := change(&asked); err != nil {
		return nil, false, err
	}
	next = new(*current)
	next.Description, next.KMSKeyID = asked.Description, asked.KMSKeyID
	present, unreadable := c.unseal(current)
	if unreadable != nil {
		present = current.Auth // its secrets are lost: whoever gives all of them anew repairs it
	}
	auth, given := merge(present, asked.Auth)
	if !given && reflect.DeepEqual(auth, normalize(present)) {
		return next, false, nil
	}
	if err := checkAuth(&auth); err != nil {
		return nil, false, err
	}
	next.version, next.unusable, next.ready = current.version+1, "", nil
	if err := c.seal(next, auth); err != nil {
		return nil, false, err
	}
	if err := c.makeReady(next, auth); err != nil {
		return nil, false, err
	}
	next.State, next.StateReason = stateOf(&auth), ""
	return next, true, nil
}

// replace puts next in the place of current, unless that is current no more.
func (c *Connections) replace(current, next *connection) (replaced bool, err error) {
	err = c.loop.Do(func(tx *partition.Tx) error {
		if c.connections[current.ConnectionName] != current {
			return nil
		}
		next.ModifiedAt = tx.Now
		if next.version != current.version && next.State == turnout.ConnectionAuthorized {
			next.AuthorizedAt = tx.Now
		}
		c.put(tx, next)
		replaced = true
		return nil
	})
	return replaced, err
}

// DeauthorizeConnection takes everything from a connection that authorizes it
// and returns it. Its API destinations fail until it is updated. CodeNotFound
// is for one that does not exist.
func (c *Connections) DeauthorizeConnection(_ context.Context, name turnout.ConnectionName) (turnout.Connection, error) {
	var next *connection
	err := c.loop.Do(func(tx *partition.Tx) error {
		current := c.connections[name]
		if current == nil {
			return errConnectionNotFound(name.Name)
		}
		next = new(*current)
		next.Auth = turnout.ConnectionAuth{Type: current.Auth.Type}
		next.version, next.sealed, next.ready = current.version+1, nil, nil
		next.unusable = deauthorized(name.Name)
		next.State, next.StateReason, next.ModifiedAt = turnout.ConnectionDeauthorized, "", tx.Now
		c.put(tx, next)
		return nil
	})
	if err != nil {
		return turnout.Connection{}, err
	}
	return cloneConnection(next.Connection), nil
}

// DeleteConnection deletes a connection and returns what it was, in the state
// DELETING; it is gone when the call returns. As on AWS, API destinations that
// use it stay, and fail until they are given another. CodeNotFound is for one
// that does not exist.
func (c *Connections) DeleteConnection(_ context.Context, name turnout.ConnectionName) (turnout.Connection, error) {
	var last turnout.Connection
	err := c.loop.Do(func(tx *partition.Tx) error {
		current := c.connections[name]
		if current == nil {
			return errConnectionNotFound(name.Name)
		}
		last = cloneConnection(current.Connection)
		tx.Batch.Delete(connectionKey(name))
		tx.Batch.Delete(secretsKey(name))
		delete(c.connections, name)
		c.byARN.Delete(current.ARN())
		return nil
	})
	last.State = turnout.ConnectionDeleting
	if err != nil {
		return turnout.Connection{}, err
	}
	return last, nil
}

// Connection returns a connection without its secrets, or CodeNotFound.
func (c *Connections) Connection(_ context.Context, name turnout.ConnectionName) (turnout.Connection, error) {
	x, err := c.connection(name)
	if err != nil {
		return turnout.Connection{}, err
	}
	return x.shown(), nil
}

// Connections returns the connections of an account and region, by name and
// without their secrets.
func (c *Connections) Connections(_ context.Context, scope turnout.Scope) ([]turnout.Connection, error) {
	var found []*connection
	err := c.read(func() error {
		for name, x := range c.connections {
			if name.Scope == scope {
				found = append(found, x)
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b *connection) int { return strings.Compare(a.Name, b.Name) })
	all := make([]turnout.Connection, len(found))
	for i, x := range found {
		all[i] = x.shown()
	}
	return all, err
}

// shown is what the readers of configuration see: one that cannot be used for
// lack of a key is not as authorized as its record says.
func (x *connection) shown() turnout.Connection {
	n := cloneConnection(x.Connection)
	if x.ready == nil && n.State != turnout.ConnectionDeauthorized {
		n.State, n.StateReason = turnout.ConnectionDeauthorized, x.unusable
	}
	return n
}

// connection returns the present version of a connection.
func (c *Connections) connection(name turnout.ConnectionName) (x *connection, err error) {
	err = c.read(func() error {
		if x = c.connections[name]; x == nil {
			return errConnectionNotFound(name.Name)
		}
		return nil
	})
	return x, err
}

// count returns how many connections a scope has.
func (c *Connections) count(scope turnout.Scope) (n int) {
	for name := range c.connections {
		if name.Scope == scope {
			n++
		}
	}
	return n
}

// put makes x the present version of its connection.
func (c *Connections) put(tx *partition.Tx, x *connection) {
	tx.Batch.Set(connectionKey(x.ConnectionName), encodeConnection(x))
	if x.sealed != nil {
		tx.Batch.Set(secretsKey(x.ConnectionName), x.sealed)
	} else {
		tx.Batch.Delete(secretsKey(x.ConnectionName))
	}
	c.connections[x.ConnectionName] = x
	c.byARN.Store(x.ARN(), x)
}

// makeReady prepares a connection to authorize requests.
func (c *Connections) makeReady(x *connection, auth turnout.ConnectionAuth) error {
	whole := x.Connection
	whole.Auth = auth
	name, arn, version := x.ConnectionName, x.ARN(), x.version
	ready, err := apidestination.NewConnection(&whole, c.sinkConfig(), func(o apidestination.Outcome) {
		c.observe(name, arn, version, o)
	})
	x.ready = ready
	return err
}

// stateOf returns the state of a connection that has just got its authorization.
func stateOf(a *turnout.ConnectionAuth) turnout.ConnectionState {
	if a.Type == turnout.AuthOAuth {
		return turnout.ConnectionAuthorizing
	}
	return turnout.ConnectionAuthorized
}

// checkAuth bounds what a connection may add to requests.
func checkAuth(a *turnout.ConnectionAuth) error {
	if err := checkParameters(&a.OAuthParameters, "OAuthParameters.OAuthHttpParameters"); err != nil {
		return err
	}
	return checkParameters(&a.Invocation, "InvocationHttpParameters")
}

func checkParameters(set *turnout.HTTPParameters, where string) error {
	invalid := func(reason string) error {
		return turnout.Errorf(turnout.CodeValidation, "Parameter AuthParameters.%s is not valid. Reason: %s.", where, reason)
	}
	if len(set.Header) > parametersMax || len(set.Query) > parametersMax || len(set.Body) > parametersMax {
		return invalid("there are more than 100 parameters of one kind")
	}
	size := 0
	for _, p := range set.Body {
		size += len(p.Key) + len(p.Value)
	}
	if size > parameterBytesMax {
		return invalid("the body parameters have more than 64 KB together")
	}
	for _, p := range set.Header {
		if len(p.Value) > settingBytesMax {
			return invalid("a header has more than 64 KB")
		}
	}
	return nil
}
