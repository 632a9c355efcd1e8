package match

// A gram is four characters of a literal text.
type gram uint32

// globIndex finds wildcards. A wildcard can only match a text that has all of its grams, so looking for one of them,
// the one that fewest others have, leaves few to be tried.
type globIndex struct {
	all    []globPosting
	byGram gramTable
	rest   []int32 // indexes of all: those without a gram, or all while there are few
}

type globPosting struct {
	glob    Glob
	posting Posting
}

// fewGlobs is the number of wildcards up to which trying each beats looking at every gram of the value.
const fewGlobs = 8

func (x *globIndex) add(g Glob, p Posting) { x.all = append(x.all, globPosting{g, p}) }

func (x *globIndex) freeze() {
	if len(x.all) <= fewGlobs {
		for i := range x.all {
			x.rest = append(x.rest, int32(i))
		}
		return
	}
	shared := make(map[gram]int, len(x.all))
	for i := range x.all {
		for g := range x.all[i].glob.grams {
			shared[g]++
		}
	}
	var found []gramGlob
	var grams []gram
	for i := range x.all {
		best := 0
		var rarest gram
		entry := gramGlob{glob: int32(i)}
		for g, behind := range x.all[i].glob.grams {
			if best == 0 || shared[g] < best {
				rarest, best = g, shared[g]
				entry.behind, entry.mask = gramOf(behind)
			}
		}
		if best == 0 {
			x.rest = append(x.rest, int32(i))
			continue
		}
		found, grams = append(found, entry), append(grams, rarest)
	}
	x.byGram.fill(grams, found)
}

// grams calls yield with every gram of the literal parts, and what is behind it in its part.
func (g Glob) grams(yield func(g gram, behind string) bool) {
	for _, part := range g.Parts {
		for i := 0; i+4 <= len(part); i++ {
			if first, _ := gramOf(part[i:]); !yield(first, part[i+4:]) {
				return
			}
		}
	}
}

// gramOf returns the first four characters of text, and which of their bits count if they are fewer.
func gramOf(text string) (g, mask gram) {
	for i := range min(4, len(text)) {
		g |= gram(text[i]) << (8 * i)
		mask |= 0xFF << (8 * i)
	}
	return g, mask
}

func (x *globIndex) find(f *finding, text string) {
	for _, i := range x.rest {
		x.try(f, text, i)
	}
	if len(x.byGram.slots) == 0 || len(text) < 4 {
		return
	}
	g := gram(text[0])<<8 | gram(text[1])<<16 | gram(text[2])<<24
	for i := 3; i < len(text); i++ {
		g = g>>8 | gram(text[i])<<24
		if !x.byGram.may(g) {
			continue
		}
		candidates := x.byGram.find(g)
		if len(candidates) == 0 {
			continue
		}
		behind, _ := gramOf(text[i+1:])
		for j := range candidates {
			if c := &candidates[j]; behind&c.mask == c.behind {
				x.try(f, text, c.glob)
			}
		}
	}
}

func (x *globIndex) try(f *finding, text string, i int32) {
	if f.scratch.tried[i] == f.scratch.round {
		return // the gram occurs twice in the text
	}
	f.scratch.tried[i] = f.scratch.round
	if g := &x.all[i]; g.glob.Match(text) {
		f.takeOne(g.posting)
	}
}

// A gramGlob is a wildcard that needs a gram, with up to four characters that it needs behind that: most of those found
// by the gram alone are refused by them, without a look at the wildcard itself.
type gramGlob struct {
	glob         int32
	behind, mask gram
}

// gramTable is a hash table from grams to wildcards. Nearly all grams of a value are in no wildcard; filter, which has a
// bit for each gram and few others, says so at the cost of one look into little memory.
type gramTable struct {
	filter []uint64
	slots  []gramSlot
	globs  []gramGlob // runs of those with the same gram
}

type gramSlot struct {
	gram     gram
	from, to int32 // of globs; an empty run is a free slot
}

func (g gram) hash() uint64 { return uint64(g) * 0x9E3779B97F4A7C15 }

// fill makes the table: globs[i] is found by grams[i].
func (t *gramTable) fill(grams []gram, globs []gramGlob) {
	count := make(map[gram]int32, len(grams))
	for _, g := range grams {
		count[g]++
	}
	t.globs = make([]gramGlob, len(globs))
	size := 64
	for size < 2*len(count) {
		size *= 2
	}
	t.slots, t.filter = make([]gramSlot, size), make([]uint64, size/4)
	at := int32(0)
	for i, g := range grams {
		s := t.slot(g)
		if s.from == s.to { // the first with this gram makes room for all
			*s = gramSlot{g, at, at}
			at += count[g]
			bit := t.bit(g)
			t.filter[bit/64] |= 1 << (bit % 64)
		}
		t.globs[s.to] = globs[i]
		s.to++
	}
}

func (t *gramTable) slot(g gram) *gramSlot {
	mask := uint64(len(t.slots) - 1)
	for at := g.hash() >> 32 & mask; ; at = (at + 1) & mask {
		if s := &t.slots[at]; s.gram == g || s.from == s.to {
			return s
		}
	}
}

func (t *gramTable) bit(g gram) uint64 { return g.hash() >> 24 & uint64(64*len(t.filter)-1) }

// may reports whether there may be wildcards with the gram.
func (t *gramTable) may(g gram) bool {
	bit := t.bit(g)
	return t.filter[bit/64]>>(bit%64)&1 != 0
}

// find returns the wildcards with the gram.
func (t *gramTable) find(g gram) []gramGlob {
	s := t.slot(g)
	return t.globs[s.from:s.to]
}
