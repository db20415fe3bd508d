package conn

import (
	"fmt"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// expectation is the effect of a segment by RFC 9293.
type expectation struct {
	sends  string
	next   State
	acks   seq.Offset // bytes by which SND.UNA moves
	takes  int        // bytes for the application
	urgent bool       // the application is notified of urgent data
}

const (
	rfcACK      = "<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>"
	rfcReset    = "<SEQ=SEG.ACK><CTL=RST>"
	rfcResetACK = "<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>"
	rfcSYNACK   = "<SEQ=ISS><ACK=SEG.SEQ+1><CTL=SYN,ACK>"
)

// segmentArrives implements RFC 9293 3.10.7 with the checks of RFC 5961 that it recommends, transcribed as literally as
// possible and without regard to the code. Where the text leaves a choice, a comment names the one made. Security and
// compartments are left out.
func segmentArrives(t *tcb, a *arriving) expectation {
	e := expectation{next: t.state}
	has := a.flags.Has
	switch t.state {
	case Closed:
		switch {
		case has(wire.RST):
		case has(wire.ACK):
			e.sends = rfcReset
		default:
			e.sends = rfcResetACK
		}
	case Listen:
		switch {
		case has(wire.RST):
		case has(wire.ACK):
			e.sends = rfcReset
		case has(wire.SYN):
			e.sends, e.next = rfcSYNACK, SynReceived
		}
	case SynSent:
		e.synSent(t, a)
	default:
		e.others(t, a)
	}
	return e
}

// synSent implements 3.10.7.3.
func (e *expectation) synSent(t *tcb, a *arriving) {
	has := a.flags.Has
	if has(wire.ACK) && (a.ack <= 0 || a.ack > t.nxt) {
		if !has(wire.RST) {
			e.sends = rfcReset
		}
		return
	}
	if has(wire.RST) {
		if has(wire.ACK) {
			e.next = Closed
		}
		return
	}
	if !has(wire.SYN) {
		return
	}
	if !has(wire.ACK) {
		e.sends, e.next = rfcSYNACK, SynReceived // text is queued until ESTABLISHED, or would be
		return
	}
	e.next, e.acks = Established, a.ack-t.una
	e.takes, e.urgent = int(a.data), has(wire.URG)
	fin := seq.Offset(0)
	if has(wire.FIN) {
		fin, e.next = 1, CloseWait
	}
	e.sends = fmt.Sprintf("<SEQ=SND.NXT><ACK=SEG.SEQ%+d><CTL=ACK>", 1+a.data+fin)
}

// others implements 3.10.7.4.
func (e *expectation) others(t *tcb, a *arriving) {
	has := a.flags.Has
	end := a.at + a.length()

	// First, the sequence number, by table 6.
	inside := func(o seq.Offset) bool { return t.rcvNxt <= o && o < t.rcvUp }
	var acceptable bool
	switch closed := t.rcvNxt == t.rcvUp; {
	case closed:
		acceptable = a.at == t.rcvNxt // for valid ACKs, URGs and RSTs; the text is trimmed off below
	case a.length() == 0:
		acceptable = inside(a.at)
	default:
		acceptable = inside(a.at) || inside(end-1)
	}
	// In TIME-WAIT a SYN of a new incarnation is excepted from the check (MAY-2).
	if t.state == TimeWait && has(wire.SYN) && !has(wire.ACK) && !has(wire.RST) && a.at >= t.rcvNxt {
		e.sends, e.next = rfcSYNACK, SynReceived
		return
	}
	if !acceptable {
		if !has(wire.RST) {
			e.sends = rfcACK
		}
		return
	}

	// Second, RST, with the three checks of RFC 5961.
	if has(wire.RST) {
		switch {
		case a.at != t.rcvNxt:
			e.sends = rfcACK
		case t.passive:
			e.next = Listen
		default:
			e.next = Closed
		}
		return
	}

	// Fourth, SYN.
	if has(wire.SYN) {
		if t.passive {
			e.next = Listen
			return
		}
		e.sends = rfcACK
		return
	}

	// Fifth, ACK. In SYN-RECEIVED the RFC's own rule, a reset, precedes RFC 5961's check, which is for synchronized
	// states. In the order of the text, the former would never apply to an ACK of data that was not sent.
	if !has(wire.ACK) {
		return
	}
	state := t.state
	if state == SynReceived {
		if a.ack <= t.una || a.ack > t.nxt {
			e.sends = rfcReset
			return
		}
		state = Established
	} else if a.ack < t.una-t.maxWindow || a.ack > t.nxt {
		e.sends = rfcACK
		return
	}
	e.acks = max(0, a.ack-t.una)
	finAcked := t.fin > 0 && a.ack > t.fin
	switch {
	case state == FinWait1 && finAcked:
		state = FinWait2
	case state == Closing && finAcked:
		e.next = TimeWait
		return
	case state == LastAck && finAcked:
		e.next = Closed
		return
	}
	e.next = state

	// Sixth, URG; seventh, text; eighth, FIN. The ACK field of a segment that is out of order
	// counts at once, as in every implementation, though the text would hold all of the segment for later. That a
	// segment is out of order is answered at once (MAY-13).
	switch state {
	case CloseWait, Closing, LastAck, TimeWait:
		// Text is ignored; RFC 9293 expects none. A second FIN is not expected either, but the RFC does not except it: it is
		// acknowledged, and RCV.NXT advances over it.
		switch {
		case has(wire.FIN) && a.at == t.rcvNxt:
			e.sends = fmt.Sprintf("<SEQ=SND.NXT><ACK=RCV.NXT%+d><CTL=ACK>", end-t.rcvNxt)
		case has(wire.FIN):
			e.sends = rfcACK
		}
		return
	}
	e.urgent = has(wire.URG) && a.at+matrixUrgent > t.read
	dataEnd := min(a.at+a.data, t.rcvUp)
	switch {
	case a.length() == 0:
		return
	case t.orphan && a.data > 0: // data for an application that has closed (SHLD-3)
		e.sends, e.next = "<SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK>", Closed
		return
	case a.at > t.rcvNxt:
		e.sends = rfcACK
		return
	}
	e.takes = int(max(0, dataEnd-t.rcvNxt))
	next := t.rcvNxt + seq.Offset(e.takes)
	if has(wire.FIN) && end-1 == next && end-1 < t.rcvUp {
		next++
		switch state {
		case Established:
			e.next = CloseWait
		case FinWait1:
			e.next = Closing
		case FinWait2:
			e.next = TimeWait
		}
	}
	e.sends = rfcACK
	if next > t.rcvNxt {
		e.sends = fmt.Sprintf("<SEQ=SND.NXT><ACK=RCV.NXT%+d><CTL=ACK>", next-t.rcvNxt)
	}
}

// differs reports whether an outcome is not the one that the RFC requires.
func (e *expectation) differs(o *outcome) bool {
	return e.sends != o.sends || e.next.String() != o.next || e.acks != o.acks || e.takes != o.takes ||
		e.urgent != o.urgent
}
