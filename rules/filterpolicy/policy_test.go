package filterpolicy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
	"github.com/seed567880c8/turnout/rules/filterpolicy"
)

func attribute(name, kind, value string) turnout.MessageAttribute {
	return turnout.MessageAttribute{Name: name, Type: kind, Value: []byte(value)}
}

func TestRefusedPolicies(t *testing.T) {
	t.Parallel()
	// The first lines of AWS's messages.
	for policy, message := range map[string]string{
		`{"a":[["v"]]}`:                                   `Match value must be String, number, true, false, or null`,
		`{"a":[{"is":"v"}]}`:                              `Unrecognized match type is`,
		`{"a":[{"wildcard":"v*"}]}`:                       `Unrecognized match type wildcard`,
		`{"a":[{"exactly":"v"}]}`:                         `Unrecognized match type exactly`,
		`{"a":[{"prefix":"v","suffix":"w"}]}`:             `Only one key allowed in match expression`,
		`{"a":[]}`:                                        `Empty arrays are not allowed`,
		`{"a":[{"suffix":["v"]}]}`:                        `suffix match pattern must be a string`,
		`{"a":[{"prefix":100}]}`:                          `prefix match pattern must be a string`,
		`{"a":[{"prefix":{"equals-ignore-case":"v"}}]}`:   `prefix match pattern must be a string`,
		`{"a":[{"cidr":["10.0.0.0/24"]}]}`:                `prefix match pattern must be a string`,
		`{"a":"v"}`:                                       `"a" must be an object or an array`,
		`{"a":[{"cidr":"10.0.0.0"}]}`:                     `Malformed CIDR, one '/' required`,
		`{"a":[{"cidr":"bad/24"}]}`:                       `Nonstandard IP address: bad`,
		`{"a":[{"cidr":"10.0.0.0/x"}]}`:                   `Malformed CIDR, mask bits must be an integer`,
		`{"a":[{"numeric":[]}]}`:                          `Invalid member in numeric match: ]`,
		`{"a":[{"numeric":[1]}]}`:                         `Invalid member in numeric match: 1`,
		`{"a":[{"numeric":["operator",1]}]}`:              `Unrecognized numeric range operator: operator`,
		`{"a":[{"numeric":["=","v"]}]}`:                   `Value of equals must be numeric`,
		`{"a":[{"numeric":[">=","v"]}]}`:                  `Value of >= must be numeric`,
		`{"a":[{"numeric":["<",100,">",10]}]}`:            `Too many elements in numeric expression`,
		`{"a":[{"numeric":[">",1,">",2]}]}`:               `Bad numeric range operator: >`,
		`{"a":[{"numeric":[">=",10,"<",5]}]}`:             `Bottom must be less than top`,
		`{"a":[{"numeric":[">",10,30]}]}`:                 `Bad value in numeric range: 30`,
		`{"a":[{"numeric":[">",1,"<",2,"<",3]}]}`:         `Too many terms in numeric range expression`,
		`{"a":[{"exists":"v"}]}`:                          `exists match pattern must be either true or false.`,
		`{"a":[{"anything-but":{"suffix":"v"}}]}`:         `Unsupported anything-but pattern: suffix`,
		`{"a":[{"anything-but":{"exists":true}}]}`:        `Unsupported anything-but pattern: exists`,
		`{"a":[{"anything-but":{"wrong-operator":"v"}}]}`: `Unsupported anything-but pattern: wrong-operator`,
		`{"a":["1"],"b":["1"`:                             `failed to parse JSON. Unexpected end-of-input: expected close marker for Array (start marker at [Source: (String)"`,
		`{invalid}`:                                       `failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name`,
		`["v"]`:                                           `Filter is not an object`,
		`{}`:                                              `Empty objects are not allowed`,
		combinations(151):                                 `Filter policy is too complex`,
		combinations(2, 2, 38):                            `Filter policy is too complex`,
	} {
		_, err := filterpolicy.Parse([]byte(policy), turnout.FilterBody)
		e, ok := errors.AsType[*filterpolicy.Error](err)
		require.True(t, ok, "%s: %v", policy, err)
		if strings.HasPrefix(message, "failed to parse JSON. Unexpected end") {
			require.Contains(t, e.Message, "failed to parse JSON. Unexpected end-of-input", policy)
			continue
		}
		require.Equal(t, message, e.Message, policy)
		require.False(t, e.Bare)
		require.Equal(t, message, strings.SplitN(err.Error(), "\n", 2)[0])
	}
}

func TestWhereAnErrorIs(t *testing.T) {
	t.Parallel()
	_, err := filterpolicy.Parse([]byte(`{invalid`), "")
	require.EqualError(t, err, "failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name\n"+
		" at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]")
	_, spaced := filterpolicy.Parse([]byte("{\n  \"a\" : [ ]\n}"), "")
	_, compact := filterpolicy.Parse([]byte(`{"a":[]}`), "")
	require.Equal(t, compact, spaced, "places are those in the policy without spaces")
}

