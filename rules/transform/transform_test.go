package transform_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules"
	"github.com/seed567880c8/turnout/rules/transform"
)

const event = `{"version":"0","id":"7bf73129-1428-4cd3-a780-95db273d1602","detail-type":"core.update","source":"core","account":"123456789012","time":"2015-11-11T21:29:54Z","region":"us-east-1","resources":["arn:a","arn:b"],"detail":{"command":"update-account","payload":{"acc_id":"0a787ecb-4015","sf_id":"baz"},"list":["ACTIVE","INACTIVE"],"n":12.50,"flag":true,"off":false,"nothing":null,"quote":"say \"hi\"\n","empty":"","Current Usage":"5","none":[],"items":[{"sku":"a"},{"sku":"b","deep":{"x":[1,{"y":2}]}},{}]}}`

var context = transform.Context{
	RuleARN:       "arn:aws:events:us-east-1:123456789012:rule/bus/r1",
	RuleName:      "r1",
	IngestionTime: time.Date(2024, 6, 11, 10, 33, 12, 345_000_000, time.FixedZone("", 2*3600)),
}

func apply(t *testing.T, s transform.Spec) (string, error) {
	t.Helper()
	require.NoError(t, rules.Scan([]byte(event)))
	tr, err := transform.Parse(s)
	require.NoError(t, err)
	out, err := tr.Apply([]byte("before "), []byte(event), context)
	text, ok := strings.CutPrefix(string(out), "before ")
	require.True(t, ok, "the result is appended")
	if err != nil {
		require.Empty(t, text)
	}
	return text, err
}

func TestWithoutASpecTheTargetGetsTheEvent(t *testing.T) {
	t.Parallel()
	got, err := apply(t, transform.Spec{TargetID: "t"})
	require.NoError(t, err)
	require.Equal(t, event, got)
}

func TestInputIsAConstant(t *testing.T) {
	t.Parallel()
	for _, constant := range []string{`{"a": [1, "<b>"]}`, `"text"`, `7`, ` null `} {
		got, err := apply(t, transform.Spec{TargetID: "t", Input: constant})
		require.NoError(t, err)
		require.Equal(t, constant, got)
	}
}

func TestInputPathSelectsAPart(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"$":                             event,
		"$.detail.payload":              `{"acc_id":"0a787ecb-4015","sf_id":"baz"}`,
		"$.detail.payload.sf_id":        `"baz"`,
		"$.detail-type":                 `"core.update"`,
		"$.detail.n":                    `12.50`,
		"$.resources[1]":                `"arn:b"`,
		"$['detail']['Current Usage']":  `"5"`,
		`$["detail"].list[0]`:           `"ACTIVE"`,
		"$.detail.items[1].deep.x[1].y": `2`,
		"$.detail.items[*].sku":         `["a","b"]`,
		"$.detail.payload.*":            `["0a787ecb-4015","baz"]`,
		"$.detail.none":                 `[]`,
	} {
		got, err := apply(t, transform.Spec{TargetID: "t", InputPath: path})
		require.NoError(t, err, path)
		require.Equal(t, want, got, path)
	}
}

func TestInputPathThatSelectsNothingFailsTheDelivery(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"$.nope", "$.detail.items[3]", "$.detail.command[0]", "$.detail.command.x", "$.resources.x", "$.detail.none[*]", "$.detail[0]"} {
		_, err := apply(t, transform.Spec{TargetID: "t", InputPath: path})
		require.ErrorIs(t, err, transform.ErrNoValue, path)
		require.ErrorContains(t, err, path)
	}
}

var paths = map[string]string{
	"detail-type": "$.detail-type",
	"timestamp":   "$.time",
	"command":     "$.detail.command",
	"payload":     "$.detail.payload",
	"list":        "$.detail.list",
	"n":           "$.detail.n",
	"flag":        "$.detail.flag",
	"off":         "$.detail.off",
	"nothing":     "$.detail.nothing",
	"quote":       "$.detail.quote",
	"empty":       "$.detail.empty",
	"missing":     "$.detail.notinmessage",
	"none":        "$.detail.none",
	"deep":        "$.detail.items",
}

