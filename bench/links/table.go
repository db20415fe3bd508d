//go:build linux

package links

import (
	"fmt"
	"slices"

	"minitcp/bench/report"
)

// Line is the result of an entry in a row.
type Line struct {
	Row    string             `json:"row"`
	Entry  string             `json:"target"`
	Unit   string             `json:"unit"`
	Value  report.Summary     `json:"value"`
	Ratios map[string]float64 `json:"ratios"` // median divided by that of each of the references
	// Goodput is the median of the sum of all flows, in Mbit/s.
	Goodput  float64 `json:"goodput"`
	Again    float64 `json:"again"`    // median, percent; -1 without data
	Timeouts float64 `json:"timeouts"` // median; -1 if it is not known
	Most     int64   `json:"mostTimeouts"`
	Spurious float64 `json:"spurious"` // median; -1 if it is not known
	P50      float64 `json:"p50"`      // median of the rounds, milliseconds
	P95      float64 `json:"p95"`      // likewise
	Error    string  `json:"error,omitempty"`
}

// references are the entries that others are compared with.
var references = []string{"kernel-cubic", "kernel-bbr", "gvisor-cubic"}

// Lines summarizes samples.
func (p *Plan) Lines(samples []Sample) (lines []Line) {
	for i := range p.rows {
		r := &p.rows[i]
		first := len(lines)
		for j := range r.entries {
			if l, ok := r.line(&r.entries[j], samples); ok {
				lines = append(lines, l)
			}
		}
		switch r.measure {
		case goodput, retransmitted, use, late:
			compare(lines[first:])
		}
	}
	return lines
}

func (r *row) line(e *entry, samples []Sample) (l Line, ok bool) {
	l = Line{Row: r.name, Entry: e.name, Unit: units[r.measure], Ratios: make(map[string]float64)}
	var value, sum, again, timeouts, spurious, p50, p95 []float64
	for _, s := range samples {
		if s.Row != r.name || s.Entry != e.name {
			continue
		}
		ok = true
		if s.Error != "" {
			if l.Error == "" {
				l.Error = s.Error
			}
			continue
		}
		total := 0.0
		for _, g := range s.Goodput {
			total += g
		}
		if s.Segments == 0 || r.upload {
			s.Again, s.Timeouts, s.Spurious = -1, -1, -1
		}
		value, sum, p50, p95 = append(value, s.Value), append(sum, total), append(p50, s.P50), append(p95, s.P95)
		again = append(again, s.Again)
		timeouts, spurious = append(timeouts, float64(s.Timeouts)), append(spurious, float64(s.Spurious))
		l.Most = max(l.Most, s.Timeouts)
	}
	median := func(v []float64) float64 { return report.Summarize(v).Median }
	l.Value, l.Goodput, l.Again = report.Summarize(value), median(sum), median(again)
	l.P50, l.P95 = median(p50), median(p95)
	l.Timeouts, l.Spurious = median(timeouts), median(spurious)
	return l, ok
}

func compare(lines []Line) {
	for _, name := range references {
		i := slices.IndexFunc(lines, func(l Line) bool { return l.Entry == name && l.Value.N > 0 })
		if i < 0 {
			continue
		}
		for j := range lines {
			if ratio := report.Ratio(lines[j].Value.Median, lines[i].Value.Median); ratio > 0 {
				lines[j].Ratios[name] = ratio
			}
		}
	}
}

// Table returns the table of the lines.
func Table(lines []Line) *report.Table {
	t := &report.Table{Words: []int{0, 1, 4}}
	header := []string{"row", "target", "median", "min–max", "unit"}
	for _, name := range references {
		header = append(header, "÷ "+name)
	}
	t.Lines = append(t.Lines, append(header, "Mbit/s", "sent again", "timeouts", "taken back", "p50", "p95"))
	for i := range lines {
		t.Lines = append(t.Lines, lines[i].cells())
	}
	return t
}

func (l *Line) cells() []string {
	if l.Value.N == 0 {
		return []string{l.Row, l.Entry, "failed", "", "", "", "", "", "", "", "", "", "", ""}
	}
	c := []string{l.Row, l.Entry, report.Digits(l.Value.Median), report.Digits(l.Value.Min) + "–" + report.Digits(l.Value.Max), l.Unit}
	if l.Error != "" {
		c[2] += "!" // some of the measurements failed
	}
	for _, name := range references {
		ratio := report.Nothing
		if v, ok := l.Ratios[name]; ok {
			ratio = fmt.Sprintf("%.2f", v)
		}
		c = append(c, ratio)
	}
	again, timeouts, spurious := report.Nothing, report.Nothing, report.Nothing
	if l.Again >= 0 {
		again = fmt.Sprintf("%.2f %%", l.Again)
	}
	if l.Timeouts >= 0 {
		timeouts = fmt.Sprintf("%.0f, ≤ %d", l.Timeouts, l.Most)
	}
	if l.Spurious >= 0 {
		spurious = fmt.Sprintf("%.0f", l.Spurious)
	}
	return append(c, report.Digits(l.Goodput), again, timeouts, spurious, report.Digits(l.P50)+" ms", report.Digits(l.P95)+" ms")
}
