package connections

import (
	"context"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/dispatch"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/sinks"
	"github.com/seed567880c8/turnout/sinks/apidestination"
)

// perSecondDefault is AWS's InvocationRateLimitPerSecond of a destination that is given none.
const perSecondDefault = 300

func errDestinationNotFound(name string) error {
	return turnout.Errorf(turnout.CodeNotFound, "Failed to describe the api-destination(s). An api-destination '%s' does not exist.", name)
}

// CreateAPIDestination creates an API destination and returns it with its id,
// state and times set. It is CodeAlreadyExists for a name in use, CodeNotFound
// if its connection does not exist, CodeLimitExceeded beyond
// Config.DestinationsMax, and CodeValidation for an endpoint that cannot be sent to.
func (c *Connections) CreateAPIDestination(_ context.Context, n turnout.APIDestination) (turnout.APIDestination, error) {
	if !validName(n.Scope, n.Name) {
		return turnout.APIDestination{}, turnout.Errorf(turnout.CodeValidation, "Parameter Name is not valid.")
	}
	d := &destination{APIDestination: n}
	if d.PerSecondMax == 0 {
		d.PerSecondMax = perSecondDefault
	}
	var err error
	if d.ID, err = c.newID(); err != nil {
		return turnout.APIDestination{}, err
	}
	if d.sink, err = c.newEndpoint(&d.APIDestination); err != nil {
		return turnout.APIDestination{}, err
	}
	err = c.loop.Do(func(tx *partition.Tx) error {
		if c.destinations[d.APIDestinationName] != nil {
			return turnout.Errorf(turnout.CodeAlreadyExists, "An api-destination '%s' already exists.", d.Name)
		}
		if err := c.checkConnection(&d.APIDestination); err != nil {
			return err
		}
		if c.countDestinations(d.Scope) >= c.cfg.DestinationsMax {
			return errLimit()
		}
		d.CreatedAt, d.ModifiedAt = tx.Now, tx.Now
		c.putDestination(tx, d)
		n = c.shownDestination(d)
		return nil
	})
	if err != nil {
		return turnout.APIDestination{}, err
	}
	return n, nil
}

// UpdateAPIDestination changes an API destination and returns it. change gets a
// copy of the present one and may be called several times; its error leaves
// everything as it was. Name, id, state and times are not its to change. Errors
// are those of CreateAPIDestination, and CodeNotFound.
func (c *Connections) UpdateAPIDestination(_ context.Context, name turnout.APIDestinationName, change func(*turnout.APIDestination) error) (turnout.APIDestination, error) {
	for range changesMax {
		current, shown, err := c.destination(name)
		if err != nil {
			return turnout.APIDestination{}, err
		}
		next := &destination{APIDestination: current.APIDestination}
		if err := change(&shown); err != nil {
			return turnout.APIDestination{}, err
		}
		next.Description, next.ConnectionARN = shown.Description, shown.ConnectionARN
		next.Endpoint, next.HTTPMethod, next.PerSecondMax = shown.Endpoint, shown.HTTPMethod, shown.PerSecondMax
		if next.PerSecondMax == 0 {
			next.PerSecondMax = perSecondDefault
		}
		if next.sink, err = c.newEndpoint(&next.APIDestination); err != nil {
			return turnout.APIDestination{}, err
		}
		replaced := false
		err = c.loop.Do(func(tx *partition.Tx) error {
			if c.destinations[name] != current {
				return nil
			}
			if next.ConnectionARN != current.ConnectionARN {
				if err := c.checkConnection(&next.APIDestination); err != nil {
					return err
				}
			}
			next.ModifiedAt = tx.Now
			c.putDestination(tx, next)
			shown, replaced = c.shownDestination(next), true
			return nil
		})
		if err != nil {
			return turnout.APIDestination{}, err
		}
		if replaced {
			return shown, nil
		}
	}
	return turnout.APIDestination{}, errBusy(name.Name)
}

// DeleteAPIDestination deletes an API destination. Deliveries to it that wait
// end in their dead-letter queues, with NO_RESOURCE. CodeNotFound is for one
// that does not exist.
func (c *Connections) DeleteAPIDestination(_ context.Context, name turnout.APIDestinationName) error {
	return c.loop.Do(func(tx *partition.Tx) error {
		current := c.destinations[name]
		if current == nil {
			return errDestinationNotFound(name.Name)
		}
		tx.Batch.Delete(destinationKey(name))
		delete(c.destinations, name)
		c.endpoints.Delete(current.ARN())
		return nil
	})
}

// APIDestination returns an API destination, or CodeNotFound.
func (c *Connections) APIDestination(_ context.Context, name turnout.APIDestinationName) (turnout.APIDestination, error) {
	_, shown, err := c.destination(name)
	return shown, err
}

