package terminal

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress shows how far a piece of work has come: a bar on a terminal,
// elsewhere one plain line for each tenth. It is not safe for concurrent use.
type Progress struct {
	p      *Printer
	bar    *progressbar.ProgressBar // nil on a plain stream
	what   string
	total  int
	tenths int // the last tenth that a plain line was written for
}

// NewProgress starts showing work on total pieces, named by what. A negative
// total is unknown: then only a terminal shows anything, a running count.
func NewProgress(p *Printer, what string, total int) *Progress {
	pr := &Progress{p: p, what: what, total: total}
	if p.Interactive() {
		pr.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(p.Writer()),
			progressbar.OptionSetDescription(what),
			progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("msg"),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	return pr
}

// Set says that done pieces of the total are finished.
func (pr *Progress) Set(done int) {
	if pr.bar != nil {
		_ = pr.bar.Set(done) // drawing can fail only with the terminal gone
		return
	}
	if pr.total <= 0 {
		return
	}
	tenths := min(done, pr.total) * 10 / pr.total
	if tenths > pr.tenths {
		pr.tenths = tenths
		pr.p.Printf("%s: %s of %s (%d %%)\n", pr.what, Count(done), Count(pr.total), tenths*10)
	}
}

// Done removes the bar from a terminal.
func (pr *Progress) Done() {
	if pr.bar != nil {
		_ = pr.bar.Clear() // see Set
	}
}
