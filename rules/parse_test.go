package rules_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules"
)

func asError(t require.TestingT, err error) *rules.Error {
	e, ok := errors.AsType[*rules.Error](err)
	require.True(t, ok, "%v", err)
	return e
}

// TestParseRefusesAsTheServiceDoes has what the service itself answered: message, line and column.
func TestParseRefusesAsTheServiceDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, message string
		column           int // 0: the service gives no place
	}{
		{`{"int": 42}`, `"int" must be an object or an array`, 11},
		{`{"string": "my-value"}`, `"string" must be an object or an array`, 13},
		{`{"resources": []}`, `Empty arrays are not allowed`, 17},
		{`{"my_key": [{"EXISTS": true}]}`, `Unrecognized match type EXISTS`, 28},
		{`{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}`, `Unrecognized match type NUMERIC`, 36},
		{`{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}`, `Bad numeric range operator: >`, 49},
		{`{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}`, `Value of < must be numeric`, 50},
		{
			`{"EventBusArn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}`,
			`Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character`, 0,
		},
		{`{"EventBusArn": [{"wildcard": "arn:aws:events:us-east-1:**:event-bus/*"}]}`, `Consecutive wildcard characters at pos 26`, 72},
		{`{"EventBusArn": [{"wildcard": 123}]}`, `wildcard match pattern must be a string`, 34},
		{`{"EventBusArn": [{"wildcard": ["a:**:b/*"]}]}`, `wildcard match pattern must be a string`, 32},
		{`{"detail": {"FilePath": [{"anything-but": {"wildcard": 123}}]}}`, `wildcard match pattern must be a string`, 59},
		{`{"detail": {"state": [{"anything-but": {"wildcard": [123, "*/dir/*"]}}]}}`, `wildcard match pattern must be a string`, 57},
		{`{"detail-type": [{"equals-ignore-case": ["ec2 instance state-change notification"]}]}`, `equals-ignore-case match pattern must be a string`, 42},
		{`{"detail-type": [{"equals-ignore-case": {"prefix": "ec2"}}]}`, `equals-ignore-case match pattern must be a string`, 42},
		{
			`{"detail": {"state": [{"anything-but": {"equals-ignore-case": 123}}]}}`,
			`Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.`, 66,
		},
		{
			`{"detail": {"state": [{"anything-but": {"equals-ignore-case": [123, 456]}}]}}`,
			`Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.`, 67,
		},
		{`{"detail": {"FileName": [{"anything-but": {"suffix": 123}}]}}`, `prefix/suffix match pattern must be a string`, 57},
		{`{"detail": {"FileName": [{"anything-but": {"suffix": [123, ".txt"]}}]}}`, `prefix/suffix match pattern must be a string`, 58},
		{`{"detail": {"state": [{"anything-but": {"prefix": 123}}]}}`, `prefix/suffix match pattern must be a string`, 54},
		{`{"detail": {"state": [{"anything-but": {"prefix": [123, "test"]}}]}}`, `prefix/suffix match pattern must be a string`, 55},
		{
			`{"detail": {"FileName": [{"anything-but": {"prefix": {"equals-ignore-case": "file"}}}]}}`,
			`Value of anything-but must be an array or single string/number value.`, 55,
		},
		{`{"time": [{"prefix": ["2022-07-13"]}]}`, `prefix match pattern must be a string`, 23},
		{`{"time": [{"prefix": 123}]}`, `prefix match pattern must be a string`, 25},
		{`{"FileName": [{"suffix": 123}]}`, `suffix match pattern must be a string`, 29},
		{`{"FileName": [{"suffix": [".png"]}]}`, `suffix match pattern must be a string`, 27},
		{`{"detail": {"sourceIPAddress": [{"cidr": ["bad-type"]}]}}`, `prefix match pattern must be a string`, 43},
		{`{"ip": [{"cidr": "bad-filter"}]}`, `Malformed CIDR, one '/' required`, 0},
		{`{"ip": [{"cidr": "10.0.0.0/xx"}]}`, `Malformed CIDR, mask bits must be an integer`, 0},
		{`{"ip": [{"cidr": "xx.11.xx/8"}]}`, `Nonstandard IP address: xx.11.xx`, 0},
		{`{"ip": [{"cidr": "xxxx:db8:1234:1a00::/64"}]}`, `Nonstandard IP address: xxxx:db8:1234:1a00::`, 0},
		{
			`this is valid json but not a dict`,
			`Unrecognized token 'this': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')`, 5,
		},
		{
			`{"not": closed mark"`,
			`Unrecognized token 'closed': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')`, 15,
		},
		{`{'bad': 'quotation'}`, `Unexpected character (''' (code 39)): was expecting double-quote to start field name`, 2},
		{`["not", "a", "dict", "but valid json"]`, `Filter is not an object`, 2},
	} {
		_, err := rules.Parse([]byte(c.pattern))
		e := asError(t, err)
		require.Equal(t, c.message, e.Message, "%s", c.pattern)
		require.Equal(t, c.column, e.Column, "%s", c.pattern)
		want := c.message
		if c.column > 0 {
			want += fmt.Sprintf("\n at [Source: (String)\"%s\"; line: 1, column: %d]", c.pattern, c.column)
		}
		require.Equal(t, want, e.WithSource([]byte(c.pattern)))
	}
}

