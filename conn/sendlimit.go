package conn

// sendVerdict says what may be sent now, and if nothing, what stands in the way.
type sendVerdict uint8

const (
	sendData        sendVerdict = iota // that many octets, and the FIN if it is next
	sendWindowProbe                    // one octet, or the FIN, into a closed window
	sendNothing                        // wait for an ACK or for the application
	sendWhenWindow                     // wait for the peer's window
	sendWhenPaced                      // wait for the pacer
)

// sendLimit answers: how many octets may go out at SND.NXT, in segments of size, at most limit in all? The congestion
// window, the peer's window, Nagle, silly window avoidance and the pacer, which leaves room for pace octets, have their
// say here and nowhere else.
func (c *Conn) sendLimit(size, limit int, pace int64) (int, sendVerdict) {
	s := &c.snd
	waiting := int64(s.buf.End() - s.nxt) // data not sent
	room := int64(s.edge - s.nxt)         // what the peer's window leaves
	if s.windowProbe && room <= 0 {
		return 0, sendWindowProbe
	}
	if waiting <= 0 { // only the FIN is left
		if room <= 0 {
			return 0, sendWhenWindow
		}
		return 0, sendData
	}
	if room <= 0 {
		return 0, sendWhenWindow
	}
	congestion := c.congestionWindow() - c.pipe()
	if c.active.recovery.frtoNewSegments > 0 {
		congestion = max(congestion, int64(size))
	}
	if congestion < int64(size) && congestion < waiting && c.pipe() > 0 {
		// Part of a segment is not worth sending because of cwnd; an ACK will make room for a whole one.
		s.blocked = true
		return 0, sendNothing
	}
	n := min(waiting, room, max(congestion, int64(size)), int64(max(limit, size)), max(pace, int64(size)))
	verdict := sendData
	if pace <= 0 {
		verdict = sendWhenPaced
	}
	if n == waiting && !c.mustWait(n, size) {
		return int(n), verdict
	}
	if whole := n - n%int64(size); whole > 0 {
		return int(whole), verdict // the rest waits to fill a segment
	}
	switch {
	case s.nxt < s.max:
		return int(n), verdict // sent before: only a retransmission can end the waiting
	case s.overrideSWS, n < waiting && n >= int64(s.largest)/2:
		return int(n), verdict // half of the largest window ever seen is as good as it gets (RFC 9293 3.8.6.2.1)
	case n == waiting:
		return 0, sendNothing // Nagle
	}
	return 0, sendWhenWindow
}

// mustWait is Nagle's question: n octets are all there is, and they end in a segment that is not full; may that one go
// now? Not while another small one is unacknowledged (RFC 9293 3.7.4, SHLD-7, in the form that looks only at small
// segments, as Linux has it: full ones before it do not hold back the end of a message). The last data before a FIN
// need not wait: nothing will come to fill the segment. Urgent data and data that was sent before do not either. Whatever
// Nagle says, it waits while the rest of the same Write is on its way.
func (c *Conn) mustWait(n int64, size int) bool {
	s := &c.snd
	if n%int64(size) == 0 || s.finQueued || s.overrideSWS || c.active.urgent.send > s.nxt || s.nxt < s.max {
		return false
	}
	return s.moreFollows || c.nagle == Nagle && s.una < c.active.small
}
