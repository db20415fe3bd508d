//go:build linux

package demo

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

// observe implements the stack's Config.Trace. It reads the kernel's state at once: the kernel has sent nothing since
// a segment that has just arrived, and a segment that has just left has already reached the kernel.
func (l *lab) observe(v *stack.TraceEvent) {
	seen := segment{TraceEvent: *v}
	if v.Outgoing {
		if note := l.link.note(v.Local, v.Remote, v.TCP.Seq); note != "" {
			seen.Dropped = true
			seen.Note = strings.TrimPrefix(seen.Note+"; "+note, "; ")
		}
	}
	l.record(seen)
}

// observeLoss is called for a segment of the kernel that the link has lost.
func (l *lab) observeLoss(local, remote netip.AddrPort, h *wire.TCP, dataLen int) {
	p, _ := l.history.of(ends{local, remote}, 0)
	state, _ := p.last()
	l.record(segment{TraceEvent: stack.TraceEvent{
		Time: time.Since(l.began), Local: local, Remote: remote, TCP: *h, Len: dataLen, RelativeSeq: -1, RelativeAck: -1,
		Before: state, After: state, Note: "lost on the way", Dropped: true,
	}})
}

// record looks up the kernel's state, draws the segment and adds it to the history.
func (l *lab) record(v segment) {
	c := ends{v.Local, v.Remote}
	past, _ := l.history.of(c, 0)
	v.peer = l.kernelStateAfter(c, past, &v)
	l.ladder.Draw(&v.TraceEvent, v.peer.String())
	l.history.add(v)
}

// kernelStateAfter returns the kernel's state after a segment. The kernel may not have processed the segment yet, so
// for one that must change the state it polls until the state has changed, up to a twentieth of patience.
func (l *lab) kernelStateAfter(c ends, past trace, v *segment) conn.State {
	_, before := past.last()
	for deadline := time.Now().Add(patience / 20); ; time.Sleep(50 * time.Microsecond) {
		state := l.kernelState(c)
		if state != before || !mustChange(before, past, v) || time.Now().After(deadline) {
			return state
		}
	}
}

// mustChange reports whether the segment changes the kernel's state from before.
func mustChange(before conn.State, past trace, v *segment) bool {
	f := v.TCP.Flags
	switch {
	case !v.Outgoing || v.Dropped:
		return false
	case f.Has(wire.RST):
		return before != conn.Closed
	case before == conn.SynSent:
		return f.Has(wire.SYN)
	case before == conn.Established, before == conn.FinWait2:
		return f.Has(wire.FIN)
	case before == conn.FinWait1, before == conn.LastAck, before == conn.Closing:
		// These states end with the ACK of the FIN that the kernel has sent.
		return f.Has(wire.ACK) && past.count(func(s *segment) bool {
			return !s.Outgoing && s.TCP.Flags.Has(wire.FIN) && v.TCP.Ack == s.TCP.Seq+uint32(s.Len)+1
		}) > 0
	}
	return false
}

// kernelState returns the kernel's present state of a connection, CLOSED if it has none.
func (l *lab) kernelState(c ends) conn.State {
	found, err := l.kernel.find(c.theirs, c.ours)
	if err != nil {
		l.mu.Lock()
		l.diagErr = cmp.Or(l.diagErr, err)
		l.mu.Unlock()
	}
	return found.State
}
