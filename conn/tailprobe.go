package conn

import (
	"time"

	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// tailProbe is the state of tail loss probes (TLP, RFC 8985 7). If the last segments are lost, no later segment shows
// it. After two round trips without an ACK one segment is sent, new or again, whose ACK shows it.
type tailProbe struct {
	end    seq.Offset // SND.NXT after the probe, 0 if none is unanswered
	repeat bool       // the probe was the last segment again
	due    bool       // the next Transmit sends the probe
}

// armTailProbe sets the timer for a probe, if a probe is useful, the last one has been answered, and there has been an
// RTT sample since (RFC 8985 7.2, 7.3).
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

// scheduling is the time by which the peer's processor may delay an ACK. On a path with an RTT of microseconds it
// exceeds two round trips.
const scheduling = 5 * time.Millisecond

// maxPeerDelay is the longest time for which a peer delays the ACK of a single segment (TLP.max_ack_delay).
const maxPeerDelay = 200 * time.Millisecond

// tailProbeTimeout makes Transmit send the probe, and restarts the retransmission timer for it (RFC 8985 7.3).
func (c *Conn) tailProbeTimeout(now Time) {
	c.active.timer.tailProbe = Never
	c.active.tailProbe.due = true
	c.active.timer.retransmit = now.Add(c.rto())
}

// tailProbeAnswered processes an ACK while a probe is unanswered, and decides whether the probe has repaired a loss
// (RFC 8985 7.4).
func (c *Conn) tailProbeAnswered(now Time, s *Segment, a *arrival) {
	p := &c.active.tailProbe
	switch {
	case p.end == 0 || c.snd.una < p.end && a.duplicated == 0:
		return
	case !p.repeat, a.duplicated > 0:
		// An ACK of new data has no special meaning, and a duplicate shows that the original was not lost.
	case c.snd.una > p.end:
		// The probe has repaired a loss that was not detected, which is a sign of congestion.
		if c.active.recovery.phase == noRecovery {
			c.active.undo.Armed = false // the last reduction is now another one
			c.active.cc.OnLoss(c.lossNow(now))
			c.ecn.reduced()
			c.active.cc.OnRecovered()
		}
	case a.advanced || s.TCP.Options.SACKCount > 0:
		return // the other copy may still be in the network
	}
	c.active.tailProbe = tailProbe{}
}

// transmitTailProbe sends a tail probe: new data if the peer's window permits it, independent of congestion control, or
// the last segment again (RFC 8985 7.3).
func (c *Conn) transmitTailProbe(now Time, out *Outgoing) bool {
	q, s := &c.active.sent, &c.snd
	c.active.tailProbe.due = false
	if q.Empty() || s.windowClosed() {
		return false
	}
	c.rtt.TailProbed = true
	c.header(now, out, 0, s.nxt)
	size := c.roomBeside(out)
	out.Note = NoteTailProbe
	if n := min(int(s.buf.End()-s.nxt), size); n > 0 && s.nxt+seq.Offset(n) <= s.wnd.Edge {
		c.transmitNext(now, out, n, size)
		c.active.tailProbe.end, c.active.tailProbe.repeat = s.nxt, false
		c.active.timer.tailProbe = Never // transmitNext has set the timer, which the ACK of this probe will set again
		return true
	}
	if q.Last().State() != scoreboard.InFlight {
		return false
	}
	start := max(q.Last().Start(), q.Last().End()-seq.Offset(size))
	last := q.Split(q.Last(), start)
	c.header(now, out, 0, start)
	out.Note = NoteTailRetransmission
	c.active.timing.Cancel(now)
	n := last.Size()
	data := int(min(n, int64(s.buf.End()-start)))
	c.emit(out, start, data)
	c.countData(out, start, data)
	if last.Pushed() {
		out.TCP.Flags |= wire.PSH
	}
	t := c.sent(now, size)
	q.Retransmit(last, n, &t)
	c.active.tailProbe.end, c.active.tailProbe.repeat = s.nxt, true
	return true
}
