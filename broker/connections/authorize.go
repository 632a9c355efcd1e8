package connections

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
	"github.com/seed567880c8/turnout/sinks/apidestination"
)

// The life of an OAuth connection. It is AUTHORIZING when it is created or its
// authorization changes, and Run then asks for a token: granted, it is
// AUTHORIZED; refused, it is DEAUTHORIZED with the reason; if the endpoint
// cannot be asked it stays, with the reason, and is tried again. Later tokens
// are asked for by the deliveries that need them. Theirs, too, change the state:
// what was refused stays refused only until a token is granted again, because
// whoever runs the authorization endpoint can repair that without a word to us.

// authorizersMax bounds the requests for first tokens under way at once. One
// that hangs holds up new connections, not deliveries.
const authorizersMax = 8

// authorizer is the work of Run, handed over by those who must not wait.
type authorizer struct {
	wake chan struct{} // capacity 1: a token says that there is something to do

	mu struct {
		sync.Mutex
		due      map[turnout.ConnectionName]time.Time // when to ask for a token: at most one entry a connection
		running  int                                  // requests for tokens
		outcomes map[string]outcome                   // by ARN: the latest of each connection
	}
}

type outcome struct {
	name    turnout.ConnectionName
	version uint64
	apidestination.Outcome
}

func (a *authorizer) init() {
	a.wake = make(chan struct{}, 1)
	a.mu.due = make(map[turnout.ConnectionName]time.Time)
	a.mu.outcomes = make(map[string]outcome)
}

func (a *authorizer) signal() {
	select {
	case a.wake <- struct{}{}:
	default: // a token is there already
	}
}

// add has Run ask for a token of a connection.
func (a *authorizer) add(name turnout.ConnectionName) {
	a.mu.Lock()
	a.mu.due[name] = time.Time{}
	a.mu.Unlock()
	a.signal()
}

// startAuthorizing has Run ask for the first token of a connection that needs one.
func (c *Connections) startAuthorizing(x *connection) {
	if x.State == turnout.ConnectionAuthorizing {
		c.authorizer.add(x.ConnectionName)
	}
}

// observe takes what came of asking for a token. It is called by deliveries, so
// it leaves the rest to Run.
func (c *Connections) observe(name turnout.ConnectionName, arn string, version uint64, o apidestination.Outcome) {
	if found, ok := c.byARN.Load(arn); ok && o.Granted {
		if x := found.(*connection); x.State == turnout.ConnectionAuthorized && x.version == version { //nolint:forcetypeassert // nothing else is stored there
			return
		}
	}
	c.authorizer.note(arn, outcome{name: name, version: version, Outcome: o}, true)
	c.authorizer.signal()
}

// note keeps an outcome for settle, unless there is one of a later version of
// the connection; or, if it is not the newest, any other.
func (a *authorizer) note(arn string, o outcome, newest bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if there, ok := a.mu.outcomes[arn]; ok && (there.version > o.version || !newest) {
		return
	}
	a.mu.outcomes[arn] = o
}

// Run seals secrets under the first key, then authorizes connections, until ctx ends.
func (c *Connections) Run(ctx context.Context) error {
	n, err := c.Rewrap(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		c.cfg.Log.LogAttrs(ctx, slog.LevelError, "secrets cannot be sealed anew", slog.Any("error", err))
	case n > 0:
		c.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "secrets are sealed under the first key", slog.Int("connections", n))
	}
	var requests sync.WaitGroup
	defer requests.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.authorizer.wake:
		case <-timer.C:
		}
		c.settle(ctx)
		for _, name := range c.authorizer.take(time.Now()) {
			requests.Go(func() { c.askFor(ctx, name) })
		}
		timer.Reset(c.authorizer.wait(time.Now()))
	}
}

// take returns connections whose time has come, as many as may run.
func (a *authorizer) take(now time.Time) (names []turnout.ConnectionName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, due := range a.mu.due {
		if a.mu.running == authorizersMax {
			break
		}
		if !due.After(now) {
			delete(a.mu.due, name)
			a.mu.running++
			names = append(names, name)
		}
	}
	return names
}

// wait returns how long there is nothing to do.
func (a *authorizer) wait(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := time.Hour
	if len(a.mu.outcomes) > 0 { // they could not be stored: again, but not at once
		wait = time.Second
	}
	if a.mu.running == authorizersMax {
		return wait // the end of a request wakes
	}
	for _, due := range a.mu.due {
		wait = min(wait, max(0, due.Sub(now)))
	}
	return wait
}

// askFor asks for the first token of a connection and says when to ask again.
func (c *Connections) askFor(ctx context.Context, name turnout.ConnectionName) {
	again := c.firstToken(ctx, name)
	a := &c.authorizer
	a.mu.Lock()
	a.mu.running--
	if _, anew := a.mu.due[name]; !anew && !again.IsZero() {
		a.mu.due[name] = again
	}
	a.mu.Unlock()
	a.signal()
}

func (c *Connections) firstToken(ctx context.Context, name turnout.ConnectionName) (again time.Time) {
	x, err := c.connection(name)
	if err != nil || x.ready == nil || x.State != turnout.ConnectionAuthorizing {
		return time.Time{}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	return x.ready.Authorize(ctx)
}

// settle makes states of what came of asking for tokens.
func (c *Connections) settle(ctx context.Context) {
	a := &c.authorizer
	a.mu.Lock()
	outcomes := a.mu.outcomes
	a.mu.outcomes = make(map[string]outcome)
	a.mu.Unlock()
	for arn, o := range outcomes {
		var changed bool
		err := c.loop.Do(func(tx *partition.Tx) error {
			changed = c.transition(tx, &o)
			return nil
		})
		switch {
		case err != nil: // the loop sheds load, or is ending
			a.note(arn, o, false)
			c.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "state of a connection cannot be stored yet", slog.String("arn", arn), slog.Any("error", err))
		case changed && o.Granted:
			c.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "connection is authorized", slog.String("arn", arn))
		case changed:
			c.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "connection cannot be authorized", slog.String("arn", arn),
				slog.Bool("refused", o.Refused), slog.String("reason", o.Reason))
		}
	}
}

// transition changes the state of a connection after an outcome and reports
// whether it did.
func (c *Connections) transition(tx *partition.Tx, o *outcome) bool {
	current := c.connections[o.name]
	if current == nil || current.version != o.version || current.ready == nil {
		return false
	}
	next := new(*current)
	switch {
	case o.Granted:
		next.State, next.StateReason, next.AuthorizedAt = turnout.ConnectionAuthorized, "", tx.Now
	case o.Refused:
		next.State, next.StateReason = turnout.ConnectionDeauthorized, o.Reason
	case current.State == turnout.ConnectionAuthorizing:
		next.StateReason = o.Reason
	}
	if next.State == current.State && next.StateReason == current.StateReason {
		return false
	}
	c.put(tx, next)
	return true
}
