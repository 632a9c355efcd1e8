package shape

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout"
)

// every is a shape with all kinds of parts.
var every = Structure("Every",
	Need("Name", Text(1, 4, Regular(`[a-z]+`))),
	May("Kind", OneOf("A", "B")),
	May("Count", Integer(0, 3)),
	May("On", Boolean()),
	May("At", Time()),
	May("Password", Secret(Text(2, None, nil))),
	May("Names", List(Text(1, None, nil), 1, 2)),
	May("Pairs", Map(Text(None, 2, nil), Text(None, 3, nil), 1)),
	May("Parts", List(PrintedAs(Structure("Part", Need("Key", Text(None, None, nil)), May("Value", Secret(Text(None, None, nil)))), "inner"), 0, 1)),
)

func TestDecodeReadsEveryKind(t *testing.T) {
	t.Parallel()
	v, err := Decode(every, []byte(`{"Name":"n","Kind":"A","Count":3,"On":true,"At":1700000000.25,"Password":"secret",
		"Names":["a","b"],"Pairs":{"k":"v"},"Parts":[{"Key":"k","Value":"v","Unknown":[{}]}],"Unknown":null}`))
	require.NoError(t, err)
	require.Equal(t, "n", v.Str("Name"))
	require.Equal(t, int64(3), v.Field("Count").Number)
	require.True(t, v.Flag("On"))
	require.Equal(t, time.UnixMilli(1_700_000_000_250).UTC(), v.Time("At"))
	require.Equal(t, "secret", *v.StrPtr("Password"))
	require.Len(t, v.List("Names"), 2)
	require.Equal(t, []string{"k"}, v.Field("Pairs").Keys)
	require.Equal(t, "v", v.List("Parts")[0].Str("Value"))
	require.Panics(t, func() { v.Field("Unknown") }, "only a mistake of the caller asks for what the model does not have")

	var names []string
	for name := range v.Parts {
		names = append(names, name)
	}
	require.Equal(t, []string{"Name", "Kind", "Count", "On", "At", "Password", "Names", "Pairs", "Parts"}, names)

	v, err = Decode(every, []byte(`{"Name":"n","Parts":null}`))
	require.NoError(t, err)
	require.Empty(t, v.Str("Kind"))
	require.Nil(t, v.StrPtr("Kind"))
	require.False(t, v.Flag("On"))
	require.True(t, v.Time("At").IsZero())
	require.Empty(t, v.List("Parts"))
	require.Empty(t, v.Field("Parts").Field("Key").Str("Value"), "nothing is in what is absent")
}

func TestDecodeSaysWhatARequestBreaksInAWSsWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ body, want string }{
		{`{}`, "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{
			`{"Name":"TOO LONG","Kind":"C","Count":4}`,
			"4 validation errors detected: " +
				"Value 'TOO LONG' at 'name' failed to satisfy constraint: Member must have length less than or equal to 4; " +
				"Value 'TOO LONG' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+; " +
				"Value 'C' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [A, B]; " +
				"Value '4' at 'count' failed to satisfy constraint: Member must have value less than or equal to 3",
		},
		{
			`{"Name":"n","Password":"x"}`,
			"1 validation error detected: Value at 'password' failed to satisfy constraint: Member must have length greater than or equal to 2",
		},
		{
			`{"Name":"n","Parts":[{"Key":"k","Value":"x"},{"Value":"y"}]}`,
			"2 validation errors detected: Value '[Part(key=k, value=***Sensitive Data Redacted***, inner=null), " +
				"Part(key=null, value=***Sensitive Data Redacted***, inner=null)]' at 'parts' failed to satisfy constraint: Member must have length less than or equal to 1; " +
				"Value null at 'parts.2.member.key' failed to satisfy constraint: Member must not be null",
		},
		{
			`{"Name":"n","Names":["",null],"Pairs":{"k":"long","l":null}}`,
			"3 validation errors detected: " +
				"Value '[, null]' at 'names' failed to satisfy constraint: Member must satisfy constraint: [Member must have length greater than or equal to 1]; " +
				"Value '{k=long, l=null}' at 'pairs' failed to satisfy constraint: Member must have length less than or equal to 1; " +
				"Value '{k=long, l=null}' at 'pairs' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 3]",
		},
	} {
		_, err := Decode(every, []byte(test.body))
		require.EqualError(t, err, test.want)
		require.Equal(t, turnout.CodeValidation, err.(*turnout.Error).Code) //nolint:errorlint // Decode's own
	}
}

func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	_, err := Decode(every, fmt.Appendf(nil, `{"Name":%q}`, strings.Repeat("X", 1<<20)))
	require.ErrorContains(t, err, "…' at 'name'")
	require.Less(t, len(err.Error()), 3*echoBytesMax, "a value is repeated once for each constraint, up to a bound")

	s := Structure("S", May("L", List(Structure("E", Need("K", Text(None, None, nil))), None, None)))
	_, err = Decode(s, []byte(`{"L":[`+strings.TrimSuffix(strings.Repeat("{},", 1000), ",")+`]}`))
	require.ErrorContains(t, err, "100 validation errors detected: ")
	_, err = Decode(s, []byte(`{"L":[`+strings.TrimSuffix(strings.Repeat("{},", valuesMax), ",")+`]}`))
	require.ErrorContains(t, err, "The request holds more than 50000 values.")
}

// FuzzDecode proves that a request that is understood can be written back and
// means the same.
func FuzzDecode(f *testing.F) {
	f.Add(`{"Name":"n","Kind":"A","Count":3,"On":true,"At":1.5,"Password":"hunter2","Names":["a"],"Pairs":{"k":"v"},"Parts":[{"Key":"k","Value":"v"}]}`)
	f.Add(`{"Name":null,"Parts":[null]}`)
	f.Add(`{"At":"2023-11-14T23:13:20+01:00","Count":1e3}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > 1<<12 {
			return
		}
		v, err := Decode(every, []byte(body))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		again, err := Decode(every, v.AppendJSON(nil))
		require.NoError(t, err)
		require.Equal(t, v.AppendJSON(nil), again.AppendJSON(nil))
	})
}
