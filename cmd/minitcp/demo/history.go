//go:build linux

package demo

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

// segment is an observed segment, with the kernel's state after it.
type segment struct {
	stack.TraceEvent
	peer conn.State
}

// history holds every observed segment, in order.
type history struct {
	mu      sync.Mutex
	seen    []segment
	changed chan struct{} // closed when a segment is added
}

func newHistory() *history { return &history{changed: make(chan struct{})} }

func (h *history) add(s segment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, s)
	close(h.changed)
	h.changed = make(chan struct{})
}

// of returns the segments between two ends, from index from on, and a channel that is closed when a segment is added.
func (h *history) of(c ends, from int) (trace, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var p trace
	for _, s := range h.seen[from:] {
		if s.Local == c.ours && (s.Remote == c.theirs || !c.theirs.IsValid()) {
			p = append(p, s)
		}
	}
	return p, h.changed
}

// length returns the number of segments so far, which is the index at which a scene begins.
func (h *history) length() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.seen)
}

// wait waits up to patience until the condition holds for the segments between two ends from index from on, and returns
// those segments.
func (h *history) wait(ctx context.Context, c ends, from int, condition func(trace) bool) trace {
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		p, changed := h.of(c, from)
		if condition(p) {
			return p
		}
		select {
		case <-changed:
		case <-end.C:
			return p
		case <-ctx.Done():
			return p
		}
	}
}

// ends holds the addresses of a connection. If theirs is not valid, ends matches every connection of ours.
type ends struct{ ours, theirs netip.AddrPort }

// trace is a contiguous part of one connection's history.
type trace []segment

// last returns the states after the last segment. Of an empty trace they are those of a server and a client before the
// handshake: LISTEN and CLOSED.
func (p trace) last() (ours, theirs conn.State) {
	if len(p) == 0 {
		return conn.Listen, conn.Closed
	}
	return p[len(p)-1].After, p[len(p)-1].peer
}

// ourStates returns the states that minitcp went through, from the one after the first segment.
func (p trace) ourStates() (states []conn.State) {
	for _, s := range p {
		states = append(states, s.After)
	}
	return slices.Compact(states)
}

// theirStates returns the states that the kernel went through, from the one after the first segment.
func (p trace) theirStates() (states []conn.State) {
	for _, s := range p {
		states = append(states, s.peer)
	}
	return slices.Compact(states)
}

// step is the direction and the control bits of a segment, as a textbook figure draws it.
type step struct {
	outgoing bool
	flags    wire.Flags
}

const (
	toUs     = false
	toKernel = true
)

// minRTO is the shortest retransmission timeout of either side.
const minRTO = 200 * time.Millisecond

// withoutTimeouts leaves out the retransmissions that a busy machine causes: copies of earlier segments of the trace,
// after a gap of at least minRTO. Without such a gap every segment stays.
func (p trace) withoutTimeouts() (first trace) {
	late := false
	for i, s := range p {
		late = late || i > 0 && s.Time-p[i-1].Time >= minRTO
		if !late || !slices.ContainsFunc(first, func(f segment) bool {
			return f.Outgoing == s.Outgoing && f.TCP.Seq == s.TCP.Seq && f.Len == s.Len && f.TCP.Flags == s.TCP.Flags
		}) {
			first = append(first, s)
		}
	}
	return first
}

// isExactly reports whether the trace consists of exactly these segments. It ignores ECE and CWR: a kernel configured
// for ECN sets them in its SYN.
func (p trace) isExactly(steps ...step) bool {
	return slices.EqualFunc(p, steps, func(s segment, t step) bool {
		return s.Outgoing == t.outgoing && s.TCP.Flags&^(wire.ECE|wire.CWR) == t.flags
	})
}

// count returns the number of segments for which match is true.
func (p trace) count(match func(*segment) bool) (n int) {
	for i := range p {
		if match(&p[i]) {
			n++
		}
	}
	return n
}
