package config

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOperationsListsEverySetting keeps the table of docs/OPERATIONS.md true.
// A failure prints the line that belongs there.
func TestOperationsListsEverySetting(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("../../docs/OPERATIONS.md")
	require.NoError(t, err)
	for _, s := range Settings() {
		require.True(t, strings.Contains(string(page), row(s)+"\n"), "missing line:\n%s", row(s)) //nolint:testifylint // Contains would print the page
	}
}

// row is the line of the table that describes s.
func row(s Setting) string {
	text := func(mode Mode) string {
		if d := s.Default(mode); d != "" {
			return "`" + d + "`"
		}
		return "–"
	}
	defaults := text(Serve)
	if dev := text(Dev); dev != defaults {
		defaults += ", dev: " + dev
	}
	flag := "`--" + s.Flag() + "`"
	if s.Hidden {
		flag = "none"
	}
	return fmt.Sprintf("| `%s` | %s | `%s` | %s | %s |", s.Key, flag, s.Env(), defaults, s.Help)
}
