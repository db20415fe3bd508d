package conntest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"minitcp/conn"
	"minitcp/conn/fastopen"
	"minitcp/conn/netem"
	"minitcp/conn/wire"
)

// End is one end of a [Pair]. Its connection is a Handshake, if it listens, then a Conn, then a TimeWaitConn. Absent
// ones are nil.
type End struct {
	Name      string
	Config    conn.Config
	Open      conn.Open
	Listening bool // whether it accepts one connection

	Handshake *conn.Handshake
	Conn      *conn.Conn // kept after the end of the connection for inspection
	TimeWait  *conn.TimeWaitConn
	Foreign   Foreign // connection of another implementation, in place of all these
	Pages     Pages
	Bulk      Bulk
	Monitor   Monitor

	// App is the application. It is called before each step while there is a Conn. Nil means [Transfer].
	App func(*Pair, *End)

	ToSend    []byte
	Sent      int // bytes of ToSend that were written
	HalfClose bool
	Received  []byte
	ReadError error // error that ended reading, usually io.EOF

	// Wake is the time of the next call of App, unless another event causes one earlier. It is Never at the start of
	// each call.
	Wake conn.Time

	peer      *End
	cookies   *cookieListener  // nil unless ListenWithCookies was called
	fastOpen  *fastopen.Offer  // nil unless UseFastOpen was called
	forgot    bool             // whether a handshake has ended without a connection
	left      bool             // whether the application has closed the connection before its end
	over      bool             // whether the connection is gone, TIME-WAIT included
	heard     conn.Time        // time of the last arrival of a segment
	ended     conn.Time        // time at which Conn entered CLOSED
	direction *netem.Direction // of its segments; several ends may share it
	thinned   *packet          // last ACK delayed by ACK thinning
	out       conn.Outgoing    // segment that it transmits
	calls     int
	progress  progress
	repeats   repeats
	held      heldACKs
	periodic  int // segments with data sent during Link.Periodic
	lostBytes int // bytes of data sent and lost
}

// Idle is an application that does nothing.
func Idle(*Pair, *End) {}

// Transfer is an application that writes ToSend, half-closes, and reads until the end of file or an error.
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

// Write writes up to n more bytes of ToSend and returns the number of bytes accepted.
func (e *End) Write(p *Pair, n int) int {
	data := e.ToSend[e.Sent:min(e.Sent+n, len(e.ToSend))]
	if e.Foreign != nil {
		n = e.Foreign.Write(p.Now, data)
		e.Sent += n
		return n
	}
	n, err := e.Conn.Write(p.Now, data)
	if n > 0 && err != nil {
		p.fail(fmt.Errorf("%s: Write: %d and %w", e.Name, n, err))
	}
	e.Sent += n
	return n
}

// Read reads up to n bytes, and reports whether it read any.
func (e *End) Read(p *Pair, n int) bool {
	if e.ReadError != nil {
		return false
	}
	at := len(e.Received)
	e.Received = slices.Grow(e.Received, max(n, len(e.peer.ToSend)-at))
	var got int
	var err error
	if e.Foreign != nil {
		got, err = e.Foreign.Read(p.Now, e.Received[at:at+n])
	} else {
		got, err = e.Conn.Read(e.Received[at : at+n])
	}
	e.Received = e.Received[:at+got]
	if at+got > len(e.peer.ToSend) || !bytes.Equal(e.Received[at:], e.peer.ToSend[at:at+got]) {
		p.fail(fmt.Errorf("%s: Read returned wrong data at byte %d or after it", e.Name, at))
	}
	switch {
	case got > 0 && err != nil || got == 0 && err == nil:
		p.fail(fmt.Errorf("%s: Read: %d and %v", e.Name, got, err))
	case err != nil && !errors.Is(err, conn.ErrWouldBlock):
		e.ReadError = err
	}
	return got > 0
}

// endpoint is the common interface of a handshake, a connection and one in TIME-WAIT.
type endpoint interface {
	Receive(conn.Time, *conn.Segment) conn.Verdict
	Transmit(conn.Time, int, *conn.Outgoing) bool
	Deadline() conn.Time
	Advance(conn.Time)
	IRS() uint32
}

