package ladder

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// row lays out lines: a column for each thing they say, the one with the arrows as wide as there is room.
type row struct {
	width  int
	colour bool
	lines  []byte
}

const (
	numberWidth = 4 // at least: "#1" and what follows it
	timeWidth   = 9
	stateWidth  = 12 // SYN-RECEIVED

	// besides is what a line has beside its number and its middle: spaces, time, states, rails.
	besides = timeWidth + 2 + stateWidth + 1 + 1 + 1 + 1 + stateWidth
)

// Styles are ANSI escape codes.
const (
	dim    = "\x1b[2m"
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	purple = "\x1b[35m"
	reset  = "\x1b[0m"
)

var styles = [...]string{plain: "", opening: green, closing: purple, trouble: yellow, failure: red}

// take returns the lines since the last call; they are good until the next line.
func (r *row) take() []byte {
	lines := r.lines
	r.lines = r.lines[:0]
	return lines
}

func (r *row) put(style, text string) {
	if !r.colour || style == "" || strings.TrimSpace(text) == "" {
		r.lines = append(r.lines, text...)
		return
	}
	r.lines = append(append(append(r.lines, style...), text...), reset...)
}

// end ends the line, which has no white space at its end.
func (r *row) end() {
	n := len(r.lines)
	for n > 0 && r.lines[n-1] == ' ' {
		n--
	}
	r.lines = append(r.lines[:n], '\n')
}

// left writes everything up to the left rail and returns how much room there is between the rails.
func (r *row) left(number int, time, state string) (middle int) {
	n := fmt.Sprintf("%-*s", numberWidth, fmt.Sprintf("#%d ", number))
	r.put(dim, n)
	r.put(dim, fmt.Sprintf("%*s  ", timeWidth, time))
	r.put(bold, fmt.Sprintf("%*s ", stateWidth, state))
	r.put(dim, "|")
	return r.width - besides - len(n)
}

func (r *row) right(state string) {
	r.put(dim, "|")
	if state != "" {
		r.put("", " ")
		r.put(bold, cut(state, stateWidth))
	}
	r.end()
}

func (r *row) states(number int, time, ours, peer, text string) {
	middle := r.left(number, time, ours)
	text = cut(text, middle)
	before := (middle - utf8.RuneCountInString(text)) / 2
	r.put("", strings.Repeat(" ", before))
	r.put(bold, text)
	r.put("", strings.Repeat(" ", middle-before-utf8.RuneCountInString(text)))
	r.right(peer)
}

func (r *row) heading(number int, ours, peer string) {
	r.end()
	n := fmt.Sprintf("%-*s", numberWidth, fmt.Sprintf("#%d ", number))
	room := r.width - len(n)
	r.put(dim, n)
	if len(ours)+2+len(peer) > room { // two long IPv6 addresses
		r.put(bold, ours)
		r.end()
		r.put(dim, n)
		ours = ""
	}
	r.put(bold, ours)
	r.put("", strings.Repeat(" ", room-len(ours)-len(peer)))
	r.put(bold, peer)
	r.end()
}

// text is a line of its own. What is too long goes on in the next one, further in.
func (r *row) text(style, line string) {
	const indent = "     "
	for len(line) > r.width {
		i := strings.LastIndexByte(line[:r.width+1], ' ')
		if strings.TrimSpace(line[:max(i, 0)]) == "" {
			break // one long word
		}
		r.put(style, line[:i])
		r.end()
		line = indent + strings.TrimLeft(line[i:], " ")
	}
	r.put(style, cut(line, r.width))
	r.end()
}

// segment draws an arrow with what it carries written into it, and a note behind that, or below where there is no room.
func (r *row) segment(number int, s *segment) {
	middle := r.left(number, s.time, s.ours)
	const ends = len("--- ") + len(" >") // the least an arrow needs beside its label
	label := strings.Join(s.label[:s.must], " ")
	for _, item := range s.label[s.must:] {
		if longer := label + " " + item; len(longer)+ends <= middle {
			label = longer
		}
	}
	below := s.note
	if room := middle - ends - len(label) - len(" ()"); s.note != "" && len(s.note) <= room && s.fate != wasted {
		label += " (" + s.note + ")"
		below = ""
	}
	label = cut(label, middle-ends)
	r.put(styles[s.kind], arrow(s, label, middle))
	r.right(s.peer)
	if below != "" {
		r.note(number, s, below)
	}
}

// arrow is as wide as the space between the rails.
func arrow(s *segment, label string, middle int) string {
	const start = "--- "
	free := middle - len(start) - len(label) - 2 // for a space and the head
	line := strings.Repeat("-", free)
	if s.fate == wasted { // a third of the space, and the rest is empty
		line = line[:min(free/3+1, free)]
		gap := strings.Repeat(" ", free-len(line))
		if s.outgoing {
			return start + label + " " + line + "X" + gap
		}
		return gap + "X" + line + " " + label + " ---"
	}
	switch {
	case s.outgoing:
		return start + label + " " + line + ">"
	case s.fate == rejected:
		return "X-- " + label + " " + line + "-"
	}
	return "<-- " + label + " " + line + "-"
}

// note writes below an arrow, at the end at which what it says happened.
func (r *row) note(number int, s *segment, text string) {
	middle := r.left(number, "", "")
	text = cut(text, middle-len("    "))
	gap := strings.Repeat(" ", middle-len("    ")-utf8.RuneCountInString(text))
	r.put("", "    ")
	r.put(styles[s.kind], text)
	r.put("", gap)
	r.right("")
}

// cut makes text fit, with a mark where something is missing.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "~"
}

// clock writes a time in milliseconds, or in seconds when there are too many of those.
func clock(d time.Duration) string {
	if ms := float64(d) / float64(time.Millisecond); ms < 99999 {
		return fmt.Sprintf("%.3f", ms)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
