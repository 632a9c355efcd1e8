package native_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/api/native"
)

// engine stands in for everything behind the API. It keeps what it is asked
// for; fail, if set, is what every call returns.
type engine struct {
	mu struct {
		sync.Mutex
		published [][]turnout.EventEntry
		specs     []turnout.ReplaySpec
		enabled   []string
	}
	forget    bool // what is published, for benchmarks
	fail      error
	publish   func([]turnout.EventEntry) error // nil: accept
	replays   []turnout.Replay
	attempts  []native.Attempt
	endpoints []native.Endpoint
}

var (
	here  = turnout.Scope{Account: "000000000000", Region: "us-east-1"}
	epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func (e *engine) Publish(_ context.Context, entries []turnout.EventEntry) ([]turnout.PublishedEvent, error) {
	if err := e.fail; err != nil {
		return nil, err
	}
	if e.publish != nil {
		if err := e.publish(entries); err != nil {
			return nil, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.forget {
		e.mu.published = append(e.mu.published, slices.Clone(entries))
	}
	out := make([]turnout.PublishedEvent, len(entries))
	for i := range entries {
		out[i].ID = fmt.Sprintf("event-%d-%d", len(e.mu.published), i)
		if !strings.HasPrefix(string(entries[i].Detail), "{") {
			out[i] = turnout.PublishedEvent{Err: &turnout.Error{Code: turnout.CodeMalformedRequest, Message: "Detail is malformed.", Err: errors.New("not an object")}}
		}
	}
	return out, nil
}

func (e *engine) HasBus(name turnout.BusName) bool {
	return name.Name == "default" || name.Name == "orders"
}

func (e *engine) Buses(_ context.Context, scope turnout.Scope) ([]turnout.Bus, error) {
	return []turnout.Bus{{BusName: turnout.BusName{Scope: scope, Name: "default"}}, {BusName: turnout.BusName{Scope: scope, Name: "orders"}}}, nil
}

func (e *engine) Archive(_ context.Context, name turnout.ArchiveName) (turnout.ArchiveInfo, error) {
	if name.Name != "all" {
		return turnout.ArchiveInfo{}, turnout.Errorf(turnout.CodeNotFound, "Archive %s does not exist.", name.Name)
	}
	return turnout.ArchiveInfo{Archive: turnout.Archive{ArchiveName: name, Bus: turnout.BusName{Scope: name.Scope, Name: "orders"}}}, nil
}

func (e *engine) Archives(_ context.Context, scope turnout.Scope) ([]turnout.ArchiveInfo, error) {
	return []turnout.ArchiveInfo{{Archive: turnout.Archive{ArchiveName: turnout.ArchiveName{Scope: scope, Name: "all"}}}}, nil
}

func (e *engine) StartReplay(_ context.Context, spec turnout.ReplaySpec) (turnout.Replay, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.specs = append(e.mu.specs, spec)
	return turnout.Replay{ReplaySpec: spec, State: turnout.ReplayStarting, StartedAt: epoch}, e.fail
}

func (e *engine) DryRun(_ context.Context, spec turnout.ReplaySpec) (native.DryRun, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.specs = append(e.mu.specs, spec)
	return native.DryRun{
		Events: 2, Complete: true, Samples: [][]byte{[]byte(`{"id":"a"}`)},
		Targets: []native.DryRunTarget{{Rule: "r", TargetID: "1", Deliveries: 1, Skipped: 1}},
	}, e.fail
}

func (e *engine) Replay(_ context.Context, name turnout.ReplayName) (turnout.Replay, error) {
	for _, r := range e.replays {
		if r.ReplayName == name {
			return r, e.fail
		}
	}
	return turnout.Replay{}, turnout.Errorf(turnout.CodeNotFound, "Replay %s does not exist.", name.Name)
}

func (e *engine) CancelReplay(ctx context.Context, name turnout.ReplayName) (turnout.Replay, error) {
	r, err := e.Replay(ctx, name)
	r.State = turnout.ReplayCancelling
	return r, err
}

func (e *engine) Replays(_ context.Context, scope turnout.Scope) ([]turnout.Replay, error) {
	var all []turnout.Replay
	for _, r := range e.replays {
		if r.Scope == scope {
			all = append(all, r)
		}
	}
	return all, e.fail
}

func (e *engine) Attempts(_ context.Context, eventID string) ([]native.Attempt, error) {
	var all []native.Attempt
	for _, a := range e.attempts {
		if a.EventID == eventID {
			all = append(all, a)
		}
	}
	return all, e.fail
}

func (e *engine) Endpoints(context.Context) ([]native.Endpoint, error) {
	return slices.Clone(e.endpoints), e.fail
}

func (e *engine) Enable(_ context.Context, arn string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.enabled = append(e.mu.enabled, arn)
	return e.fail
}

func newAPI(t testing.TB, e *engine, change ...func(*native.Config)) *native.API {
	t.Helper()
	cfg := native.Config{Events: e, Archives: e, Deliveries: e, Scope: here}
	for _, c := range change {
		c(&cfg)
	}
	api, err := native.New(cfg)
	require.NoError(t, err)
	return api
}

// rest sends a request: METHOD PATH, headers, and a body.
func rest(t testing.TB, api *native.API, line, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	method, path, _ := strings.Cut(line, " ")
	r := httptest.NewRequestWithContext(t.Context(), cmp.Or(method, http.MethodGet), path, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	api.Handler().ServeHTTP(w, r)
	return w
}
