package conn

import "minitcp/conn/cc"

// pacingRate returns the pacing rate, 0 for none.
func (c *Conn) pacingRate() cc.Rate {
	if r := c.active.cc.PacingRate(); r != 0 {
		return r
	}
	if c.cfg.Pacing == Disabled || c.snd.near || c.rtt.Min < cc.MinPacedRTT {
		return 0
	}
	return cc.WindowRate(c.active.cc, max(c.congestionWindow(), c.pipe()), c.rtt.SRTT)
}

// paceRoom returns the number of bytes that may leave now. The bucket is empty if the controller sets the rate.
func (c *Conn) paceRoom(now Time, size int) int64 {
	burst := int64(0)
	if c.active.cc.PacingRate() == 0 {
		burst = cc.Burst(c.congestionWindow(), c.fullSize())
	}
	return c.active.pacer.Room(now, c.pacingRate(), int64(size), burst, c.rtt.SRTT)
}

// holdBack sets the timer for the next segment that the pacer permits.
func (c *Conn) holdBack() {
	c.active.pacer.Waiting = true
	c.active.timer.pace = c.active.pacer.Next
}
