package conn

import (
	"minitcp/conn/pmtu"
	"minitcp/conn/scoreboard"
)

// MTUProbing selects when a connection probes for the largest packet that the path carries (RFC 4821).
type MTUProbing = pmtu.Mode

// The modes of package pmtu.
const (
	MTUProbingAuto   = pmtu.Auto   // after large packets have not arrived; the default
	MTUProbingAlways = pmtu.Always // from the beginning, with small packets
	MTUProbingOff    = pmtu.Off    // only ICMP messages lower the size
)

// PathMTUSource is the origin of a path MTU.
type PathMTUSource = pmtu.Source

// KnownPath is the knowledge about the path to a host. The zero KnownPath is none.
type KnownPath struct {
	pmtu.Known
	ECNFailed uint8 // connections in a row whose SYN has been answered only without its request for ECN
}

// PathEvents are the events of probing for the path MTU.
type PathEvents = pmtu.Counts

// PathNews reports whether the path MTU, its counters or the knowledge about ECN have changed since the last
// ReportPath.
func (c *Conn) PathNews() bool { return c.path.News() || c.ecn.News() }

// ReportPath returns the events since the last call, the present knowledge about the path, and whether the request for
// ECN has failed in the meantime. The driver may call it while PathNews returns true, and pass the KnownPath to later
// connections to the same host.
func (c *Conn) ReportPath() (events PathEvents, known KnownPath, ecnFailed bool) {
	events, known.Known = c.path.Report()
	known.ECNFailed, ecnFailed = c.ecn.Report()
	return events, known, ecnFailed
}

const (
	// afterProbe is the number of full segments that must be ready to follow a probe: their ACKs show its loss, and the
	// rest keeps the path in use meanwhile.
	afterProbe = 10
	// besideProbe is the number of full segments for which the congestion window must have room beside a probe.
	besideProbe = duplicateThreshold + 1
)

// searchPath is called for an ACK that advances SND.UNA, unless all packets have the device's size. It decides whether
// the next segment is a probe of the path MTU.
func (c *Conn) searchPath(now Time) {
	if c.path.Acknowledged(now, c.snd.una) {
		c.active.cc.SetMSS(c.fullSize())
	}
	if c.path.Due(now) == 0 {
		c.path.SetReady(false)
		return
	}
	if c.cfg.MTUProbing == MTUProbingOff || !c.sack && c.path.Source() != pmtu.BlackHole {
		c.path.Raise() // a router reports it again if that is too large
		c.active.cc.SetMSS(c.fullSize())
		return
	}
	c.path.SetReady(c.sack && c.active.sent.SACKed() == 0 && c.active.sent.Lost() == 0 &&
		c.congestionWindow() >= int64(c.path.ProbeMSS()+besideProbe*c.fullSize()))
}

// segmentSize returns the number of data bytes in the segment that leaves next, whose options are in out, and the limit
// of Transmit. A probe is larger than a full segment, holds new data, and leaves alone. It leaves only if no segment is
// lost and ten full ones are ready to follow (RFC 4821 7.4).
func (c *Conn) segmentSize(limit int, out *Outgoing) (size, most int, probe bool) {
	size = c.roomBeside(out)
	if !c.path.Ready() {
		return size, limit, false
	}
	s := &c.snd
	larger := c.path.ProbeMSS() - out.TCP.Options.Len()
	if c.active.recovery.phase != noRecovery || s.nxt < s.max || larger > int(s.wnd.Edge-s.nxt) || larger+afterProbe*size > int(s.buf.End()-s.nxt) {
		c.path.SetReady(false)
		return size, limit, false
	}
	out.MayFragment = false
	return larger, 0, true
}

// failedProbe processes the loss of r, the probe. Its data is sent again in full segments. The congestion window does
// not change (RFC 4821 7.6.1).
func (c *Conn) failedProbe(now Time, r *scoreboard.Record) {
	c.active.sent.MarkTooLarge(r)
	if c.active.recovery.phase == noRecovery {
		c.beginResizing(now)
	}
}

// judgeProbe decides what the loss of the probe proves: nothing if other segments were lost, too (RFC 4821 7.6.3).
func (c *Conn) judgeProbe(now Time, others losses) {
	if others.any || c.active.recovery.phase != resizing {
		c.path.Inconclusive(now)
		return
	}
	if threshold, confirmed := c.path.Failed(now); confirmed {
		c.active.cc.Resume(threshold) // the timeouts before were no sign of congestion
	}
}

// suspectBlackHole is called for a retransmission timeout. If three transmissions in a row of a segment have not been
// acknowledged, and the segment is not small, a link may be discarding packets for their size without an ICMP message.
// The connection then sends smaller ones, and the result is true. An unanswered tail probe is one of the three, as is
// the retransmission that SACKed small segments have caused before the timeout.
//
// The losses may have other causes, so the window falls as after any timeout. Its threshold returns to the present
// value if a later probe shows that only large packets are lost.
func (c *Conn) suspectBlackHole(now Time) bool {
	c.path.Inconclusive(now)
	q, timeouts := &c.active.sent, c.timeouts
	fell := c.path.TimeoutsBeforeFall()
	if fell < timeouts {
		timeouts -= fell
	}
	if c.cfg.MTUProbing == MTUProbingOff || timeouts < 2 || q.Empty() {
		return false
	}
	lost := c.segmentRoom(q.First().Largest())
	if !c.path.CanFall(lost) {
		return false
	}
	if timeouts < 3 && (fell > 0 || !c.rtt.TailProbed && q.SACKed() == 0 || c.path.CanFall(c.segmentRoom(q.LargestSACKed()))) {
		return false
	}
	if c.path.Source() != pmtu.BlackHole {
		c.active.cc.OnSpurious() // the reduction of the first timeout, which the present one repeats
	}
	c.path.Fall(now, lost, c.timeouts, c.active.cc.SlowStartThreshold())
	c.active.cc.SetMSS(c.fullSize())
	return true
}

// segmentRoom returns the number of bytes of options and data in a segment with n bytes of data.
func (c *Conn) segmentRoom(n int64) int { return int(n) + c.path.SendMSS() - c.fullSize() }
