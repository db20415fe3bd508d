package stack

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/flow"
)

// ConnInfo describes a connection that is opening, open, or in TIME-WAIT.
type ConnInfo struct {
	Local, Remote netip.AddrPort
	State         conn.State
	Began         time.Duration // time of the first SYN, since the stack was made
	Age           time.Duration // since the first SYN
	Info          conn.Info     // zero except for State, before ESTABLISHED and in TIME-WAIT
}

// Connections returns the connections of [Stack.AllConnections].
func (s *Stack) Connections() []ConnInfo {
	return slices.AppendSeq(make([]ConnInfo, 0, s.table.Len()), s.AllConnections())
}

// AllConnections returns an iterator over the connections, each once, in no particular order. Listeners are not among
// them. A connection that begins or ends during the iteration may be missing. The stack continues to run, and no lock
// is held during a step.
func (s *Stack) AllConnections() iter.Seq[ConnInfo] {
	return func(yield func(ConnInfo) bool) {
		now := s.clock.Now()
		for e := range s.table.All() {
			if i, ok := e.info(now); ok && !yield(i) {
				return
			}
		}
	}
}

// ListenerInfo describes a listener.
type ListenerInfo struct {
	Local   netip.AddrPort // the unspecified address for all addresses, of IPv6 for both families
	Waiting int            // connections that wait for Accept
	Backlog int            // limit of Waiting
}

// Listeners returns the listeners, in no particular order.
func (s *Stack) Listeners() []ListenerInfo {
	var list []ListenerInfo
	for _, l := range s.listeners.All() {
		list = append(list, ListenerInfo{l.addr.AddrPort(), len(l.accepted), l.backlog})
	}
	return list
}

// Connection returns the connection between two addresses. It returns false if there is none.
func (s *Stack) Connection(local, remote netip.AddrPort) (ConnInfo, bool) {
	e := s.entryOf(local, remote)
	if e == nil {
		return ConnInfo{}, false
	}
	return e.info(s.clock.Now())
}

// Abort resets the connection between two addresses, as [conn.Conn.Abort] does. A handshake in progress and a
// connection in TIME-WAIT end without a segment. Abort returns false if there is no connection.
func (s *Stack) Abort(local, remote netip.AddrPort) bool {
	e := s.entryOf(local, remote)
	if e == nil {
		return false
	}
	w := s.borrowWriter()
	defer s.returnWriter(w)
	return s.abort(e, w)
}

// abort implements Abort and RemoveAddress. It returns false if e has been removed.
func (s *Stack) abort(e *entry, w *writer) bool {
	e.mu.Lock()
	found := e.tcp != nil
	c := e.served
	if tcp, ok := e.tcp.(*conn.Conn); ok {
		tcp.Abort()
		s.flush(e, w)
	} else {
		s.remove(e)
	}
	e.mu.Unlock()
	c.serve()
	return found
}

// entryOf returns the entry of the connection between two addresses, or nil.
func (s *Stack) entryOf(local, remote netip.AddrPort) *entry {
	if !local.IsValid() || !remote.IsValid() {
		return nil
	}
	k := flow.KeyOf(local.Addr(), remote.Addr(), local.Port(), remote.Port())
	return s.table.Find(&k)
}

// info returns the description of e's connection, false if e has been removed.
func (e *entry) info(now conn.Time) (ConnInfo, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tcp == nil {
		return ConnInfo{}, false
	}
	i := ConnInfo{Local: e.Key.LocalAddr(), Remote: e.Key.RemoteAddr(), State: e.state(), Began: time.Duration(e.began), Age: now.Sub(e.began)}
	if tcp, ok := e.tcp.(*conn.Conn); ok {
		i.Info = tcp.Info(now)
	}
	i.Info.State = i.State
	return i, true
}
