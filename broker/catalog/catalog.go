package catalog

import (
	"maps"
	"sync/atomic"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/partition"
)

// Catalog is every bus of a partition with its rules and their targets.
//
// All methods but View belong to the partition's loop and write their records
// into the operation's batch. They take what the caller has checked and
// compiled: parsing patterns and compiling rules happen on other goroutines.
//
// A change gives its bus a new View with a higher version. A publisher matches
// outside the loop against the View it finds, and asks on the loop whether the
// version still is the current one: if so, its result is what matching on the
// loop would have given. Matching on the loop would be simpler; it was refused
// because the loop is the one place that cannot be made parallel.
type Catalog struct {
	created time.Time // of the default buses that nobody has changed
	stored  bool      // whether created is in the store
	targets uint64    // the last number given to a target
	numbers map[uint64]numbered
	version uint64 // of the newest View, of any bus
	buses   map[turnout.BusName]*bus

	published atomic.Pointer[map[turnout.BusName]*bus] // a copy of buses, never changed
}

// numbered is the target that a number names.
type numbered struct {
	rule turnout.RuleName
	id   string
}

// bus is one bus: its current View for everyone, the rest for the loop.
type bus struct {
	view  atomic.Pointer[View]
	rules map[string]*Rule
}

// View returns the newest View of a bus, nil if the bus does not exist or is
// a default bus that never had a rule or a setting. It may be called from any
// goroutine, and then is as new as the last change that was answered, or newer.
func (c *Catalog) View(name turnout.BusName) *View {
	if b := (*c.published.Load())[name]; b != nil {
		return b.view.Load()
	}
	return nil
}

// Current is View for the loop, where it is exact.
func (c *Catalog) Current(name turnout.BusName) *View {
	if b := c.buses[name]; b != nil {
		return b.view.Load()
	}
	return nil
}

// Bus returns the settings of a bus; ok is false if it does not exist. The
// default bus always does.
func (c *Catalog) Bus(name turnout.BusName) (b turnout.Bus, ok bool) {
	if v := c.Current(name); v != nil {
		return v.Bus, true
	}
	if name.Name != turnout.DefaultBus {
		return turnout.Bus{}, false
	}
	return turnout.Bus{BusName: name, CreatedAt: c.created, ModifiedAt: c.created}, true
}

// Buses returns the buses of a scope in no order, the default bus among them.
func (c *Catalog) Buses(scope turnout.Scope) []turnout.Bus {
	def, _ := c.Bus(turnout.BusName{Scope: scope, Name: turnout.DefaultBus})
	all := []turnout.Bus{def}
	for name, b := range c.buses {
		if name.Scope == scope && name.Name != turnout.DefaultBus {
			all = append(all, b.view.Load().Bus)
		}
	}
	return all
}

// BusCount returns the number of buses of a scope, the default bus among them.
func (c *Catalog) BusCount(scope turnout.Scope) int {
	n := 1
	for name := range c.buses {
		if name.Scope == scope && name.Name != turnout.DefaultBus {
			n++
		}
	}
	return n
}

// Rule returns a rule, nil if it or its bus does not exist.
func (c *Catalog) Rule(name turnout.RuleName) *Rule {
	if b := c.buses[name.Bus]; b != nil {
		return b.rules[name.Name]
	}
	return nil
}

// Rules returns the rules of a bus in no order.
func (c *Catalog) Rules(name turnout.BusName) []*Rule {
	b := c.buses[name]
	if b == nil {
		return nil
	}
	all := make([]*Rule, 0, len(b.rules))
	for _, r := range b.rules {
		all = append(all, r)
	}
	return all
}

// TargetByNumber returns the rule and id of the target with a number; ok is false if it is gone.
func (c *Catalog) TargetByNumber(number uint64) (rule turnout.RuleName, id string, ok bool) {
	n, ok := c.numbers[number]
	return n.rule, n.id, ok
}

// EachRule calls f for every rule of every bus, in no order.
func (c *Catalog) EachRule(f func(*Rule)) {
	for _, b := range c.buses {
		for _, r := range b.rules {
			f(r)
		}
	}
}

// RuleCount returns the number of rules on a bus.
func (c *Catalog) RuleCount(name turnout.BusName) int {
	if b := c.buses[name]; b != nil {
		return len(b.rules)
	}
	return 0
}

// PutBus creates a bus or changes its settings. LogConfig must be JSON or nil.
func (c *Catalog) PutBus(tx *partition.Tx, settings turnout.Bus) {
	tx.Batch.Set(busKey(settings.BusName), encodeBus(&settings))
	if !c.stored {
		c.storeMeta(tx)
	}
	if b := c.buses[settings.BusName]; b != nil {
		next := *b.view.Load()
		next.setBus(settings)
		c.publish(b, &next)
		return
	}
	c.add(settings)
	c.publishNames()
}

