package broker

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/internal/partition"
)

// PutTargets adds targets to a rule or replaces those with the same ids, and
// returns one error a target, nil for one that was put. A target that Turnout
// cannot deliver to is refused alone, with CodeUnsupportedOperation; for what AWS
// calls a validation error, for a rule that does not exist and beyond
// Config.TargetsMax the whole call fails and changes nothing.
func (b *Broker) PutTargets(_ context.Context, name turnout.RuleName, targets []turnout.Target) ([]error, error) {
	errs := make([]error, len(targets))
	compiled := make([]*catalog.Target, 0, len(targets))
	for i := range targets {
		t, err := b.compileTarget(targets[i])
		if e, ok := errors.AsType[*turnout.Error](err); ok && e.Code == turnout.CodeUnsupportedOperation {
			errs[i] = err
			continue
		}
		if err != nil {
			return nil, err
		}
		compiled = append(compiled, t)
	}
	err := b.onRule(name, func(tx *partition.Tx, r *catalog.Rule) error {
		if r.ManagedBy != "" {
			return errManaged(r)
		}
		if len(r.Targets)+newTargets(r, compiled) > b.cfg.TargetsMax {
			return errLimit()
		}
		if len(compiled) > 0 {
			b.catalog.PutTargets(tx, name, compiled)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return errs, nil
}

func (b *Broker) compileTarget(t turnout.Target) (*catalog.Target, error) {
	if !catalog.ValidName(t.ID) {
		return nil, turnout.Errorf(turnout.CodeValidation, "Parameter Id is not valid.")
	}
	if t.Other != nil && !json.Valid(t.Other) {
		return nil, turnout.Errorf(turnout.CodeValidation, "The parameters of target %s are not valid.", t.ID)
	}
	compiled, err := catalog.NewTarget(cloneTarget(t))
	if err == nil && !b.delivers(compiled.Kind) {
		return nil, turnout.Errorf(turnout.CodeUnsupportedOperation, "Rules do not deliver to %q.", t.ARN)
	}
	return compiled, err
}

// delivers reports whether users' rules may have targets of a kind: there is a
// receiver for it, and it is not the broker's own business.
func (b *Broker) delivers(kind catalog.Kind) bool {
	switch kind {
	case catalog.ToTopic:
		return b.to.Topics != nil
	case catalog.ToEndpoint:
		return b.to.Dispatch != nil
	case catalog.ToArchive:
		return false
	default:
		return true
	}
}

// newTargets counts the ids that r does not have yet.
func newTargets(r *catalog.Rule, targets []*catalog.Target) int {
	added := make(map[string]bool, len(targets))
	for _, t := range targets {
		if !slices.ContainsFunc(r.Targets, func(has *catalog.Target) bool { return has.ID == t.ID }) {
			added[t.ID] = true
		}
	}
	return len(added)
}

// onRule runs op on the loop with a rule that exists.
func (b *Broker) onRule(name turnout.RuleName, op func(*partition.Tx, *catalog.Rule) error) error {
	return b.loop.Do(func(tx *partition.Tx) error {
		if _, ok := b.catalog.Bus(name.Bus); !ok {
			return errBusNotFound(name.Bus)
		}
		r := b.catalog.Rule(name)
		if r == nil {
			return errRuleNotFound(name)
		}
		return op(tx, r)
	})
}

// RemoveTargets removes the targets with the given ids from a rule and returns
// one error an id: CodeNotFound for one that the rule does not have.
func (b *Broker) RemoveTargets(_ context.Context, name turnout.RuleName, ids []string) ([]error, error) {
	errs := make([]error, len(ids))
	err := b.onRule(name, func(tx *partition.Tx, r *catalog.Rule) error {
		if r.ManagedBy != "" {
			return errManaged(r)
		}
		for i, id := range ids {
			if !slices.ContainsFunc(r.Targets, func(t *catalog.Target) bool { return t.ID == id }) {
				errs[i] = turnout.Errorf(turnout.CodeNotFound, "Rule '%s' does not have a target with the Id '%s'.", name.Name, id)
			}
		}
		b.catalog.RemoveTargets(tx, name, ids)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return errs, nil
}

// Targets returns the targets of a rule in the order in which they were first
// put, or CodeNotFound.
func (b *Broker) Targets(_ context.Context, name turnout.RuleName) ([]turnout.Target, error) {
	r, err := b.existingRule(name)
	if err != nil {
		return nil, err
	}
	all := make([]turnout.Target, len(r.Targets))
	for i, t := range r.Targets {
		all[i] = cloneTarget(t.Target)
	}
	return all, nil
}

// cloneTarget copies what a caller could otherwise change in the catalog.
func cloneTarget(t turnout.Target) turnout.Target {
	t.Input, t.InputPath = clonePointer(t.Input), clonePointer(t.InputPath)
	if in := t.InputTransformer; in != nil {
		t.InputTransformer = &turnout.InputTransformer{Paths: maps.Clone(in.Paths), Template: in.Template}
	}
	if p := t.Retry; p != nil {
		t.Retry = &turnout.RetryPolicy{
			MaximumRetryAttempts: clonePointer(p.MaximumRetryAttempts),
			MaximumEventAge:      clonePointer(p.MaximumEventAge),
		}
	}
	t.Other = slices.Clone(t.Other)
	return t
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}