func TestInputTransformer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, template, want string }{
		// What the service is recorded to do.
		{
			"a quoted line takes text", `"Event of <detail-type> type, at time <timestamp>, info extracted from detail <command>"`,
			`"Event of core.update type, at time 2015-11-11T21:29:54Z, info extracted from detail update-account"`,
		},
		{"a missing value leaves nothing in a line", `"from detail <missing>"`, `"from detail "`},
		{"a line may begin like JSON", `"{[/Check <detail-type> type"`, `"{[/Check core.update type"`},
		{"objects lose their quotation marks in a line", `"Payload <payload>"`, `"Payload {acc_id:0a787ecb-4015,sf_id:baz}"`},
		{"arrays lose them too", `"List <list>"`, `"List [ACTIVE,INACTIVE]"`},
		{"booleans are words in a line", `"Flag <flag>"`, `"Flag true"`},
		{"lines keep their line breaks", "\"one <command>\"\n\"two <n>\"", "\"one update-account\"\n\"two 12.50\""},
		{
			"JSON takes values", `{"detailType": <detail-type>,  "time": <timestamp>, "command": <command>}`,
			`{"detailType": "core.update",  "time": "2015-11-11T21:29:54Z", "command": "update-account"}`,
		},
		{"JSON takes objects as they are", `{"p":<payload>,"l":<list>}`, `{"p":{"acc_id":"0a787ecb-4015","sf_id":"baz"},"l":["ACTIVE","INACTIVE"]}`},
		{"a missing value is an empty string in JSON", `{"command":<missing>}`, `{"command":""}`},
		{"inside strings JSON takes text", `{"a":"<command>","b":"users/<command>/x"}`, `{"a":"update-account","b":"users/update-account/x"}`},
		{
			"predefined variables in a line", `"rule <aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>"`,
			`"rule arn:aws:events:us-east-1:123456789012:rule/bus/r1 r1 2024-06-11T08:33:12Z"`,
		},
		{
			"predefined variables in JSON", `{"originalEvent": <aws.events.event>, "originalEventJson": <aws.events.event.json>}`,
			`{"originalEvent": {"id":"7bf73129-1428-4cd3-a780-95db273d1602","account":"123456789012","detailType":"core.update","time":"2024-06-11T08:33:12Z","source":"core","region":"us-east-1","resources":["arn:a","arn:b"],"version":"0"}, "originalEventJson": ` + event + `}`,
		},
		{"strings are values in JSON", `{"arn" : <aws.events.rule-arn>}`, `{"arn" : "arn:aws:events:us-east-1:123456789012:rule/bus/r1"}`},
		// What follows from it.
		{"escapes stay escapes", `{"a":<quote>,"b":"<quote>"}`, `{"a":"say \"hi\"\n","b":"say \"hi\"\n"}`},
		{"escapes stay escapes in a line", `"<quote>"`, `"say \"hi\"\n"`},
		{"escaped quotation marks in the template", `{"s":"it is \"<command>\""}`, `{"s":"it is \"update-account\""}`},
		{"numbers keep their digits", `[<n>,<flag>,<off>,<nothing>,<empty>]`, `[12.50,true,false,null,""]`},
		{"static values beside", `{"a":[9,<command>,true]}`, `{"a":[9,"update-account",true]}`},
		{"a value alone", `<payload>`, `{"acc_id":"0a787ecb-4015","sf_id":"baz"}`},
		{"the event alone", `<aws.events.event.json>`, event},
		{"an empty array inside a string is JSON", `{"a":"<none>"}`, `{"a":"[]"}`},
		{"nested objects in a line", `"<deep>"`, `"[{sku:a},{sku:b,deep:{x:[1,{y:2}]}},{}]"`},
		{"brackets that hold no name", `{"a":"<> and 1 < 2"}`, `{"a":"<> and 1 < 2"}`},
		{"no values at all", `{"a":1}`, `{"a":1}`},
	} {
		got, err := apply(t, transform.Spec{TargetID: "t", InputTransformer: &transform.InputTransformer{InputPathsMap: paths, InputTemplate: c.template}})
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, got, c.name)
	}
}

