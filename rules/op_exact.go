package rules

import (
	"net/netip"

	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// exact is equality with a string.
type exact struct{ text string }

func (o exact) matches(v *match.Value, _ *match.Scratch) bool {
	return v.Kind == rawjson.String && v.Text == o.text
}
func (o exact) index(x *match.Index, p match.Posting) { x.Exact(o.text, p) }
func (o exact) odds(distinct int) float64             { return oneOf(distinct) }
func (o exact) appendTo(dst []byte) []byte            { return rawjson.AppendQuoted(dst, o.text) }

// oneOf is the odds of one of so many known values.
func oneOf(distinct int) float64 { return 1 / float64(distinct+1) }

// plainString returns the alternative that a string in the list stands for. A string that is an IP address stands for
// the address, however the event writes it, as in AWS.
func plainString(text string) alternative {
	if a, ok := match.ParseAddress(text); ok {
		return address{network{netip.PrefixFrom(a, a.BitLen())}}
	}
	return exact{text}
}

// address is equality with an IP address, as text or written another way.
type address struct{ network }

func (o address) odds(distinct int) float64 { return oneOf(distinct) }
func (o address) appendTo(dst []byte) []byte {
	return rawjson.AppendQuoted(dst, o.prefix.Addr().String())
}

// number is equality with a number by value.
type number struct{ value rawjson.Decimal }

func (o number) matches(v *match.Value, _ *match.Scratch) bool {
	return v.Kind == rawjson.Number && v.Number().Equal(&o.value)
}
func (o number) index(x *match.Index, p match.Posting) { x.Equal(o.value, p) }
func (o number) odds(distinct int) float64             { return oneOf(distinct) }
func (o number) appendTo(dst []byte) []byte            { return append(dst, o.value.Text()...) }

// literal is equality with true, false or null.
type literal struct{ kind rawjson.Kind }

func (o literal) matches(v *match.Value, _ *match.Scratch) bool { return v.Kind == o.kind }
func (o literal) index(x *match.Index, p match.Posting)         { x.Literal(o.kind, p) }
func (o literal) odds(int) float64                              { return 0.3 }

func (o literal) appendTo(dst []byte) []byte {
	switch o.kind {
	case rawjson.True:
		return append(dst, "true"...)
	case rawjson.False:
		return append(dst, "false"...)
	default:
		return append(dst, "null"...)
	}
}

// exactly is equality with a string, written as an expression: AWS's engine has it, its documentation does not. Unlike
// a plain string it is never an address.
type exactly struct{ exact }

func (o exactly) appendTo(dst []byte) []byte { return appendExpression(dst, "exactly", o.text) }

func parseExactly(p *parser) (alternative, error) {
	text, err := p.text("exact match pattern must be a string")
	return exactly{exact{text}}, err
}
