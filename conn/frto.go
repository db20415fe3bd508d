package conn

// frto is the step of F-RTO (RFC 5682), which detects spurious timeouts.
type frto uint8

const (
	frtoOff     frto = iota
	frtoFirst        // step 2: waits for the ACK of the first retransmission
	frtoNewData      // step 3: waits for the ACK of new data
)

// frtoSegments is the number of new segments that F-RTO sends.
const frtoSegments = 2

// detectSpuriousTimeout processes an ACK after a timeout. The first ACK that advances SND.UNA permits two new segments
// before other retransmissions, and the next ACK shows whether the other segments were lost (RFC 5682 3.1).
func (c *Conn) detectSpuriousTimeout(a *arrival) {
	switch r := &c.active.recovery; {
	case r.frto == frtoFirst && a.advanced:
		r.frto, r.frtoNewSegments = frtoNewData, frtoSegments
	case r.frto == frtoNewData: // the second ACK has proved nothing, so no later one can (step 3)
		r.frtoNewSegments, r.frto = 0, frtoOff
		r.ignored = c.snd.max // the duplicate ACKs of the retransmissions that follow may acknowledge the new segments
	}
}

// transmitFRTO sends new data for F-RTO. If the application, Nagle or the peer's window permits none, recovery
// continues normally (RFC 5682 2.1, step 2b). If the pacer permits none, it waits.
func (c *Conn) transmitFRTO(now Time, limit int, out *Outgoing) bool {
	if c.transmitNew(now, limit, out) {
		return true
	}
	r := &c.active.recovery
	if c.active.timer.pace != Never {
		return false
	}
	if r.frtoNewSegments == frtoSegments {
		r.frto = frtoOff // no new segment was sent, so no ACK can prove anything
	}
	r.frtoNewSegments = 0
	return false
}
