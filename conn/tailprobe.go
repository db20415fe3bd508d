package conn

import (
	"time"

	"minitcp/conn/seq"
)

// tailProbe answers: has the end of what was sent been lost? Nothing comes after it that could tell, so when two round
// trips pass in silence one segment is sent, new or again, whose ACK will (TLP, RFC 8985 7).
type tailProbe struct {
	end    seq.Offset // SND.NXT after the probe, 0: none is out
	repeat bool       // it was the last segment again
	due    bool       // Transmit is to send it
}

// armTailProbe starts the timer for a probe, if there is something it could find out, the one before has been answered, and a
// round trip has been measured since (RFC 8985 7.2, 7.3).
func (c *Conn) armTailProbe(now Time) {
	c.active.timer.tailProbe = Never
	q := &c.active.sent
	if !c.sack || c.active.recovery.phase != noRecovery || c.active.tailProbe.end != 0 || q.InFlight() == 0 || q.SACKed() > 0 ||
		c.rtt.Backoff > 0 || c.rtt.TailProbed || c.active.timer.retransmit == Never || !c.state.synchronized() {
		return
	}
	wait := time.Second
	if c.rtt.SRTT != 0 {
		wait = 2*c.rtt.SRTT + scheduling
		if q.InFlight() <= int64(c.fullSize()) {
			wait += maxPeerDelay
		}
	}
	c.active.timer.tailProbe = min(now.Add(wait), c.active.timer.retransmit)
}

// scheduling is how long a peer may be kept from answering by whatever else its processor does: on a path of
// microseconds, longer than two round trips.
const scheduling = 5 * time.Millisecond

// maxPeerDelay is how long the peer may keep back the ACK of a single segment (TLP.max_ack_delay).
const maxPeerDelay = 200 * time.Millisecond

// tailProbeTimeout makes Transmit send the probe, and gives it its own time to be answered (RFC 8985 7.3).
func (c *Conn) tailProbeTimeout(now Time) {
	c.active.timer.tailProbe = Never
	c.active.tailProbe.due = true
	c.active.timer.retransmit = now.Add(c.rto())
}

// tailProbeAnswered takes an ACK while a probe is out, and ends its episode when it is known whether it was needed
// (RFC 8985 7.4).
func (c *Conn) tailProbeAnswered(now Time, s *Segment, a *arrival) {
	p := &c.active.tailProbe
	switch {
	case p.end == 0 || c.snd.una < p.end && a.duplicated == 0:
		return
	case !p.repeat, a.duplicated > 0:
		// Something new is acknowledged like anything else; and what came twice had not been lost.
	case c.snd.una > p.end:
		// The probe has repaired a loss before it was noticed. That is congestion all the same.
		if c.active.recovery.phase == noRecovery {
			c.active.undo.armed = false // what it would give back is no longer the last reduction
			c.active.cc.OnLoss(c.lossNow(now))
			c.ecn.reduced()
			c.active.cc.OnRecovered()
		}
	case a.advanced || s.TCP.Options.SACKCount > 0:
		return // the other copy may still be on its way
	}
	c.active.tailProbe = tailProbe{}
}