// TestParseRefuses has the messages of AWS's engine that the service is not recorded with, and ours.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, message string }{
		{``, `Filter is not an object`},
		{` `, `Filter is not an object`},
		{`"x"`, `Filter is not an object`},
		{`{}`, `Empty objects are not allowed`},
		{`{"a":{}}`, `Empty objects are not allowed`},
		{`{"a":null}`, `"a" must be an object or an array`},
		{`{"a":[["x"]]}`, `Match value must be String, number, true, false, or null`},
		{`{"a":[{}]}`, `Match expression name not found`},
		{`{"a":[{"contains":"x"}]}`, `Unrecognized match type contains`},
		{`{"a":[{"exists":1}]}`, `exists match pattern must be either true or false.`},
		{`{"a":[{"exists":true,"prefix":"x"}]}`, `Only one key allowed in match expression`},
		{`{"a":[{"prefix":"x","suffix":"y"}]}`, `Only one key allowed in match expression`},
		{`{"a":[{"prefix":{"suffix":"x"}}]}`, `Unsupported prefix pattern: suffix`},
		{`{"a":[{"suffix":{"prefix":"x"}}]}`, `Unsupported suffix pattern: prefix`},
		{`{"a":[{"prefix":{}}]}`, `Prefix expression name not found`},
		{`{"a":[{"suffix":{}}]}`, `Suffix expression name not found`},
		{`{"a":[{"prefix":{"equals-ignore-case":1}}]}`, `equals-ignore-case match pattern must be a string`},
		{`{"a":[{"exactly":1}]}`, `exact match pattern must be a string`},
		{`{"a":[{"wildcard":"a**"}]}`, `Consecutive wildcard characters at pos 2`},
		{`{"a":[{"wildcard":"a\\nb"}]}`, `Invalid escape character at pos 2`},
		{`{"a":[{"wildcard":"ab\\"}]}`, `Invalid escape character at pos 3`},
		{`{"a":[{"anything-but":{}}]}`, `Anything-But expression name not found`},
		{`{"a":[{"anything-but":{"exists":true}}]}`, `Unsupported anything-but pattern: exists`},
		{`{"a":[{"anything-but":true}]}`, `Value of anything-but must be an array or single string/number value.`},
		{`{"a":[{"anything-but":[true]}]}`, `Inside anything but list, start|null|boolean is not supported.`},
		{`{"a":[{"anything-but":[{"prefix":"x"}]}]}`, `Inside anything but list, start|null|boolean is not supported.`},
		{`{"a":[{"anything-but":["a",1]}]}`, `Inside anything but list, either all values are number or string, mixed type is not supported`},
		{`{"a":[{"anything-but":[]}]}`, `Inside anything but list, either all values are number or string, mixed type is not supported`},
		{`{"a":[{"anything-but":{"prefix":[]}}]}`, `Empty arrays are not allowed`},
		{`{"a":[{"anything-but":{"prefix":""}}]}`, `Null prefix/suffix not allowed`},
		{`{"a":[{"anything-but":{"suffix":["a",""]}}]}`, `Null prefix/suffix not allowed`},
		{`{"a":[{"anything-but":1e400}]}`, `Cannot compare number : 1e400`},
		{`{"a":[{"anything-but":"x","prefix":"y"}]}`, `Too many elements in numeric expression`},
		{`{"a":[{"numeric":5}]}`, `Value of numeric must be an array.`},
		{`{"a":[{"numeric":[]}]}`, `Invalid member in numeric match: ]`},
		{`{"a":[{"numeric":[1]}]}`, `Invalid member in numeric match: 1`},
		{`{"a":[{"numeric":["operator",1]}]}`, `Unrecognized numeric range operator: operator`},
		{`{"a":[{"numeric":["=","5"]}]}`, `Value of equals must be numeric`},
		{`{"a":[{"numeric":[">="]}]}`, `Value of >= must be numeric`},
		{`{"a":[{"numeric":["=",5,"<",9]}]}`, `Too many elements in numeric expression`},
		{`{"a":[{"numeric":["<",100,">",10]}]}`, `Too many elements in numeric expression`},
		{`{"a":[{"numeric":[">",0,5]}]}`, `Bad value in numeric range: 5`},
		{`{"a":[{"numeric":[">",1,"<",5,"<",9]}]}`, `Too many terms in numeric range expression`},
		{`{"a":[{"numeric":[">=",5,"<=",5]}]}`, `Bottom must be less than top`},
		{`{"a":[{"numeric":["<",0.1234567890123456789]}]}`, `Cannot compare number : 0.1234567890123456789`},
		{`{"a":[{"numeric":["<",1],"x":1}]}`, `Too many elements in numeric expression`},
		{`{"a":[{"cidr":"10.0.0.0/8/8"}]}`, `Malformed CIDR, one '/' required`},
		{`{"a":[{"cidr":"10.0.0.0/-1"}]}`, `Malformed CIDR, mask bits must not be negative`},
		{`{"a":[{"cidr":"10.0.0.0/32"}]}`, `IPv4 mask bits must be < 32`},
		{`{"a":[{"cidr":"::/128"}]}`, `IPv6 mask bits must be < 128`},
		{`{"a":[{"cidr":"10.0.0.256/8"}]}`, `Invalid IP address: 10.0.0.256`},
		{`{"$or":[{"a":["x"]}]}`, `There must have at least 2 Objects in $or relationship.`},
		{`{"$or":[{"a":["x"]},"y"]}`, `Only JSON object is allowed in array of $or relationship.`},
		{`{"$or":[{"a":["x"]},{}]}`, `Empty objects are not allowed`},
		{`{"$or":[{"a":["x"]},{"b":{"prefix":["y"]}}]}`, `prefix is Ruler reserved fieldName which cannot be used inside $or.`},
		{`{"$or":[]}`, `Empty arrays are not allowed`},
		{`{"a":["x"]} {}`, `Unexpected character ('{' (code 123)): expected nothing after the end of the outermost value`},
		{`{"a":["x"`, `Unexpected end-of-input: expected close marker for Array`},
	} {
		_, err := rules.Parse([]byte(c.pattern))
		require.Equal(t, c.message, asError(t, err).Message, "%s", c.pattern)
	}
}

