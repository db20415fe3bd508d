package conntest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// End is one end of a Pair. Its connection is first a Handshake, if it listens, then a Conn, then a TimeWaitConn; what is not
// there is nil.
type End struct {
	Name      string
	Config    conn.Config
	Open      conn.Open
	Listening bool // takes one connection

	Handshake *conn.Handshake
	Conn      *conn.Conn // kept after the end, for what it tells
	TimeWait  *conn.TimeWaitConn
	Pages     Pages
	Bulk      Bulk
	Monitor   Monitor

	// App is the application, called before each step once there is a Conn. Nil is [Transfer].
	App func(*Pair, *End)

	ToSend    []byte
	Sent      int // of ToSend
	HalfClose bool
	Received  []byte
	ReadError error // what ended reading: io.EOF, usually

	// Wake is when the application wants to be called at the latest. Each call begins with Never.
	Wake conn.Time

	peer    *End
	over    bool // nothing is left that could receive or send
	pipe    *pipe
	thinned *packet // the last acknowledgment that waits
	buf     []byte
	calls   int
	stall   stall
	twice   twice
	counted int // segments with data sent during Link.Periodic
	lost    int // octets of data it has sent that never arrive
}

// Idle is an application that does nothing.
func Idle(*Pair, *End) {}

// Transfer is an application that writes ToSend, half-closes, and reads until something ends that.
func Transfer(p *Pair, e *End) {
	c := e.Conn
	if c.Ready()&conn.ReadyConnected == 0 || c.Err() != nil {
		return
	}
	for e.Sent < len(e.ToSend) && e.Write(p, len(e.ToSend)) > 0 {
	}
	if e.Sent == len(e.ToSend) && !e.HalfClose {
		e.HalfClose = true
		if err := c.CloseWrite(); err != nil {
			p.fail(fmt.Errorf("%s: CloseWrite: %w", e.Name, err))
		}
	}
	for e.Read(p, 1+p.rng.IntN(20000)) {
	}
}

// Write writes up to n more octets of ToSend and returns how many were taken.
func (e *End) Write(p *Pair, n int) int {
	n, err := e.Conn.Write(p.Now, e.ToSend[e.Sent:min(e.Sent+n, len(e.ToSend))])
	if n > 0 && err != nil {
		p.fail(fmt.Errorf("%s: Write: %d and %w", e.Name, n, err))
	}
	e.Sent += n
	return n
}

// Read reads up to n octets, and reports whether there were any.
func (e *End) Read(p *Pair, n int) bool {
	if e.ReadError != nil {
		return false
	}
	if len(e.buf) < n {
		e.buf = make([]byte, n)
	}
	got, err := e.Conn.Read(e.buf[:n])
	if at := len(e.Received); at+got > len(e.peer.ToSend) || !bytes.Equal(e.buf[:got], e.peer.ToSend[at:at+got]) {
		p.fail(fmt.Errorf("%s: reads what was not sent, at octet %d or after it", e.Name, at))
	}
	e.Received = append(e.Received, e.buf[:got]...)
	switch {
	case got > 0 && err != nil || got == 0 && err == nil:
		p.fail(fmt.Errorf("%s: Read: %d and %v", e.Name, got, err))
	case err != nil && !errors.Is(err, conn.ErrWouldBlock):
		e.ReadError = err
	}
	return got > 0
}

// machine is what the three stages of a connection have in common.
type machine interface {
	Receive(conn.Time, *conn.Segment) conn.Verdict
	Transmit(conn.Time, int, *conn.Outgoing) bool
	Deadline() conn.Time
	Advance(conn.Time)
	IRS() uint32
}

func (e *End) machine() machine {
	switch {
	case e.over:
	case e.TimeWait != nil:
		return e.TimeWait
	case e.Conn != nil:
		return e.Conn
	case e.Handshake != nil:
		return e.Handshake
	}
	return nil
}

// turn reports whether the connection's invariants are checked after this call. A check looks at every page and every range
// of early data, so when there are many it is done for some calls only.
func (e *End) turn() bool {
	const large = 256 // pages: 2 MiB
	e.calls++
	n := e.Pages.Lent + e.Pages.Small/64
	return n < large || e.calls%(n/16) == 0
}

