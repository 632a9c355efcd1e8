package connections

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/internal/secret"
	"github.com/seed567880c8/turnout/sinks/apidestination"
)

// eachParameter yields every parameter of a, in an order that is always the same.
func eachParameter(a *turnout.ConnectionAuth) iter.Seq[*turnout.Parameter] {
	return func(yield func(*turnout.Parameter) bool) {
		for _, set := range []*turnout.HTTPParameters{&a.OAuthParameters, &a.Invocation} {
			for _, list := range [][]turnout.Parameter{set.Header, set.Query, set.Body} {
				for i := range list {
					if !yield(&list[i]) {
						return
					}
				}
			}
		}
	}
}

// cloneAuth copies what a caller could otherwise change.
func cloneAuth(a turnout.ConnectionAuth) turnout.ConnectionAuth {
	for _, set := range []*turnout.HTTPParameters{&a.OAuthParameters, &a.Invocation} {
		set.Header, set.Query, set.Body = slices.Clone(set.Header), slices.Clone(set.Query), slices.Clone(set.Body)
	}
	return a
}

// cloneConnection copies what a caller could otherwise change.
func cloneConnection(c turnout.Connection) turnout.Connection {
	c.Auth = cloneAuth(c.Auth)
	return c
}

// normalize returns a without what does not belong to its type, and with every
// parameter that must be a secret marked as one.
func normalize(a turnout.ConnectionAuth) turnout.ConnectionAuth {
	n := turnout.ConnectionAuth{Type: a.Type, Invocation: a.Invocation}
	switch a.Type {
	case turnout.AuthBasic:
		n.Username, n.Password = a.Username, a.Password
	case turnout.AuthAPIKey:
		n.APIKeyName, n.APIKeyValue = a.APIKeyName, a.APIKeyValue
	case turnout.AuthOAuth:
		n.ClientID, n.ClientSecret = a.ClientID, a.ClientSecret
		n.AuthorizationEndpoint, n.HTTPMethod, n.OAuthParameters = a.AuthorizationEndpoint, a.HTTPMethod, a.OAuthParameters
	}
	n = cloneAuth(n)
	for p := range eachParameter(&n) {
		if apidestination.IsSecretSetting(p.Key) {
			p.Secret = true
		}
	}
	return n
}

// split returns a without its secrets, and the secrets.
func split(a turnout.ConnectionAuth) (turnout.ConnectionAuth, secretsRecord) {
	s := secretsRecord{Version: recordVersion, Password: a.Password, APIKeyValue: a.APIKeyValue, ClientSecret: a.ClientSecret}
	a = cloneAuth(a)
	a.Password, a.APIKeyValue, a.ClientSecret = "", "", ""
	for p := range eachParameter(&a) {
		if p.Secret {
			s.Parameters = append(s.Parameters, p.Value)
			p.Value = ""
		}
	}
	return a, s
}

// join is the reverse of split.
func join(a turnout.ConnectionAuth, s *secretsRecord) (turnout.ConnectionAuth, error) {
	a = cloneAuth(a)
	a.Password, a.APIKeyValue, a.ClientSecret = s.Password, s.APIKeyValue, s.ClientSecret
	rest := s.Parameters
	for p := range eachParameter(&a) {
		if !p.Secret {
			continue
		}
		if len(rest) == 0 {
			return a, secret.ErrDamaged
		}
		p.Value, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		return a, secret.ErrDamaged
	}
	return a, nil
}

// merge returns what an update makes of present, given what the caller made of
// a copy without secrets: a secret that is not given stays, unless the type
// changes. given says that the caller gave a secret.
func merge(present, next turnout.ConnectionAuth) (merged turnout.ConnectionAuth, given bool) {
	merged = normalize(next)
	given = merged.Password != "" || merged.APIKeyValue != "" || merged.ClientSecret != ""
	if merged.Type == present.Type {
		keep(&merged.Password, present.Password)
		keep(&merged.APIKeyValue, present.APIKeyValue)
		keep(&merged.ClientSecret, present.ClientSecret)
	}
	for _, sets := range [][2]*turnout.HTTPParameters{
		{&merged.OAuthParameters, &present.OAuthParameters}, {&merged.Invocation, &present.Invocation},
	} {
		keepParameters(sets[0].Header, sets[1].Header, &given)
		keepParameters(sets[0].Query, sets[1].Query, &given)
		keepParameters(sets[0].Body, sets[1].Body, &given)
	}
	return merged, given
}

func keep(to *string, present string) {
	if *to == "" {
		*to = present
	}
}

func keepParameters(to, present []turnout.Parameter, given *bool) {
	for i := range to {
		if !to[i].Secret {
			continue
		}
		if to[i].Value != "" {
			*given = true
			continue
		}
		for _, p := range present {
			if p.Key == to[i].Key && p.Secret {
				to[i].Value = p.Value
			}
		}
	}
}

// contextOf is what the secrets of a connection are bound to.
func contextOf(c *connection) secret.Context {
	return secret.Context{Resource: c.ARN(), Field: "auth", Version: c.version}
}

// seal puts the secrets of auth, sealed, into c, and the rest of it as it is.
// c must have its name, id and version.
func (c *Connections) seal(to *connection, auth turnout.ConnectionAuth) error {
	var secrets secretsRecord
	to.Auth, secrets = split(auth)
	plain := encode(secrets)
	defer clear(plain)
	sealed, err := c.cfg.Keys.Seal(plain, contextOf(to))
	if errors.Is(err, secret.ErrNoKey) {
		return turnout.Errorf(turnout.CodeUnsupportedOperation,
			"Turnout has no key to encrypt the secrets of connections with. Give it one by --secret-key-file or TURNOUT_SECRET_KEY, and start it again.")
	}
	to.sealed = sealed
	return err
}

// unseal returns the whole of a connection's authorization.
func (c *Connections) unseal(of *connection) (turnout.ConnectionAuth, error) {
	if of.sealed == nil {
		return cloneAuth(of.Auth), nil
	}
	plain, err := c.cfg.Keys.Open(of.sealed, contextOf(of))
	if err != nil {
		return turnout.ConnectionAuth{}, err
	}
	defer clear(plain)
	record, err := decode[secretsRecord](plain)
	if err != nil {
		return turnout.ConnectionAuth{}, err
	}
	return join(of.Auth, &record)
}

// Rewrap seals anew, under the first key, the secrets that are sealed under
// another one; after it the other keys are not needed any more. It returns how
// many it sealed. Those that cannot be read are left as they are.
func (c *Connections) Rewrap(ctx context.Context) (int, error) {
	var all []*connection
	err := c.read(func() error {
		for _, x := range c.connections {
			all = append(all, x)
		}
		return nil
	})
	n := 0
	for _, x := range all {
		if err != nil || ctx.Err() != nil {
			break
		}
		if x.sealed == nil {
			continue
		}
		sealed, changed, failed := c.cfg.Keys.Rewrap(x.sealed, contextOf(x))
		if failed != nil || !changed {
			continue
		}
		err = c.loop.Do(func(tx *partition.Tx) error {
			current := c.connections[x.ConnectionName]
			if current == nil || current.ID != x.ID || current.version != x.version {
				return nil // its secrets are others now, sealed under the first key
			}
			next := new(*current)
			next.sealed = sealed
			c.put(tx, next)
			n++
			return nil
		})
	}
	return n, err
}
