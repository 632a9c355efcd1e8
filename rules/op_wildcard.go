package rules

import (
	"strings"

	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// wildcard matches strings that fit a text in which * stands for any run of characters. \* and \\ stand for the
// characters * and \.
type wildcard struct {
	text string
	glob match.Glob
}

func (o wildcard) matches(v *match.Value, _ *match.Scratch) bool {
	return v.Kind == rawjson.String && o.glob.Match(v.Text)
}
func (o wildcard) index(x *match.Index, p match.Posting) { x.Glob(o.glob, p) }
func (o wildcard) odds(int) float64 {
	return textOdds(strings.Join(o.glob.Parts, ""))
}
func (o wildcard) appendTo(dst []byte) []byte { return appendExpression(dst, "wildcard", o.text) }

const wildcardNotString = "wildcard match pattern must be a string"

func parseWildcard(p *parser) (alternative, error) {
	if err := p.expect(rawjson.String, wildcardNotString); err != nil {
		return nil, err
	}
	o, err := p.wildcard(p.tokens.Text())
	if err != nil {
		return nil, err
	}
	return o, p.endOfExpression()
}

// wildcard takes a wildcard text apart. AWS counts positions in bytes from the quote before the text.
func (p *parser) wildcard(text string) (wildcard, error) {
	var parts []string
	var part []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		next := byte(0)
		if i+1 < len(text) {
			next = text[i+1]
		}
		switch {
		case c == '*' && next == '*':
			return wildcard{}, p.fail("Consecutive wildcard characters at pos %d", i+1)
		case c == '*':
			parts = append(parts, string(part))
			part = part[:0]
		case c == '\\' && next != '*' && next != '\\':
			return wildcard{}, p.fail("Invalid escape character at pos %d", i+1)
		case c == '\\':
			part = append(part, next)
			i++
		default:
			part = append(part, c)
		}
	}
	return wildcard{text, match.Glob{Parts: append(parts, string(part))}}, nil
}

// anythingButAllowance is how many times more complex wildcards may be inside anything-but. AWS's engine does not count
// those; there is a bound only so that the cost of one value has one.
const anythingButAllowance = 10

// checkWildcards refuses a list of alternatives whose wildcards are too complex together.
func (p *parser) checkWildcards(c *condition) error {
	var globs []match.Glob
	for _, a := range c.alternatives {
		switch o := a.(type) {
		case wildcard:
			globs = append(globs, o.glob)
		case anythingBut:
			var excluded []match.Glob
			for _, e := range o.excluded {
				if w, ok := e.(wildcard); ok {
					excluded = append(excluded, w.glob)
				}
			}
			if complexity(excluded) > anythingButAllowance*p.limits.WildcardComplexity {
				return p.tooComplex()
			}
		}
	}
	if complexity(globs) > p.limits.WildcardComplexity {
		return p.tooComplex()
	}
	return nil
}

func (p *parser) tooComplex() error {
	return p.failNowhere("Rule is too complex - try using fewer wildcard characters or " +
		"fewer repeating character sequences after a wildcard character")
}

// complexity returns an upper bound for the number of beginnings of these wildcard texts that some value matches at
// once, the measure of AWS's engine: each * that the value has reached counts, and so does each part of the text
// behind it that the value ends with. Texts whose beginnings before the first * exclude each other are not added up.
func complexity(globs []match.Glob) int {
	most := 0
	for _, g := range globs {
		start := g.Parts[0]
		sum := 0
		for _, h := range globs {
			if strings.HasPrefix(start, h.Parts[0]) && len(h.Parts) > 1 {
				for _, part := range h.Parts[1:] {
					sum += 1 + overlaps(part)
				}
			}
		}
		most = max(most, sum)
	}
	return most
}

// overlaps returns the largest number of non-empty beginnings of text that end at the same place in some value.
func overlaps(text string) int {
	// border[i] is the length of the longest proper beginning of text[:i] that is also its end; count[i] how many
	// beginnings of text, text[:i] included, are ends of text[:i].
	border := make([]int, len(text)+1)
	count := make([]int, len(text)+1)
	most := 0
	for i := 1; i <= len(text); i++ {
		if i > 1 {
			b := border[i-1]
			for b > 0 && text[b] != text[i-1] {
				b = border[b]
			}
			if text[b] == text[i-1] {
				b++
			}
			border[i] = b
		}
		count[i] = count[border[i]] + 1
		most = max(most, count[i])
	}
	return most
}
