package ladder

import (
	"io"
	"net/netip"
	"sync"
	"time"

	"minitcp/conn"
	"minitcp/stack"
)

// Options say how to draw. The zero value is plain text in 100 columns.
type Options struct {
	// Colour draws with ANSI escape codes.
	Colour bool
	// Width is how many columns a line has at the most. Default 100, at least 80.
	Width int
	// LocalName and PeerName stand above the two lines. Default "minitcp" and "peer".
	LocalName, PeerName string
	// Failed, if not nil, is called when the writer fails, with the error that Close will return. Text drawn afterwards
	// is lost. It is called once at most, by the goroutine that writes, and must not call Close or Wait.
	Failed func(error)
}

// Ladder draws connections. Its methods may be called from many goroutines at once, and never wait for the output:
// lines wait for that in a queue, and those for which the queue has no room are counted, which is said in their place.
type Ladder struct {
	opt Options
	out *output

	mu    sync.Mutex
	conns connections
	row   row
}

const (
	defaultWidth = 100
	minWidth     = 80
)

// New returns a Ladder that draws to w from a goroutine of its own, until Close.
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
	l.row = row{width: opt.Width, colour: opt.Colour}
	return l
}

// Close draws what is still queued and ends the goroutine. It returns the first error of the writer. What is drawn
// afterwards is lost.
func (l *Ladder) Close() error { return l.out.close() }

// Wait waits until what has been drawn so far is written, for who draws faster than any output and has the time. It returns
// the first error of the writer.
func (l *Ladder) Wait() error { return l.out.wait() }

// Event draws a segment whose receiver's state nobody knows. It fits stack.Config.Trace.
func (l *Ladder) Event(v *stack.TraceEvent) { l.Draw(v, "") }

// Draw draws a segment. peer is the peer's state after it, "" if that is not known.
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
	l.row.segment(c.number, &s)
	l.flush()
}

// beginning draws the states before the SYN that is v.
func (l *Ladder) beginning(c *connection, v *stack.TraceEvent, peer string) {
	ours, theirs := v.Before.String(), ""
	if v.Outgoing {
		ours = conn.Closed.String()
	} else if peer != "" {
		theirs = conn.Closed.String() // who sends a SYN had no connection before
	}
	ours, theirs = c.changed(ours, theirs)
	l.row.states(c.number, "ms", ours, theirs, "")
}

// Step is something that happened to a connection without a segment: a timer ran out, an application did something.
type Step struct {
	Time          time.Duration // since the stack was made
	Local, Remote netip.AddrPort
	State         conn.State // ours, after it
	Peer          string     // the peer's, "" if that is not known
	Text          string     // what happened, in a few words
}

// Step draws it.
func (l *Ladder) Step(s Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, known := l.conns.get(s.Local, s.Remote, s.Time)
	if !known {
		l.heading(c)
	}
	ours, peer := c.changed(s.State.String(), s.Peer)
	l.row.states(c.number, c.clock(s.Time), ours, peer, s.Text)
	l.flush()
}

// Again draws the heading of a connection once more, with the states it is in: for one whose beginning is far above.
func (l *Ladder) Again(local, remote netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, known := l.conns.get(local, remote, 0); known {
		l.heading(c)
		l.row.states(c.number, "ms", c.ours, c.peer, "")
		l.flush()
	}
}

// Title writes a line above the drawings that follow, after an empty one.
func (l *Ladder) Title(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.row.text("", "")
	l.row.text(bold, line)
	l.flush()
}

// Text writes a line between the drawings.
func (l *Ladder) Text(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.row.text("", line)
	l.flush()
}

func (l *Ladder) heading(c *connection) {
	l.row.heading(c.number, l.opt.LocalName+" "+c.local.String(), l.opt.PeerName+" "+c.remote.String())
}

func (l *Ladder) flush() { l.out.put(l.row.take()) }
