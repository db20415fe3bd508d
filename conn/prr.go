package conn

// prr answers: how much may be sent during an episode? In proportion to what arrives, so that the window comes down
// smoothly to where congestion control wants it, and sending never stops (proportional rate reduction, RFC 9937).
type prr struct {
	flight    int64 // RecoverFS: octets in flight when it began
	threshold int64 // ssthresh: where the window is to end
	delivered int64 // octets that have arrived since
	out       int64 // octets sent since
	cwnd      int64 // what may be in flight now
}

// arrived is called for every ACK of the episode.
func (p *prr) arrived(c *Conn, a *arrival) {
	delivered := a.Bytes
	full := int64(c.fullSize())
	if !c.sack && !a.advanced {
		delivered = full // a duplicate ACK
	}
	if delivered == 0 && !a.lost {
		return
	}
	p.delivered += delivered
	pipe := c.pipe()
	var more int64
	if pipe > p.threshold {
		more = (p.delivered*p.threshold+p.flight-1)/p.flight - p.out
		if !c.active.recovery.reducing {
			// Deviation: RFC 9937 6.2 counts bytes, and a share of less than a segment waits. It leaves early as a whole
			// segment here, as on Linux, which counts segments: few ACKs arrive in an episode that begins with few segments in
			// flight. The excess is part of out, so that later ACKs make up for it. A reduction for a mark has nothing to repair,
			// and counts bytes.
			more = (max(0, more) + full - 1) / full * full
		}
	} else {
		more = p.delivered - p.out
		if a.advanced && !a.lost {
			more = max(more, delivered) + full // it is safe to catch up: nothing was lost on the way
		}
		more = min(more, p.threshold-pipe)
	}
	if p.out == 0 && !c.active.recovery.reducing {
		more = max(more, full) // the retransmission that begins it all
	}
	p.setWindow(c, max(0, more))
}

func (p *prr) setWindow(c *Conn, more int64) { p.cwnd = c.pipe() + more }
