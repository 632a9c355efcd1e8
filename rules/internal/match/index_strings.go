package match

import (
	"slices"
)

// byLength holds the beginnings, or the ends, of strings: one map, and the distinct lengths to look up in it.
type byLength struct {
	lengths  []int // ascending
	postings map[string][]Posting
}

func (b *byLength) empty() bool { return len(b.lengths) == 0 }

func (b *byLength) add(text string, p Posting) {
	if at, found := slices.BinarySearch(b.lengths, len(text)); !found {
		b.lengths = slices.Insert(b.lengths, at, len(text))
	}
	b.postings = appendTo(b.postings, text, p)
}

func (b *byLength) findPrefixes(f *finding, text string) {
	for _, n := range b.lengths {
		if n > len(text) {
			return
		}
		f.take(b.postings[text[:n]])
	}
}

func (b *byLength) findSuffixes(f *finding, text string) {
	for _, n := range b.lengths {
		if n > len(text) {
			return
		}
		f.take(b.postings[text[len(text)-n:]])
	}
}

// A gram is four characters of a literal text.
type gram [4]byte

// globIndex finds wildcards. A wildcard can only match a text that has all of its grams, so looking for one of them,
// the one that fewest others have, leaves few to be tried.
type globIndex struct {
	all    []globPosting
	byGram map[gram][]int32 // indexes of all
	rest   []int32          // those without a gram, or all while there are few
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
	shared := map[gram]int{}
	for i := range x.all {
		for g := range x.all[i].glob.grams {
			shared[g]++
		}
	}
	x.byGram = make(map[gram][]int32, len(x.all))
	for i := range x.all {
		var rarest gram
		best := 0
		for g := range x.all[i].glob.grams {
			if best == 0 || shared[g] < best {
				rarest, best = g, shared[g]
			}
		}
		if best == 0 {
			x.rest = append(x.rest, int32(i))
			continue
		}
		x.byGram[rarest] = append(x.byGram[rarest], int32(i))
	}
}

// grams calls yield with every gram of the literal parts.
func (g Glob) grams(yield func(gram) bool) {
	for _, part := range g.Parts {
		for i := 0; i+4 <= len(part); i++ {
			if !yield(gram([]byte(part[i : i+4]))) {
				return
			}
		}
	}
}

func (x *globIndex) find(f *finding, text string) {
	x.try(f, text, x.rest)
	if x.byGram == nil {
		return
	}
	for i := 0; i+4 <= len(text); i++ {
		x.try(f, text, x.byGram[gram{text[i], text[i+1], text[i+2], text[i+3]}])
	}
}

func (x *globIndex) try(f *finding, text string, candidates []int32) {
	for _, i := range candidates {
		if f.scratch.tried[i] == f.scratch.round {
			continue // the gram occurs twice in the text
		}
		f.scratch.tried[i] = f.scratch.round
		if g := &x.all[i]; g.glob.Match(text) {
			f.takeOne(g.posting)
		}
	}
}
