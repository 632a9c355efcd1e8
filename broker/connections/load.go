package connections

import (
	"fmt"
	"log/slog"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/store"
)

// load reads what r holds.
func (c *Connections) load(r store.Reader) error {
	sealed := make(map[turnout.ConnectionName][]byte)
	pairs, failed := r.Scan([]byte{prefix}, []byte{prefix + 1})
	for key, value := range pairs {
		kind, scope, name, err := splitKey(key)
		if err != nil {
			return err
		}
		switch kind {
		case kindConnection:
			n := turnout.ConnectionName{Scope: scope, Name: name}
			record, err := decode[connectionRecord](value)
			if err != nil {
				return fmt.Errorf("connection %s: %w", name, err)
			}
			c.connections[n] = record.connection(n)
		case kindDestination:
			n := turnout.APIDestinationName{Scope: scope, Name: name}
			record, err := decode[destinationRecord](value)
			if err != nil {
				return fmt.Errorf("API destination %s: %w", name, err)
			}
			c.destinations[n] = &destination{APIDestination: record.destination(n)}
		case kindSecrets:
			sealed[turnout.ConnectionName{Scope: scope, Name: name}] = append([]byte(nil), value...)
		}
	}
	if err := failed(); err != nil {
		return err
	}
	for name, x := range c.connections {
		x.sealed = sealed[name]
		c.prepare(x)
		c.byARN.Store(x.ARN(), x)
		if x.State == turnout.ConnectionAuthorizing {
			c.authorizer.add(name)
		}
	}
	for _, d := range c.destinations {
		// An endpoint may not be allowed any more since it was stored. Deliveries
		// then wait for the settings to be put right.
		sink, err := c.newEndpoint(&d.APIDestination)
		if err != nil {
			sink = c.withSink(&d.APIDestination, unusable{reason: err.Error()})
			c.cfg.Log.Error("api destination cannot be used", slog.String("arn", d.ARN()), slog.String("reason", err.Error()))
		}
		d.sink = sink
		c.endpoints.Store(d.ARN(), sink)
	}
	return nil
}

// prepare makes a loaded connection ready, or notes why it cannot be used.
func (c *Connections) prepare(x *connection) {
	if x.sealed == nil {
		x.unusable = deauthorized(x.Name)
		return
	}
	auth, err := c.unseal(x)
	if err == nil {
		err = c.makeReady(x, auth)
	}
	if err != nil {
		x.unusable = fmt.Sprintf("Connection %s cannot be used: %s.", x.Name, err)
		c.cfg.Log.Error("connection cannot be used", slog.String("arn", x.ARN()), slog.String("reason", err.Error()))
	}
}

func deauthorized(name string) string {
	return fmt.Sprintf("Connection %s is deauthorized. Update its authorization parameters.", name)
}
