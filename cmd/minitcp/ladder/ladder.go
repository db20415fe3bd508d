package ladder

import (
	"io"
	"net/netip"
	"sync"
	"time"

	"minitcp/conn"
	"minitcp/stack"
)

// Options are the options of New. The zero value draws plain text in 100 columns.
type Options struct {
	// Colour draws with ANSI escape codes.
	Colour bool
	// Page, if not empty, is the title of a page of HTML to draw instead of text. The page has pictures in SVG, needs no
	// other file, and is complete after Close.
	Page string
	// Width is the greatest width of a line in columns. Default 100, at least 80.
	Width int
	// LocalName and PeerName are the headings of the two lines. Default "minitcp" and "peer".
	LocalName, PeerName string
	// Failed, if not nil, is called when the writer fails, with the error that Close will return. Text drawn afterwards
	// is discarded. It is called at most once, by the goroutine that writes, and must not call Close or Wait.
	Failed func(error)
}

// Ladder draws connections. Its methods are safe for concurrent use and, except Close and Wait, do not wait for the
// writer: they queue lines. When the queue is full, lines are counted and dropped, and a line with their number takes
// their place.
type Ladder struct {
	opt Options
	out *output

	mu      sync.Mutex
	conns   connections
	drawing drawing
}

const (
	defaultWidth = 100
	minWidth     = 80
)

// New returns a Ladder that writes to w from its own goroutine until Close.
func New(w io.Writer, opt Options) *Ladder {
	if opt.Width == 0 {
		opt.Width = defaultWidth
	}
	opt.Width = max(opt.Width, minWidth)
	if opt.LocalName == "" {
		opt.LocalName = "minitcp"
	}
	if opt.PeerName == "" {
		opt.PeerName = "peer"
	}
	l := &Ladder{opt: opt, out: newOutput(w, opt.Failed)}
	l.conns.init()
	l.drawing = &row{width: opt.Width, colour: opt.Colour}
	if opt.Page != "" {
		l.drawing = &page{title: opt.Page}
	}
	l.drawing.begin()
	return l
}

// Close writes the queued lines and ends the goroutine. It returns the first error of the writer. Segments drawn later
// are discarded.
func (l *Ladder) Close() error {
	l.mu.Lock()
	l.drawing.end()
	l.flush()
	l.mu.Unlock()
	return l.out.close()
}

// Wait waits until all lines drawn so far are written, so that a caller that draws fast loses none. It returns the
// first error of the writer.
func (l *Ladder) Wait() error { return l.out.wait() }

// Event draws a segment without the peer's state. It has the signature of stack.Config.Trace.
func (l *Ladder) Event(v *stack.TraceEvent) { l.Draw(v, "") }

// Draw draws a segment. peer is the peer's state after the segment, "" if it is not known.
func (l *Ladder) Draw(v *stack.TraceEvent, peer string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, known := l.conns.find(v)
	if !known {
		l.heading(c)
		if isOpening(&v.TCP) {
			l.beginning(c, v, peer)
		}
	}
	s := c.describe(v)
	s.time = c.clock(v.Time)
	s.ours, s.peer = c.changed(v.After.String(), peer)
	l.drawing.segment(c.number, &s)
	l.flush()
}

// beginning draws the states before the SYN v.
func (l *Ladder) beginning(c *connection, v *stack.TraceEvent, peer string) {
	ours, theirs := v.Before.String(), ""
	if v.Outgoing {
		ours = conn.Closed.String()
	} else if peer != "" {
		theirs = conn.Closed.String() // the sender of a SYN had no connection before
	}
	ours, theirs = c.changed(ours, theirs)
	l.drawing.states(c.number, "ms", ours, theirs, "")
}

// Step is a change of a connection without a segment, such as the expiry of a timer or a call of the application.
type Step struct {
	Time          time.Duration // since the stack was made
	Local, Remote netip.AddrPort
	State         conn.State // of this side, after the step
	Peer          string     // state of the peer, "" if it is not known
	Text          string     // short description
}

// Step draws a step.
func (l *Ladder) Step(s Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, known := l.conns.get(s.Local, s.Remote, s.Time)
	if !known {
		l.heading(c)
	}
	ours, peer := c.changed(s.State.String(), s.Peer)
	l.drawing.states(c.number, c.clock(s.Time), ours, peer, s.Text)
	l.flush()
}

// Again draws the heading of a connection and its present states once more.
func (l *Ladder) Again(local, remote netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, known := l.conns.get(local, remote, 0); known {
		l.heading(c)
		l.drawing.states(c.number, "ms", c.ours, c.peer, "")
		l.flush()
	}
}

// Title writes an empty line and a line in bold.
func (l *Ladder) Title(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drawing.text("", "")
	l.drawing.text(bold, line)
	l.flush()
}

// Text writes a line.
func (l *Ladder) Text(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drawing.text("", line)
	l.flush()
}

// heading draws the addresses of a connection.
func (l *Ladder) heading(c *connection) {
	l.drawing.heading(c.number, l.opt.LocalName+" "+c.local.String(), l.opt.PeerName+" "+c.remote.String())
}

// flush queues the lines drawn so far.
func (l *Ladder) flush() { l.out.put(l.drawing.take()) }
