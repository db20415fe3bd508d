package conn

import "minitcp/conn/scoreboard"

// arrival gathers the news of one ACK with its SACK blocks.
type arrival struct {
	scoreboard.Delivered
	advanced   bool // SND.UNA has moved
	losses     losses
	duplicated int64 // bytes that the peer has received twice (D-SACK, RFC 2883)
	spurious   int64 // of these, bytes that the last episode of recovery has retransmitted
}

func (c *Conn) newArrival(now Time, s *Segment) arrival {
	o := &s.TCP.Options
	return arrival{Delivered: scoreboard.Delivered{
		Now: now, MinRTT: c.rtt.Min, MaxRTT: c.rtt.SRTT + 4*c.rtt.RTTVar, Echo: o.TSEcr, HasEcho: c.timestamps && o.HasTimestamps && o.TSEcr != 0,
	}}
}
