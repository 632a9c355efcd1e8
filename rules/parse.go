package rules

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/seed567880c8/turnout/rules/internal/engine"
	"github.com/seed567880c8/turnout/rules/internal/flatten"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// PatternLimits bounds what a pattern may be. The zero value of each field stands for its default.
type PatternLimits struct {
	// Characters is the longest pattern, in characters. Default 4096, AWS's limit.
	Characters int
	// Fields is the number of fields in one alternative of the pattern: in the pattern itself, or, with $or, in one
	// combination of branches. Default and maximum 256, as in AWS's engine.
	Fields int
	// Combinations is the number of combinations that the pattern's $or make. Default 1000, AWS's limit.
	Combinations int
	// Depth is the number of arrays and objects that may be open at once. Default 100.
	Depth int
	// WildcardComplexity bounds the wildcards of one field: the number of beginnings of its wildcard texts that one
	// value can match at once. AWS does not publish its limit; the default, 10, agrees with the patterns it is
	// known to accept and refuse. Ten times as much is allowed inside anything-but.
	WildcardComplexity int
	// Cost bounds [Pattern.Cost]. By default it is bounded by the other limits only.
	Cost int
	// FilterPolicy restricts the operators to those of SNS filter policies: no wildcard and no exactly, nothing inside
	// prefix and suffix, and inside anything-but only prefix. Package filterpolicy sets it.
	FilterPolicy bool
}

func (l PatternLimits) withDefaults() PatternLimits {
	return PatternLimits{
		FilterPolicy:       l.FilterPolicy,
		Cost:               orDefault(l.Cost, math.MaxInt),
		Characters:         orDefault(l.Characters, 4096),
		Fields:             min(orDefault(l.Fields, flatten.MaxTerms), flatten.MaxTerms),
		Combinations:       orDefault(l.Combinations, 1000),
		Depth:              orDefault(l.Depth, 100),
		WildcardComplexity: orDefault(l.WildcardComplexity, 10),
	}
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// A Pattern is a parsed event pattern. It is immutable and may be shared by goroutines and by any number of sets.
type Pattern struct {
	source       []byte
	combinations []combination
}

// A combination is what has to hold together: all fields of a pattern without $or, or of one choice of branches of
// every $or. It is in the order of the fields' names, which has a meaning: see [flatten.Reader.Consistent].
type combination []engine.Clause

// String returns the pattern as it was given to [Parse].
func (p *Pattern) String() string { return string(p.source) }

// Parse parses an event pattern with the default limits. The error is an *[Error].
func Parse(pattern []byte) (*Pattern, error) { return PatternLimits{}.Parse(pattern) }

// Parse parses an event pattern. The error is an *[Error].
//
// As in AWS, a field that is given twice has the value given last, whether by the same key twice, by a dotted key, or
// by a $or and a field beside it; and a key $or whose value does not look like alternatives (an array of at least two
// objects, none with the word of an operator for a key) is an ordinary field.
func (l PatternLimits) Parse(pattern []byte) (*Pattern, error) {
	l = l.withDefaults()
	if n := utf8.RuneCount(pattern); n > l.Characters {
		return nil, &Error{Message: fmt.Sprintf("Event pattern has %d characters, at most %d are allowed", n, l.Characters)}
	}
	p := parser{
		tokens:  rawjson.NewTokens(pattern, l.Depth),
		limits:  l,
		partial: []map[string]*condition{{}},
	}
	if err := p.pattern(); err != nil {
		if e, ok := errors.AsType[*placedError](err); ok {
			return nil, e.at(pattern)
		}
		return nil, fromSyntax(err, pattern)
	}
	parsed := &Pattern{source: slices.Clone(pattern)}
	for _, fields := range p.partial {
		c := make(combination, 0, len(fields))
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			c = append(c, engine.Clause{Field: name, Condition: fields[name]})
		}
		parsed.combinations = append(parsed.combinations, c)
	}
	if cost := parsed.Cost(); cost > l.Cost {
		return nil, &Error{Message: fmt.Sprintf("Rule is too complex - its cost is %d, at most %d is allowed", cost, l.Cost)}
	}
	return parsed, nil
}

// Cost is an upper bound for the comparisons that matching the pattern takes for an event with one value in each of its
// fields: one for each alternative, and one more for each * of a wildcard, in every combination that the pattern's $or
// make. It bounds what a rule can cost; what it does cost is less, since rules share comparisons and most are not made.
func (p *Pattern) Cost() int {
	cost := 0
	for _, c := range p.combinations {
		for i := range c {
			cost += c[i].Condition.Cost()
		}
	}
	return cost
}

// parser reads a pattern from left to right. partial holds the combinations of what has been read; a field goes into
// each of them, and $or multiplies them.
type parser struct {
	tokens  *rawjson.Tokens
	limits  PatternLimits
	partial []map[string]*condition
	key     []byte // scratch
}

// placedError is an error whose place in the source is yet to be worked out.
type placedError struct {
	message string
	offset  int
	nowhere bool // AWS gives no place for it
}

func (e *placedError) Error() string { return e.message }

func (e *placedError) at(source []byte) *Error {
	err := &Error{Message: e.message, Offset: e.offset}
	if e.nowhere {
		return err
	}
	return err.located(source)
}

// fail complains about the token read last.
func (p *parser) fail(format string, args ...any) error {
	return &placedError{message: fmt.Sprintf(format, args...), offset: p.tokens.Offset()}
}

