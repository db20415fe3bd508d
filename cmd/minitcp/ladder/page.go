package ladder

import (
	_ "embed"
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// drawing formats the parts of a ladder. Its methods append to the lines that take returns.
type drawing interface {
	begin()
	heading(number int, ours, peer string)
	segment(number int, s *segment)
	states(number int, time, ours, peer, text string)
	text(style, line string)
	take() []byte
	end()
}

// page draws a page of HTML that needs no other file. Consecutive lines of a ladder are one picture in SVG, consecutive
// lines of text one block.
type page struct {
	title string
	html  []byte

	figure strings.Builder // elements of the picture that is being drawn
	height int             // of it, in units of the picture
	prose  []string        // lines of the block that is being written
}

//go:embed page.css
var pageStyle string

// Columns of a picture, in its units.
const (
	pictureWidth = 1000
	numberColumn = 4
	timeColumn   = 108 // right end
	oursColumn   = 212 // right end
	leftRail     = 222
	rightRail    = 878
	peerColumn   = 888
	rowHeight    = 26
	lostWidth    = 220 // of the arrow of a lost segment
	fall         = 12  // difference in height between the ends of an arrow
	maxHeight    = 500 * rowHeight
)

func (p *page) add(format string, args ...any) { p.html = fmt.Appendf(p.html, format, args...) }

// draw appends an element to the picture.
func (p *page) draw(format string, args ...any) { fmt.Fprintf(&p.figure, format+"\n", args...) }

// label draws text. Anchor is start, middle or end.
func (p *page) label(class, anchor string, x, y int, text string) {
	if text != "" {
		p.draw(`<text class="%s" text-anchor="%s" x="%d" y="%d">%s</text>`, class, anchor, x, y, html.EscapeString(text))
	}
}

func (p *page) begin() {
	title := html.EscapeString(p.title)
	p.add("<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"+
		"<title>%s</title>\n<style>\n%s</style>\n<h1>%[1]s</h1>\n", title, pageStyle)
}

func (p *page) end() {
	p.endFigure()
	p.endProse()
	p.add("</html>\n")
}

func (p *page) take() []byte {
	b := p.html
	p.html = p.html[:0]
	return b
}

// row begins a row of the picture, and returns its upper edge. A picture that becomes too high is ended first.
func (p *page) row() (top int) {
	p.endProse()
	if p.height >= maxHeight {
		p.endFigure()
	}
	top = p.height
	p.height += rowHeight
	return top
}

// rails draws the row's part of the two lines, its number, time and states.
func (p *page) rails(top, number int, time, ours, peer string) {
	base := top + rowHeight/2 + 4
	p.draw(`<path class="rail" d="M%d %dv%dM%d %[2]dv%[3]d"/>`, leftRail, top, rowHeight, rightRail)
	p.label("dim", "start", numberColumn, base, fmt.Sprintf("#%d", number))
	p.label("dim", "end", timeColumn, base, time)
	p.label("state", "end", oursColumn, base, ours)
	p.label("state", "start", peerColumn, base, peer)
}

func (p *page) heading(number int, ours, peer string) {
	if p.height > 0 {
		p.height += rowHeight / 2
	}
	base := p.row() + rowHeight/2 + 4
	p.label("dim", "start", numberColumn, base, fmt.Sprintf("#%d", number))
	p.label("name", "middle", leftRail, base, ours)
	p.label("name", "middle", rightRail, base, peer)
}

func (p *page) states(number int, time, ours, peer, text string) {
	top := p.row()
	p.rails(top, number, time, ours, peer)
	p.label("state", "middle", (leftRail+rightRail)/2, top+rowHeight/2+4, text)
}

// classes are the classes of the kinds of segments.
var classes = [...]string{plain: "plain", opening: "opening", closing: "closing", trouble: "trouble", failure: "failure"}

func (p *page) segment(number int, s *segment) {
	top := p.row()
	p.rails(top, number, s.time, s.ours, s.peer)
	from, to := leftRail, rightRail
	if !s.outgoing {
		from, to = to, from
	}
	y0, y1 := top+(rowHeight-fall)/2, top+(rowHeight+fall)/2
	if s.outcome == lost {
		to = from + lostWidth*(to-from)/(rightRail-leftRail)
		y1 = y0 + fall/3
	}
	direction := 1
	if to < from {
		direction = -1
	}
	head := fmt.Sprintf("l%d -5m%d 5l%d 3", -8*direction, 8*direction, -8*direction)
	if s.outcome != arrived {
		head = "m-5 -5l10 10m0 -10l-10 10"
	}
	class := classes[s.kind]
	p.draw(`<path class="%s" d="M%d %dL%d %d%s"/>`, class, from, y0, to, y1, head)
	text := strings.Join(s.label, " ")
	if s.note != "" && s.outcome != lost {
		text += " (" + s.note + ")"
	}
	if s.outcome != lost {
		p.arrowLabel(class, (leftRail+rightRail)/2, top, text)
		return
	}
	half := min(textWidth(text), rightRail-leftRail-lostWidth-24) / 2
	p.arrowLabel(class, to+direction*(12+half), top, text)
	if s.note != "" {
		top = p.row()
		p.rails(top, number, "", "", "")
		p.label(class, "middle", (leftRail+rightRail)/2, top+rowHeight/2+4, s.note)
	}
}

// textWidth returns the width of text, whose characters have the same width.
func textWidth(text string) int { return (utf8.RuneCountInString(text)*72 + 9) / 10 }

// arrowLabel draws the text of an arrow around x, above a ground that hides the arrow. Long text is drawn narrower.
func (p *page) arrowLabel(class string, x, top int, text string) {
	width, room := textWidth(text), 2*min(x-leftRail, rightRail-x)-20
	narrow := ""
	if width > room {
		width = room
		narrow = fmt.Sprintf(` textLength="%d" lengthAdjust="spacingAndGlyphs"`, width)
	}
	p.draw(`<rect x="%d" y="%d" width="%d" height="%d"/>`, x-width/2-3, top+4, width+6, rowHeight-8)
	p.draw(`<text class="%s" text-anchor="middle"%s x="%d" y="%d">%s</text>`, class, narrow, x, top+rowHeight/2+4, html.EscapeString(text))
}

func (p *page) text(style, line string) {
	p.endFigure()
	switch {
	case style == bold:
		p.endProse()
		p.add("<h2>%s</h2>\n", html.EscapeString(strings.TrimSpace(line)))
	case line == "":
		p.endProse()
	default:
		p.prose = append(p.prose, html.EscapeString(line))
	}
}

// endProse completes the block of text.
func (p *page) endProse() {
	if len(p.prose) > 0 {
		p.add("<pre>%s</pre>\n", strings.Join(p.prose, "\n"))
		p.prose = nil
	}
}

// endFigure completes the picture.
func (p *page) endFigure() {
	if p.height > 0 {
		p.add("<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"ladder diagram\">\n%s</svg></figure>\n", pictureWidth, p.height, p.figure.String())
		p.figure.Reset()
		p.height = 0
	}
}