func TestATemplateThatMakesNoJSONFailsTheDelivery(t *testing.T) {
	t.Parallel()
	for _, template := range []string{`{"a":"<payload>"}`, `{"a":"x <list> y"}`, `{"a":"<aws.events.event.json>"}`} {
		_, err := apply(t, transform.Spec{TargetID: "t", InputTransformer: &transform.InputTransformer{InputPathsMap: paths, InputTemplate: template}})
		require.ErrorIs(t, err, transform.ErrNotJSON, template)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	template := func(text string) transform.Spec {
		return transform.Spec{TargetID: "t1", InputTransformer: &transform.InputTransformer{InputPathsMap: paths, InputTemplate: text}}
	}
	mapped := func(m map[string]string) transform.Spec {
		return transform.Spec{TargetID: "t1", InputTransformer: &transform.InputTransformer{InputPathsMap: m, InputTemplate: `{}`}}
	}
	many := map[string]string{}
	for i := range 101 {
		many[fmt.Sprint("k", i)] = "$.detail"
	}
	for _, c := range []struct {
		spec    transform.Spec
		message string
	}{
		{transform.Spec{TargetID: "t1", Input: `1`, InputPath: "$"}, "Only one of Input, InputPath, or InputTransformer must be provided for target t1."},
		{
			transform.Spec{TargetID: "t1", InputPath: "$", InputTransformer: &transform.InputTransformer{InputTemplate: "{}"}},
			"Only one of Input, InputPath, or InputTransformer must be provided for target t1.",
		},
		{transform.Spec{TargetID: "1", Input: "env:dev"}, `JSON syntax error in input for target 1: [Source: (String)"env:dev"; line: 1, column: 4]`},
		{transform.Spec{TargetID: "1", Input: " "}, `JSON syntax error in input for target 1: [Source: (String)" "; line: 1, column: 2]`},
		{transform.Spec{TargetID: "1", Input: `{} {}`}, `JSON syntax error in input for target 1: [Source: (String)"{} {}"; line: 1, column: 4]`},
		{transform.Spec{TargetID: "1", Input: `"` + strings.Repeat("é", 8191) + `"`}, "Input for target 1 has 8193 characters, at most 8192 are allowed"},
		{transform.Spec{TargetID: "t1", InputPath: "detail"}, `InputPath for target t1 is not valid. Reason: a path begins with $ (at character 1 of "detail").`},
		{template(`"with not defined key <notdefinedkey>"`), "InputTemplate for target t1 contains invalid placeholder notdefinedkey."},
		{template(`{"a":<aws.events.unknown>}`), "InputTemplate for target t1 contains invalid placeholder aws.events.unknown."},
		{template(`{"a":"x < y > z"}`), "InputTemplate for target t1 contains invalid placeholder  y ."},
		{template(`{"a":<command>`), `Invalid InputTemplate for target t1 : [Source: (String)"{"a":<command>"; line: 1, column: 15].`},
		{template(`{"a":<command><command>}`), `Invalid InputTemplate for target t1 : [Source: (String)"{"a":<command><command>}"; line: 1, column: 15].`},
		{template(`{"a":1<n>}`), `Invalid InputTemplate for target t1 : [Source: (String)"{"a":1<n>}"; line: 1, column: 7].`},
		{template(`{<command>:1}`), `Invalid InputTemplate for target t1 : [Source: (String)"{<command>:1}"; line: 1, column: 2].`},
		{template(`{"a":1e<n>}`), `Invalid InputTemplate for target t1 : [Source: (String)"{"a":1e<n>}"; line: 1, column: 6].`},
		{template(`{"<command>":1}`), "InputTemplate for target t1 has a placeholder in an object key."},
		{template(`<command> is in state`), `Invalid InputTemplate for target t1 : [Source: (String)"<command> is in state"; line: 1, column: 11].`},
		{template(`text`), `Invalid InputTemplate for target t1 : [Source: (String)"text"; line: 1, column: 5].`},
		{template(``), `Invalid InputTemplate for target t1 : [Source: (String)""; line: 1, column: 1].`},
		{template(`"line" <n>`), `Invalid InputTemplate for target t1 : [Source: (String)""line" <n>"; line: 1, column: 8].`},
		{template(`"line" x`), `Invalid InputTemplate for target t1 : [Source: (String)""line" x"; line: 1, column: 8].`},
		{template(`"line`), `Invalid InputTemplate for target t1 : [Source: (String)""line"; line: 1, column: 6].`},
		{template("\"one\"\n\"tw\\o\""), "Invalid InputTemplate for target t1 : [Source: (String)\"\"one\"\n\"tw\\o\"\"; line: 2, column: 5]."},
		{template(`"` + strings.Repeat("x", 8191) + `"`), "InputTemplate for target t1 has 8193 characters, at most 8192 are allowed"},
		{mapped(many), "InputPathsMap for target t1 has 101 entries, at most 100 are allowed"},
		{mapped(map[string]string{"a b": "$"}), `InputPathsMap for target t1 is not valid. Reason: the key "a b" is not 1 to 256 letters, digits, _ and -.`},
		{mapped(map[string]string{"": "$"}), `InputPathsMap for target t1 is not valid. Reason: the key "" is not 1 to 256 letters, digits, _ and -.`},
		{mapped(map[string]string{"aws.events.event": "$"}), `InputPathsMap for target t1 is not valid. Reason: the key "aws.events.event" is not 1 to 256 letters, digits, _ and -.`},
		{mapped(map[string]string{"a": "x"}), `InputPathsMap for target t1 is not valid. Reason: a: a path begins with $ (at character 1 of "x").`},
	} {
		_, err := transform.Parse(c.spec)
		e, ok := errors.AsType[*transform.Error](err)
		require.True(t, ok, "accepted: want %s", c.message)
		require.Equal(t, c.message, e.Error())
	}
	delete(many, "k0")
	_, err := transform.Parse(mapped(many))
	require.NoError(t, err, "100 paths are allowed")
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spec transform.Spec
		want bool
	}{
		{transform.Spec{}, true},
		{transform.Spec{InputPath: "$"}, true},
		{transform.Spec{InputPath: "$.a"}, false},
		{transform.Spec{Input: "1"}, false},
		{transform.Spec{InputTransformer: &transform.InputTransformer{InputTemplate: "<aws.events.event.json>"}}, false},
	} {
		tr, err := transform.Parse(c.spec)
		require.NoError(t, err)
		require.Equal(t, c.want, tr.Identity(), "%+v", c.spec)
	}
}

