package eventbridge_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/eventbridge"
)

// memory keeps archives, replays, connections and API destinations, and does
// nothing with them: what the API says of them is what is tested here.
type memory struct {
	mu           sync.Mutex
	buses        eventbridge.Buses
	archives     table[turnout.ArchiveName, turnout.Archive]
	replays      table[turnout.ReplayName, turnout.Replay]
	connections  table[turnout.ConnectionName, turnout.Connection]
	destinations table[turnout.APIDestinationName, turnout.APIDestination]
	ids          int
}

var (
	_ eventbridge.Archives        = (*memory)(nil)
	_ eventbridge.Replays         = (*memory)(nil)
	_ eventbridge.Connections     = (*memory)(nil)
	_ eventbridge.APIDestinations = (*memory)(nil)
)

// table holds resources by name; what is the subject of its errors.
type table[N comparable, R any] map[N]R

func (t table[N, R]) get(name N, what string) (R, error) {
	r, ok := t[name]
	if !ok {
		return r, turnout.Errorf(turnout.CodeNotFound, "%s does not exist.", what)
	}
	return r, nil
}

func (t *table[N, R]) create(name N, r R, what string) error {
	if _, ok := (*t)[name]; ok {
		return turnout.Errorf(turnout.CodeAlreadyExists, "%s already exists.", what)
	}
	if *t == nil {
		*t = table[N, R]{}
	}
	(*t)[name] = r
	return nil
}

func (t table[N, R]) change(name N, what string, change func(*R) error) (R, error) {
	r, err := t.get(name, what)
	if err != nil {
		return r, err
	}
	if err := change(&r); err != nil {
		return r, err
	}
	t[name] = r
	return r, nil
}

func (t table[N, R]) remove(name N, what string) (R, error) {
	r, err := t.get(name, what)
	delete(t, name)
	return r, err
}

