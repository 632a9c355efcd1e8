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
