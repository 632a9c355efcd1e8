package rules

import (
	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// anythingBut matches every value, of whatever kind, that none of the excluded alternatives matches. It needs a value:
// an absent field does not match. Of an array one element that is not excluded is enough.
type anythingBut struct {
	excluded []alternative
	form     string // the operator inside, empty for plain values
}

func (o anythingBut) matches(v *match.Value, s *match.Scratch) bool {
	for _, e := range o.excluded {
		if e.matches(v, s) {
			return false
		}
	}
	return true
}

func (o anythingBut) index(x *match.Index, p match.Posting) {
	slot := x.Except(p)
	for _, e := range o.excluded {
		e.index(x, slot)
	}
}

func (o anythingBut) odds(int) float64 { return 0.95 }

func (o anythingBut) appendTo(dst []byte) []byte {
	dst = append(dst, `{"anything-but":[`...)
	for _, e := range o.excluded {
		dst = append(e.appendTo(dst), ',')
	}
	return append(dst, "]}"...)
}

func parseAnythingBut(p *parser) (alternative, error) {
	var o anythingBut
	kind, err := p.tokens.Next()
	if err != nil {
		return nil, err
	}
	if kind == rawjson.ObjectStart {
		if o.form, err = p.anythingButForm(); err != nil {
			return nil, err
		}
		if kind, err = p.tokens.Next(); err != nil {
			return nil, err
		}
	}
	switch kind {
	case rawjson.ArrayStart:
		err = o.parseList(p)
	case rawjson.String, rawjson.Number:
		err = o.parseOne(p, kind)
	default:
		err = p.fail("Value of anything-but must be an array or single string/number value.")
	}
	if err == nil && o.form != "" {
		err = p.endOfAnythingBut()
	}
	if err == nil {
		err = p.endOfAnythingBut()
	}
	return o, err
}

// anythingButForm reads the key of the object inside anything-but.
func (p *parser) anythingButForm() (string, error) {
	if err := p.expect(rawjson.Name, "Anything-But expression name not found"); err != nil {
		return "", err
	}
	switch form := p.tokens.Text(); form {
	case "prefix", "suffix", "equals-ignore-case", "wildcard":
		return form, nil
	default:
		return "", p.fail("Unsupported anything-but pattern: %s", form)
	}
}

// endOfAnythingBut reads a closing brace; the complaint is AWS's, although it speaks of numeric.
func (p *parser) endOfAnythingBut() error {
	return p.expect(rawjson.ObjectEnd, "Too many elements in numeric expression")
}

func (o *anythingBut) parseList(p *parser) error {
	strings, numbers := false, false
	for {
		kind, err := p.tokens.Next()
		if err != nil {
			return err
		}
		switch kind {
		case rawjson.ArrayEnd:
			if strings != numbers {
				return nil
			}
			if o.form != "" {
				return p.fail("Empty arrays are not allowed")
			}
			return p.fail("Inside anything but list, either all values are number or string, mixed type is not supported")
		case rawjson.String:
			strings = true
		case rawjson.Number:
			numbers = true
		default:
		}
		if err := o.parseOne(p, kind); err != nil {
			return err
		}
	}
}

// parseOne adds the value read last to those excluded.
func (o *anythingBut) parseOne(p *parser, kind rawjson.Kind) error {
	if o.form != "" && kind != rawjson.String {
		switch o.form {
		case "equals-ignore-case":
			return p.fail("Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.")
		case "wildcard":
			return p.fail(wildcardNotString)
		default:
			return p.fail("prefix/suffix match pattern must be a string")
		}
	}
	switch kind {
	case rawjson.String:
		e, err := o.excludedString(p, p.tokens.Text())
		o.excluded = append(o.excluded, e)
		return err
	case rawjson.Number:
		n, err := p.comparable()
		o.excluded = append(o.excluded, number{n})
		return err
	default:
		return p.fail("Inside anything but list, start|null|boolean is not supported.")
	}
}

func (o *anythingBut) excludedString(p *parser, text string) (alternative, error) {
	switch o.form {
	case "prefix", "suffix":
		if text == "" {
			return nil, p.fail("Null prefix/suffix not allowed")
		}
		if o.form == "prefix" {
			return prefix{text}, nil
		}
		return suffix{text}, nil
	case "equals-ignore-case":
		return ignoreCase{match.Fold(text)}, nil
	case "wildcard":
		return p.wildcard(text)
	default:
		return exact{text}, nil // never an address, unlike a plain string
	}
}
