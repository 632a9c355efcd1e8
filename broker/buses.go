package broker

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/broker/catalog"
	"github.com/seed567880c8/turnout/internal/partition"
)

func errBusNotFound(name turnout.BusName) error {
	return turnout.Errorf(turnout.CodeNotFound, "Event bus %s does not exist.", name.Name)
}

// errLimit is what AWS answers when a quota is used up.
func errLimit() error {
	return turnout.Errorf(turnout.CodeLimitExceeded, "The requested resource exceeds the maximum number allowed.")
}

// CreateBus creates a bus and returns it with its times set. It is
// CodeAlreadyExists for a name in use, which "default" always is, and
// CodeLimitExceeded beyond Config.BusesMax.
func (b *Broker) CreateBus(_ context.Context, bus turnout.Bus) (turnout.Bus, error) {
	if err := checkBus(&bus); err != nil {
		return turnout.Bus{}, err
	}
	bus = cloneBus(bus)
	err := b.loop.Do(func(tx *partition.Tx) error {
		if _, exists := b.catalog.Bus(bus.BusName); exists {
			return turnout.Errorf(turnout.CodeAlreadyExists, "Event bus %s already exists.", bus.Name)
		}
		if b.catalog.BusCount(bus.Scope) >= b.cfg.BusesMax {
			return errLimit()
		}
		bus.CreatedAt, bus.ModifiedAt = tx.Now, tx.Now
		b.catalog.PutBus(tx, bus)
		return nil
	})
	if err != nil {
		return turnout.Bus{}, err
	}
	return cloneBus(bus), nil
}

// UpdateBus changes the settings of a bus. change gets a copy of the present
// ones, on the loop: it must be short. Its error leaves everything as it was.
// The bus's name and creation time stay. It is CodeNotFound for a bus that
// does not exist.
func (b *Broker) UpdateBus(_ context.Context, name turnout.BusName, change func(*turnout.Bus) error) (turnout.Bus, error) {
	var next turnout.Bus
	err := b.loop.Do(func(tx *partition.Tx) error {
		current, ok := b.catalog.Bus(name)
		if !ok {
			return errBusNotFound(name)
		}
		next = cloneBus(current)
		if err := change(&next); err != nil {
			return err
		}
		next.BusName, next.CreatedAt, next.ModifiedAt = name, current.CreatedAt, tx.Now
		if err := checkBus(&next); err != nil {
			return err
		}
		b.catalog.PutBus(tx, cloneBus(next))
		return nil
	})
	if err != nil {
		return turnout.Bus{}, err
	}
	return next, nil
}

// DeleteBus deletes a bus; one that does not exist is no error, as in AWS. The
// default bus and a bus with rules are refused with CodeValidation and AWS's messages.
func (b *Broker) DeleteBus(_ context.Context, name turnout.BusName) error {
	if name.Name == turnout.DefaultBus {
		return turnout.Errorf(turnout.CodeValidation, "Cannot delete event bus default.")
	}
	return b.loop.Do(func(tx *partition.Tx) error {
		if b.catalog.RuleCount(name) > 0 {
			return turnout.Errorf(turnout.CodeValidation, "EventBus can't be deleted since it has rules.")
		}
		if _, exists := b.catalog.Bus(name); exists {
			b.catalog.DeleteBus(tx, name)
			if b.to.History != nil {
				b.to.History.Forget(tx, name)
			}
		}
		return nil
	})
}

// Bus returns the settings of a bus, or CodeNotFound.
func (b *Broker) Bus(_ context.Context, name turnout.BusName) (turnout.Bus, error) {
	var bus turnout.Bus
	err := b.read(func() error {
		var ok bool
		if bus, ok = b.catalog.Bus(name); !ok {
			return errBusNotFound(name)
		}
		return nil
	})
	return cloneBus(bus), err
}

// HasBus reports whether a bus exists, without asking the loop: it is as new as
// the last change that was answered, or newer.
func (b *Broker) HasBus(name turnout.BusName) bool {
	return name.Name == turnout.DefaultBus || b.catalog.View(name) != nil
}

// Buses returns the buses of an account and region by name, the default bus
// among them.
func (b *Broker) Buses(_ context.Context, scope turnout.Scope) ([]turnout.Bus, error) {
	var all []turnout.Bus
	err := b.read(func() error {
		all = b.catalog.Buses(scope)
		return nil
	})
	slices.SortFunc(all, func(a, b turnout.Bus) int { return strings.Compare(a.Name, b.Name) })
	for i := range all {
		all[i] = cloneBus(all[i])
	}
	return all, err
}

// checkBus refuses what the catalog cannot store or a publish not use.
func checkBus(b *turnout.Bus) error {
	switch {
	case !validBusName(b.BusName):
		return turnout.Errorf(turnout.CodeValidation, "Parameter Name is not valid.")
	case b.LogConfig != nil && !json.Valid(b.LogConfig):
		return turnout.Errorf(turnout.CodeValidation, "Parameter LogConfig is not valid.")
	case b.DeadLetterARN != "" && !catalog.IsDeadLetterQueue(b.DeadLetterARN):
		return turnout.Errorf(turnout.CodeValidation,
			"Parameter %s is not valid. Reason: The dead-letter queue of an event bus must be a standard SQS queue.", b.DeadLetterARN)
	}
	return nil
}

func validBusName(b turnout.BusName) bool {
	return catalog.ValidName(b.Account) && catalog.ValidName(b.Region) && catalog.ValidName(b.Name)
}

// cloneBus copies what a caller could otherwise change in the catalog.
func cloneBus(b turnout.Bus) turnout.Bus {
	b.LogConfig = slices.Clone(b.LogConfig)
	b.Tags = maps.Clone(b.Tags)
	return b
}