func (c *Catalog) storeMeta(tx *partition.Tx) {
	c.stored = true
	tx.Batch.Set(appendKey(nil, kindMeta), encode(metaRecord{
		Version: recordVersion, CreatedAt: c.created.UnixMilli(), TargetNumber: c.targets,
	}))
}

// add gives a bus its place in memory.
func (c *Catalog) add(settings turnout.Bus) {
	b := &bus{rules: make(map[string]*Rule)}
	v := &View{}
	v.setBus(settings)
	c.publish(b, v)
	c.buses[settings.BusName] = b
}

// DeleteBus removes a bus, which must have no rules.
func (c *Catalog) DeleteBus(tx *partition.Tx, name turnout.BusName) {
	tx.Batch.Delete(busKey(name))
	delete(c.buses, name)
	c.publishNames()
}

// PutRule creates a rule or replaces it. The bus must exist; r was made by
// NewRule from what Rule returns now, and must not be changed afterwards.
func (c *Catalog) PutRule(tx *partition.Tx, r *Rule) {
	if c.buses[r.Bus] == nil { // the first rule of a default bus
		settings, _ := c.Bus(r.Bus)
		c.PutBus(tx, settings)
	}
	b := c.buses[r.Bus]
	next := *b.view.Load()
	old := b.rules[r.Name]
	if r.CreatedAt = tx.Now; old != nil {
		r.CreatedAt = old.CreatedAt
	}
	tx.Batch.Set(ruleKey(r.RuleName), encodeRule(&r.Rule))
	if old == nil {
		next.addLayer(r)
	} else if old.place != r.place {
		next.drop(old)
		next.addLayer(r)
	}
	b.rules[r.Name] = r
	r.place.rule.Store(r)
	c.publish(b, &next)
}

// PutTargets changes the targets of a rule that exists: it adds each of
// targets or replaces the one with its id, which keeps its order.
func (c *Catalog) PutTargets(tx *partition.Tx, name turnout.RuleName, targets []*Target) {
	old := c.Rule(name)
	r := *old
	r.Targets = make([]*Target, len(old.Targets), len(old.Targets)+len(targets))
	copy(r.Targets, old.Targets)
	before := c.targets
	for _, t := range targets {
		i := r.target(t.ID)
		placed := *t
		if i < 0 {
			i = len(r.Targets)
			r.Targets = append(r.Targets, nil)
			placed.order = 1
			if i > 0 {
				placed.order = r.Targets[i-1].order + 1
			}
		} else {
			placed.order, placed.Number = r.Targets[i].order, r.Targets[i].Number
			if r.Targets[i].ARN != placed.ARN {
				delete(c.numbers, placed.Number)
				placed.Number = 0
			}
		}
		if placed.Number == 0 {
			c.targets++ // another receiver is another target in the history
			placed.Number = c.targets
		}
		r.Targets[i] = &placed
		c.numbers[placed.Number] = numbered{name, t.ID}
		tx.Batch.Set(targetKey(name, t.ID), encodeTarget(&placed))
	}
	if c.targets != before {
		c.storeMeta(tx)
	}
	c.replace(&r)
}

// RemoveTargets removes from a rule that exists the targets with the given
// ids; ids it does not have are ignored.
func (c *Catalog) RemoveTargets(tx *partition.Tx, name turnout.RuleName, ids []string) {
	old := c.Rule(name)
	r := *old
	r.Targets = append([]*Target(nil), old.Targets...)
	for _, id := range ids {
		if i := r.target(id); i >= 0 {
			delete(c.numbers, r.Targets[i].Number)
			r.Targets = append(r.Targets[:i], r.Targets[i+1:]...)
			tx.Batch.Delete(targetKey(name, id))
		}
	}
	c.replace(&r)
}

// replace puts a version of a rule that matches the same events in the place of the present one.
func (c *Catalog) replace(r *Rule) {
	b := c.buses[r.Bus]
	next := *b.view.Load()
	b.rules[r.Name] = r
	r.place.rule.Store(r)
	c.publish(b, &next)
}

// DeleteRule removes a rule that exists, which must have no targets.
func (c *Catalog) DeleteRule(tx *partition.Tx, name turnout.RuleName) {
	tx.Batch.Delete(ruleKey(name))
	b := c.buses[name.Bus]
	next := *b.view.Load()
	next.drop(b.rules[name.Name])
	delete(b.rules, name.Name)
	c.publish(b, &next)
}

// Reset removes everything.
func (c *Catalog) Reset(tx *partition.Tx) {
	tx.Batch.DeleteRange([]byte{prefix}, []byte{prefix + 1})
	clear(c.buses)
	clear(c.numbers)
	c.created = tx.Now
	c.storeMeta(tx) // numbers of targets are not given again
	c.publishNames()
}

// publish makes next the bus's View.
func (c *Catalog) publish(b *bus, next *View) {
	c.version++
	next.version = c.version
	b.view.Store(next)
}

// publishNames shows other goroutines which buses there are.
func (c *Catalog) publishNames() {
	names := maps.Clone(c.buses)
	c.published.Store(&names)
}
