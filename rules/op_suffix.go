package rules

import (
	"strings"

	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// suffix matches strings that end with a text; the empty one ends every string.
type suffix struct{ text string }

func (o suffix) matches(v *match.Value, _ *match.Scratch) bool {
	return v.Kind == rawjson.String && strings.HasSuffix(v.Text, o.text)
}
func (o suffix) index(x *match.Index, p match.Posting) { x.Suffix(o.text, p) }
func (o suffix) odds(int) float64                      { return textOdds(o.text) }
func (o suffix) appendTo(dst []byte) []byte            { return appendExpression(dst, "suffix", o.text) }

// foldedSuffix is suffix ignoring case.
type foldedSuffix struct{ text, folded string }

func (o foldedSuffix) matches(v *match.Value, s *match.Scratch) bool {
	return v.Kind == rawjson.String && strings.HasSuffix(s.Fold(v.Text), o.folded)
}
func (o foldedSuffix) index(x *match.Index, p match.Posting) { x.FoldedSuffix(o.folded, p) }
func (o foldedSuffix) odds(int) float64                      { return textOdds(o.text) }

func (o foldedSuffix) appendTo(dst []byte) []byte {
	dst = appendExpression(append(dst, `{"suffix":`...), "equals-ignore-case", o.folded)
	return append(dst, '}')
}

func parseSuffix(p *parser) (alternative, error) {
	text, ignoreCase, err := p.affix("suffix", "Suffix")
	if ignoreCase {
		return foldedSuffix{text, match.Fold(text)}, err
	}
	return suffix{text}, err
}
