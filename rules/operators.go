package rules

import (
	"github.com/seed567880c8/turnout/rules/internal/engine"
	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// An alternative is one entry of the list a pattern gives for a field: a plain value, or a match expression such as
// {"prefix": "a"}. A field is satisfied if any alternative is. Each operator makes its own kind, in a file op_*.go
// that holds its parsing, its test and its way into the index.
//
// An alternative is immutable.
type alternative interface {
	// matches tests one value of the field.
	matches(v *match.Value, s *match.Scratch) bool
	// index enters the alternative into the index of the field's values: p must be found for every value that
	// matches, and no other.
	index(x *match.Index, p match.Posting)
	// odds estimates how probable it is that a value of the field matches, from 0 to 1; distinct is the number of
	// exact values that patterns compare the field with.
	odds(distinct int) float64
	// appendTo appends the alternative much as it stands in a pattern. Two alternatives of a field that append the same
	// are the same.
	appendTo(dst []byte) []byte
}

// An operator is an entry of the table of operators.
type operator struct {
	// word is the key of the match expression.
	word string
	// parse reads the operand and the end of the expression.
	parse func(*parser) (alternative, error)
	// eventsOnly says that filter policies do not have the operator.
	eventsOnly bool
}

// operators returns the table. A new operator is a file op_*.go, a line here, and a section of docs/PATTERNS.md.
func operators() []operator {
	return []operator{
		{word: "exactly", parse: parseExactly, eventsOnly: true},
		{word: "exists", parse: parseExists},
		{word: "prefix", parse: parsePrefix},
		{word: "suffix", parse: parseSuffix},
		{word: "equals-ignore-case", parse: parseIgnoreCase},
		{word: "wildcard", parse: parseWildcard, eventsOnly: true},
		{word: "anything-but", parse: parseAnythingBut},
		{word: "numeric", parse: parseNumeric},
		{word: "cidr", parse: parseCIDR},
	}
}

// A condition is the list of alternatives of a field.
type condition struct {
	alternatives []alternative // for the field's values
	optional     bool          // {"exists": false} is among the alternatives
	key          string        // all of them, as appendTo makes it
}

var _ engine.Condition = (*condition)(nil)

// Key implements [engine.Condition].
func (c *condition) Key() string { return c.key }

// Optional implements [engine.Condition].
func (c *condition) Optional() bool { return c.optional }

// ExactOnly implements [engine.Condition].
func (c *condition) ExactOnly() bool {
	for _, a := range c.alternatives {
		switch a.(type) {
		case exact, exactly, number, literal:
		default:
			return false
		}
	}
	return true
}

// Values implements [engine.Condition].
func (c *condition) Values() int {
	n := 0
	for _, a := range c.alternatives {
		switch a.(type) {
		case exact, exactly, ignoreCase, number, address:
			n++
		}
	}
	return n
}

// Odds implements [engine.Condition].
func (c *condition) Odds(values int) float64 {
	odds := 0.0
	for _, a := range c.alternatives {
		odds += a.odds(values)
	}
	return odds
}

// Cost implements [engine.Condition].
func (c *condition) Cost() int {
	n := 0
	for _, a := range c.alternatives {
		n += alternativeCost(a)
	}
	return max(1, n) // asking for a field's absence is a comparison too
}

func alternativeCost(a alternative) int {
	switch a := a.(type) {
	case wildcard:
		return len(a.glob.Parts)
	case anythingBut:
		n := 0
		for _, e := range a.excluded {
			n += alternativeCost(e)
		}
		return n
	default:
		return 1
	}
}

// Index implements [engine.Condition].
func (c *condition) Index(x *match.Index, p match.Posting) {
	for _, a := range c.alternatives {
		a.index(x, p)
	}
}

// Matches implements [engine.Condition].
func (c *condition) Matches(v *match.Value, s *match.Scratch) bool {
	for _, a := range c.alternatives {
		if a.matches(v, s) {
			return true
		}
	}
	return false
}

// condition reads the list of alternatives behind its opening bracket.
func (p *parser) condition() (*condition, error) {
	c := &condition{}
	key := p.key[:0]
	for first := true; ; first = false {
		kind, err := p.tokens.Next()
		if err != nil {
			return nil, err
		}
		if kind == rawjson.ArrayEnd {
			if first {
				return nil, p.fail("Empty arrays are not allowed")
			}
			break
		}
		a, err := p.alternative(kind)
		if err != nil {
			return nil, err
		}
		if _, ok := a.(absent); ok {
			c.optional = true
		} else {
			c.alternatives = append(c.alternatives, a)
		}
		key = append(a.appendTo(key), ',')
	}
	c.key, p.key = string(key), key
	return c, p.checkWildcards(c)
}

// alternative reads one entry of the list, whose first token is of that kind.
func (p *parser) alternative(kind rawjson.Kind) (alternative, error) {
	switch kind {
	case rawjson.String:
		return plainString(p.tokens.Text()), nil
	case rawjson.Number:
		return number{rawjson.ParseDecimal(p.tokens.Text())}, nil
	case rawjson.True, rawjson.False, rawjson.Null:
		return literal{kind}, nil
	case rawjson.ObjectStart:
		return p.expression()
	default:
		return nil, p.fail("Match value must be String, number, true, false, or null")
	}
}

// expression reads a match expression behind its opening brace.
func (p *parser) expression() (alternative, error) {
	if err := p.expect(rawjson.Name, "Match expression name not found"); err != nil {
		return nil, err
	}
	word := p.tokens.Text()
	for _, o := range operators() {
		if o.word == word && !(o.eventsOnly && p.limits.FilterPolicy) {
			return o.parse(p)
		}
	}
	return nil, p.fail("Unrecognized match type %s", word)
}

// text reads a string and the end of the match expression: the whole operand of most operators.
func (p *parser) text(otherwise string) (string, error) {
	if err := p.expect(rawjson.String, otherwise); err != nil {
		return "", err
	}
	text := p.tokens.Text()
	return text, p.endOfExpression()
}

func (p *parser) endOfExpression() error {
	return p.expect(rawjson.ObjectEnd, "Only one key allowed in match expression")
}

// appendExpression appends a match expression with one string for its operand.
func appendExpression(dst []byte, word, operand string) []byte {
	dst = append(dst, '{')
	dst = rawjson.AppendQuoted(dst, word)
	dst = append(dst, ':')
	dst = rawjson.AppendQuoted(dst, operand)
	return append(dst, '}')
}
