//go:build linux

package main

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

// trace is called for every segment that arrives or leaves. It asks for the kernel's state at once: a segment that
// arrived was the kernel's last word, and one that left is with the kernel already.
func (s *stage) trace(v *stack.TraceEvent) {
	seen := sighting{TraceEvent: *v}
	if v.Outgoing {
		if fate := s.link.fate(v.Local, v.Remote, v.TCP.Seq); fate != "" {
			seen.Dropped = true
			seen.Note = strings.TrimPrefix(seen.Note+"; "+fate, "; ")
		}
	}
	s.see(seen)
}

// lost is called for a segment of the kernel's that the link has lost.
func (s *stage) lost(local, remote netip.AddrPort, h *wire.TCP, dataLen int) {
	p, _ := s.history.of(ends{local, remote}, 0)
	state, _ := p.last()
	s.see(sighting{TraceEvent: stack.TraceEvent{
		Time: time.Since(s.began), Local: local, Remote: remote, TCP: *h, Len: dataLen, RelativeSeq: -1, RelativeAck: -1,
		Before: state, After: state, Note: "lost on the way", Dropped: true,
	}})
}

// see finds out about the kernel's state, and draws and remembers the segment.
func (s *stage) see(v sighting) {
	c := ends{v.Local, v.Remote}
	past, _ := s.history.of(c, 0)
	v.peer = s.kernelStateAfter(c, past, &v)
	s.ladder.Draw(&v.TraceEvent, v.peer.String())
	s.history.add(v)
}

// kernelStateAfter is the kernel's state after a segment. The kernel may be about to handle it: a segment that must
// change the state is given a little time to do so.
func (s *stage) kernelStateAfter(c ends, past passage, v *sighting) conn.State {
	_, before := past.last()
	for deadline := time.Now().Add(demoPatience / 20); ; time.Sleep(50 * time.Microsecond) {
		state := s.kernelState(c)
		if state != before || !mustChange(before, past, v) || time.Now().After(deadline) {
			return state
		}
	}
}

// mustChange reports whether the segment changes the state of a kernel that was in state before.
func mustChange(before conn.State, past passage, v *sighting) bool {
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
		// It waits for an ACK of the FIN it has sent.
		return f.Has(wire.ACK) && past.count(func(s *sighting) bool {
			return !s.Outgoing && s.TCP.Flags.Has(wire.FIN) && v.TCP.Ack == s.TCP.Seq+uint32(s.Len)+1
		}) > 0
	}
	return false
}

func (s *stage) kernelState(c ends) conn.State {
	found, err := s.kernel.find(c.theirs, c.ours)
	if err != nil {
		s.mu.Lock()
		s.diagErr = cmp.Or(s.diagErr, err)
		s.mu.Unlock()
	}
	return found.State
}
