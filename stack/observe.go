package stack

import (
	"net/netip"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/hooks"
)

// Observer holds functions that a stack calls with its events, each on the goroutine that handles the event and while
// the connection is locked. They must not block, call the stack, or keep the argument. A nil function is not called.
type Observer struct {
	Segment func(*TraceEvent) // a segment has arrived or left
	Opened  func(*ConnOpen)   // a connection is established; without those that began with a SYN cookie
	Ended   func(*ConnEnd)    // a connection has ended or has entered TIME-WAIT; each once, without handshakes
	// Frame gets every frame that arrives or leaves. It must not change the Frame's bytes. While there is such a
	// function, no frame is larger than an IP packet can be, except those that were being sent when Observe was called.
	Frame func(*Frame)
}

// ConnOpen describes a connection that is established.
type ConnOpen struct {
	Local, Remote netip.AddrPort
	Began, Opened time.Duration // the first SYN and the end of the handshake, since the stack was made
}

// ConnEnd describes a connection that has ended or has entered TIME-WAIT.
type ConnEnd struct {
	Local, Remote netip.AddrPort
	Began, Ended  time.Duration // since the stack was made
	By            End
	Err           error     // cause, of type [conn.Error]; nil after FINs
	Info          conn.Info // at the end; its State is TIME-WAIT or CLOSED
}

// End is an end of a connection.
type End uint8

const (
	NoEnd     End = iota // neither: a timeout, or an ICMP error
	LocalEnd             // this end sent the first FIN, or a RST
	RemoteEnd            // the peer did
)

// String returns "none", "local" or "remote".
func (e End) String() string {
	switch e {
	case LocalEnd:
		return "local"
	case RemoteEnd:
		return "remote"
	}
	return "none"
}

// observers are the functions of the observers of a stack.
type observers struct {
	segment hooks.List[*TraceEvent]
	opened  hooks.List[*ConnOpen]
	ended   hooks.List[*ConnEnd]
	frame   hooks.List[*Frame]
}

// Observe makes the stack call the functions of o, until stop is called. A call that is in progress may end after stop
// has returned.
func (s *Stack) Observe(o Observer) (stop func()) {
	remove := [...]func(){
		s.observers.segment.Add(o.Segment), s.observers.opened.Add(o.Opened), s.observers.ended.Add(o.Ended), s.observers.frame.Add(o.Frame),
	}
	return func() {
		for _, f := range remove {
			f()
		}
	}
}

// observeOpen calls the observers of openings if e has a connection now, after a segment of its handshake. If it
// began with a SYN cookie, the time of its SYN is unknown, and its entry is as old as the segment.
func (s *Stack) observeOpen(now conn.Time, e *entry) {
	if !s.observers.opened.Any() || e.state() < conn.Established || now <= e.began {
		return
	}
	s.observers.opened.Call(&ConnOpen{e.Key.LocalAddr(), e.Key.RemoteAddr(), time.Duration(e.began), time.Duration(now)})
}

// observeEnd counts the ECN marks and calls the observers of ends, for the connection tcp of e, which is removed or
// enters TIME-WAIT.
func (s *Stack) observeEnd(now conn.Time, e *entry, tcp *conn.Conn) {
	s.countMarks(tcp)
	if s.observers.ended.Any() {
		s.reportEnd(now, e, tcp)
	}
}

// countMarks adds the ECN marks of a connection that ends to the totals.
func (s *Stack) countMarks(tcp *conn.Conn) {
	marks, ok := tcp.Marks()
	if !ok {
		return
	}
	s.totals.Add(counters.CEReceived, int(marks.Received))
	s.totals.Add(counters.CEDelivered, int(marks.AccECN.DeliveredCE))
	s.totals.Add(counters.ECNReductions, int(marks.Reductions))
	if marks.AccECN.Agreed {
		s.totals.Count(counters.AccurateECN)
	}
	if marks.AccECN.Failures != 0 {
		s.totals.Count(counters.AccurateECNFailed)
	}
}

// reportEnd passes the end of a connection to observers. It is a function of its own so that only the goroutines of
// stacks with observers need room for a ConnEnd.
func (s *Stack) reportEnd(now conn.Time, e *entry, tcp *conn.Conn) {
	s.observers.ended.Call(&ConnEnd{
		Local:  e.Key.LocalAddr(),
		Remote: e.Key.RemoteAddr(),
		Began:  time.Duration(e.began),
		Ended:  time.Duration(now),
		By:     endOf(tcp),
		Err:    tcp.Err(),
		Info:   tcp.Info(now),
	})
}

// endOf returns the end that has ended a connection.
func endOf(tcp *conn.Conn) End {
	switch tcp.Err() {
	case nil:
		if tcp.State() != conn.TimeWait && tcp.FINReceived() { // LAST-ACK came before
			return RemoteEnd
		}
		return LocalEnd
	case conn.ErrReset, conn.ErrRefused, conn.ErrPipe:
		return RemoteEnd
	case conn.ErrClosed, conn.ErrAborted, conn.ErrLingerTimeout:
		return LocalEnd
	}
	return NoEnd
}
