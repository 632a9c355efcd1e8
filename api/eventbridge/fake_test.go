package eventbridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed567880c8/turnout"
)

// fakeBroker keeps a catalog in maps and the events it was given.
type fakeBroker struct {
	mu      sync.Mutex
	buses   map[turnout.BusName]turnout.Bus
	rules   map[turnout.RuleName]turnout.Rule
	targets map[turnout.RuleName][]turnout.Target
	events  []turnout.EventEntry
	now     time.Time
}

func newFakeBroker() *fakeBroker {
	return &fakeBroker{
		buses:   map[turnout.BusName]turnout.Bus{},
		rules:   map[turnout.RuleName]turnout.Rule{},
		targets: map[turnout.RuleName][]turnout.Target{},
		now:     time.Unix(1_700_000_000, 500e6),
	}
}

func (f *fakeBroker) bus(name turnout.BusName) (turnout.Bus, error) {
	if b, ok := f.buses[name]; ok {
		return b, nil
	}
	if name.Name == turnout.DefaultBus {
		return turnout.Bus{BusName: name, CreatedAt: f.now, ModifiedAt: f.now}, nil
	}
	return turnout.Bus{}, turnout.Errorf(turnout.CodeNotFound, "Event bus %s does not exist.", name.Name)
}

func (f *fakeBroker) CreateBus(_ context.Context, b turnout.Bus) (turnout.Bus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.bus(b.BusName); err == nil {
		return turnout.Bus{}, turnout.Errorf(turnout.CodeAlreadyExists, "Event bus %s already exists.", b.Name)
	}
	b.CreatedAt, b.ModifiedAt = f.now, f.now
	f.buses[b.BusName] = b
	return b, nil
}

func (f *fakeBroker) UpdateBus(_ context.Context, name turnout.BusName, change func(*turnout.Bus) error) (turnout.Bus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, err := f.bus(name)
	if err != nil {
		return b, err
	}
	if err := change(&b); err != nil {
		return turnout.Bus{}, err
	}
	f.buses[name] = b
	return b, nil
}

func (f *fakeBroker) DeleteBus(_ context.Context, name turnout.BusName) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name.Name == turnout.DefaultBus {
		return turnout.Errorf(turnout.CodeValidation, "Cannot delete event bus default.")
	}
	delete(f.buses, name)
	return nil
}

func (f *fakeBroker) Bus(_ context.Context, name turnout.BusName) (turnout.Bus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bus(name)
}

func (f *fakeBroker) Buses(_ context.Context, scope turnout.Scope) ([]turnout.Bus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, _ := f.bus(turnout.BusName{Scope: scope, Name: turnout.DefaultBus})
	all := []turnout.Bus{d}
	for _, b := range f.buses {
		if b.Scope == scope && b.Name != turnout.DefaultBus {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b turnout.Bus) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (f *fakeBroker) rule(name turnout.RuleName) (turnout.Rule, error) {
	r, ok := f.rules[name]
	if !ok {
		return r, turnout.Errorf(turnout.CodeNotFound, "Rule %s does not exist on EventBus %s.", name.Name, name.Bus.Name)
	}
	return r, nil
}

func (f *fakeBroker) PutRule(_ context.Context, name turnout.RuleName, change func(*turnout.Rule, bool) error) (turnout.Rule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.bus(name.Bus); err != nil {
		return turnout.Rule{}, err
	}
	r, exists := f.rules[name]
	r.RuleName = name
	if err := change(&r, exists); err != nil {
		return turnout.Rule{}, err
	}
	if !json.Valid([]byte(r.Pattern)) {
		return turnout.Rule{}, turnout.Errorf(turnout.CodeInvalidEventPattern, "Event pattern is not valid. Reason: Filter is not an object")
	}
	f.rules[name] = r
	return r, nil
}

func (f *fakeBroker) DeleteRule(_ context.Context, name turnout.RuleName) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.targets[name]) > 0 {
		return turnout.Errorf(turnout.CodeValidation, "Rule can't be deleted since it has targets.")
	}
	delete(f.rules, name)
	return nil
}

func (f *fakeBroker) Rule(_ context.Context, name turnout.RuleName) (turnout.Rule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rule(name)
}

func (f *fakeBroker) Rules(_ context.Context, bus turnout.BusName) ([]turnout.Rule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.bus(bus); err != nil {
		return nil, err
	}
	var all []turnout.Rule
	for _, r := range f.rules {
		if r.Bus == bus {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b turnout.Rule) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (f *fakeBroker) PutTargets(_ context.Context, rule turnout.RuleName, ts []turnout.Target) ([]error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.rule(rule); err != nil {
		return nil, err
	}
	for _, t := range ts {
		i := slices.IndexFunc(f.targets[rule], func(o turnout.Target) bool { return o.ID == t.ID })
		if i >= 0 {
			f.targets[rule][i] = t
			continue
		}
		f.targets[rule] = append(f.targets[rule], t)
	}
	return make([]error, len(ts)), nil
}

func (f *fakeBroker) RemoveTargets(_ context.Context, rule turnout.RuleName, ids []string) ([]error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.rule(rule); err != nil {
		return nil, err
	}
	f.targets[rule] = slices.DeleteFunc(f.targets[rule], func(t turnout.Target) bool { return slices.Contains(ids, t.ID) })
	return make([]error, len(ids)), nil
}

func (f *fakeBroker) Targets(_ context.Context, rule turnout.RuleName) ([]turnout.Target, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.rule(rule); err != nil {
		return nil, err
	}
	return slices.Clone(f.targets[rule]), nil
}

func (f *fakeBroker) RuleNamesByTarget(_ context.Context, bus turnout.BusName, arn string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for rule, ts := range f.targets {
		if rule.Bus == bus && slices.ContainsFunc(ts, func(t turnout.Target) bool { return t.ARN == arn }) {
			names = append(names, rule.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (f *fakeBroker) Publish(_ context.Context, entries []turnout.EventEntry) ([]turnout.PublishedEvent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]turnout.PublishedEvent, len(entries))
	for i, e := range entries {
		if d := bytes.TrimSpace(e.Detail); d[0] != '{' || !json.Valid(d) {
			out[i].Err = turnout.Errorf(turnout.CodeMalformedRequest, "Detail is malformed.")
			continue
		}
		f.events = append(f.events, e)
		out[i].ID = fmt.Sprintf("00000000-0000-4000-8000-%012d", len(f.events))
	}
	return out, nil
}

func (f *fakeBroker) TestEventPattern(_ context.Context, pattern, event []byte) (bool, error) {
	if !json.Valid(event) {
		return false, turnout.Errorf(turnout.CodeValidation, "Parameter Event is not valid.")
	}
	return len(pattern) > 2, nil
}
