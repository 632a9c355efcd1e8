package rules_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file is the pattern language again, written to be read: one pattern, one event, encoding/json, backtracking.
// It shares no code with package rules and answers only for patterns that package rules accepts.

// tree is a JSON value that keeps the order of members and equal keys.
type tree struct {
	scalar  any // string, json.Number, bool or nil
	object  []member
	array   []tree
	isArray bool
	isObj   bool
}

type member struct {
	key   string
	value tree
}

func parseTree(text string) (tree, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	t, err := readTree(d)
	if err != nil {
		return tree{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return tree{}, errors.New("something behind the value")
	}
	return t, nil
}

func readTree(d *json.Decoder) (tree, error) {
	token, err := d.Token()
	if err != nil {
		return tree{}, err
	}
	switch token {
	case json.Delim('{'):
		t := tree{isObj: true}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return tree{}, err
			}
			value, err := readTree(d)
			if err != nil {
				return tree{}, err
			}
			t.object = append(t.object, member{key.(string), value})
		}
		_, err = d.Token()
		return t, err
	case json.Delim('['):
		t := tree{isArray: true}
		for d.More() {
			value, err := readTree(d)
			if err != nil {
				return tree{}, err
			}
			t.array = append(t.array, value)
		}
		_, err = d.Token()
		return t, err
	}
	return tree{scalar: token}, nil
}

// referenceMatch says whether the event matches the pattern.
func referenceMatch(pattern, event tree) bool {
	var leaves []leaf
	flattenEvent(event, "", nil, new(int), &leaves)
	for _, fields := range alternativesOf(pattern, "", []map[string][]tree{{}}) {
		names := slices.Sorted(maps.Keys(fields))
		if search(names, fields, leaves, map[int]int{}) {
			return true
		}
	}
	return false
}

// alternativesOf returns the combinations of fields that a pattern object makes with those before it.
func alternativesOf(object tree, prefix string, before []map[string][]tree) []map[string][]tree {
	for _, m := range object.object {
		switch {
		case m.key == "$or" && isChoice(m.value):
			var all []map[string][]tree
			for _, branch := range m.value.array {
				var copies []map[string][]tree
				for _, fields := range before {
					copies = append(copies, maps.Clone(fields))
				}
				all = append(all, alternativesOf(branch, prefix, copies)...)
			}
			before = all
		case m.value.isObj:
			before = alternativesOf(m.value, prefix+m.key+".", before)
		default:
			for _, fields := range before {
				fields[prefix+m.key] = m.value.array
			}
		}
	}
	return before
}

var operatorWords = strings.Fields(`exactly equals-ignore-case prefix suffix anything-but exists wildcard numeric cidr
	= < <= > >= regex not-wildcard not-equals-ignore-case date-after date-on-or-after date-before date-on-or-before
	in-date-range ip-address-in-range ip-address-not-in-range`)

// isChoice says whether the value of a key $or is a choice: at least two objects, none with an operator for a key.
func isChoice(t tree) bool {
	if !t.isArray || len(t.array) < 2 {
		return false
	}
	for _, branch := range t.array {
		if !branch.isObj {
			return false
		}
		for _, m := range branch.object {
			if slices.Contains(operatorWords, m.key) {
				return false
			}
		}
	}
	return true
}

// leaf is a scalar of the event: its dotted name, and for each array around it the index of the element it is in.
// Scalars in an array are not in an element of it.
type leaf struct {
	name   string
	scalar any
	within map[int]int
}

func flattenEvent(t tree, name string, within map[int]int, arrays *int, leaves *[]leaf) {
	switch {
	case t.isObj:
		prefix := name
		for _, m := range t.object {
			inner := m.key
			if within != nil || prefix != "" {
				inner = prefix + "." + m.key
			}
			if within == nil {
				inner = m.key // the event itself has no name
			}
			flattenEvent(m.value, inner, nonNil(within), arrays, leaves)
		}
	case t.isArray:
		number := *arrays
		*arrays++
		for i, element := range t.array {
			around := within
			if element.isObj || element.isArray {
				around = maps.Clone(within)
				around[number] = i
			}
			flattenEvent(element, name, around, arrays, leaves)
		}
	default:
		*leaves = append(*leaves, leaf{name, t.scalar, within})
	}
}

func nonNil(m map[int]int) map[int]int {
	if m == nil {
		return map[int]int{}
	}
	return m
}

// search satisfies the named fields one after another, picking one element of each array.
func search(names []string, fields map[string][]tree, leaves []leaf, picked map[int]int) bool {
	if len(names) == 0 {
		return true
	}
	present := false
	for _, l := range leaves {
		if l.name != names[0] || !compatible(picked, l.within) {
			continue
		}
		present = true
		if !anyAlternative(fields[names[0]], l.scalar) {
			continue
		}
		both := maps.Clone(picked)
		maps.Copy(both, l.within)
		if search(names[1:], fields, leaves, both) {
			return true
		}
	}
	return !present && mayBeAbsent(fields[names[0]]) && search(names[1:], fields, leaves, picked)
}

func compatible(a, b map[int]int) bool {
	for array, element := range a {
		if other, ok := b[array]; ok && other != element {
			return false
		}
	}
	return true
}

