package catalog

import (
	"slices"

	"github.com/seed567880c8/turnout"
)

// Compaction is a merge of the newest layers of a bus into one. View.Compaction
// and View.Merge find what to do and Do does it, on any goroutine;
// Catalog.Install makes it take effect on the loop.
type Compaction struct {
	bus    turnout.BusName
	from   int
	old    []*layer
	merged *layer
}

// ratio bounds the layers of a bus: each holds more than ratio times as many
// places as all newer ones, so n rules have about log4(n) layers to match
// against, and a rule is compiled again a few dozen times at most while the bus grows to n rules.
const ratio = 4

// small is a number of rules that are compiled together whatever the ratio: it
// takes less than a millisecond, and most buses have no more.
const small = 64

// deadMin is how many empty places a bus may have before they count: matching
// finds them and passes them over.
const deadMin = 64

// Compaction returns the merge of at most sizeMax rules that a bus deserves,
// nil if none.
func (v *View) Compaction(sizeMax int) *Compaction {
	if v == nil || len(v.layers) == 0 {
		return nil
	}
	if total := v.placeCount(); v.dead > deadMin && v.dead > total/2 && total <= sizeMax {
		return v.Merge()
	}
	from := len(v.layers) - 1
	newer := len(v.layers[from].places)
	for from > 0 {
		next := len(v.layers[from-1].places)
		if next > ratio*newer && next+newer > small || next+newer > sizeMax {
			break
		}
		from--
		newer += next
	}
	if from == len(v.layers)-1 {
		return nil
	}
	return &Compaction{bus: v.Bus.BusName, from: from, old: v.layers[from:]}
}

// Merge returns the merge of all layers into one, nil if that is done. It is for
// a bus that has not changed for a while: every layer that is left costs each
// event a pass over its text.
func (v *View) Merge() *Compaction {
	if v == nil || len(v.layers) < 2 && v.dead == 0 {
		return nil
	}
	return &Compaction{bus: v.Bus.BusName, from: 0, old: v.layers}
}

// Do compiles the merged layer. It may run on any goroutine.
func (c *Compaction) Do() {
	var places []*place
	for _, l := range c.old {
		for _, p := range l.places {
			if p.rule.Load() != nil {
				places = append(places, p)
			}
		}
	}
	c.merged = newLayer(places)
}

// Install puts the merged layer in the place of the old ones, on the loop. The
// version stays, because what matches is the same. It does nothing if another
// compaction was installed in between; layers added on top do not matter.
func (c *Catalog) Install(done *Compaction) {
	b := c.buses[done.bus]
	if b == nil {
		return
	}
	next := *b.view.Load()
	end := done.from + len(done.old)
	if len(next.layers) < end || !slices.Equal(next.layers[done.from:end], done.old) {
		return
	}
	layers := slices.Clone(next.layers[:done.from])
	if len(done.merged.places) > 0 {
		layers = append(layers, done.merged)
	}
	next.layers = append(layers, next.layers[end:]...)
	next.dead = 0
	for _, l := range next.layers {
		for _, p := range l.places {
			if p.rule.Load() == nil {
				next.dead++
			}
		}
	}
	b.view.Store(&next)
}
