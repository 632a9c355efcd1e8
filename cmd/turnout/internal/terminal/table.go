package terminal

import (
	"strings"
	"unicode/utf8"
)

// Column describes one column of a Table.
type Column struct {
	Title string
	Right bool // align to the right, as numbers are
}

// Table is a block of aligned text.
type Table struct {
	Columns []Column
	Rows    [][]Cell
}

// Cell is one field of a Table. Paint, when set, colours the padded text; it
// must not change the width that is seen.
type Cell struct {
	Text  string
	Paint func(string) string
}

// Row appends cells of plain text.
func (t *Table) Row(texts ...string) {
	row := make([]Cell, len(texts))
	for i, s := range texts {
		row[i].Text = s
	}
	t.Rows = append(t.Rows, row)
}

// Print writes the table: the titles, bold, and one line a row, two spaces
// between columns and none at the end of a line.
func (t *Table) Print(p *Printer) {
	widths := make([]int, len(t.Columns))
	head := make([]Cell, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = Cell{Text: c.Title, Paint: p.Bold}
		widths[i] = utf8.RuneCountInString(c.Title)
	}
	for _, row := range t.Rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell.Text))
		}
	}
	t.line(p, head, widths)
	for _, row := range t.Rows {
		t.line(p, row, widths)
	}
}

func (t *Table) line(p *Printer, row []Cell, widths []int) {
	var b strings.Builder
	for i, cell := range row {
		if i > 0 {
			b.WriteString("  ")
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell.Text))
		text := cell.Text
		if cell.Paint != nil {
			text = cell.Paint(text)
		}
		switch {
		case t.Columns[i].Right:
			b.WriteString(pad + text)
		case i == len(row)-1:
			b.WriteString(text)
		default:
			b.WriteString(text + pad)
		}
	}
	p.Printf("%s\n", strings.TrimRight(b.String(), " "))
}