func mayBeAbsent(alternatives []tree) bool {
	return slices.ContainsFunc(alternatives, func(a tree) bool {
		return a.isObj && a.object[0].key == "exists" && a.object[0].value.scalar == false
	})
}

func anyAlternative(alternatives []tree, v any) bool {
	return slices.ContainsFunc(alternatives, func(a tree) bool {
		if !a.isObj {
			return plainEqual(a.scalar, v)
		}
		return operatorMatches(a.object[0].key, a.object[0].value, v)
	})
}

func plainEqual(want, v any) bool {
	if w, ok := want.(string); ok {
		if s, ok := v.(string); ok {
			a, okA := referenceAddress(w)
			b, okB := referenceAddress(s)
			return okA && okB && a == b || !okA && w == s
		}
	}
	return sameScalar(want, v)
}

func sameScalar(want, v any) bool {
	w, okW := want.(json.Number)
	n, okN := v.(json.Number)
	if okW && okN {
		a, okA := rational(w)
		b, okB := rational(n)
		return w == n || okA && okB && a.Cmp(b) == 0
	}
	return want == v
}

func operatorMatches(word string, operand tree, v any) bool {
	s, isString := v.(string)
	text, _ := operand.scalar.(string)
	switch word {
	case "exists":
		return operand.scalar == true
	case "anything-but":
		return !excluded(operand, v)
	case "numeric":
		return inRange(operand.array, v)
	}
	if !isString {
		return false
	}
	switch word {
	case "exactly":
		return s == text
	case "equals-ignore-case":
		return strings.EqualFold(s, text)
	case "prefix":
		if operand.isObj {
			return foldedPrefix([]rune(s), []rune(operand.object[0].value.scalar.(string)))
		}
		return strings.HasPrefix(s, text)
	case "suffix":
		if operand.isObj {
			return foldedPrefix(reversed(s), reversed(operand.object[0].value.scalar.(string)))
		}
		return strings.HasSuffix(s, text)
	case "wildcard":
		return wildcardRegexp(text).MatchString(s)
	case "cidr":
		a, ok := referenceAddress(s)
		ip, mask, _ := strings.Cut(text, "/")
		base, _ := referenceAddress(ip)
		bits, _ := strconv.Atoi(mask)
		network, err := base.Prefix(bits)
		return ok && err == nil && network.Contains(a)
	}
	panic(word)
}

func foldedPrefix(s, prefix []rune) bool {
	return len(s) >= len(prefix) && strings.EqualFold(string(s[:len(prefix)]), string(prefix))
}

func reversed(s string) []rune {
	r := []rune(s)
	slices.Reverse(r)
	return r
}

func wildcardRegexp(text string) *regexp.Regexp {
	var re strings.Builder
	re.WriteString(`(?s)\A`)
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '*':
			re.WriteString(".*")
			continue
		case text[i] == '\\':
			i++
		}
		_, n := utf8.DecodeRuneInString(text[i:])
		re.WriteString(regexp.QuoteMeta(text[i : i+n]))
		i += n - 1
	}
	re.WriteString(`\z`)
	return regexp.MustCompile(re.String())
}

func excluded(operand tree, v any) bool {
	word := ""
	if operand.isObj {
		word, operand = operand.object[0].key, operand.object[0].value
	}
	list := operand.array
	if !operand.isArray {
		list = []tree{operand}
	}
	return slices.ContainsFunc(list, func(t tree) bool {
		if word != "" {
			return operatorMatches(word, t, v)
		}
		return sameScalar(t.scalar, v)
	})
}

func inRange(comparison []tree, v any) bool {
	n, isNumber := v.(json.Number)
	value, ok := new(big.Rat), false
	if isNumber {
		value, ok = rational(n)
	}
	for i := 0; ok && i < len(comparison); i += 2 {
		bound, _ := rational(comparison[i+1].scalar.(json.Number))
		c := value.Cmp(bound)
		switch comparison[i].scalar {
		case "=":
			ok = c == 0
		case "<":
			ok = c < 0
		case "<=":
			ok = c <= 0
		case ">":
			ok = c > 0
		case ">=":
			ok = c >= 0
		}
	}
	return ok
}

// rational returns the value of a number, unless it is beyond a float64. Exponents far below count as zero digits; the
// fuzz target leaves them out.
func rational(n json.Number) (*big.Rat, bool) {
	if _, err := strconv.ParseFloat(n.String(), 64); err != nil {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}

var (
	dottedDecimal = regexp.MustCompile(`\A[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+\z`)
	withColons    = regexp.MustCompile(`\A[0-9a-fA-F:]*:[0-9a-fA-F:]*\z`)
	leadingZeros  = regexp.MustCompile(`(\A|\.)0+([0-9])`)
)

func referenceAddress(s string) (netip.Addr, bool) {
	switch {
	case len(s) > 64:
		return netip.Addr{}, false
	case dottedDecimal.MatchString(s):
		s = leadingZeros.ReplaceAllString(s, "$1$2")
	case !withColons.MatchString(s):
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err == nil
}

// describe prints leaves for a failing test.
func describe(event tree) string {
	var leaves []leaf
	flattenEvent(event, "", nil, new(int), &leaves)
	var lines []string
	for _, l := range leaves {
		lines = append(lines, fmt.Sprintf("%s = %v in %v", l.name, l.scalar, l.within))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
