package terminal

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// Printer writes to one stream in the way that suits it. The zero value is not
// usable; make one with New.
type Printer struct {
	w           io.Writer
	interactive bool // a terminal that can move its cursor
	colour      bool
}

// New returns a Printer for w. It colours when w is a terminal, unless the
// environment holds a non-empty NO_COLOR (https://no-color.org) or TERM=dumb.
func New(w io.Writer, getenv func(string) string) *Printer {
	p := &Printer{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) && getenv("TERM") != "dumb" {
		p.interactive = true
		p.colour = getenv("NO_COLOR") == ""
	}
	return p
}

// Interactive reports whether the stream is a terminal that can redraw a line.
func (p *Printer) Interactive() bool { return p.interactive }

// Writer returns the stream itself.
func (p *Printer) Writer() io.Writer { return p.w }

// Printf writes formatted text. A write error is not reported: there is nobody
// left to read about it.
func (p *Printer) Printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.w, format, args...)
}

// Bold returns s, bold where the stream shows it.
func (p *Printer) Bold(s string) string { return p.paint("1", s) }

// Green returns s, green where the stream shows it.
func (p *Printer) Green(s string) string { return p.paint("32", s) }

// Red returns s, red where the stream shows it.
func (p *Printer) Red(s string) string { return p.paint("31", s) }

// Dim returns s, dimmed where the stream shows it.
func (p *Printer) Dim(s string) string { return p.paint("2", s) }

func (p *Printer) paint(code, s string) string {
	if !p.colour || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Count formats n with a comma between groups of three digits: 20,560.
func Count[T ~int | ~int64 | ~uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
