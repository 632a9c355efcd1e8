package match

import (
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// A Posting is what an [Index] answers when something it holds matches a value: a number of the caller's, from 0 up.
// A negative posting is a slot that [Index.Except] gave out.
type Posting int32

// An Index holds many comparisons, each with a posting, and finds those that a value satisfies without trying them
// one by one. Add everything, then [Index.Freeze]; after that it is immutable and may be shared by goroutines.
//
// How each kind is found, and the cost for a value of length n:
//
//   - equality, of strings, folded strings and numbers: a hash map
//   - prefixes and suffixes: one map look-up per distinct length held
//   - wildcards: a map from the rarest four characters of each to the wildcards that need them, looked up at every
//     position of the value; the few found are then tried. Wildcards without four literal characters in a row are
//     tried one by one
//   - numeric ranges: a segment tree over the sorted bounds
//   - networks: one map look-up per distinct prefix length held
//   - everything except some values: all excluded values go into the structures above; those slots that found nothing
//     match. This is linear in the number of slots, since nearly all of them do match
type Index struct {
	exact        map[string][]Posting
	few          []stringPosting // instead of exact while there are few
	literals     [3][]Posting    // true, false, null
	any          []Posting
	prefixes     byLength
	suffixes     byLength
	folded       map[string][]Posting
	foldedPrefix byLength
	foldedSuffix byLength
	globs        globIndex
	numbers      numberIndex
	networks     networkIndex
	exceptions   []Posting // by slot
	onlyExact    bool
}

// fewStrings is the number of strings up to which comparing each beats hashing the value.
const fewStrings = 6

type stringPosting struct {
	text     string
	postings []Posting
}

// Exact adds equality with a string.
func (x *Index) Exact(text string, p Posting) { x.exact = appendTo(x.exact, text, p) }

// Literal adds equality with true, false or null.
func (x *Index) Literal(kind rawjson.Kind, p Posting) {
	at := &x.literals[kind-rawjson.True]
	*at = append(*at, p)
}

// Any adds what every value satisfies.
func (x *Index) Any(p Posting) { x.any = append(x.any, p) }

// Prefix adds strings that begin with text.
func (x *Index) Prefix(text string, p Posting) { x.prefixes.add(text, p) }

// Suffix adds strings that end with text.
func (x *Index) Suffix(text string, p Posting) { x.suffixes.add(text, p) }

// Folded adds strings whose fold is folded.
func (x *Index) Folded(folded string, p Posting) { x.folded = appendTo(x.folded, folded, p) }

// FoldedPrefix adds strings whose fold begins with folded.
func (x *Index) FoldedPrefix(folded string, p Posting) { x.foldedPrefix.add(folded, p) }

// FoldedSuffix adds strings whose fold ends with folded.
func (x *Index) FoldedSuffix(folded string, p Posting) { x.foldedSuffix.add(folded, p) }

// Glob adds strings that fit a wildcard.
func (x *Index) Glob(g Glob, p Posting) { x.globs.add(g, p) }

// Except adds what every value satisfies for which nothing matches that is added with the returned posting.
func (x *Index) Except(p Posting) Posting {
	x.exceptions = append(x.exceptions, p)
	return Posting(-len(x.exceptions))
}

// Freeze ends the adding.
func (x *Index) Freeze() {
	x.onlyExact = len(x.any) == 0 && x.prefixes.empty() && x.suffixes.empty() && x.folded == nil &&
		x.foldedPrefix.empty() && x.foldedSuffix.empty() && len(x.globs.all) == 0 && x.networks.empty() &&
		len(x.exceptions) == 0
	if len(x.exact) <= fewStrings {
		for text, postings := range x.exact {
			x.few = append(x.few, stringPosting{text, postings})
		}
		x.exact = nil
	}
	x.globs.freeze()
	x.numbers.freeze()
}

// Find appends the postings that v satisfies to dst; one may appear more than once.
func (x *Index) Find(dst []Posting, v *Value, s *Scratch) []Posting {
	f := finding{dst: dst, scratch: s}
	s.nextRound(len(x.exceptions), len(x.globs.all))
	f.take(x.any)
	switch v.Kind {
	case rawjson.String:
		x.findString(&f, v.Text)
	case rawjson.Number:
		x.numbers.find(&f, v.Number())
	case rawjson.True, rawjson.False, rawjson.Null:
		f.take(x.literals[v.Kind-rawjson.True])
	default:
	}
	for slot, p := range x.exceptions {
		if s.failed[slot] != s.round {
			f.dst = append(f.dst, p)
		}
	}
	return f.dst
}

// finding is one search in progress.
type finding struct {
	dst     []Posting
	scratch *Scratch
}

// take notes that the value satisfies what has these postings.
func (f *finding) take(postings []Posting) {
	for _, p := range postings {
		f.takeOne(p)
	}
}

func (f *finding) takeOne(p Posting) {
	if p >= 0 {
		f.dst = append(f.dst, p)
		return
	}
	f.scratch.failed[-p-1] = f.scratch.round
}

func (x *Index) findString(f *finding, text string) {
	for i := range x.few {
		if x.few[i].text == text {
			f.take(x.few[i].postings)
		}
	}
	if x.exact != nil {
		f.take(x.exact[text])
	}
	if x.onlyExact {
		return
	}
	x.prefixes.findPrefixes(f, text)
	x.suffixes.findSuffixes(f, text)
	if x.folded != nil || !x.foldedPrefix.empty() || !x.foldedSuffix.empty() {
		folded := f.scratch.Fold(text)
		f.take(x.folded[folded])
		x.foldedPrefix.findPrefixes(f, folded)
		x.foldedSuffix.findSuffixes(f, folded)
	}
	x.globs.find(f, text)
	x.networks.find(f, text)
}

func appendTo[K comparable](m map[K][]Posting, k K, p Posting) map[K][]Posting {
	if m == nil {
		m = map[K][]Posting{}
	}
	m[k] = append(m[k], p)
	return m
}
