package match

import "github.com/seed567880c8/turnout/rules/internal/rawjson"

// A Value is one leaf of an event: a string, number, true, false or null.
type Value struct {
	Kind rawjson.Kind
	// Text is the characters of a string, escapes decoded, or a number as it was written; empty otherwise.
	Text string

	number rawjson.Decimal
	parsed bool
}

// Number returns the value of a value of kind Number. It parses the text once.
func (v *Value) Number() *rawjson.Decimal {
	if !v.parsed {
		v.number = rawjson.ParseDecimal(v.Text)
		v.parsed = true
	}
	return &v.number
}

// A Scratch is memory that comparisons need, kept from one value to the next. It must not be shared by goroutines.
type Scratch struct {
	folded []byte
	round  uint32
	failed []uint32 // per exclusion slot of the index in use, the round in which an excluded value was found
	tried  []uint32 // per wildcard of the index in use, the round in which it was tried
}

// Fold returns text as [AppendFold] makes it, valid until the next call.
func (s *Scratch) Fold(text string) string {
	s.folded = AppendFold(s.folded[:0], text)
	return rawjson.View(s.folded)
}

// nextRound forgets what was noted for the value before and makes room for an index with so many exclusion slots and
// wildcards.
func (s *Scratch) nextRound(slots, globs int) {
	if len(s.failed) < slots {
		s.failed = make([]uint32, 2*slots)
	}
	if len(s.tried) < globs {
		s.tried = make([]uint32, 2*globs)
	}
	if s.round++; s.round == 0 {
		clear(s.failed)
		clear(s.tried)
		s.round = 1
	}
}
