package transform_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules/transform"
)

// TestDocumentedTemplates runs the table of templates in docs/PATTERNS.md.
func TestDocumentedTemplates(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/PATTERNS.md")
	require.NoError(t, err)
	block := func(kind string) string {
		_, rest, _ := strings.Cut(string(page), "```json "+kind+"\n")
		text, _, ok := strings.Cut(rest, "\n```")
		require.True(t, ok, kind)
		return text
	}
	var paths map[string]string
	require.NoError(t, json.Unmarshal([]byte(block("paths")), &paths))
	_, table, _ := strings.Cut(string(page), "| template | result |")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := regexp.MustCompile("(?m)^\\| `(.+?)` \\| (fails|`.+?`) \\|$").FindAllStringSubmatch(table, -1)
	require.Len(t, rows, 7)
	for _, row := range rows {
		tr, err := transform.Parse(transform.Spec{InputTransformer: &transform.InputTransformer{InputPathsMap: paths, InputTemplate: row[1]}})
		require.NoError(t, err, row[1])
		got, err := tr.Apply(nil, []byte(block("event")), context)
		if row[2] == "fails" {
			require.ErrorIs(t, err, transform.ErrNotJSON, row[1])
			continue
		}
		require.NoError(t, err, row[1])
		require.Equal(t, strings.Trim(row[2], "`"), string(got))
	}
}
