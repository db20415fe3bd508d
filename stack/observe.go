package stack

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"minitcp/conn"
)

// Observer holds functions that a stack calls with its events, each on the goroutine that handles the event and while
// the connection is locked. They must not block, call the stack, or keep the argument. A nil function is not called.
type Observer struct {
	Segment func(*TraceEvent) // a segment has arrived or left
	Opened  func(*ConnOpen)   // a connection is established; without those that began with a SYN cookie
	Ended   func(*ConnEnd)    // a connection has ended or has entered TIME-WAIT; each once, without handshakes
	// Frame gets every frame that arrives or leaves. It must not change the Frame's bytes. While there is such a function,
	// no frame is larger than an IP packet can be, except those that were being sent when Observe was called.
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

// observers are the observers of a stack. Events read the lists without a lock.
type observers struct {
	mu      sync.Mutex
	all     []*Observer
	segment atomic.Pointer[[]func(*TraceEvent)]
	opened  atomic.Pointer[[]func(*ConnOpen)]
	ended   atomic.Pointer[[]func(*ConnEnd)]
	frame   atomic.Pointer[[]func(*Frame)]
}

// Observe makes the stack call the functions of o, until stop is called. A call that is in progress may end after stop
// has returned.
func (s *Stack) Observe(o Observer) (stop func()) {
	p := &o
	s.observers.change(func(all []*Observer) []*Observer { return append(all, p) })
	return func() {
		s.observers.change(func(all []*Observer) []*Observer {
			return slices.DeleteFunc(all, func(other *Observer) bool { return other == p })
		})
	}
}

func (o *observers) change(f func([]*Observer) []*Observer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = f(o.all)
	var segment []func(*TraceEvent)
	var opened []func(*ConnOpen)
	var ended []func(*ConnEnd)
	var frame []func(*Frame)
	for _, p := range o.all {
		if p.Segment != nil {
			segment = append(segment, p.Segment)
		}
		if p.Opened != nil {
			opened = append(opened, p.Opened)
		}
		if p.Ended != nil {
			ended = append(ended, p.Ended)
		}
		if p.Frame != nil {
			frame = append(frame, p.Frame)
		}
	}
	store(&o.segment, segment)
	store(&o.opened, opened)
	store(&o.ended, ended)
	store(&o.frame, frame)
}

// store stores a pointer to list, nil if it is empty.
func store[T any](at *atomic.Pointer[[]T], list []T) {
	if len(list) == 0 {
		at.Store(nil)
		return
	}
	at.Store(&list)
}

// traced reports whether segments are observed.
func (o *observers) traced() bool { return o.segment.Load() != nil }

// tapped reports whether frames are observed.
func (o *observers) tapped() bool { return o.frame.Load() != nil }

// tap calls the observers of frames.
func (o *observers) tap(f *Frame) {
	if list := o.frame.Load(); list != nil {
		for _, tap := range *list {
			tap(f)
		}
	}
}

// trace calls the observers of segments.
func (o *observers) trace(v *TraceEvent) {
	if list := o.segment.Load(); list != nil {
		for _, f := range *list {
			f(v)
		}
	}
}

// observeOpen calls the observers of openings if e has a connection now, after a segment of its handshake. If it
// began with a SYN cookie, the time of its SYN is unknown, and its entry is as old as the segment.
func (s *Stack) observeOpen(now conn.Time, e *entry) {
	list := s.observers.opened.Load()
	if list == nil || e.state() < conn.Established || now <= e.began {
		return
	}
	v := &ConnOpen{e.Key.LocalAddr(), e.Key.RemoteAddr(), time.Duration(e.began), time.Duration(now)}
	for _, f := range *list {
		f(v)
	}
}

// observeEnd calls the observers of ends, for the connection tcp of e, which is removed or enters TIME-WAIT.
func (s *Stack) observeEnd(now conn.Time, e *entry, tcp *conn.Conn) {
	if list := s.observers.ended.Load(); list != nil {
		e.reportEnd(*list, now, tcp)
	}
}

// reportEnd passes the end of a connection to observers. It is a function of its own so that only the goroutines of
// stacks with observers need room for a ConnEnd.
func (e *entry) reportEnd(list []func(*ConnEnd), now conn.Time, tcp *conn.Conn) {
	v := &ConnEnd{
		Local:  e.Key.LocalAddr(),
		Remote: e.Key.RemoteAddr(),
		Began:  time.Duration(e.began),
		Ended:  time.Duration(now),
		By:     endOf(tcp),
		Err:    tcp.Err(),
		Info:   tcp.Info(now),
	}
	for _, f := range list {
		f(v)
	}
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
