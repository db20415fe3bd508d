package conn

import (
	"time"

	"minitcp/conn/cc"
)

// pacer answers: when may the next segment go? What is sent takes the time it takes at the pacing rate, and what comes
// next waits for that, but for what the driver's timers cannot tell apart: they tick in milliseconds, so up to a tick's
// worth leaves at once.
type pacer struct {
	next  Time  // when all that has been sent would be through
	held  bool  // something waits for that, and is owed the time by which it is called too late
	burst int64 // octets that may leave besides
}

const (
	// tick is how finely the driver's timers tell times apart.
	tick = time.Millisecond
	// minPacedRTT is the shortest round trip that is paced where pacing is only a kindness: what the ticks would make of a
	// shorter one are bursts as long as the window.
	minPacedRTT = 2 * tick
	// maxHold is how long the pacer holds back at the most, so that a rate that was measured wrong does not stop everything.
	maxHold = time.Second
	// unpaced is the room a pacer leaves that does not care.
	unpaced = int64(1) << 40
)

// room is how many octets may leave now, in segments of size: a tick's worth, at least two segments (as
// draft-ietf-ccwg-bbr-06 5.6.3 has it), or none.
func (p *pacer) room(now Time, rate cc.Rate, size int64, srtt time.Duration) int64 {
	if rate == 0 {
		return unpaced
	}
	owed := Time(0)
	if p.held {
		owed = Time(max(2*tick, srtt/4)) // what a late tick has kept back, but no flood after a long sleep
	}
	p.next = min(max(p.next, now-owed), now.Add(maxHold))
	ahead := p.next.Sub(now)
	if p.burst > 0 {
		return max(p.burst, 2*size)
	}
	if ahead >= tick {
		return 0
	}
	return max(2*size, rate.Octets(tick-ahead))
}

// sent charges n octets.
func (p *pacer) sent(n int64, rate cc.Rate) {
	free := min(n, p.burst)
	p.burst -= free
	p.next = p.next.Add(rate.Time(n - free))
}

// pacingRate is how fast may be sent, 0: as fast as the window lets. Controllers that know windows only fill them in half
// of a round trip in slow start and in five sixths of it later, which leaves them room to grow (as Linux does).
func (c *Conn) pacingRate() cc.Rate {
	if r := c.cc.PacingRate(); r != 0 {
		return r
	}
	if c.cfg.Pacing == Disabled || c.ShortestRTT() < minPacedRTT {
		return 0
	}
	rate := cc.RateOf(max(c.window(), c.pipe()), c.rtt.srtt)
	if c.cc.Window() < c.cc.SlowStartThreshold()/2 {
		return rate.Times(2, 1)
	}
	return rate.Times(6, 5)
}

// paceRoom is how many octets the pacer lets go now. When nothing is in flight an initial window may leave at once, as on
// a new connection: that much is thought to be harmless (RFC 6928).
func (c *Conn) paceRoom(now Time, size int) int64 {
	rate := c.pacingRate()
	if c.sent.empty() && c.cc.PacingRate() == 0 {
		c.pacer.burst = cc.InitialWindow(c.fullSize())
	}
	return c.pacer.room(now, rate, int64(size), c.rtt.srtt)
}

// holdBack arms the timer for when the pacer lets something go.
func (c *Conn) holdBack() {
	c.pacer.held = true
	c.timer.pace = c.pacer.next
}