// combinations returns a policy with so many values for each key.
func combinations(values ...int) string {
	policy := map[string][]string{}
	for key, n := range values {
		for i := range n {
			policy[fmt.Sprint(key)] = append(policy[fmt.Sprint(key)], fmt.Sprint(i))
		}
	}
	text, _ := json.Marshal(policy)
	return string(text)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{
		combinations(150),
		combinations(2, 3, 25),
		combinations(1, 1, 1, 1, 1, 1, 1, 1),
		`{"a":{"b":{"c":["1","2","3","4"]}},"d":{"e":["1","2","3"]}}`, // 4×3 × 3×2 = 72
		`{"$or":[` + combinations(75) + `,` + combinations(75) + `]}`,
	} {
		_, err := filterpolicy.Parse([]byte(policy), turnout.FilterBody)
		require.NoError(t, err)
	}
	for _, policy := range []string{
		`{"a":{"b":{"c":["1","2","3","4"]}},"d":{"e":["1","2","3","4","5","6","7"]}}`, // 12 × 14 = 168
		`{"$or":[` + combinations(76) + `,` + combinations(75) + `]}`,
		`{"a":["1","2"],"$or":[` + combinations(40) + `,` + combinations(40) + `]}`,
		combinations(9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9),
	} {
		_, err := filterpolicy.Parse([]byte(policy), turnout.FilterBody)
		require.EqualError(t, err, "Filter policy is too complex", policy)
	}
	_, err := filterpolicy.Parse([]byte(`{"a":["`+strings.Repeat("x", 256<<10)+`"]}`), "")
	require.EqualError(t, err, "Filter policy is longer than 262144 bytes")
	strict := filterpolicy.Limits{StrictAWS: true}
	_, err = strict.Parse([]byte(combinations(1, 1, 1, 1, 1)), "")
	require.NoError(t, err)
	_, err = strict.Parse([]byte(combinations(1, 1, 1, 1, 1, 1)), "")
	require.EqualError(t, err, "Filter policy can not have more than 5 keys")
	_, err = filterpolicy.Parse([]byte(`{"a":{"b":["c"]}}`), turnout.FilterAttributes)
	e, _ := errors.AsType[*filterpolicy.Error](err)
	require.Equal(t, &filterpolicy.Error{Message: "Filter policy scope MessageAttributes does not support nested filter policy", Bare: true}, e)
	_, err = filterpolicy.Parse([]byte(`{"$or":[{"a":["b"]},{"c":["d"]}]}`), "")
	require.NoError(t, err, "$or does not nest")
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	red := []turnout.MessageAttribute{
		attribute("color", "String", "red"), attribute("n", "Number", "10"), attribute("tags", "String.Array", `["a","b",3,true,null]`),
		attribute("bin", "Binary", "red"), attribute("empty", "String.Array", "[]"), attribute("bad", "String.Array", "[1"),
		attribute("custom", "String.x", "y"), attribute("a.b", "String", "dotted"), attribute("ip", "String", "10.0.0.7"),
		attribute("plus", "Number", "+007.50"), attribute("noNumber", "Number", "x"), attribute("exp", "Number", "1E+3"),
	}
	for _, c := range []struct {
		policy string
		want   bool
	}{
		{`{"color":["red","blue"]}`, true},
		{`{"color":["Red"]}`, false},
		{`{"color":["red"],"n":[11]}`, false},
		{`{"n":[10]}`, true},
		{`{"n":[10.0]}`, true},
		{`{"n":["10"]}`, false},
		{`{"n":[{"numeric":[">",9,"<=",10]}]}`, true},
		{`{"n":[{"anything-but":[10]}]}`, false},
		{`{"plus":[7.5]}`, true},
		{`{"exp":[1000]}`, true},
		{`{"noNumber":[{"exists":false}]}`, true},
		{`{"tags":["b"]}`, true},
		{`{"tags":[3]}`, true},
		{`{"tags":[true]}`, true},
		{`{"tags":[null]}`, true},
		{`{"tags":["c"]}`, false},
		{`{"tags":[{"anything-but":["a"]}]}`, true},
		{`{"bin":["red"]}`, false},
		{`{"bin":[{"exists":true}]}`, false},
		{`{"bin":[{"exists":false}]}`, true},
		{`{"empty":[{"exists":false}]}`, true},
		{`{"bad":[{"exists":false}]}`, true},
		{`{"custom":["y"]}`, true},
		{`{"a.b":["dotted"]}`, true},
		{`{"color":[{"prefix":"r"}]}`, true},
		{`{"color":[{"suffix":"d"}]}`, true},
		{`{"color":[{"equals-ignore-case":"RED"}]}`, true},
		{`{"color":[{"anything-but":{"prefix":"r"}}]}`, false},
		{`{"color":[{"anything-but":["blue"]}]}`, true},
		{`{"color":[{"anything-but":"red"}]}`, false},
		{`{"ip":[{"cidr":"10.0.0.0/24"}]}`, true},
		{`{"ip":[{"cidr":"10.0.1.0/24"}]}`, false},
		{`{"missing":[{"exists":false}]}`, true},
		{`{"missing":[{"exists":true}]}`, false},
		{`{"missing":[null,{"anything-but":["x"]}]}`, false},
		{`{"missing":["x",{"exists":false}]}`, true},
		{`{"$or":[{"color":["blue"]},{"n":[10]}]}`, true},
		{`{"$or":[{"color":["blue"]},{"n":[11]}]}`, false},
	} {
		p, err := filterpolicy.Parse([]byte(c.policy), turnout.FilterAttributes)
		require.NoError(t, err, c.policy)
		require.Equal(t, c.want, p.Match(red), c.policy)
		require.Equal(t, turnout.FilterAttributes, p.Scope())
	}
	p, err := filterpolicy.Parse([]byte(`{"x":[null,{"anything-but":["x"]}]}`), "")
	require.NoError(t, err)
	require.False(t, p.Match(nil), "a message without attributes has no null")
}

func TestBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy, body string
		want         bool
	}{
		{`{"a":["b"]}`, `{"a":"b"}`, true},
		{`{"a":["b"]}`, `{"a":["x","b"]}`, true},
		{`{"a":["b"]}`, `not JSON`, false},
		{`{"a":["b"]}`, `["a"]`, false},
		{`{"a":[{"exists":false}]}`, `"text"`, false},
		{`{"a":[{"exists":false}]}`, `{}`, true},
		{`{"a":["b"]}`, `{"a":"b"`, false},
		{`{"a":["b"]}`, `{"a":"x","a":"b"}`, false},
		{`{"a":{"b":{"c":["v"]}}}`, `{"a":{"b":{"c":"v"}}}`, true},
		{`{"a.b.c":["v"]}`, `{"a":{"b":{"c":"v"}}}`, true},
		{`{"a.b.c":["v"]}`, `{"a":{"b.c":"v"}}`, true},
		{`{"a.b.c":["v"]}`, `{"a.b":{"c":"v"}}`, true},
		{`{"a":{"b.c":["v"]}}`, `{"a.b.c":"v"}`, true},
		{`{"a":{"b":["1"],"c":["2"]}}`, `{"a":[{"b":"1","c":"2"}]}`, true},
		{`{"a":{"b":["1"],"c":["2"]}}`, `{"a":[{"b":"1","c":"x"},{"b":"x","c":"2"}]}`, false},
		{`{"a":{"b":["1"],"c":["2"]}}`, `{"a":[[{"b":"x"}],[{"b":"1","c":"2"}]]}`, true},
		{`{"a":[{"exists":true}]}`, `{"a":[]}`, false},
		{`{"a":[{"exists":false}]}`, `{"a":[]}`, true},
		{`{"a":[null]}`, `{"a":null}`, true},
		{`{"a":[true]}`, `{"a":true}`, true},
		{`{"a":[1]}`, `{"a":1.0}`, true},
		{`{"ip":[{"cidr":"2001:db8::/32"}]}`, `{"ip":"2001:db8::1"}`, true},
		{`{"a":{"$or":[{"b":["1"]},{"c":["2"]}]}}`, `{"a":{"c":"2"}}`, true},
		{`{"x":["y"],"$or":[{"b":["1"]},{"c":["2"]}]}`, `{"x":"y","b":"2"}`, false},
	} {
		p, err := filterpolicy.Parse([]byte(c.policy), turnout.FilterBody)
		require.NoError(t, err, c.policy)
		require.Equal(t, c.want, p.MatchBody([]byte(c.body)), "%s %s", c.policy, c.body)
	}
}

func TestASetFindsWhatItsPoliciesAccept(t *testing.T) {
	t.Parallel()
	var policies []*filterpolicy.Policy
	for _, c := range []struct {
		policy string
		scope  turnout.FilterScope
	}{
		{`{"a":["1"]}`, turnout.FilterAttributes},
		{`{"a":["1"]}`, turnout.FilterBody},
		{`{"a":["2"]}`, turnout.FilterAttributes},
		{`{"a":[{"exists":true}]}`, turnout.FilterBody},
		{`{"b":[{"exists":false}]}`, turnout.FilterAttributes},
	} {
		p, err := filterpolicy.Parse([]byte(c.policy), c.scope)
		require.NoError(t, err)
		policies = append(policies, p)
	}
	s := filterpolicy.NewSet(policies)
	for range 2 { // with used memory too
		require.Equal(t, []int{0, 4, 1, 3}, s.Match(nil, []turnout.MessageAttribute{attribute("a", "String", "1")}, []byte(`{"a":"1"}`)))
		require.Equal(t, []int{7, 2, 4}, s.Match([]int{7}, []turnout.MessageAttribute{attribute("a", "String", "2")}, []byte(`text`)))
	}
	require.Empty(t, filterpolicy.NewSet(nil).Match(nil, nil, []byte(`{}`)))
}