// failNowhere is fail for the complaints that AWS makes without a place.
func (p *parser) failNowhere(format string, args ...any) error {
	return &placedError{message: fmt.Sprintf(format, args...), offset: p.tokens.Offset(), nowhere: true}
}

// expect reads a token and complains if it is of another kind.
func (p *parser) expect(kind rawjson.Kind, otherwise string) error {
	got, err := p.tokens.Next()
	if err == nil && got != kind {
		return p.fail("%s", otherwise)
	}
	return err
}

func (p *parser) pattern() error {
	if err := p.expect(rawjson.ObjectStart, "Filter is not an object"); err != nil {
		return err
	}
	if err := p.object("", false); err != nil {
		return err
	}
	return p.expect(rawjson.End, "Event pattern has something behind its end")
}

// object reads the members of an object of fields. prefix is the dotted name of the object and a dot, empty at the top.
func (p *parser) object(prefix string, inOr bool) error {
	for first := true; ; first = false {
		kind, err := p.tokens.Next()
		if err != nil {
			return err
		}
		if kind == rawjson.ObjectEnd {
			if first {
				return p.fail("Empty objects are not allowed")
			}
			return nil
		}
		if err := p.member(prefix, p.tokens.Text(), inOr); err != nil {
			return err
		}
	}
}

// member reads the value of a key in an object of fields.
func (p *parser) member(prefix, key string, inOr bool) error {
	if key == orKey {
		is, err := p.isOr()
		if err != nil {
			return err
		}
		if is {
			return p.or(prefix)
		}
	}
	if inOr && reservedInOr(key) {
		return p.fail("%s is Ruler reserved fieldName which cannot be used inside $or.", key)
	}
	kind, err := p.tokens.Next()
	if err != nil {
		return err
	}
	switch kind {
	case rawjson.ObjectStart:
		return p.object(prefix+key+".", inOr)
	case rawjson.ArrayStart:
		return p.field(prefix + key)
	default:
		return p.fail("\"%s\" must be an object or an array", key)
	}
}

// field reads the alternatives of a field and puts them into every combination.
func (p *parser) field(name string) error {
	c, err := p.condition()
	if err != nil {
		return err
	}
	for _, fields := range p.partial {
		fields[name] = c
		if len(fields) > p.limits.Fields {
			return p.failNowhere("Size of rule exceeds max value of %d", p.limits.Fields)
		}
	}
	return nil
}

const orKey = "$or"

// isOr looks ahead at the value of a key $or and says whether it is alternatives or that of an ordinary field. It
// complains about a value that can be neither.
func (p *parser) isOr() (bool, error) {
	ahead := p.tokens.Fork()
	kind, err := ahead.Next()
	if err != nil || kind != rawjson.ArrayStart {
		return false, err
	}
	objects, otherAt := 0, -1
	for {
		if kind, err = ahead.Next(); err != nil {
			return false, err
		}
		if kind == rawjson.ArrayEnd {
			break
		}
		if kind == rawjson.ObjectStart {
			objects++
		} else if otherAt < 0 {
			otherAt = ahead.Offset()
		}
		if kind == rawjson.ObjectStart || kind == rawjson.ArrayStart {
			reserved, err := skipBranch(ahead)
			if err != nil || reserved {
				return false, err
			}
		}
	}
	switch {
	case objects == 0:
		return false, nil
	case otherAt >= 0:
		return false, &placedError{message: "Only JSON object is allowed in array of $or relationship.", offset: otherAt}
	case objects == 1:
		return false, &placedError{message: "There must have at least 2 Objects in $or relationship.", offset: ahead.Offset()}
	}
	return true, nil
}

// skipBranch reads to the end of the object or array just opened and reports whether it is an object with the word of
// an operator for a key, which no branch of a $or is.
func skipBranch(tokens *rawjson.Tokens) (reserved bool, err error) {
	for depth := 1; depth > 0; {
		kind, err := tokens.Next()
		if err != nil {
			return false, err
		}
		switch kind {
		case rawjson.ObjectStart, rawjson.ArrayStart:
			depth++
		case rawjson.ObjectEnd, rawjson.ArrayEnd:
			depth--
		case rawjson.Name:
			reserved = reserved || depth == 1 && reservedInOr(tokens.Text())
		default:
		}
	}
	return reserved, nil
}

// or reads the branches of a $or. Each makes a copy of every combination so far.
func (p *parser) or(prefix string) error {
	if _, err := p.tokens.Next(); err != nil { // the bracket that isOr has seen
		return err
	}
	before := p.partial
	var all []map[string]*condition
	for {
		kind, err := p.tokens.Next()
		if err != nil {
			return err
		}
		if kind == rawjson.ArrayEnd {
			p.partial = all
			return nil
		}
		if len(all)+len(before) > p.limits.Combinations {
			return p.failNowhere("Rule is too complex - its $or make more than %d combinations", p.limits.Combinations)
		}
		p.partial = make([]map[string]*condition, len(before))
		for i, fields := range before {
			p.partial[i] = maps.Clone(fields)
		}
		if err := p.object(prefix, true); err != nil {
			return err
		}
		if all = append(all, p.partial...); len(all) > p.limits.Combinations {
			return p.failNowhere("Rule is too complex - its $or make more than %d combinations", p.limits.Combinations)
		}
	}
}

// reservedInOr reports whether AWS keeps a key out of the branches of a $or.
func reservedInOr(key string) bool {
	switch key {
	case "exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr",
		"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
		"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
		"ip-address-in-range", "ip-address-not-in-range":
		return true
	}
	return false
}
