package terminal_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed567880c8/turnout/cmd/turnout/internal/terminal"
)

func noEnv(string) string { return "" }

func TestTableAlignsColumns(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	table := terminal.Table{Columns: []terminal.Column{{Title: "queue"}, {Title: "messages", Right: true}, {Title: "note"}}}
	table.Row("readings.fifo", "20,560", "größer")
	table.Row("dead", "3", "")
	table.Print(terminal.New(&out, noEnv))
	require.Equal(t, "queue          messages  note\nreadings.fifo    20,560  größer\ndead                  3\n", out.String())
}

func TestPlainStreamHasNoColour(t *testing.T) {
	t.Parallel()
	p := terminal.New(&bytes.Buffer{}, noEnv)
	require.False(t, p.Interactive(), "a buffer is not a terminal")
	require.Equal(t, "x", p.Red("x"))
	require.Equal(t, "x", p.Bold("x"))
}

func TestProgressOnAPlainStreamWritesTenths(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	pr := terminal.NewProgress(terminal.New(&out, noEnv), "received", 2000)
	for _, done := range []int{0, 100, 199, 200, 250, 1999, 2000, 2000} {
		pr.Set(done)
	}
	pr.Done()
	require.Equal(t, "received: 200 of 2,000 (10 %)\nreceived: 1,999 of 2,000 (90 %)\nreceived: 2,000 of 2,000 (100 %)\n", out.String())
}

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 20560: "20,560", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		require.Equal(t, want, terminal.Count(n))
	}
}