// APIDestinations returns the API destinations of an account and region, by name.
func (c *Connections) APIDestinations(_ context.Context, scope turnout.Scope) ([]turnout.APIDestination, error) {
	var all []turnout.APIDestination
	err := c.read(func() error {
		for name, d := range c.destinations {
			if name.Scope == scope {
				all = append(all, c.shownDestination(d))
			}
		}
		return nil
	})
	slices.SortFunc(all, func(a, b turnout.APIDestination) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// Endpoint returns how to deliver to the API destination with the given ARN,
// or CodeNotFound. It may be called from any goroutine.
func (c *Connections) Endpoint(arn string) (dispatch.Endpoint, error) {
	if e, ok := c.endpoints.Load(arn); ok {
		return e.(dispatch.Endpoint), nil //nolint:forcetypeassert // nothing else is stored there
	}
	name, _, ok := turnout.ParseAPIDestinationARN(arn)
	if !ok {
		name.Name = arn
	}
	return dispatch.Endpoint{}, errDestinationNotFound(name.Name)
}

// destination returns the present version of an API destination, and what its readers see.
func (c *Connections) destination(name turnout.APIDestinationName) (d *destination, shown turnout.APIDestination, err error) {
	err = c.read(func() error {
		if d = c.destinations[name]; d == nil {
			return errDestinationNotFound(name.Name)
		}
		shown = c.shownDestination(d)
		return nil
	})
	return d, shown, err
}

// shownDestination adds the state: active while the connection is authorized, as on AWS.
func (c *Connections) shownDestination(d *destination) turnout.APIDestination {
	n := d.APIDestination
	n.State = turnout.APIDestinationInactive
	if x, ok := c.byARN.Load(n.ConnectionARN); ok {
		x := x.(*connection) //nolint:forcetypeassert // nothing else is stored there
		if x.ready != nil && x.State == turnout.ConnectionAuthorized {
			n.State = turnout.APIDestinationActive
		}
	}
	return n
}

// checkConnection refuses a destination whose connection does not exist in its account and region.
func (c *Connections) checkConnection(d *turnout.APIDestination) error {
	name, id, ok := turnout.ParseConnectionARN(d.ConnectionARN)
	if !ok {
		return turnout.Errorf(turnout.CodeValidation, "Parameter ConnectionArn is not valid. Reason: Provided Arn is not in correct format.")
	}
	if x := c.connections[name]; x == nil || x.ID != id || name.Scope != d.Scope {
		return errConnectionNotFound(name.Name)
	}
	return nil
}

func (c *Connections) countDestinations(scope turnout.Scope) (n int) {
	for name := range c.destinations {
		if name.Scope == scope {
			n++
		}
	}
	return n
}

// putDestination makes d the present version of its API destination.
func (c *Connections) putDestination(tx *partition.Tx, d *destination) {
	d.State = "" // it follows from the connection
	tx.Batch.Set(destinationKey(d.APIDestinationName), encodeDestination(&d.APIDestination))
	c.destinations[d.APIDestinationName] = d
	c.endpoints.Store(d.ARN(), d.sink)
}

// newEndpoint makes what dispatch delivers with.
func (c *Connections) newEndpoint(d *turnout.APIDestination) (dispatch.Endpoint, error) {
	sink, err := apidestination.New(d, (*source)(c), c.sinkConfig())
	if err != nil {
		return dispatch.Endpoint{}, err
	}
	return c.withSink(d, sink), nil
}

func (c *Connections) withSink(d *turnout.APIDestination, s sinks.Sink) dispatch.Endpoint {
	return dispatch.Endpoint{Sink: s, PerSecondMax: d.PerSecondMax, Timeout: c.cfg.Timeout}
}

// unusable is the sink of a destination whose endpoint is not allowed any more.
type unusable struct{ reason string }

// Attempt fails, in a way that can be repaired.
func (u unusable) Attempt(context.Context, sinks.Delivery) sinks.Result {
	return sinks.Result{Failure: &sinks.Failure{Code: sinks.CodeNoPermissions, Message: u.reason}}
}

// source is how sinks see connections.
type source Connections

var _ apidestination.Connections = (*source)(nil)

// Connection returns the ready form of a connection.
func (s *source) Connection(arn string) (*apidestination.Connection, error) {
	found, ok := s.byARN.Load(arn)
	if !ok {
		name, _, _ := turnout.ParseConnectionARN(arn)
		return nil, turnout.Errorf(turnout.CodeNotFound,
			"Connection %s of the API destination does not exist any more. Give the API destination another.", name.Name)
	}
	x := found.(*connection) //nolint:forcetypeassert // nothing else is stored there
	if x.ready == nil {
		return nil, turnout.Errorf(turnout.CodeNotFound, "%s", x.unusable)
	}
	return x.ready, nil
}
