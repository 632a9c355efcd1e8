package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/internal/store"
)

// Load reads the catalog that r holds and compiles it. now becomes the
// creation time of the default buses if r holds none yet.
func Load(r store.Reader, now time.Time) (*Catalog, error) {
	c := &Catalog{created: now, buses: make(map[turnout.BusName]*bus), numbers: make(map[uint64]numbered)}
	l := loader{catalog: c}
	pairs, failed := r.Scan([]byte{prefix}, []byte{prefix + 1})
	for key, value := range pairs {
		if err := l.record(key, value); err != nil {
			return nil, err
		}
	}
	if err := failed(); err != nil {
		return nil, fmt.Errorf("catalog: read the configuration: %w", err)
	}
	for _, b := range c.buses {
		l.finish(b)
	}
	c.publishNames()
	return c, nil
}

// loader takes records in the order of their keys.
type loader struct {
	catalog *Catalog
}

func (l *loader) record(key, value []byte) error {
	kind, names, err := splitKey(key)
	if err != nil {
		return err
	}
	switch kind {
	case kindMeta:
		return l.meta(key, value)
	case kindBus:
		return l.bus(busOf(names), key, value)
	case kindRule:
		return l.rule(ruleOf(names), key, value)
	default:
		return l.target(ruleOf(names), names[4], key, value)
	}
}

func (l *loader) meta(key, value []byte) error {
	m, err := decode[metaRecord](key, value)
	if err != nil {
		return err
	}
	l.catalog.created, l.catalog.stored = time.UnixMilli(m.CreatedAt).UTC(), true
	l.catalog.targets = m.TargetNumber
	return nil
}

func (l *loader) bus(name turnout.BusName, key, value []byte) error {
	r, err := decode[busRecord](key, value)
	if err != nil {
		return err
	}
	l.catalog.add(r.bus(name))
	return nil
}

func (l *loader) rule(name turnout.RuleName, key, value []byte) error {
	record, err := decode[ruleRecord](key, value)
	if err != nil {
		return err
	}
	b := l.catalog.buses[name.Bus]
	if b == nil {
		return fmt.Errorf("catalog: rule %s has no bus", name.ARN())
	}
	r, err := parseRule(record.rule(name))
	if err != nil {
		return fmt.Errorf("catalog: load rule %s: %w", name.ARN(), err)
	}
	b.rules[name.Name] = r
	return nil
}

func (l *loader) target(name turnout.RuleName, id string, key, value []byte) error {
	record, err := decode[targetRecord](key, value)
	if err != nil {
		return err
	}
	r := l.catalog.Rule(name)
	if r == nil {
		return fmt.Errorf("catalog: target %s has no rule %s", id, name.ARN())
	}
	t, err := NewTarget(record.target(id))
	if err != nil {
		return fmt.Errorf("catalog: load target %s of rule %s: %w", id, name.ARN(), err)
	}
	t.order, t.Number = record.Order, record.Number
	l.catalog.numbers[t.Number] = numbered{name, id}
	r.Targets = append(r.Targets, t)
	return nil
}

// finish compiles all rules of a bus into one layer.
func (l *loader) finish(b *bus) {
	next := *b.view.Load()
	places := make([]*place, 0, len(b.rules))
	for _, r := range b.rules {
		slices.SortFunc(r.Targets, func(a, b *Target) int { return cmp.Compare(a.order, b.order) })
		r.place.rule.Store(r)
		if r.place.pattern != nil {
			places = append(places, r.place)
		}
	}
	if len(places) > 0 {
		next.layers = []*layer{newLayer(places)}
	}
	l.catalog.publish(b, &next)
}