func (t table[N, R]) in(s turnout.Scope, of func(N) turnout.Scope) []R {
	var names []N
	for name := range t {
		if of(name) == s {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b N) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	var out []R
	for _, name := range names {
		out = append(out, t[name])
	}
	return out
}

func (m *memory) id() string {
	m.ids++
	return fmt.Sprintf("%08d-0000-4000-8000-000000000000", m.ids)
}

func (m *memory) CreateArchive(ctx context.Context, a turnout.Archive) (turnout.Archive, error) {
	if _, err := m.buses.Bus(ctx, a.Bus); err != nil {
		return a, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a.CreatedAt = time.Now()
	return a, m.archives.create(a.ArchiveName, a, "Archive "+a.Name)
}

func (m *memory) UpdateArchive(_ context.Context, name turnout.ArchiveName, change func(*turnout.Archive) error) (turnout.Archive, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.archives.change(name, "Archive "+name.Name, change)
}

func (m *memory) DeleteArchive(_ context.Context, name turnout.ArchiveName) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.archives.remove(name, "Archive "+name.Name)
	return err
}

func (m *memory) Archive(_ context.Context, name turnout.ArchiveName) (turnout.ArchiveInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, err := m.archives.get(name, "Archive "+name.Name)
	return turnout.ArchiveInfo{Archive: a, EventCount: 10, SizeBytes: 1590}, err
}

func (m *memory) Archives(_ context.Context, s turnout.Scope) ([]turnout.ArchiveInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var infos []turnout.ArchiveInfo
	for _, a := range m.archives.in(s, func(n turnout.ArchiveName) turnout.Scope { return n.Scope }) {
		infos = append(infos, turnout.ArchiveInfo{Archive: a, EventCount: 10, SizeBytes: 1590})
	}
	return infos, nil
}

func (m *memory) StartReplay(_ context.Context, spec turnout.ReplaySpec) (turnout.Replay, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name, ok := turnout.ParseArchiveARN(spec.SourceARN); ok {
		a, ok := m.archives[name]
		switch {
		case !ok:
			return turnout.Replay{}, turnout.Errorf(turnout.CodeValidation, "Parameter EventSourceArn is not valid. Reason: Archive %s does not exist.", name.Name)
		case a.Bus != spec.Bus:
			return turnout.Replay{}, turnout.Errorf(turnout.CodeValidation, "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
		}
	}
	r := turnout.Replay{ReplaySpec: spec, State: turnout.ReplayStarting, StartedAt: time.Now()}
	if err := m.replays.create(r.ReplayName, r, "Replay "+r.Name); err != nil {
		return r, err
	}
	done := r // is over at once
	done.State, done.EndedAt, done.LastEvent = turnout.ReplayCompleted, time.Now().Add(time.Minute), spec.From.Add(1500*time.Millisecond)
	if spec.Description == "runs for long" {
		done = r
	}
	m.replays[r.ReplayName] = done
	return r, nil
}

func (m *memory) CancelReplay(_ context.Context, name turnout.ReplayName) (turnout.Replay, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.replays.change(name, "Replay "+name.Name, func(r *turnout.Replay) error {
		if r.State != turnout.ReplayStarting {
			return turnout.Errorf(turnout.CodeConflict, "over")
		}
		r.State = turnout.ReplayCancelling
		return nil
	})
}

func (m *memory) Replay(_ context.Context, name turnout.ReplayName) (turnout.Replay, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.replays.get(name, "Replay "+name.Name)
}

func (m *memory) Replays(_ context.Context, s turnout.Scope) ([]turnout.Replay, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.replays.in(s, func(n turnout.ReplayName) turnout.Scope { return n.Scope }), nil
}

// connectionOf begins as errors of connections may: the API puts the operation at hand in that place.
func connectionOf(name turnout.ConnectionName) string {
	return "Failed to describe the connection(s). Connection '" + name.Name + "'"
}

func (m *memory) authorize(c *turnout.Connection) {
	c.State, c.ModifiedAt, c.AuthorizedAt = turnout.ConnectionAuthorized, time.Now(), time.Now()
	if c.Auth.Type == turnout.AuthOAuth {
		c.State = turnout.ConnectionAuthorizing
	}
}

func (m *memory) CreateConnection(_ context.Context, c turnout.Connection) (turnout.Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.ID, c.CreatedAt = m.id(), time.Now()
	m.authorize(&c)
	return c, m.connections.create(c.ConnectionName, c, connectionOf(c.ConnectionName))
}

func (m *memory) UpdateConnection(_ context.Context, name turnout.ConnectionName, change func(*turnout.Connection) error) (turnout.Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connections.change(name, connectionOf(name), func(c *turnout.Connection) error {
		m.authorize(c)
		return change(c)
	})
}

func (m *memory) DeleteConnection(_ context.Context, name turnout.ConnectionName) (turnout.Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connections.remove(name, connectionOf(name))
}

func (m *memory) DeauthorizeConnection(_ context.Context, name turnout.ConnectionName) (turnout.Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connections.change(name, connectionOf(name), func(c *turnout.Connection) error {
		c.State = turnout.ConnectionDeauthorized
		return nil
	})
}

// Connection hands out the secrets too: the API must not show them even then.
func (m *memory) Connection(_ context.Context, name turnout.ConnectionName) (turnout.Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connections.get(name, connectionOf(name))
}

func (m *memory) Connections(_ context.Context, s turnout.Scope) ([]turnout.Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connections.in(s, func(n turnout.ConnectionName) turnout.Scope { return n.Scope }), nil
}

func destinationOf(name turnout.APIDestinationName) string {
	return "An api-destination '" + name.Name + "'"
}

// activate sets a destination's state by that of its connection.
func (m *memory) activate(d *turnout.APIDestination) error {
	name, _, _ := turnout.ParseConnectionARN(d.ConnectionARN)
	c, err := m.connections.get(name, connectionOf(name))
	d.State, d.ModifiedAt = turnout.APIDestinationInactive, time.Now()
	if c.State == turnout.ConnectionAuthorized {
		d.State = turnout.APIDestinationActive
	}
	return err
}

func (m *memory) CreateAPIDestination(_ context.Context, d turnout.APIDestination) (turnout.APIDestination, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d.ID, d.CreatedAt = m.id(), time.Now()
	if err := m.activate(&d); err != nil {
		return d, err
	}
	return d, m.destinations.create(d.APIDestinationName, d, destinationOf(d.APIDestinationName))
}

func (m *memory) UpdateAPIDestination(_ context.Context, name turnout.APIDestinationName, change func(*turnout.APIDestination) error) (turnout.APIDestination, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.destinations.change(name, destinationOf(name), func(d *turnout.APIDestination) error {
		if err := change(d); err != nil {
			return err
		}
		return m.activate(d)
	})
}

func (m *memory) DeleteAPIDestination(_ context.Context, name turnout.APIDestinationName) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.destinations.remove(name, destinationOf(name))
	return err
}

func (m *memory) APIDestination(_ context.Context, name turnout.APIDestinationName) (turnout.APIDestination, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.destinations.get(name, destinationOf(name))
}

func (m *memory) APIDestinations(_ context.Context, s turnout.Scope) ([]turnout.APIDestination, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.destinations.in(s, func(n turnout.APIDestinationName) turnout.Scope { return n.Scope }), nil
}
