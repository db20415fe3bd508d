package conn

import (
	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
)

// duplicateThreshold is the number of duplicate ACKs, or of SACKed segments, that indicate a loss (RFC 5681 3.2, RFC
// 6675 2).
const duplicateThreshold = 3

// detectLossByDuplicates detects losses without SACK: of the oldest segment after three duplicate ACKs (RFC 5681 3.2),
// and of the next one after a partial ACK in an episode (RFC 6582 3.2).
func (c *Conn) detectLossByDuplicates(now Time, s *Segment, ack seq.Offset, windowBefore int32, a *arrival) {
	r := &c.active.recovery
	full := int64(c.fullSize())
	switch {
	case a.advanced:
		r.duplicates = 0
		if r.phase == fastRecovery && c.snd.una < r.end {
			// One of the acknowledged segments was the retransmission. The others had left the network before.
			r.leftNetwork = max(0, r.leftNetwork-max(0, a.Bytes-full))
			a.Bytes = min(a.Bytes, full)
			c.loseFirst(now, a)
		} else {
			switch r.phase {
			case noRecovery:
				a.Bytes = max(a.Bytes-r.leftNetwork, min(a.Bytes, full)) // the others arrived with earlier ACKs, as with SACK
			case timeoutRecovery:
				a.Bytes = max(a.Bytes-a.Lost, min(a.Bytes, full)) // the others arrived before the timeout (RFC 3465 2.3)
			}
			r.leftNetwork = 0
		}
	case c.isDuplicate(s, ack, windowBefore):
		r.duplicates++
		arrived := c.active.sent.InFlight() // an upper limit, whatever number of ACKs the peer sends
		if r.phase == timeoutRecovery {
			// Retransmissions of data that had arrived cause duplicate ACKs too. Only new data counts.
			arrived = min(arrived, int64(c.snd.max-r.end))
		}
		r.leftNetwork = min(r.leftNetwork+full, arrived)
		a.Bytes = 0 // for congestion control; PRR counts duplicates by leftNetwork
		// Duplicate ACKs are ignored until more than the data of the last episode is acknowledged: its retransmissions cause
		// them too (RFC 6582 3.2).
		if r.phase == noRecovery && r.duplicates == duplicateThreshold && c.snd.una > r.ignored {
			c.loseFirst(now, a)
		}
	}
}

// isDuplicate reports whether an ACK is a duplicate, which only a segment out of order can have caused (RFC 5681 2).
func (c *Conn) isDuplicate(s *Segment, ack seq.Offset, windowBefore int32) bool {
	return c.snd.una < c.snd.max && ack == c.snd.una && s.length() == 0 && c.snd.wnd.Size == windowBefore && !c.snd.windowClosed()
}

// loseFirst marks the oldest unacknowledged segment lost.
func (c *Conn) loseFirst(now Time, a *arrival) {
	q := &c.active.sent
	if q.Empty() || q.First().State() != scoreboard.InFlight {
		return
	}
	if end := q.First().Start() + seq.Offset(c.fullSize()); end < q.First().End() {
		q.Split(q.First(), end)
	}
	c.lose(now, q.First())
	a.losses.any = true
}