func TestErrorsHaveLinesAndColumnsOfCharacters(t *testing.T) {
	t.Parallel()
	_, err := rules.Parse([]byte("{\n  \"é\": 1\n}"))
	e := asError(t, err)
	require.Equal(t, "\"é\" must be an object or an array (line 2, column 9)", e.Error())
	require.Equal(t, 11, e.Offset)

	long := `{"a":"` + strings.Repeat("é", 600) + `"}`
	_, err = rules.Parse([]byte(long))
	require.Equal(t, "\"a\" must be an object or an array\n at [Source: (String)\"{\"a\":\""+strings.Repeat("é", 494)+
		"\"[truncated 108 chars]; line: 1, column: 7]", asError(t, err).WithSource([]byte(long)))

	_, err = rules.Parse([]byte(`{"ip":[{"cidr":"x"}]}`))
	require.Equal(t, "Malformed CIDR, one '/' required", asError(t, err).Error(), "AWS gives no place")
}

func TestPatternLimits(t *testing.T) {
	t.Parallel()
	const padding = `{"a":[""]}`
	exactly := func(n int) string { return `{"a":["` + strings.Repeat("é", n-len(padding)) + `"]}` }
	fields := func(n int) string {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"%d":[1]`, i))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	choices := func(counts ...int) string {
		nested := ""
		for i, n := range counts {
			branches := strings.TrimSuffix(strings.Repeat(`{"b":[1]},`, n), ",")
			nested += fmt.Sprintf(`,"k%d":{"$or":[%s]}`, i, branches)
		}
		return `{"a":[1]` + nested + `}`
	}
	for _, c := range []struct {
		name, pattern, message string
	}{
		{"4096 characters", exactly(4096), ""},
		{"4097 characters", exactly(4097), "Event pattern has 4097 characters, at most 4096 are allowed"},
		{"256 fields", fields(256), ""},
		{"257 fields", fields(257), "Size of rule exceeds max value of 256"},
		{"1000 combinations", choices(10, 10, 10), ""},
		{"1100 combinations", choices(11, 10, 10), "Rule is too complex - its $or make more than 1000 combinations"},
		{"a million combinations", choices(10, 10, 10, 10, 10, 10), "Rule is too complex - its $or make more than 1000 combinations"},
		{"100 levels", strings.Repeat(`{"a":`, 99) + `["x"]` + strings.Repeat(`}`, 99), ""},
		{
			"101 levels", strings.Repeat(`{"a":`, 100) + `["x"]` + strings.Repeat(`}`, 100),
			"Document nesting depth (101) exceeds the maximum allowed (100)",
		},
	} {
		_, err := rules.Parse([]byte(c.pattern))
		if c.message == "" {
			require.NoError(t, err, c.name)
			continue
		}
		require.Equal(t, c.message, asError(t, err).Message, c.name)
	}

	_, err := rules.PatternLimits{Characters: 9}.Parse([]byte(padding))
	require.Error(t, err, "limits can be lowered")
	_, err = rules.PatternLimits{Characters: 5000}.Parse([]byte(exactly(5000)))
	require.NoError(t, err, "limits can be raised")
	_, err = rules.PatternLimits{Fields: 1000}.Parse([]byte(fields(257)))
	require.Error(t, err, "the limit on fields cannot be raised beyond 256")
}

// TestWildcardComplexity has patterns that the service is known to accept or to refuse.
func TestWildcardComplexity(t *testing.T) {
	t.Parallel()
	stacks := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"wildcard":"*:stack/Stack%c/*"}`, 'A'+i))
		}
		return strings.Join(list, ",")
	}
	for _, c := range []struct {
		alternatives string
		accepted     bool
	}{
		{`{"wildcard":"*:*:*:*:*:event-bus/*"}`, false},
		{`{"wildcard":"arn:aws:events:us-east-1:*:event-bus/*"}`, true},
		{`{"wildcard":"/Users/*/dir/dir/dir/dir/dir/doc.txt"}`, true},
		{stacks(3), true},
		{stacks(4), false},
		{`{"anything-but":{"wildcard":["*/dir/*","*/init/*"]}}`, true},
		{`{"wildcard":"a*b*c*d"}`, true},
		{`{"wildcard":"a*x"},{"wildcard":"b*x"},{"wildcard":"c*x"},{"wildcard":"d*x"},{"wildcard":"e*x"},{"wildcard":"f*x"}`, true},
		{`{"wildcard":"*aaaaaaaaaaaa"}`, false},
		{`{"wildcard":"abc"},{"wildcard":"*"}`, true},
	} {
		pattern := []byte(`{"a":[` + c.alternatives + `]}`)
		_, err := rules.Parse(pattern)
		require.Equal(t, c.accepted, err == nil, "%s: %v", pattern, err)
		_, err = rules.PatternLimits{WildcardComplexity: 1000}.Parse(pattern)
		require.NoError(t, err, "the limit can be raised")
	}
}

