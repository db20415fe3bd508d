package conn

// sendVerdict is the result of sendLimit: the kind of segment to send, or the reason to wait.
type sendVerdict uint8

const (
	sendData        sendVerdict = iota // data, and the FIN if it is next
	sendWindowProbe                    // one byte, or the FIN, into a closed window
	sendNothing                        // wait for an ACK or for the application
	sendWhenWindow                     // wait for the peer's window
	sendWhenPaced                      // wait for the pacer
)

// sendLimit returns the number of bytes that may be sent at SND.NXT in segments of size, at most limit in total. It is
// the only place where the congestion window, the peer's window, Nagle, silly window avoidance and the pacer are
// combined. pace is the number of bytes that the pacer permits.
func (c *Conn) sendLimit(size, limit int, pace int64) (int, sendVerdict) {
	s := &c.snd
	waiting := int64(s.buf.End() - s.nxt) // data not sent
	room := int64(s.wnd.Edge - s.nxt)     // rest of the peer's window
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
		// A part of a segment is not sent because of the congestion window: an ACK will make room for a whole one.
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
		return int(whole), verdict // the rest waits until it fills a segment
	}
	switch {
	case s.nxt < s.max:
		return int(n), verdict // sent before: a retransmission must not wait
	case s.overrideSWS, n < waiting && n >= int64(s.wnd.Largest)/2:
		return int(n), verdict // at least half of the largest window of the peer (RFC 9293 3.8.6.2.1)
	case n == waiting:
		return 0, sendNothing // Nagle
	}
	return 0, sendWhenWindow
}

// mustWait reports whether the last n bytes of the data must wait because they end in a segment that is not full.
//
// With Nagle they wait while another small segment is unacknowledged (RFC 9293 3.7.4, SHLD-7). Full segments are not
// considered, as on Linux, so they do not delay the end of a message. The last data before a FIN does not wait, since
// no data will fill the segment. Urgent data and data that was sent before do not wait either. With and without Nagle,
// data waits for the rest of the same write.
func (c *Conn) mustWait(n int64, size int) bool {
	s := &c.snd
	if n%int64(size) == 0 || s.finQueued || s.overrideSWS || c.active.urgent.send > s.nxt || s.nxt < s.max {
		return false
	}
	return s.moreFollows || c.nagle == Nagle && s.una < c.active.subMSS
}
