package rules

import (
	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// anythingBut matches every value, of whatever kind, that none of the excluded alternatives matches. It needs a value:
// an absent field does not match. Of an array one element that is not excluded is enough.
type anythingBut struct{ excluded []alternative }

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
	form := ""
	kind, err := p.tokens.Next()
	if err != nil {
		return nil, err
	}
	if kind == rawjson.ObjectStart {
		if form, err = p.anythingButForm(); err != nil {
			return nil, err
		}
		if kind, err = p.tokens.Next(); err != nil {
			return nil, err
		}
	}
	var o anythingBut
	switch kind {
	case rawjson.ArrayStart:
		o.excluded, err = p.exclusions(form)
	case rawjson.String, rawjson.Number:
		o.excluded = make([]alternative, 1)
		o.excluded[0], err = p.exclusion(form, kind)
	default:
		err = p.fail("Value of anything-but must be an array or single string/number value.")
	}
	if err == nil && form != "" {
		err = p.endOfAnythingBut()
	}
	if err == nil {
		err = p.endOfAnythingBut()
	}
	return o, err
}

// anythingButForm reads the key of the object inside anything-but: the operator that is to be excluded.
func (p *parser) anythingButForm() (string, error) {
	if err := p.expect(rawjson.Name, "Anything-But expression name not found"); err != nil {
		return "", err
	}
	form := p.tokens.Text()
	switch form {
	case "prefix":
		return form, nil
	case "suffix", "equals-ignore-case", "wildcard":
		if !p.limits.FilterPolicy {
			return form, nil
		}
	}
	return "", p.fail("Unsupported anything-but pattern: %s", form)
}

// endOfAnythingBut reads a closing brace; the complaint is AWS's, although it speaks of numeric.
func (p *parser) endOfAnythingBut() error {
	return p.expect(rawjson.ObjectEnd, "Too many elements in numeric expression")
}

// exclusions reads a list behind its opening bracket. form is the operator they are operands of, empty for plain values.
func (p *parser) exclusions(form string) ([]alternative, error) {
	var all []alternative
	hasStrings, hasNumbers := false, false
	for {
		kind, err := p.tokens.Next()
		if err != nil {
			return nil, err
		}
		switch kind {
		case rawjson.ArrayEnd:
			if hasStrings != hasNumbers {
				return all, nil
			}
			if form != "" {
				return nil, p.fail("Empty arrays are not allowed")
			}
			return nil, p.fail("Inside anything but list, either all values are number or string, mixed type is not supported")
		case rawjson.String:
			hasStrings = true
		case rawjson.Number:
			hasNumbers = true
		default:
		}
		e, err := p.exclusion(form, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
}

// exclusion returns what the value read last excludes.
func (p *parser) exclusion(form string, kind rawjson.Kind) (alternative, error) {
	switch {
	case kind == rawjson.String:
		return p.excludedText(form, p.tokens.Text())
	case kind == rawjson.Number && form == "":
		n, err := p.comparableNumber()
		return number{n}, err
	}
	switch form {
	case "":
		return nil, p.fail("Inside anything but list, start|null|boolean is not supported.")
	case "equals-ignore-case":
		return nil, p.fail("Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.")
	case "wildcard":
		return nil, p.fail(wildcardNotString)
	default:
		return nil, p.fail("prefix/suffix match pattern must be a string")
	}
}

func (p *parser) excludedText(form, text string) (alternative, error) {
	switch form {
	case "prefix", "suffix":
		if text == "" {
			return nil, p.fail("Null prefix/suffix not allowed")
		}
		if form == "prefix" {
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