// endpoint returns the present stage of e's connection, or nil.
func (e *End) endpoint() endpoint {
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

// checksNow reports whether the invariants of the connection are checked after this call. A check visits every page and
// every range out of order, so with many pages it is done after some calls only.
func (e *End) checksNow() bool {
	const large = 256 // pages: 2 MiB
	e.calls++
	n := e.Pages.Used + e.Pages.Charged/64
	return n < large || e.calls%(n/16) == 0
}

// Flush transmits all segments of e's connection and moves it to its next stage, as a driver does after every call.
func (p *Pair) Flush(e *End) {
	if e.Foreign != nil {
		p.flushForeign(e)
		return
	}
	limit := max(p.Link.GSOMaxSize, 1)
	out := &e.out
	for n := 0; ; n++ {
		if e.Conn != nil && e.checksNow() {
			p.check(e.Conn.Check(), e)
		}
		m := e.endpoint()
		if m == nil || !m.Transmit(p.Now, limit, out) {
			break
		}
		if n > 100_000 {
			p.check(fmt.Errorf("more than 100,000 segments in one Flush: %+v", out.TCP), e)
			return
		}
		p.check(e.Monitor.Sent(limit, m.IRS(), out), e)
		p.send(e, out)
	}
	e.Monitor.Drained()
	switch {
	case e.over:
	case e.TimeWait != nil:
		e.over = e.TimeWait.Expired(p.Now)
	case e.Conn != nil && e.Conn.State() == conn.TimeWait:
		e.TimeWait = e.Conn.TimeWait(p.Now)
	case e.Conn != nil:
		e.over, e.ended = e.Conn.Ready()&conn.ReadyClosed != 0, p.Now
	case e.Handshake != nil && e.Handshake.State() == conn.Closed:
		e.Handshake, e.forgot = nil, true // the listener is in LISTEN again
		e.Monitor = Monitor{MTU: e.Open.MTU, IPHeader: e.Open.IPHeader}
	}
}

// receive delivers a segment to the present stage of the receiving end.
func (p *Pair) receive(k *packet) {
	p.reboot()
	k.to = p.current(k.to)
	e, s := k.to, &k.seg
	p.Link.Box.change(p, k)
	if e.Foreign != nil {
		p.receiveForeign(k)
		return
	}
	before, verdict := e.State(), conn.VerdictIgnored
	m := e.endpoint()
	if e.takesCookie(&s.TCP) {
		if !p.openFromCookie(e, s) {
			// A RST would end a connection whose first segment was lost or overtaken.
			p.traceArrived(k, "lost: not a cookie", verdict)
			return
		}
		m = e.Handshake
	}
	switch {
	case m != nil:
		e.heard = p.Now
		if k.from == e.peer || s.TCP.Flags.Has(wire.RST) {
			e.Monitor.Received(s)
		} else { // from an earlier incarnation, with another window
			e.Monitor.Called()
		}
		e.Pages.lend(s)
		if verdict = m.Receive(p.Now, s); e.Conn == nil && e.Handshake.State() == conn.Established {
			e.Conn, e.Handshake = e.Handshake.Establish(p.Now), nil
			p.check(e.Conn.Check(), e)
			verdict = e.Conn.Receive(p.Now, s)
		}
		if before == conn.SynSent && verdict == conn.VerdictIgnored {
			k.from.lostBytes += len(s.Data) // with Fast Open, data may overtake the SYN-ACK
		}
		e.Pages.countRetained(s)
		e.countRepeats(k, verdict)
		if verdict == conn.VerdictAccepted && len(s.Data) > 0 {
			e.held.arrived(p.Now)
		}
		if p.reopens(e, verdict) {
			p.receive(k)
			return
		}
		if verdict == conn.VerdictOldTimestamp && k.from == e.peer && p.Link.keepsOrder() && p.Fate == nil {
			p.check(fmt.Errorf("PAWS dropped TSVal %d on a link without reordering: %v", s.TCP.Options.TSVal, k.note), e)
		}
	case e.Listening && !e.over && s.TCP.Flags&(wire.SYN|wire.ACK|wire.RST|wire.FIN) == wire.SYN:
		verdict = conn.VerdictAccepted
		if e.cookies != nil && p.boxRand.IntN(keepsEvery) > 0 && p.sendCookie(e, s) {
			break
		}
		e.Monitor.Received(s)
		open := e.Open
		open.ECN = s.ECN
		e.Handshake = conn.NewHandshake(p.Now, &e.Config, open, &s.TCP)
		p.takeFastOpen(e, s)
	}
	if p.Trace != nil {
		p.Trace(&Event{Now: p.Now, From: k.from, To: e, Arrived: true, Segment: s, Note: k.note, Copied: k.copied, Verdict: verdict, Before: before, After: e.State()})
	}
	out := &e.out
	switch {
	case e.endpoint() != nil || m != nil:
		p.Flush(e)
	case e.cookies != nil && !e.over && s.TCP.Flags.Has(wire.SYN): // it has been answered
	case conn.Reset(&s.TCP, len(s.Data), out):
		p.send(e, out)
	}
}

// checkEnd returns an error unless e ended in good order, with all data received and all memory released.
func (p *Pair) checkEnd(e, peer *End) error {
	if e.Foreign != nil {
		return e.checkForeign(peer)
	}
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
		return fmt.Errorf("%s received %d bytes, want %d", e.Name, len(e.Received), len(peer.ToSend))
	case e.Conn.Deadline() != conn.Never:
		return fmt.Errorf("%s: a timer is still running", e.Name)
	case e.Bulk != 0:
		return fmt.Errorf("%s still counts %d bulk receivers", e.Name, e.Bulk)
	case e.Pages.Used != 0 || e.Pages.Borrowed != 0 || e.Pages.Charged != 0:
		return fmt.Errorf("%s keeps %d pages, %d borrowed buffers and %d bytes", e.Name, e.Pages.Used, e.Pages.Borrowed, e.Pages.Charged)
	}
	return nil
}
