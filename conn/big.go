package conn

import "minitcp/conn/wire"

// Superframe is the most octets of data in a superframe whose IP header can say how long it is.
const Superframe = 65535 - wire.IPv6HeaderLen - 60

// bigFailures is how many superframes larger than a packet may be lost before no more are sent.
const bigFailures = 3

// FrameLimit answers: may a superframe be larger than an IP packet (Linux calls that BIG TCP)? Limit is the most octets of
// data that the device takes; it is that, or at most Superframe.
//
// Where the peer is the kernel behind the device, it gets the frame whole, and a wake-up or a pass through its receiver
// serves four times as much data. Where the frame goes on to another host it must be cut on the way, and a network card
// does that only with those that are packets. ACKs tell one from the other: of a frame that arrived whole no part is
// acknowledged by itself. If it is lost, something on the way may not like it. And where a round trip takes long, there is
// a line for which 256 KiB at once are a long queue.
func (c *Conn) FrameLimit(limit int) int {
	if limit > Superframe && (c.awake == nil || c.snd.bigFailed >= bigFailures || c.snd.nxt < c.snd.max || !c.path.near) {
		return Superframe
	}
	return limit
}

// part takes note of a record of which only a part has arrived.
func (a *arrival) part(r *record) {
	a.parted = a.parted || r.big
}

// bigLost takes note of a record that is lost, of which a part is about to be sent again.
func (s *sendSpace) bigLost(r *record) {
	if r.big {
		r.big = false
		s.bigFailed = min(s.bigFailed+1, bigFailures)
	}
}
