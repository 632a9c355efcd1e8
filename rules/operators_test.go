package rules

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules/internal/match"
	"github.com/seed567880c8/turnout/rules/internal/rawjson"
)

// TestEveryAlternativeTestsAsItIsIndexed holds both ways to apply an alternative against each other and against what
// it should answer.
func TestEveryAlternativeTestsAsItIsIndexed(t *testing.T) {
	t.Parallel()
	values := []match.Value{
		{Kind: rawjson.String, Text: "Lamp"},
		{Kind: rawjson.String, Text: "lamp-7.PNG"},
		{Kind: rawjson.String, Text: ""},
		{Kind: rawjson.String, Text: "10.0.0.7"},
		{Kind: rawjson.String, Text: "010.0.0.7"},
		{Kind: rawjson.String, Text: "2001:db8::1"},
		{Kind: rawjson.String, Text: "12"},
		{Kind: rawjson.Number, Text: "12"},
		{Kind: rawjson.Number, Text: "1.20e1"},
		{Kind: rawjson.Number, Text: "-3"},
		{Kind: rawjson.Number, Text: "1e999"},
		{Kind: rawjson.True},
		{Kind: rawjson.False},
		{Kind: rawjson.Null},
	}
	for alternative, want := range map[string][]int{
		`"Lamp"`:                                 {0},
		`"10.0.0.7"`:                             {3, 4},
		`{"exactly":"10.0.0.7"}`:                 {3},
		`12`:                                     {7, 8},
		`1e999`:                                  {10},
		`true`:                                   {11},
		`false`:                                  {12},
		`null`:                                   {13},
		`{"exists":true}`:                        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13},
		`{"prefix":"la"}`:                        {1},
		`{"prefix":{"equals-ignore-case":"LA"}}`: {0, 1},
		`{"prefix":""}`:                          {0, 1, 2, 3, 4, 5, 6},
		`{"suffix":"mp"}`:                        {0},
		`{"suffix":{"equals-ignore-case":".png"}}`:         {1},
		`{"equals-ignore-case":"lAMP"}`:                    {0},
		`{"wildcard":"*m*.P*"}`:                            {1},
		`{"numeric":[">=",-3,"<",12]}`:                     {9},
		`{"numeric":["<=",12]}`:                            {7, 8, 9},
		`{"numeric":["=",12]}`:                             {7, 8},
		`{"cidr":"10.0.0.0/8"}`:                            {3, 4},
		`{"cidr":"2001:db8::/32"}`:                         {5},
		`{"anything-but":"Lamp"}`:                          {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13},
		`{"anything-but":["10.0.0.7","12",""]}`:            {0, 1, 4, 5, 7, 8, 9, 10, 11, 12, 13},
		`{"anything-but":[12,-3]}`:                         {0, 1, 2, 3, 4, 5, 6, 10, 11, 12, 13},
		`{"anything-but":{"prefix":["la","1"]}}`:           {0, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13},
		`{"anything-but":{"suffix":"7"}}`:                  {0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13},
		`{"anything-but":{"equals-ignore-case":["LAMP"]}}`: {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13},
		`{"anything-but":{"wildcard":"*.*.*.*"}}`:          {0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13},
	} {
		p, err := Parse([]byte(`{"a":[` + alternative + `]}`))
		require.NoError(t, err, alternative)
		c, ok := p.combinations[0][0].Condition.(*condition)
		require.True(t, ok)
		require.Len(t, c.alternatives, 1)
		var x match.Index
		c.alternatives[0].index(&x, 5)
		x.Freeze()
		var scratch match.Scratch
		for i := range values {
			v := values[i]
			require.Equal(t, slices.Contains(want, i), c.alternatives[0].matches(&v, &scratch), "%s tests value %d", alternative, i)
			found := x.Find(nil, &v, &scratch)
			require.Equal(t, slices.Contains(want, i), slices.Contains(found, 5), "%s finds value %d", alternative, i)
		}
		odds := c.alternatives[0].odds(3)
		require.True(t, 0 < odds && odds <= 1, alternative)
	}
}

// TestAlternativesThatDifferHaveDifferentKeys matters because rules share terms by their keys.
func TestAlternativesThatDifferHaveDifferentKeys(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, list := range []string{
		`"a"`, `"b"`, `"a","b"`, `"a,b"`, `"a\",\"b"`, `1`, `"1"`, `true`, `"true"`, `null`, `{"prefix":"a"}`, `{"suffix":"a"}`,
		`{"prefix":{"equals-ignore-case":"a"}}`, `{"suffix":{"equals-ignore-case":"a"}}`, `{"equals-ignore-case":"a"}`,
		`{"wildcard":"a"}`, `{"wildcard":"a\\*"}`, `{"wildcard":"a*"}`, `{"exactly":"a"}`, `{"exists":true}`, `{"exists":false}`,
		`{"exists":false},"a"`, `{"anything-but":"a"}`, `{"anything-but":["a","b"]}`, `{"anything-but":1}`,
		`{"anything-but":{"prefix":"a"}}`, `{"anything-but":{"suffix":"a"}}`, `{"anything-but":{"equals-ignore-case":"a"}}`,
		`{"anything-but":{"wildcard":"a"}}`, `{"anything-but":"a"},"b"`, `{"numeric":["<",1]}`, `{"numeric":["<=",1]}`,
		`{"numeric":[">",1]}`, `{"numeric":[">",1,"<",2]}`, `{"numeric":[">=",1,"<",2]}`, `{"numeric":[">",1,"<=",2]}`,
		`{"cidr":"10.0.0.0/8"}`, `{"cidr":"10.0.0.0/9"}`, `"10.0.0.0"`, `{"exactly":"10.0.0.0"}`, `{"anything-but":"10.0.0.0"}`,
	} {
		p, err := Parse([]byte(`{"a":[` + list + `]}`))
		require.NoError(t, err, list)
		key := p.combinations[0][0].Condition.Key()
		require.Empty(t, seen[key], "%s has the key of %s", list, seen[key])
		seen[key] = list
	}
}
