package conn

import "minitcp/conn/wire"

// Superframe is the most octets of data in a superframe whose IP header can say how long it is.
const Superframe = 65535 - wire.IPv6HeaderLen - 60

// frameLimit answers: may a superframe be larger than an IP packet (Linux calls that BIG TCP)? Limit is what the device
// takes.
//
// Where the peer is the kernel behind the device, it gets the frame whole, and a wake-up or a pass through its receiver
// serves four times as much data. Where the frame goes on to another host it must be cut on the way, and a network card
// does that only with those that are packets. ACKs tell one from the other: of a frame that arrived whole no part is
// acknowledged by itself. One that was lost did no good either. And where a round trip takes long, there is a line for
// which 256 KiB at once are a long queue.
func (c *Conn) frameLimit(limit int) int {
	if limit > Superframe && (c.snd.parted || c.snd.nxt < c.snd.max || !c.nearby()) {
		return Superframe
	}
	return limit
}

// part takes note of a record of which only a part has arrived.
func (a *arrival) part(r *record) {
	a.parted = a.parted || r.size() > Superframe
}
