package conn

// prr is the state of proportional rate reduction (RFC 9937): data is sent in proportion to arriving data, so that the
// window shrinks smoothly to the target and sending does not stop.
type prr struct {
	flight    int64 // RecoverFS: bytes in flight at the beginning
	threshold int64 // ssthresh: target of the window
	delivered int64 // bytes that have arrived since the beginning
	out       int64 // bytes sent since the beginning
	cwnd      int64 // present window
}

// arrived processes an ACK of the episode.
func (p *prr) arrived(c *Conn, a *arrival) {
	delivered := a.Bytes
	full := int64(c.fullSize())
	if !c.sack && !a.advanced {
		delivered = full // of a duplicate ACK
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
			// Deviation: RFC 9937 6.2 counts bytes, so that a share of less than a segment waits. Here it is rounded up to a
			// segment, as on Linux, which counts segments: an episode that begins with few segments in flight has few ACKs. The
			// excess counts as sent, so later ACKs make up for it. A reduction for a mark has nothing to repair, and counts
			// bytes.
			more = (max(0, more) + full - 1) / full * full
		}
	} else {
		more = p.delivered - p.out
		if a.advanced && !a.lost {
			more = max(more, delivered) + full // no loss in this round trip: the window may grow to the target
		}
		more = min(more, p.threshold-pipe)
	}
	if p.out == 0 && !c.active.recovery.reducing {
		more = max(more, full) // the first retransmission of the episode
	}
	p.setWindow(c, max(0, more))
}

func (p *prr) setWindow(c *Conn, more int64) { p.cwnd = c.pipe() + more }
