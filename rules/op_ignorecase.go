package rules

import (
	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// ignoreCase is equality with a string up to case, by Unicode's simple case folding.
type ignoreCase struct{ folded string }

func (o ignoreCase) matches(v *match.Value, s *match.Scratch) bool {
	return v.Kind == rawjson.String && s.Fold(v.Text) == o.folded
}
func (o ignoreCase) index(x *match.Index, p match.Posting) { x.Folded(o.folded, p) }
func (o ignoreCase) odds(distinct int) float64             { return oneOf(distinct) }
func (o ignoreCase) appendTo(dst []byte) []byte {
	return appendExpression(dst, "equals-ignore-case", o.folded)
}

func parseIgnoreCase(p *parser) (alternative, error) {
	text, err := p.text("equals-ignore-case match pattern must be a string")
	return ignoreCase{match.Fold(text)}, err
}
