package eventbridge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed567880c8/turnout"
)

// Bounds of a validation message. AWS repeats the offending value, however
// long; these keep a hostile request from costing more than its size to refuse.
const (
	violationsMax = 100
	echoBytesMax  = 64 << 10
)

// violations gathers the constraints that a request breaks, in AWS's words.
type violations struct {
	list []string
}

func (vs *violations) add(v *value, path, constraint string) {
	if len(vs.list) == violationsMax {
		return
	}
	shown := "null"
	if v != nil {
		shown = "'" + echo(v) + "'"
	}
	vs.list = append(vs.list, "Value "+shown+" at '"+path+"' failed to satisfy constraint: "+constraint)
}

// err returns nil, or the error that AWS answers:
// "N validation errors detected: <first>; <second>; …".
func (vs *violations) err() error {
	switch len(vs.list) {
	case 0:
		return nil
	case 1:
		return turnout.Errorf(turnout.CodeValidation, "1 validation error detected: %s", vs.list[0])
	}
	return turnout.Errorf(turnout.CodeValidation, "%d validation errors detected: %s", len(vs.list), strings.Join(vs.list, "; "))
}

// check adds what v, the value at path, breaks of its shape.
func (vs *violations) check(v *value, path string) {
	s := v.shape
	for _, c := range s.constraints() {
		if !c.holds(v) {
			vs.add(v, path, c.text)
		}
	}
	switch s.kind {
	case kindStructure:
		vs.checkMembers(v, path)
	case kindList:
		vs.checkElements(v, path)
	case kindMap:
		vs.checkEntries(v, path)
	default: // has no parts
	}
}

func (vs *violations) checkMembers(v *value, path string) {
	if path != "" {
		path += "."
	}
	for i := range v.shape.members {
		m := &v.shape.members[i]
		switch f := v.fields[i]; {
		case f != nil:
			vs.check(f, path+m.path())
		case m.required:
			vs.add(nil, path+m.path(), "Member must not be null")
		}
	}
}

// checkElements checks structures one by one, and simple elements as AWS does:
// once for the list, naming every constraint of its elements.
func (vs *violations) checkElements(v *value, path string) {
	if v.shape.element.kind != kindStructure {
		vs.checkAll(v, path, v.shape.element, v.items, "Member must satisfy constraint: ")
		return
	}
	for i, item := range v.items {
		at := path + "." + strconv.Itoa(i+1) + ".member"
		if item == nil {
			vs.add(nil, at, "Member must not be null")
			continue
		}
		vs.check(item, at)
	}
}

func (vs *violations) checkEntries(v *value, path string) {
	keys := make([]*value, len(v.keys))
	for i, k := range v.keys {
		keys[i] = &value{shape: v.shape.key, text: k}
	}
	vs.checkAll(v, path, v.shape.key, keys, "Map keys must satisfy constraint: ")
	vs.checkAll(v, path, v.shape.element, v.items, "Map value must satisfy constraint: ")
}

func (vs *violations) checkAll(v *value, path string, element *shape, items []*value, prefix string) {
	all := element.constraints()
	for _, item := range items {
		if item == nil {
			vs.add(v, path, prefix+"[Member must not be null]")
			return
		}
		for _, c := range all {
			if !c.holds(item) {
				texts := make([]string, len(all))
				for i := range all {
					texts[i] = all[i].text
				}
				vs.add(v, path, prefix+"["+strings.Join(texts, ", ")+"]")
				return
			}
		}
	}
}

// constraint is one rule of a shape, with AWS's text for it.
type constraint struct {
	text  string
	holds func(*value) bool
}

// constraints returns the rules for values of s itself, in the order in which AWS reports them.
func (s *shape) constraints() []constraint {
	var all []constraint
	measure, size := "length", func(v *value) int { return v.length() }
	if s.kind == kindInteger {
		measure, size = "value", func(v *value) int { return int(v.number) }
	}
	if s.max != none {
		all = append(all, constraint{
			text:  fmt.Sprintf("Member must have %s less than or equal to %d", measure, s.max),
			holds: func(v *value) bool { return size(v) <= s.max },
		})
	}
	if s.min != none {
		all = append(all, constraint{
			text:  fmt.Sprintf("Member must have %s greater than or equal to %d", measure, s.min),
			holds: func(v *value) bool { return size(v) >= s.min },
		})
	}
	if s.pattern != nil {
		all = append(all, constraint{
			text:  "Member must satisfy regular expression pattern: " + s.pattern.text,
			holds: func(v *value) bool { return s.pattern.match(v.text) },
		})
	}
	if s.enum != nil {
		all = append(all, constraint{
			text:  "Member must satisfy enum value set: [" + strings.Join(s.enum, ", ") + "]",
			holds: func(v *value) bool { return slices.Contains(s.enum, v.text) },
		})
	}
	return all
}

// length is the number of characters of a text or of elements of a list or map.
func (v *value) length() int {
	if v.shape.kind == kindText {
		return utf8.RuneCountInString(v.text)
	}
	return len(v.items)
}

// echo prints a value as AWS's messages do, up to a bound.
func echo(v *value) string {
	var b strings.Builder
	v.print(&b)
	if b.Len() <= echoBytesMax {
		return b.String()
	}
	return strings.ToValidUTF8(b.String()[:echoBytesMax], "") + "…"
}

// print writes v the way Java prints it. It stops soon after the bound.
func (v *value) print(b *strings.Builder) {
	if v == nil {
		b.WriteString("null")
		return
	}
	switch v.shape.kind {
	case kindText, kindTime:
		b.WriteString(v.text)
	case kindInteger:
		b.WriteString(strconv.FormatInt(v.number, 10))
	case kindBoolean:
		b.WriteString(strconv.FormatBool(v.truth))
	case kindStructure:
		v.printStructure(b)
	case kindList, kindMap:
		v.printItems(b)
	}
}

func (v *value) printStructure(b *strings.Builder) {
	b.WriteString(v.shape.name)
	separator := "("
	for i, f := range v.fields {
		b.WriteString(separator)
		b.WriteString(v.shape.members[i].path())
		b.WriteByte('=')
		f.print(b)
		separator = ", "
	}
	for _, name := range v.shape.hidden {
		b.WriteString(separator + name + "=null")
	}
	b.WriteByte(')')
}

func (v *value) printItems(b *strings.Builder) {
	opening, closing := byte('['), byte(']')
	if v.shape.kind == kindMap {
		opening, closing = '{', '}'
	}
	b.WriteByte(opening)
	for i, item := range v.items {
		if b.Len() > echoBytesMax {
			return
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if v.shape.kind == kindMap {
			b.WriteString(v.keys[i])
			b.WriteByte('=')
		}
		item.print(b)
	}
	b.WriteByte(closing)
}