func TestCost(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]int{
		`{"a":["x"]}`:                                                     1,
		`{"a":["x","y",{"prefix":"z"}],"b":[1]}`:                          4,
		`{"a":[{"exists":false}]}`:                                        1,
		`{"a":[{"wildcard":"x*y*z"}]}`:                                    3,
		`{"a":[{"anything-but":["x","y"]}]}`:                              2,
		`{"a":[{"anything-but":{"wildcard":["x*","y"]}}]}`:                3,
		`{"c":[1],"$or":[{"a":[1]},{"b":[1,2]}]}`:                         5,
		`{"$or":[{"a":[1]},{"b":[1]}],"d":{"$or":[{"a":[1]},{"b":[1]}]}}`: 8,
	} {
		p, err := rules.Parse([]byte(pattern))
		require.NoError(t, err, pattern)
		require.Equal(t, want, p.Cost(), pattern)
		require.Equal(t, 2*want, rules.Compile([]rules.Rule{{ID: 1, Pattern: p}, {ID: 2, Pattern: p}}).Cost(), pattern)
		_, err = rules.PatternLimits{Cost: want}.Parse([]byte(pattern))
		require.NoError(t, err, pattern)
		if want > 1 {
			_, err = rules.PatternLimits{Cost: want - 1}.Parse([]byte(pattern))
			require.Equal(t, fmt.Sprintf("Rule is too complex - its cost is %d, at most %d is allowed", want, want-1), asError(t, err).Message)
		}
	}
}
