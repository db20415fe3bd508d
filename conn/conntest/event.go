package conntest

import "minitcp/conn"

// Event is the departure, arrival or loss of a segment, for [Pair.Trace].
type Event struct {
	Now      conn.Time
	From, To *End
	Arrived  bool // false for a departure
	Segment  *conn.Segment
	Note     conn.Note // reason for sending
	// Lost is the reason for which the segment is lost or dropped, beginning with "lost" or "damaged". It is ""
	// otherwise.
	Lost    string
	Copied  bool         // whether the network duplicated it
	Verdict conn.Verdict // the receiver's verdict
	// Before and After are the states of the sender at departure, which are equal, or of the receiver before and after
	// the arrival.
	Before, After conn.State
}

// State returns the state of e's connection.
func (e *End) State() conn.State {
	switch {
	case e.Foreign != nil:
		return e.Foreign.State()
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

// traceSent reports the departure or loss of a packet.
func (p *Pair) traceSent(k *packet, lost string) {
	if lost != "" {
		k.from.countLoss(k)
	}
	if p.Trace != nil {
		s := k.from.State()
		p.Trace(&Event{Now: p.Now, From: k.from, To: k.to, Segment: &k.seg, Note: k.note, Lost: lost, Before: s, After: s})
	}
}

// traceArrived reports the arrival of a packet that is not delivered.
func (p *Pair) traceArrived(k *packet, lost string, v conn.Verdict) {
	if lost != "" {
		k.from.countLoss(k)
	}
	if p.Trace != nil {
		s := k.to.State()
		p.Trace(&Event{Now: p.Now, From: k.from, To: k.to, Arrived: true, Segment: &k.seg, Note: k.note, Lost: lost, Copied: k.copied, Verdict: v, Before: s, After: s})
	}
}

// countLoss counts a lost packet of e, as one full segment at least.
func (e *End) countLoss(k *packet) {
	e.lostBytes += max(len(k.seg.Data), e.Open.MTU-e.Open.IPHeader-40)
}
