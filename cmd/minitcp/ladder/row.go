package ladder

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// row formats lines in columns. The column of the arrows takes the space that the others leave.
type row struct {
	width  int
	colour bool
	lines  []byte
}

const (
	numberWidth = 4 // minimum width of the number and the space after it
	timeWidth   = 9
	stateWidth  = 12 // SYN-RECEIVED

	// fixedWidth is the width of the time, the states, the rails and the spaces of a line.
	fixedWidth = timeWidth + 2 + stateWidth + 1 + 1 + 1 + 1 + stateWidth
)

// ANSI escape codes.
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

// take returns the lines since the last call. They are valid until the next line is drawn.
func (r *row) take() []byte {
	lines := r.lines
	r.lines = r.lines[:0]
	return lines
}

// put appends text in a style.
func (r *row) put(style, text string) {
	if !r.colour || style == "" || strings.TrimSpace(text) == "" {
		r.lines = append(r.lines, text...)
		return
	}
	r.lines = append(append(append(r.lines, style...), text...), reset...)
}

func (r *row) begin() {}
func (r *row) end()   {}

// endLine ends the line, without white space before the line break.
func (r *row) endLine() {
	n := len(r.lines)
	for n > 0 && r.lines[n-1] == ' ' {
		n--
	}
	r.lines = append(r.lines[:n], '\n')
}

// left writes the columns up to the left rail. It returns the width between the rails.
func (r *row) left(number int, time, state string) (middle int) {
	n := fmt.Sprintf("%-*s", numberWidth, fmt.Sprintf("#%d ", number))
	r.put(dim, n)
	r.put(dim, fmt.Sprintf("%*s  ", timeWidth, time))
	r.put(bold, fmt.Sprintf("%*s ", stateWidth, state))
	r.put(dim, "|")
	return r.width - fixedWidth - len(n)
}

// right writes the right rail and the state behind it.
func (r *row) right(state string) {
	r.put(dim, "|")
	if state != "" {
		r.put("", " ")
		r.put(bold, cut(state, stateWidth))
	}
	r.endLine()
}

// states writes a line with states and, between the rails, text.
func (r *row) states(number int, time, ours, peer, text string) {
	middle := r.left(number, time, ours)
	text = cut(text, middle)
	before := (middle - utf8.RuneCountInString(text)) / 2
	r.put("", strings.Repeat(" ", before))
	r.put(bold, text)
	r.put("", strings.Repeat(" ", middle-before-utf8.RuneCountInString(text)))
	r.right(peer)
}

// heading writes the names of the two ends.
func (r *row) heading(number int, ours, peer string) {
	r.endLine()
	n := fmt.Sprintf("%-*s", numberWidth, fmt.Sprintf("#%d ", number))
	room := r.width - len(n)
	r.put(dim, n)
	if len(ours)+2+len(peer) > room { // two long IPv6 addresses
		r.put(bold, ours)
		r.endLine()
		r.put(dim, n)
		ours = ""
	}
	r.put(bold, ours)
	r.put("", strings.Repeat(" ", room-len(ours)-len(peer)))
	r.put(bold, peer)
	r.endLine()
}

// text writes a line of text. A long line is wrapped, and its rest indented.
func (r *row) text(style, line string) {
	const indent = "     "
	for len(line) > r.width {
		i := strings.LastIndexByte(line[:r.width+1], ' ')
		if strings.TrimSpace(line[:max(i, 0)]) == "" {
			break // one long word
		}
		r.put(style, line[:i])
		r.endLine()
		line = indent + strings.TrimLeft(line[i:], " ")
	}
	r.put(style, cut(line, r.width))
	r.endLine()
}

// segment draws an arrow with the labels and the note in it. If there is no room for the note, it is written below.
func (r *row) segment(number int, s *segment) {
	middle := r.left(number, s.time, s.ours)
	const ends = len("--- ") + len(" >") // minimum width of an arrow without its label
	label := strings.Join(s.label[:s.must], " ")
	for _, item := range s.label[s.must:] {
		if longer := label + " " + item; len(longer)+ends <= middle {
			label = longer
		}
	}
	below := s.note
	if room := middle - ends - len(label) - len(" ()"); s.note != "" && len(s.note) <= room && s.outcome != lost {
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

// arrow returns an arrow of the width between the rails.
func arrow(s *segment, label string, middle int) string {
	const start = "--- "
	free := middle - len(start) - len(label) - 2 // for a space and the head
	line := strings.Repeat("-", free)
	if s.outcome == lost { // a third of the width; the rest is blank
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
	case s.outcome == rejected:
		return "X-- " + label + " " + line + "-"
	}
	return "<-- " + label + " " + line + "-"
}

// note writes text below an arrow, indented from the left rail.
func (r *row) note(number int, s *segment, text string) {
	middle := r.left(number, "", "")
	text = cut(text, middle-len("    "))
	gap := strings.Repeat(" ", middle-len("    ")-utf8.RuneCountInString(text))
	r.put("", "    ")
	r.put(styles[s.kind], text)
	r.put("", gap)
	r.right("")
}

// cut shortens text to width, and marks the place with ~.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "~"
}

// clock returns the text of a duration in milliseconds, or in seconds from 100 s on.
func clock(d time.Duration) string {
	if ms := float64(d) / float64(time.Millisecond); ms < 99999 {
		return fmt.Sprintf("%.3f", ms)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