func TestParsePathRefuses(t *testing.T) {
	t.Parallel()
	for path, reason := range map[string]string{
		"":                              "a path begins with $",
		"x":                             "a path begins with $",
		"$.":                            "a dot is followed by a key",
		"$.a.":                          "a dot is followed by a key",
		"$.a b":                         "a step begins with . or [",
		"$x":                            "a step begins with . or [",
		"$..a":                          "recursive descent (..) is not supported",
		"$[?(@.a>1)]":                   "filters ([?…]) are not supported",
		"$[1:2]":                        "brackets hold an index",
		"$[0,1]":                        "brackets hold an index",
		"$[-1]":                         "brackets hold an index",
		"$[":                            "brackets hold an index",
		"$[1":                           "the path ends in brackets",
		"$['a'":                         "a quoted key ends with ]",
		"$['a','b']":                    "several keys are not supported",
		"$['a":                          "the path ends in a quoted key",
		"$['a\\":                        "the path ends in a quoted key",
		"$[99999999999]":                "brackets hold an index",
		"$.a()":                         "a step begins with . or [",
		"$.\xff":                        "not valid UTF-8",
		"$." + strings.Repeat("a", 255): "path has 257 characters, at most 256 are allowed",
	} {
		_, err := transform.ParsePath(path)
		e, ok := errors.AsType[*transform.Error](err)
		require.True(t, ok, "accepted %s", path)
		require.Contains(t, e.Error(), reason, path)
	}
}

