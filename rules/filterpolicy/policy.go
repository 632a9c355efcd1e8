package filterpolicy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/rules"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// Limits bounds what a policy may be. The zero value is the default.
type Limits struct {
	// StrictAWS brings back AWS's limit of 5 keys at the top of a policy.
	StrictAWS bool
}

// The limits of AWS.
// https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
const (
	bytesMax        = 256 << 10
	combinationsMax = 150
	keysMax         = 5
	depthMax        = 100
)

// Policy is a parsed filter policy. It is immutable and may be used by any
// number of goroutines.
type Policy struct {
	scope   turnout.FilterScope
	pattern *rules.Pattern
	set     *rules.Set
}

// Error says what is wrong with a policy.
type Error struct {
	// Message is AWS's text, without the words "FilterPolicy: " that come before
	// it, and without its second line.
	Message string
	// Line and Column are the place that AWS gives, counted from 1; 0 is none.
	Line, Column int
	// Bare says that AWS puts no "FilterPolicy: " before the message.
	Bare bool
}

// Error returns the message, with the place on a second line as AWS gives it
// since 2025.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %d, column: %d]",
		e.Message, e.Line, e.Column)
}

// Parse parses a policy with the default limits. The error is an *[Error].
func Parse(policy []byte, scope turnout.FilterScope) (*Policy, error) {
	return Limits{}.Parse(policy, scope)
}

// Parse parses a policy; an empty scope is turnout.FilterAttributes. The error
// is an *[Error].
func (l Limits) Parse(policy []byte, scope turnout.FilterScope) (*Policy, error) {
	if scope == "" {
		scope = turnout.FilterAttributes
	}
	if len(policy) > bytesMax {
		return nil, &Error{Message: fmt.Sprintf("Filter policy is longer than %d bytes", bytesMax)}
	}
	if err := checkSyntax(policy); err != nil {
		return nil, err
	}
	// AWS reads the JSON, writes it again without spaces, and complains of places in that.
	var compact bytes.Buffer
	if err := json.Compact(&compact, policy); err != nil {
		return nil, &Error{Message: "failed to parse JSON. " + err.Error()}
	}
	if err := l.checkShape(gjson.ParseBytes(compact.Bytes()), scope); err != nil {
		return nil, err
	}
	pattern, err := rules.PatternLimits{Characters: bytesMax, Depth: depthMax, FilterPolicy: true}.Parse(compact.Bytes())
	if err != nil {
		if e, ok := errors.AsType[*rules.Error](err); ok {
			return nil, &Error{Message: e.Message, Line: e.Line, Column: e.Column}
		}
		return nil, &Error{Message: err.Error()}
	}
	return &Policy{scope: scope, pattern: pattern, set: rules.Compile([]rules.Rule{{Pattern: pattern}})}, nil
}

// checkSyntax reads the policy to its end, for errors of its JSON.
func checkSyntax(policy []byte) error {
	tokens := rawjson.NewTokens(policy, depthMax)
	for {
		kind, err := tokens.Next()
		if err != nil {
			e := &Error{Message: "failed to parse JSON. " + err.Error()}
			if s, ok := errors.AsType[*rawjson.SyntaxError](err); ok {
				e.Message = "failed to parse JSON. " + string(bytes.ToValidUTF8([]byte(s.Reason), []byte("\uFFFD")))
				e.Line, e.Column = rawjson.Place(policy, s.Offset)
			}
			return e
		}
		if kind == rawjson.End {
			return nil
		}
	}
}

// checkShape refuses policies with too many keys or values, and nested ones
// where attributes are looked at.
func (l Limits) checkShape(policy gjson.Result, scope turnout.FilterScope) error {
	if !policy.IsObject() {
		return nil // parsing says so
	}
	s := shape{flat: scope == turnout.FilterAttributes}
	if keys := len(policy.Map()); l.StrictAWS && keys > keysMax {
		return &Error{Message: fmt.Sprintf("Filter policy can not have more than %d keys", keysMax)}
	}
	n := s.combinations(policy, 1)
	switch {
	case s.nested:
		return &Error{Message: "Filter policy scope MessageAttributes does not support nested filter policy", Bare: true}
	case n > combinationsMax:
		return &Error{Message: "Filter policy is too complex"}
	}
	return nil
}

// shape measures a policy.
type shape struct {
	flat   bool // the policy may not nest
	nested bool // but it does
}

// combinations counts as AWS does: over all keys, the product of the number of
// values times how deep the key nests; with $or, the sum over its branches.
// Beyond combinationsMax the result is only known to be beyond it.
func (s *shape) combinations(object gjson.Result, depth int) int {
	product := 1
	object.ForEach(func(key, value gjson.Result) bool {
		switch {
		case key.Str == "$or" && isOr(value):
			sum := 0
			value.ForEach(func(_, branch gjson.Result) bool {
				sum = min(sum+s.combinations(branch, depth), combinationsMax+1)
				return true
			})
			product *= sum
		case value.IsObject():
			s.nested = s.nested || s.flat
			product *= s.combinations(value, depth+1)
		case value.IsArray():
			product *= min(int(value.Get("#").Int())*depth, combinationsMax+1)
		}
		product = min(product, combinationsMax+1)
		return true
	})
	return product
}

// isOr reports whether the value of a key $or is branches, as opposed to
// alternatives of an ordinary field, if it is either.
func isOr(value gjson.Result) bool {
	if !value.IsArray() {
		return false
	}
	branches := 0
	or := true
	value.ForEach(func(_, branch gjson.Result) bool {
		branches++
		or = branch.IsObject()
		branch.ForEach(func(key, _ gjson.Result) bool {
			switch key.Str {
			case "exists", "prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "cidr":
				or = false
			}
			return or
		})
		return or
	})
	return or && branches > 1
}

// Scope returns what the policy looks at.
func (p *Policy) Scope() turnout.FilterScope { return p.scope }

// Match reports whether the policy, of scope MessageAttributes, accepts a
// message with these attributes.
func (p *Policy) Match(attributes []turnout.MessageAttribute) bool {
	return matches(p.set, appendAttributes(nil, attributes))
}

// MatchBody reports whether the policy, of scope MessageBody, accepts a
// message with this text. What is not a JSON object – without a key twice in
// one object – is not accepted by any policy.
func (p *Policy) MatchBody(message []byte) bool {
	return isEvent(message) && matches(p.set, message)
}

func matches(s *rules.Set, event []byte) bool {
	var found [1]rules.ID
	ids, err := s.Match(found[:0], event)
	return err == nil && len(ids) > 0
}

// isEvent reports whether a message can be matched.
func isEvent(message []byte) bool {
	return rules.IsObject(message) && rules.EventLimits{Keys: 1 << 20, Digits: 1 << 10}.Scan(message) == nil
}
