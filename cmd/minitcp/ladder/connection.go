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

// connections finds what is known of a connection. It holds those of which something was drawn last; an older one that
// comes back gets a new number.
type connections struct {
	byEnds map[ends]*connection
	recent list.List // of *connection, the most recent in front
	count  int       // ever
}

// maxConnections bounds the memory: about 3 MB.
const maxConnections = 1 << 14

type ends struct{ local, remote netip.AddrPort }

// Indexes of what is known of either side.
const (
	ours = iota
	theirs
)

// connection is what must be known of a connection to draw its next segment.
type connection struct {
	ends
	number     int
	began      time.Duration // its first segment
	latest     time.Duration
	over       bool   // CLOSED or TIME-WAIT: a SYN begins another one
	ours, peer string // states as last drawn

	// By sender.
	sides [2]side
	place *list.Element
}

type side struct {
	isn      uint32
	isnKnown bool
	scale    uint8 // offered in its SYN
	scaled   bool
	wasted   []uint32 // sequence numbers of segments that got lost or damaged
}

func (cs *connections) init() {
	cs.byEnds = make(map[ends]*connection)
	cs.recent.Init()
}

// find returns the connection of a segment; known is false when it is a new one.
func (cs *connections) find(v *stack.TraceEvent) (c *connection, known bool) {
	c = cs.byEnds[ends{v.Local, v.Remote}]
	// A SYN to a listener is no connection's yet: what was known is of an earlier incarnation.
	if c != nil && isOpening(&v.TCP) && (c.over || !v.Outgoing && v.Before == conn.Listen) {
		cs.remove(c)
	}
	return cs.get(v.Local, v.Remote, v.Time)
}

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

func isOpening(h *wire.TCP) bool {
	return h.Flags.Has(wire.SYN) && h.Flags&(wire.ACK|wire.RST) == 0
}

// changed returns of the two states those that differ from what was drawn last.
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

// clock writes a time since the first segment. What a batch of frames brings bears the time at which it was read, and
// may be drawn after what was sent meanwhile: to the eye, time does not run backwards.
func (c *connection) clock(now time.Duration) string {
	c.latest = max(c.latest, now)
	return clock(c.latest - c.began)
}

// learn takes from a segment what later ones are to be understood by.
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

// waste remembers a segment that took sequence numbers and did not get through.
func (s *side) waste(seq uint32) {
	const most = 64
	if len(s.wasted) < most && !slices.Contains(s.wasted, seq) {
		s.wasted = append(s.wasted, seq)
	}
}

// again reports whether a segment of that sequence number did not get through before, once.
func (s *side) again(seq uint32) bool {
	i := slices.Index(s.wasted, seq)
	if i < 0 {
		return false
	}
	s.wasted = slices.Delete(s.wasted, i, i+1)
	return true
}