// Settle is the driver's part after a call on e's connection: transmit all there is, and move on to the next stage.
func (p *Pair) Settle(e *End) {
	limit := max(p.Link.Superframes, 1)
	var out conn.Outgoing
	for n := 0; ; n++ {
		if e.Conn != nil && e.turn() {
			p.check(e.Conn.Check(), e)
		}
		m := e.machine()
		if m == nil || !m.Transmit(p.Now, limit, &out) {
			break
		}
		if n > 100_000 {
			p.check(fmt.Errorf("transmits without end: %+v", out.TCP), e)
			return
		}
		p.check(e.Monitor.Sent(limit, m.IRS(), &out), e)
		p.send(e, &out)
	}
	e.Monitor.Drained()
	switch {
	case e.over:
	case e.TimeWait != nil:
		e.over = e.TimeWait.Expired(p.Now)
	case e.Conn != nil && e.Conn.State() == conn.TimeWait:
		e.TimeWait = e.Conn.TimeWait(p.Now)
	case e.Conn != nil:
		e.over = e.Conn.Ready()&conn.ReadyClosed != 0
	case e.Handshake != nil && e.Handshake.State() == conn.HandshakeDead:
		e.Handshake = nil // and the listener is back in LISTEN
		e.Monitor = Monitor{MTU: e.Open.MTU, IPHeader: e.Open.IPHeader}
	}
}

// receive gives a segment to the end it is for, whatever that is now.
func (p *Pair) receive(k *packet) {
	p.reboot()
	k.to = p.current(k.to)
	e, s := k.to, &k.seg
	p.Link.Box.change(p, k)
	before, verdict := e.State(), conn.VerdictIgnored
	m := e.machine()
	switch {
	case m != nil:
		if k.from == e.peer || s.TCP.Flags.Has(wire.RST) {
			e.Monitor.Received(s)
		} else { // of another incarnation: its window is another's
			e.Monitor.Called()
		}
		e.Pages.offer(s)
		if verdict = m.Receive(p.Now, s); e.Conn == nil && e.Handshake.State() == conn.HandshakeReady {
			e.Conn, e.Handshake = e.Handshake.Establish(p.Now), nil
			p.check(e.Conn.Check(), e)
			verdict = e.Conn.Receive(p.Now, s)
		}
		e.Pages.offered(s)
		e.took(k, verdict)
		if p.reopens(e, verdict) {
			p.receive(k)
			return
		}
		if verdict == conn.VerdictOldTimestamp && k.from == e.peer && p.Link.inOrder() && p.Fate == nil {
			p.check(fmt.Errorf("TSVal %d is too old for PAWS, on a link that keeps the order: %v", s.TCP.Options.TSVal, k.note), e)
		}
	case e.Listening && !e.over && s.TCP.Flags&(wire.SYN|wire.ACK|wire.RST|wire.FIN) == wire.SYN:
		verdict = conn.VerdictAccepted
		e.Monitor.Received(s)
		e.Handshake = conn.NewHandshake(p.Now, &e.Config, e.Open, &s.TCP)
	}
	if p.Trace != nil {
		p.Trace(&Event{Now: p.Now, From: k.from, To: e, Arrived: true, Segment: s, Note: k.note, Copied: k.copied, Verdict: verdict, Before: before, After: e.State()})
	}
	var out conn.Outgoing
	switch {
	case e.machine() != nil || m != nil:
		p.Settle(e)
	case conn.Reset(&s.TCP, len(s.Data), &out):
		p.send(e, &out)
	}
}

// finish returns what e's end leaves to be desired.
func (p *Pair) finish(e, peer *End) error {
	if e.Conn == nil {
		return fmt.Errorf("%s: no connection", e.Name)
	}
	if !e.over {
		return fmt.Errorf("%s ends in %v", e.Name, e.Conn.State())
	}
	e.Conn.Close(p.Now, conn.Linger{})
	switch {
	case e.Conn.Err() != nil:
		return fmt.Errorf("%s ends with %w", e.Name, e.Conn.Err())
	case e.ReadError != io.EOF:
		return fmt.Errorf("%s: reading ended with %v", e.Name, e.ReadError)
	case len(e.Received) != len(peer.ToSend):
		return fmt.Errorf("%s received %d octets of %d", e.Name, len(e.Received), len(peer.ToSend))
	case e.Conn.Deadline() != conn.Never:
		return fmt.Errorf("%s: a timer is still running", e.Name)
	case e.Bulk != 0:
		return fmt.Errorf("%s still counts %d bulk receivers", e.Name, e.Bulk)
	case e.Pages.Lent != 0 || e.Pages.Borrowed != 0 || e.Pages.Small != 0:
		return fmt.Errorf("%s keeps %d pages, %d borrowed buffers and %d bytes", e.Name, e.Pages.Lent, e.Pages.Borrowed, e.Pages.Small)
	}
	return nil
}
