package rules

import (
	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// numeric matches numbers in a range.
type numeric struct{ rng match.Range }

func (o numeric) matches(v *match.Value, _ *match.Scratch) bool {
	return v.Kind == rawjson.Number && o.rng.Contains(v.Number())
}
func (o numeric) index(x *match.Index, p match.Posting) { x.Range(o.rng, p) }
func (o numeric) odds(int) float64                      { return 0.3 }

func (o numeric) appendTo(dst []byte) []byte {
	dst = append(dst, `{"numeric":[`...)
	if b := o.rng.Low; b.Set {
		dst = appendBound(dst, '>', b)
	}
	if b := o.rng.High; b.Set {
		dst = appendBound(dst, '<', b)
	}
	return append(dst, "]}"...)
}

func appendBound(dst []byte, sign byte, b match.Bound) []byte {
	dst = append(dst, '"', sign)
	if !b.Open {
		dst = append(dst, '=')
	}
	dst = append(dst, `",`...)
	dst = append(dst, b.At.Text()...)
	return append(dst, ',')
}

func parseNumeric(p *parser) (alternative, error) {
	if err := p.expect(rawjson.ArrayStart, "Value of numeric must be an array."); err != nil {
		return nil, err
	}
	o, err := p.comparison()
	if err != nil {
		return nil, err
	}
	return o, p.expect(rawjson.ObjectEnd, tooManyElements)
}

const tooManyElements = "Too many elements in numeric expression"

// comparison reads the array behind numeric: a comparison, or one from below and one from above.
func (p *parser) comparison() (alternative, error) {
	kind, err := p.tokens.Next()
	if err != nil {
		return nil, err
	}
	if kind != rawjson.String {
		return nil, p.fail("Invalid member in numeric match: %s", p.tokens.Text())
	}
	switch sign := p.tokens.Text(); sign {
	case "=":
		n, err := p.operand("equals")
		if err != nil {
			return nil, err
		}
		return number{n}, p.expect(rawjson.ArrayEnd, tooManyElements)
	case "<", "<=":
		n, err := p.operand(sign)
		if err != nil {
			return nil, err
		}
		high := match.Bound{At: n, Open: sign == "<", Set: true}
		return numeric{match.Range{High: high}}, p.expect(rawjson.ArrayEnd, tooManyElements)
	case ">", ">=":
		n, err := p.operand(sign)
		if err != nil {
			return nil, err
		}
		return p.upperEnd(match.Bound{At: n, Open: sign == ">", Set: true})
	default:
		// Jackson has read the operand when AWS notices the sign.
		if _, err := p.tokens.Next(); err != nil {
			return nil, err
		}
		return nil, p.fail("Unrecognized numeric range operator: %s", sign)
	}
}

// upperEnd reads what follows a lower bound: nothing, or an upper bound.
func (p *parser) upperEnd(low match.Bound) (alternative, error) {
	kind, err := p.tokens.Next()
	if err != nil {
		return nil, err
	}
	if kind == rawjson.ArrayEnd {
		return numeric{match.Range{Low: low}}, nil
	}
	if kind != rawjson.String {
		return nil, p.fail("Bad value in numeric range: %s", p.tokens.Text())
	}
	sign := p.tokens.Text()
	if sign != "<" && sign != "<=" {
		return nil, p.fail("Bad numeric range operator: %s", sign)
	}
	n, err := p.operand(sign)
	if err != nil {
		return nil, err
	}
	if err := p.expect(rawjson.ArrayEnd, "Too many terms in numeric range expression"); err != nil {
		return nil, err
	}
	if low.At.Compare(&n) >= 0 {
		return nil, p.fail("Bottom must be less than top")
	}
	return numeric{match.Range{Low: low, High: match.Bound{At: n, Open: sign == "<", Set: true}}}, nil
}

// operand reads the number behind a sign.
func (p *parser) operand(sign string) (rawjson.Decimal, error) {
	if err := p.expect(rawjson.Number, "Value of "+sign+" must be numeric"); err != nil {
		return rawjson.Decimal{}, err
	}
	return p.comparableNumber()
}

// comparableNumber returns the number read last, if AWS can compare it: if a float64 holds it.
func (p *parser) comparableNumber() (rawjson.Decimal, error) {
	n := rawjson.ParseDecimal(p.tokens.Text())
	if !n.Representable() {
		return n, p.fail("Cannot compare number : %s", n.Text())
	}
	return n, nil
}