func TestPathText(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"$.detail.command": "update-account", "$.detail.quote": "say \"hi\"\n", "$.detail.n": "12.50",
		"$.detail.flag": "true", "$.detail.nothing": "null", "$.detail.list": `["ACTIVE","INACTIVE"]`, "$.detail.empty": "",
	} {
		p, err := transform.ParsePath(path)
		require.NoError(t, err)
		require.Equal(t, path, p.String())
		got, ok := p.Text([]byte(event))
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	p, err := transform.ParsePath("$.nope")
	require.NoError(t, err)
	_, ok := p.Text([]byte(event))
	require.False(t, ok)
}

func TestPathKinds(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]transform.Kind{
		"$": transform.Object, "$.resources": transform.Array, "$.id": transform.String, "$.detail.n": transform.Number,
		"$.detail.flag": transform.Bool, "$.detail.off": transform.Bool, "$.detail.nothing": transform.Null,
		"$.nope": transform.Missing, "$.detail.items[*].sku": transform.Array,
	} {
		p, err := transform.ParsePath(path)
		require.NoError(t, err)
		_, kind, ok := p.Extract([]byte(event))
		require.Equal(t, want, kind, path)
		require.Equal(t, want != transform.Missing, ok, path)
	}
}

func TestPathFindsKeysWithEscapes(t *testing.T) {
	t.Parallel()
	for path, document := range map[string]string{
		`$.name`:       `{"x":1,"n\u0061me":7}`,
		`$['it\'s']`:   ` { "it's" : 7 } `,
		`$["a\"\\b"]`:  `{"a\"\\b":7}`,
		`$.é`:          `{"\u00e9":7}`,
		`$['a.b']`:     `{"a":{"b":1},"a.b":7}`,
		`$['@this|x']`: `{"@this|x":7}`,
		`$['']`:        `{"":7}`,
	} {
		p, err := transform.ParsePath(path)
		require.NoError(t, err, path)
		got, _, _ := p.Extract([]byte(document))
		require.Equal(t, "7", string(got), path)
	}
}

// lookUp follows a path without wildcards by means of encoding/json.
func lookUp(document any, keys []any) (any, bool) {
	for _, k := range keys {
		switch k := k.(type) {
		case string:
			m, ok := document.(map[string]any)
			if !ok {
				return nil, false
			}
			if document, ok = m[k]; !ok {
				return nil, false
			}
		case int:
			a, ok := document.([]any)
			if !ok || k >= len(a) {
				return nil, false
			}
			document = a[k]
		}
	}
	return document, true
}

func FuzzPath(f *testing.F) {
	for _, path := range []string{"$", "$.a.b", "$['a']", `$["a"]`, "$.a[0]", "$.a[*].b", "$.*", "$..a", "$[1:2]", "$.a['b.c'][2].d", "$['\\'']"} {
		f.Add(path, event)
		f.Add(path, `{"a":[{"b":1},{"b":[2]}],"b":{"c":null}}`)
	}
	f.Fuzz(func(t *testing.T, path, document string) {
		p, err := transform.ParsePath(path)
		if err != nil {
			_, ok := errors.AsType[*transform.Error](err)
			require.True(t, ok)
			return
		}
		require.Equal(t, path, p.String())
		value, _, ok := p.Extract([]byte(document)) // must not panic, whatever the document
		if rules.Scan([]byte(document)) != nil {
			return
		}
		if ok {
			require.True(t, json.Valid(value), "%s of %s is %s", path, document, value)
		}
	})
}

