package rules

import (
	"strings"

	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// prefix matches strings that begin with a text; the empty one begins every string.
type prefix struct{ text string }

func (o prefix) matches(v *match.Value, _ *match.Scratch) bool {
	return v.Kind == rawjson.String && strings.HasPrefix(v.Text, o.text)
}
func (o prefix) index(x *match.Index, p match.Posting) { x.Prefix(o.text, p) }
func (o prefix) odds(int) float64                      { return textOdds(o.text) }
func (o prefix) appendTo(dst []byte) []byte            { return appendExpression(dst, "prefix", o.text) }

// textOdds is the odds of a part of a string.
func textOdds(text string) float64 {
	if text == "" {
		return 0.9
	}
	return 0.1
}

// foldedPrefix is prefix ignoring case.
type foldedPrefix struct{ text, folded string }

func (o foldedPrefix) matches(v *match.Value, s *match.Scratch) bool {
	return v.Kind == rawjson.String && strings.HasPrefix(s.Fold(v.Text), o.folded)
}
func (o foldedPrefix) index(x *match.Index, p match.Posting) { x.FoldedPrefix(o.folded, p) }
func (o foldedPrefix) odds(int) float64                      { return textOdds(o.text) }

func (o foldedPrefix) appendTo(dst []byte) []byte {
	dst = appendExpression(append(dst, `{"prefix":`...), "equals-ignore-case", o.folded)
	return append(dst, '}')
}

func parsePrefix(p *parser) (alternative, error) {
	text, ignoreCase, err := p.affix("prefix", "Prefix")
	if ignoreCase {
		return foldedPrefix{text, match.Fold(text)}, err
	}
	return prefix{text}, err
}

// affix reads the operand of prefix or suffix, a string or {"equals-ignore-case": string}, and the end of the
// expression.
func (p *parser) affix(word, title string) (text string, ignoreCase bool, err error) {
	kind, err := p.tokens.Next()
	if err != nil {
		return "", false, err
	}
	switch {
	case kind == rawjson.String:
		text = p.tokens.Text()
		return text, false, p.endOfExpression()
	case kind != rawjson.ObjectStart || p.limits.FilterPolicy:
		return "", false, p.fail("%s match pattern must be a string", word)
	}
	if err := p.expect(rawjson.Name, title+" expression name not found"); err != nil {
		return "", false, err
	}
	if inner := p.tokens.Text(); inner != "equals-ignore-case" {
		return "", false, p.fail("Unsupported %s pattern: %s", word, inner)
	}
	text, err = p.text("equals-ignore-case match pattern must be a string")
	if err != nil {
		return "", false, err
	}
	return text, true, p.endOfExpression()
}
