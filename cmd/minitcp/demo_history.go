//go:build linux

package main

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

// sighting is a segment that was seen, and the kernel's state after it.
type sighting struct {
	stack.TraceEvent
	peer conn.State
}

// history is every segment that was seen, in order.
type history struct {
	mu      sync.Mutex
	seen    []sighting
	changed chan struct{} // closed with the next one
}

func newHistory() *history { return &history{changed: make(chan struct{})} }

func (h *history) add(s sighting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, s)
	close(h.changed)
	h.changed = make(chan struct{})
}

// of returns the segments between two ends from the given one on, and a channel that is closed when there are more.
func (h *history) of(c ends, from int) (passage, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var p passage
	for _, s := range h.seen[from:] {
		if s.Local == c.ours && (s.Remote == c.theirs || !c.theirs.IsValid()) {
			p = append(p, s)
		}
	}
	return p, h.changed
}

// length is how many segments there were so far: where a scene begins.
func (h *history) length() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.seen)
}

// wait waits until the condition holds for the segments between two ends since from, for demoPatience.
func (h *history) wait(ctx context.Context, c ends, from int, condition func(passage) bool) passage {
	end := time.NewTimer(demoPatience)
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

// ends are the addresses of a connection. Without a valid address of theirs it stands for all that ours has.
type ends struct{ ours, theirs netip.AddrPort }

// passage is a part of one connection's history.
type passage []sighting

// last returns the states after the passage; LISTEN and CLOSED, of a server and a client, if nothing has happened.
func (p passage) last() (ours, theirs conn.State) {
	if len(p) == 0 {
		return conn.Listen, conn.Closed
	}
	return p[len(p)-1].After, p[len(p)-1].peer
}

// our returns the states this side went through, from the one after the first segment.
func (p passage) our() (states []conn.State) {
	for _, s := range p {
		states = append(states, s.After)
	}
	return slices.Compact(states)
}

// their returns the states the kernel went through, from the one after the first segment.
func (p passage) their() (states []conn.State) {
	for _, s := range p {
		states = append(states, s.peer)
	}
	return slices.Compact(states)
}

// step is a segment as a lesson draws it.
type step struct {
	outgoing bool
	flags    wire.Flags
}

const (
	toUs     = false
	toKernel = true
)

// repeatTime is the shortest after which either side sends a segment again that has not been answered.
const repeatTime = 200 * time.Millisecond

// once leaves out what was sent again because the machine had no time for who was to answer: segments that are already in
// the passage, once nothing has come for repeatTime. Without such a gap all stay.
func (p passage) once() (first passage) {
	late := false
	for i, s := range p {
		late = late || i > 0 && s.Time-p[i-1].Time >= repeatTime
		if !late || !slices.ContainsFunc(first, func(f sighting) bool {
			return f.Outgoing == s.Outgoing && f.TCP.Seq == s.TCP.Seq && f.Len == s.Len && f.TCP.Flags == s.TCP.Flags
		}) {
			first = append(first, s)
		}
	}
	return first
}

// isExactly reports whether the passage consists of these segments and no others. Of the control bits it looks at the
// six of every lesson: a kernel set up for ECN asks for that with the others.
func (p passage) isExactly(steps ...step) bool {
	return slices.EqualFunc(p, steps, func(s sighting, t step) bool {
		return s.Outgoing == t.outgoing && s.TCP.Flags&^(wire.ECE|wire.CWR) == t.flags
	})
}

// count is how many of its segments are like that.
func (p passage) count(like func(*sighting) bool) (n int) {
	for i := range p {
		if like(&p[i]) {
			n++
		}
	}
	return n
}
