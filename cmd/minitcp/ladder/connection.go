package ladder

import (
	"container/list"
	"net/netip"
	"slices"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

// connections holds the most recently drawn connections. A connection that was removed and is drawn again gets a new
// number.
type connections struct {
	byEnds map[ends]*connection
	recent list.List // of *connection, the most recent in front
	count  int       // number of connections so far
}

// maxConnections bounds the memory to about 3 MB.
const maxConnections = 1 << 14

type ends struct{ local, remote netip.AddrPort }

// Indexes of connection.sides.
const (
	ours = iota
	theirs
)

// connection holds the state that drawing its next segment needs.
type connection struct {
	ends
	number     int
	began      time.Duration // time of the first segment
	latest     time.Duration // time of the last one drawn
	over       bool          // in CLOSED or TIME-WAIT; a SYN begins a new connection
	ours, peer string        // states as last drawn

	sides [2]side // by sender
	place *list.Element
}

// side holds the numbers of one sender.
type side struct {
	isn      uint32
	isnKnown bool
	scale    uint8 // window scale of its SYN
	scaled   bool
	lost     []uint32 // sequence numbers of segments that were lost or damaged
}

func (cs *connections) init() {
	cs.byEnds = make(map[ends]*connection)
	cs.recent.Init()
}

// find returns the connection of a segment; known is false if it is new.
func (cs *connections) find(v *stack.TraceEvent) (c *connection, known bool) {
	c = cs.byEnds[ends{v.Local, v.Remote}]
	// A SYN to a listener begins a new connection: c is an earlier one with the same addresses.
	if c != nil && isOpening(&v.TCP) && (c.over || !v.Outgoing && v.Before == conn.Listen) {
		cs.remove(c)
	}
	return cs.get(v.Local, v.Remote, v.Time)
}

// get returns the connection with these addresses, which it adds if it is not known.
func (cs *connections) get(local, remote netip.AddrPort, now time.Duration) (c *connection, known bool) {
	k := ends{local, remote}
	if c := cs.byEnds[k]; c != nil {
		cs.recent.MoveToFront(c.place)
		return c, true
	}
	if cs.recent.Len() == maxConnections {
		cs.remove(cs.recent.Back().Value.(*connection))
	}
	cs.count++
	c = &connection{ends: k, number: cs.count, began: now, latest: now}
	c.place = cs.recent.PushFront(c)
	cs.byEnds[k] = c
	return c, false
}

func (cs *connections) remove(c *connection) {
	cs.recent.Remove(c.place)
	delete(cs.byEnds, c.ends)
}

// isOpening reports whether a segment is the first of a connection.
func isOpening(h *wire.TCP) bool {
	return h.Flags.Has(wire.SYN) && h.Flags&(wire.ACK|wire.RST) == 0
}

// changed returns the two states, "" for one that equals the state drawn last.
func (c *connection) changed(ours, peer string) (string, string) {
	c.over = ours == conn.Closed.String() || ours == conn.TimeWait.String()
	if ours == c.ours {
		ours = ""
	} else {
		c.ours = ours
	}
	if peer == c.peer {
		peer = ""
	} else if peer != "" {
		c.peer = peer
	}
	return ours, peer
}

// clock returns the text of the time since the first segment. Frames of a batch have the time at which the batch was
// read, and may be drawn after segments that were sent later: the times drawn never decrease.
func (c *connection) clock(now time.Duration) string {
	c.latest = max(c.latest, now)
	return clock(c.latest - c.began)
}

// learn records the initial sequence numbers and window scales that a segment reveals.
func (c *connection) learn(v *stack.TraceEvent) {
	from, to := &c.sides[theirs], &c.sides[ours]
	if v.Outgoing {
		from, to = to, from
	}
	h := &v.TCP
	switch {
	case h.Flags.Has(wire.SYN):
		from.isn, from.isnKnown = h.Seq, true
		from.scale, from.scaled = h.Options.WindowScale, h.Options.HasWindowScale
	case v.RelativeSeq >= 0:
		from.isn, from.isnKnown = h.Seq-uint32(v.RelativeSeq), true
	}
	if v.RelativeAck >= 0 {
		to.isn, to.isnKnown = h.Ack-uint32(v.RelativeAck), true
	}
}

// markLost records that a segment which occupies sequence numbers was lost.
func (s *side) markLost(seq uint32) {
	const most = 64
	if len(s.lost) < most && !slices.Contains(s.lost, seq) {
		s.lost = append(s.lost, seq)
	}
}

// retransmitted reports whether a segment with that sequence number was lost before. It forgets the loss.
func (s *side) retransmitted(seq uint32) bool {
	i := slices.Index(s.lost, seq)
	if i < 0 {
		return false
	}
	s.lost = slices.Delete(s.lost, i, i+1)
	return true
}
