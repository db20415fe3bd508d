package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// header returns the names of the columns.
func header() []string {
	h := []string{"workload", "target", "median", "min–max", "unit"}
	for _, name := range References {
		h = append(h, "÷ "+name)
	}
	h = append(h, "CPU", "CPU, both")
	return append(h, LatencyHeader...)
}

// LatencyHeader names the columns of [Latency.Cells].
var LatencyHeader = []string{"p50", "p99", "max"}

// Cells returns the distribution as text: a dash in each column if l is nil.
func (l *Latency) Cells() []string {
	if l == nil {
		return []string{Nothing, Nothing, Nothing}
	}
	return []string{Time(l.P50), Time(l.P99), Time(l.Max)}
}

// Nothing is the text of a cell without a figure.
const Nothing = "–"

// Time returns a number of microseconds as text, in µs, ms or s.
func Time(us float64) string {
	switch {
	case us < 1e3:
		return Digits(us) + " µs"
	case us < 1e6:
		return Digits(us/1e3) + " ms"
	}
	return Digits(us/1e6) + " s"
}

// cells returns a row as text.
func (r *Row) cells() []string {
	if r.Value.N == 0 {
		return append([]string{r.Workload, r.Target, "failed"}, make([]string, len(header())-3)...)
	}
	c := []string{r.Workload, r.Target, Digits(r.Value.Median), Digits(r.Value.Min) + "–" + Digits(r.Value.Max), r.Unit}
	if r.Error != "" {
		c[2] += "!" // some of the measurements failed
	}
	for _, name := range References {
		ratio := Nothing
		if v, ok := r.Ratios[name]; ok {
			ratio = fmt.Sprintf("%.2f", v)
		}
		c = append(c, ratio)
	}
	if r.CPUUnit == "" {
		c = append(c, Nothing, Nothing)
	} else {
		c = append(c, Digits(r.CPU)+" "+r.CPUUnit, Digits(r.BothCPU)+" "+r.CPUUnit)
	}
	return append(c, r.Latency.Cells()...)
}

// Digits returns a number that is not negative with three significant digits, or with all digits before the point.
func Digits(v float64) string {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Sprintf("%.0f", v)
	}
	decimals := 2 - int(math.Floor(math.Log10(v)))
	return fmt.Sprintf("%.*f", max(0, decimals), v)
}

// Table is text in columns. The first line has their names.
type Table struct {
	Lines [][]string
	Words []int // indices of the columns with words; the others have numbers, aligned to the right
}

// NewTable returns the table of rows.
func NewTable(rows []Row) *Table {
	t := &Table{Lines: [][]string{header()}, Words: []int{0, 1, 4}}
	for i := range rows {
		t.Lines = append(t.Lines, rows[i].cells())
	}
	return t
}

// WriteText writes the table for a terminal, with an empty line wherever the first column changes if it groups lines.
func (t *Table) WriteText(w io.Writer) error {
	widths := make([]int, len(t.Lines[0]))
	for _, line := range t.Lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for i, line := range t.Lines {
		if i > 0 && line[0] != t.Lines[i-1][0] && t.grouped() {
			b.WriteByte('\n')
		}
		padded := make([]string, len(line))
		for i, cell := range line {
			padded[i] = pad(cell, widths[i], slices.Contains(t.Words, i))
		}
		b.WriteString(strings.TrimRight(strings.Join(padded, "  "), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// grouped reports whether several lines have the same first column.
func (t *Table) grouped() bool {
	for i, line := range t.Lines[1:] {
		if line[0] == t.Lines[i][0] {
			return true
		}
	}
	return false
}

func pad(s string, width int, word bool) string {
	spaces := strings.Repeat(" ", width-utf8.RuneCountInString(s))
	if word {
		return s + spaces
	}
	return spaces + s
}

// WriteMarkdown writes the table in GitHub's Markdown.
func (t *Table) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	for i, cells := range t.Lines {
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		if i > 0 {
			continue
		}
		b.WriteByte('|')
		for j := range cells {
			if slices.Contains(t.Words, j) {
				b.WriteString("---|")
			} else {
				b.WriteString("--:|")
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
