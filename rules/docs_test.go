package rules_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/rules"
)

// TestDocumentedExamples runs the examples of docs/PATTERNS.md: every pattern, and the lists behind it.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/PATTERNS.md")
	require.NoError(t, err)
	example := regexp.MustCompile("^- (matches|does not match) `([^`]+)`")
	blocks := strings.Split(string(page), "```json pattern\n")[1:]
	require.Greater(t, len(blocks), 25)
	for _, block := range blocks {
		pattern, rest, _ := strings.Cut(block, "\n```\n")
		list, _, _ := strings.Cut(rest, "```")
		examples := 0
		for line := range strings.Lines(list) {
			if m := example.FindStringSubmatch(line); m != nil {
				examples++
				require.Equal(t, m[1] == "matches", answer(pattern, m[2]), "%s\n%s", pattern, line)
			}
		}
		require.NotZero(t, examples, pattern)
	}
}

func TestDocumentedErrors(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/PATTERNS.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(page), "\n## Error texts\n")
	section, _, _ = strings.Cut(section, "\n## ")
	row := regexp.MustCompile("(?m)^\\| `(.+?)` \\| `(.+?)`")
	rows := row.FindAllStringSubmatch(section, -1)
	require.Greater(t, len(rows), 40)
	for _, m := range rows {
		_, err := rules.Parse([]byte(m[2]))
		require.Equal(t, strings.ReplaceAll(m[1], `\|`, "|"), asError(t, err).Message, m[2])
	}
}

func TestDocumentedDeviations(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/PATTERNS.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(page), "\n## Differences from AWS\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for name := range deviations {
		require.Contains(t, section, "`"+name+"`", "the page does not list a deviation")
	}
}
