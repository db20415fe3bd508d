package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// header names the columns.
func header() []string {
	h := []string{"workload", "target", "median", "min–max", "unit"}
	for _, name := range References {
		h = append(h, "÷ "+name)
	}
	return append(h, "CPU", "CPU, both")
}

// isWord says which columns hold words; the others hold numbers, which are aligned to the right.
func isWord(column int) bool { return column < 2 || column == 4 }

// cells are a row as text.
func (r *Row) cells() []string {
	if r.Value.N == 0 {
		return append([]string{r.Workload, r.Target, "failed"}, make([]string, len(header())-3)...)
	}
	c := []string{r.Workload, r.Target, Digits(r.Value.Median), Digits(r.Value.Min) + "–" + Digits(r.Value.Max), r.Unit}
	if r.Error != "" {
		c[2] += "!" // some of the measurements failed
	}
	for _, name := range References {
		ratio := "–"
		if v, ok := r.Ratios[name]; ok {
			ratio = fmt.Sprintf("%.2f", v)
		}
		c = append(c, ratio)
	}
	if r.CPUUnit == "" {
		return append(c, "–", "–")
	}
	return append(c, Digits(r.CPU)+" "+r.CPUUnit, Digits(r.BothCPU)+" "+r.CPUUnit)
}

// Digits writes a number that is not negative with three digits that count, or all those before the point.
func Digits(v float64) string {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Sprintf("%.0f", v)
	}
	decimals := 2 - int(math.Floor(math.Log10(v)))
	return fmt.Sprintf("%.*f", max(0, decimals), v)
}

// WriteText writes rows as a table for a terminal, an empty line before each workload.
func WriteText(w io.Writer, rows []Row) error {
	lines := [][]string{header()}
	for i := range rows {
		lines = append(lines, rows[i].cells())
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 && line[0] != lines[i-1][0] {
			b.WriteByte('\n')
		}
		padded := make([]string, len(line))
		for i, cell := range line {
			padded[i] = pad(cell, widths[i], isWord(i))
		}
		b.WriteString(strings.TrimRight(strings.Join(padded, "  "), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func pad(s string, width int, word bool) string {
	spaces := strings.Repeat(" ", width-utf8.RuneCountInString(s))
	if word {
		return s + spaces
	}
	return spaces + s
}

// WriteMarkdown writes rows as a table of GitHub's Markdown.
func WriteMarkdown(w io.Writer, rows []Row) error {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(header())
	b.WriteByte('|')
	for i := range header() {
		if isWord(i) {
			b.WriteString("---|")
		} else {
			b.WriteString("--:|")
		}
	}
	b.WriteByte('\n')
	for i := range rows {
		line(rows[i].cells())
	}
	_, err := io.WriteString(w, b.String())
	return err
}