func FuzzPathFindsWhatEncodingJSONDoes(f *testing.F) {
	f.Add("a", "b", 0, `{"a":{"b":[1]}}`)
	f.Add("a", "it's", 1, `{"a":{"it's":[1,"x"]}}`)
	f.Add("", "\\", 1, `{"":{"\\":[1,{"a":2}]}}`)
	f.Fuzz(func(t *testing.T, first, second string, index int, document string) {
		if rules.Scan([]byte(document)) != nil || index < 0 {
			return
		}
		quote := func(key string) string { return "['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(key) + "']" }
		p, err := transform.ParsePath("$" + quote(first) + quote(second) + fmt.Sprintf("[%d]", index))
		if err != nil {
			return
		}
		d := json.NewDecoder(strings.NewReader(document))
		d.UseNumber()
		var whole any
		require.NoError(t, d.Decode(&whole))
		want, wantOK := lookUp(whole, []any{first, second, index})
		got, _, ok := p.Extract([]byte(document))
		require.Equal(t, wantOK, ok)
		if ok {
			gd := json.NewDecoder(bytes.NewReader(got))
			gd.UseNumber()
			var value any
			require.NoError(t, gd.Decode(&value))
			require.Equal(t, want, value)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, template := range []string{
		`"a <x> b"`, `{"a":<x>,"b":"<y>"}`, `<x>`, `[<x>,<y>]`, "\"<x>\"\n\"<y>\"", `{"a":"\"<x>\""}`, `"<aws.events.event.json>"`,
		`{"<x>":1}`, `{"a":<aws.events.event>}`, `"<x`, `{"a":"\\<x>"}`, `{\"a\":<x>}`,
	} {
		f.Add(template, `{"x":{"a":["b\"c"]},"y":"z\n"}`)
		f.Add(template, `{"x":1}`)
	}
	f.Fuzz(func(t *testing.T, template, document string) {
		tr, err := transform.Parse(transform.Spec{TargetID: "t", InputTransformer: &transform.InputTransformer{
			InputPathsMap: map[string]string{"x": "$.x", "y": "$.y"}, InputTemplate: template,
		}})
		if err != nil {
			_, ok := errors.AsType[*transform.Error](err)
			require.True(t, ok)
			return
		}
		if rules.Scan([]byte(document)) != nil {
			return
		}
		out, err := tr.Apply(nil, []byte(document), context)
		if err != nil {
			require.ErrorIs(t, err, transform.ErrNotJSON)
			require.Empty(t, out)
			return
		}
		if strings.HasPrefix(strings.TrimLeft(template, " \t\r\n"), `"`) {
			// Every line of quoted text must be a JSON string.
			d := json.NewDecoder(bytes.NewReader(out))
			for d.More() {
				var line string
				require.NoError(t, d.Decode(&line), "%q made %q", template, out)
			}
			return
		}
		require.True(t, json.Valid(out), "%q made %q of %q", template, out, document)
	})
}

func BenchmarkApply(b *testing.B) {
	for name, spec := range map[string]transform.Spec{
		"path":     {InputPath: "$.detail.payload"},
		"template": {InputTransformer: &transform.InputTransformer{InputPathsMap: paths, InputTemplate: `{"c":<command>,"p":<payload>,"rule":"<aws.events.rule-name>"}`}},
	} {
		b.Run(name, func(b *testing.B) {
			tr, err := transform.Parse(spec)
			require.NoError(b, err)
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			source := []byte(event)
			var out []byte
			for b.Loop() {
				if out, err = tr.Apply(out[:0], source, context); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestTemplateOutputIsBounded(t *testing.T) {
	t.Parallel()
	tr, err := transform.Parse(transform.Spec{TargetID: "1", InputTransformer: &transform.InputTransformer{
		InputPathsMap: map[string]string{"a": "$.detail"},
		InputTemplate: "[" + strings.Repeat("<a>,", 1000) + "<a>]",
	}})
	require.NoError(t, err)
	large := []byte(`{"detail":"` + strings.Repeat("x", 100_000) + `"}`)
	out, err := tr.Apply([]byte("kept"), large, context)
	require.ErrorIs(t, err, transform.ErrTooLarge)
	require.Equal(t, "kept", string(out))
}
