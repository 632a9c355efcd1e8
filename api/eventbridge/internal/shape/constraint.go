package shape

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

func (vs *violations) add(v *Value, path, constraint string) {
	if len(vs.list) == violationsMax {
		return
	}
	shown := "Value null"
	switch {
	case v != nil && v.shape.secret:
		shown = "Value"
	case v != nil:
		shown = "Value '" + echo(v) + "'"
	}
	vs.list = append(vs.list, shown+" at '"+path+"' failed to satisfy constraint: "+constraint)
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
func (vs *violations) check(v *Value, path string) {
	s := v.shape
	for _, c := range s.constraints() {
		if !c.holds(v) {
			vs.add(v, path, c.text)
		}
	}
	switch s.Kind {
	case KindStructure:
		vs.checkMembers(v, path)
	case KindList:
		vs.checkElements(v, path)
	case KindMap:
		vs.checkEntries(v, path)
	default: // has no parts
	}
}

func (vs *violations) checkMembers(v *Value, path string) {
	if path != "" {
		path += "."
	}
	for i := range v.shape.Members {
		m := &v.shape.Members[i]
		switch f := v.fields[i]; {
		case f != nil:
			vs.check(f, path+m.path())
		case m.Required:
			vs.add(nil, path+m.path(), "Member must not be null")
		}
	}
}

// checkElements checks structures one by one, and simple elements as AWS does:
// once for the list, naming every constraint of its elements.
func (vs *violations) checkElements(v *Value, path string) {
	if v.shape.Element.Kind != KindStructure {
		vs.checkAll(v, path, v.shape.Element, v.Items, "Member must satisfy constraint: ")
		return
	}
	for i, item := range v.Items {
		at := path + "." + strconv.Itoa(i+1) + ".member"
		if item == nil {
			vs.add(nil, at, "Member must not be null")
			continue
		}
		vs.check(item, at)
	}
}

func (vs *violations) checkEntries(v *Value, path string) {
	keys := make([]*Value, len(v.Keys))
	for i, k := range v.Keys {
		keys[i] = &Value{shape: v.shape.Key, Text: k}
	}
	vs.checkAll(v, path, v.shape.Key, keys, "Map keys must satisfy constraint: ")
	vs.checkAll(v, path, v.shape.Element, v.Items, "Map value must satisfy constraint: ")
}

func (vs *violations) checkAll(v *Value, path string, element *Shape, items []*Value, prefix string) {
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

// Holds reports whether a text satisfies the constraints of its shape.
func Holds(s *Shape, text string) bool {
	var vs violations
	vs.check(&Value{shape: s, Text: text}, "")
	return len(vs.list) == 0
}

// constraint is one rule of a shape, with AWS's text for it.
type constraint struct {
	text  string
	holds func(*Value) bool
}

// constraints returns the rules for values of s itself, in the order in which AWS reports them.
func (s *Shape) constraints() []constraint {
	var all []constraint
	measure, size := "length", func(v *Value) int { return v.length() }
	if s.Kind == KindInteger {
		measure, size = "value", func(v *Value) int { return int(v.Number) }
	}
	if s.Max != None {
		all = append(all, constraint{
			text:  fmt.Sprintf("Member must have %s less than or equal to %d", measure, s.Max),
			holds: func(v *Value) bool { return size(v) <= s.Max },
		})
	}
	if s.Min != None {
		all = append(all, constraint{
			text:  fmt.Sprintf("Member must have %s greater than or equal to %d", measure, s.Min),
			holds: func(v *Value) bool { return size(v) >= s.Min },
		})
	}
	if s.Pattern != nil {
		all = append(all, constraint{
			text:  "Member must satisfy regular expression pattern: " + s.Pattern.Text,
			holds: func(v *Value) bool { return s.Pattern.Match(v.Text) },
		})
	}
	if s.Enum != nil {
		all = append(all, constraint{
			text:  "Member must satisfy enum value set: [" + strings.Join(s.Enum, ", ") + "]",
			holds: func(v *Value) bool { return slices.Contains(s.Enum, v.Text) },
		})
	}
	return all
}

// length is the number of characters of a text or of elements of a list or map.
func (v *Value) length() int {
	if v.shape.Kind == KindText {
		return utf8.RuneCountInString(v.Text)
	}
	return len(v.Items)
}

// echo prints a value as AWS's messages do, up to a bound.
func echo(v *Value) string {
	var b strings.Builder
	v.print(&b)
	if b.Len() <= echoBytesMax {
		return b.String()
	}
	return strings.ToValidUTF8(b.String()[:echoBytesMax], "") + "…"
}

// print writes v the way Java prints it. It stops soon after the bound.
func (v *Value) print(b *strings.Builder) {
	if v == nil {
		b.WriteString("null")
		return
	}
	if v.shape.secret {
		b.WriteString("***Sensitive Data Redacted***")
		return
	}
	switch v.shape.Kind {
	case KindText, KindTime:
		b.WriteString(v.Text)
	case KindInteger:
		b.WriteString(strconv.FormatInt(v.Number, 10))
	case KindBoolean:
		b.WriteString(strconv.FormatBool(v.Truth))
	case KindStructure:
		v.printStructure(b)
	case KindList, KindMap:
		v.printItems(b)
	}
}

func (v *Value) printStructure(b *strings.Builder) {
	b.WriteString(v.shape.Name)
	separator := "("
	for i, f := range v.fields {
		b.WriteString(separator)
		b.WriteString(v.shape.Members[i].path())
		b.WriteByte('=')
		f.print(b)
		separator = ", "
	}
	for _, name := range v.shape.hidden {
		b.WriteString(separator + name + "=null")
	}
	b.WriteByte(')')
}

func (v *Value) printItems(b *strings.Builder) {
	opening, closing := byte('['), byte(']')
	if v.shape.Kind == KindMap {
		opening, closing = '{', '}'
	}
	b.WriteByte(opening)
	for i, item := range v.Items {
		if b.Len() > echoBytesMax {
			return
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if v.shape.Kind == KindMap {
			b.WriteString(v.Keys[i])
			b.WriteByte('=')
		}
		item.print(b)
	}
	b.WriteByte(closing)
}
