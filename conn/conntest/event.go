package conntest

import "minitcp/conn"

// Event is something that happens to a segment, for who wants to see it.
type Event struct {
	Now      conn.Time
	From, To *End
	Arrived  bool // else it has just left
	Segment  *conn.Segment
	Note     conn.Note // why it was sent
	// Lost is why it never arrives, or arrives in vain, beginning with "lost" or "damaged"; empty: neither.
	Lost    string
	Copied  bool         // the network has made it of another
	Verdict conn.Verdict // what its receiver has made of it
	// Before is the state of the end it leaves or arrives at, before it, and After that after it. After leaving, they are the
	// same.
	Before, After conn.State
}

// State is where e's connection stands, whatever of it there is.
func (e *End) State() conn.State {
	switch {
	case e.TimeWait != nil && !e.over:
		return conn.TimeWait
	case e.over:
		return conn.Closed
	case e.Conn != nil:
		return e.Conn.State()
	case e.Handshake != nil:
		return conn.SynReceived
	case e.Listening:
		return conn.Listen
	}
	return conn.Closed
}

// sent tells of a packet that leaves, or gets lost.
func (p *Pair) sent(k *packet, lost string) {
	if lost != "" {
		k.from.loses(k)
	}
	if p.Trace != nil {
		s := k.from.State()
		p.Trace(&Event{Now: p.Now, From: k.from, To: k.to, Segment: &k.seg, Note: k.note, Lost: lost, Before: s, After: s})
	}
}

// arrived tells of a packet that has come to the end of its way.
func (p *Pair) arrived(k *packet, lost string, v conn.Verdict) {
	if lost != "" {
		k.from.loses(k)
	}
	if p.Trace != nil {
		s := k.to.State()
		p.Trace(&Event{Now: p.Now, From: k.from, To: k.to, Arrived: true, Segment: &k.seg, Note: k.note, Lost: lost, Copied: k.copied, Verdict: v, Before: s, After: s})
	}
}

// loses counts a packet of e's that never arrives, at least as one segment.
func (e *End) loses(k *packet) { e.lost += max(len(k.seg.Data), e.Open.MTU-e.Open.IPHeader-40) }
