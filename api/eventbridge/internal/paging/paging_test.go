package paging

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed567880c8/turnout/api/eventbridge/internal/shape"
)

var listInput = shape.Structure("ListRequest", shape.May("NextToken", shape.Text(1, 2048, nil)), shape.May("Limit", shape.Integer(1, 100)))

func listRequest(t require.TestingT, token string, limit int) *shape.Value {
	members := []string{}
	if token != "" {
		members = append(members, fmt.Sprintf("%q:%q", "NextToken", token))
	}
	if limit != 0 {
		members = append(members, fmt.Sprintf("%q:%d", "Limit", limit))
	}
	in, err := shape.Decode(listInput, []byte("{"+strings.Join(members, ",")+"}"))
	require.NoError(t, err)
	return in
}

func self(s *string) string { return *s }

// Pages of a list that items leave while it is read hold every item that stays exactly once.
func TestPagesHoldEveryItemThatStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,6}`), 0, 40, rapid.ID).Draw(t, "items")
		slices.Sort(items)
		seen := map[string]int{}
		token := ""
		for {
			got, next, err := Page(items, self, listRequest(t, token, rapid.IntRange(1, 7).Draw(t, "limit")))
			require.NoError(t, err)
			for _, s := range got {
				seen[s]++
			}
			if next == "" {
				break
			}
			require.NotEmpty(t, got, "a page with a token behind it is not empty")
			token = next
			items = slices.DeleteFunc(slices.Clone(items), func(string) bool { return rapid.IntRange(0, 9).Draw(t, "leaves") == 0 })
		}
		for _, s := range items {
			require.NotZero(t, seen[s], "item %s was skipped", s)
		}
		for s, n := range seen {
			require.Equal(t, 1, n, "item %s came twice", s)
		}
	})
}

func TestPageWithoutLimitHoldsAHundred(t *testing.T) {
	t.Parallel()
	items := make([]string, 150)
	for i := range items {
		items[i] = string(rune('a'+i/26)) + string(rune('a'+i%26))
	}
	got, token, err := Page(items, self, listRequest(t, "", 0))
	require.NoError(t, err)
	require.Len(t, got, 100)
	got, token, err = Page(items, self, listRequest(t, token, 0))
	require.NoError(t, err)
	require.Len(t, got, 50)
	require.Empty(t, token)
}

func FuzzToken(f *testing.F) {
	f.Add(formatToken("a"))
	f.Add("AQ==")
	f.Add("not base64")
	f.Fuzz(func(t *testing.T, token string) {
		last, err := parseToken(token)
		if err != nil {
			return
		}
		again, err := parseToken(formatToken(last))
		require.NoError(t, err)
		require.Equal(t, last, again)
	})
}
