package cc

import (
	"time"

	"minitcp/conn/clock"
)

// Pacer spreads segments over time. It is a token bucket that fills at the pacing rate. The driver's timers have a
// resolution of [Tick], so the data of one tick may leave early.
type Pacer struct {
	// Next is the time at which all data sent would have left at the pacing rate. It is before the present time by the
	// time in which the bucket has filled.
	Next clock.Time
	// Waiting is whether a segment waits for Next.
	Waiting bool
}

const (
	// Tick is the resolution of the driver's timers.
	Tick = time.Millisecond
	// Unpaced is the room in bytes without a rate.
	Unpaced = int64(1) << 40
	// maxHold is the longest delay by a Pacer. It limits the effect of a rate that was measured wrong.
	maxHold = time.Second
)

// Room returns the number of bytes that may leave now in segments of size: 0, or the data of a tick and the contents of
// the bucket, at least two segments (draft-ietf-ccwg-bbr-06 5.6.3). The bucket holds up to burst bytes.
func (p *Pacer) Room(now clock.Time, rate Rate, size, burst int64, srtt time.Duration) int64 {
	if rate == 0 {
		return Unpaced
	}
	gathered := rate.Time(burst)
	if p.Waiting {
		gathered = max(gathered, 2*Tick, srtt/4) // the time by which a timer may be late
	}
	p.Next = min(max(p.Next, now.Add(-gathered)), now.Add(maxHold))
	ahead := p.Next.Sub(now)
	if ahead >= Tick {
		return 0
	}
	return max(2*size, rate.Bytes(Tick-ahead))
}

// OnSent charges n bytes to the bucket.
func (p *Pacer) OnSent(n int64, rate Rate) { p.Next = p.Next.Add(rate.Time(n)) }

// MinPacedRTT is the smallest RTT at which window-based controllers are paced. At a shorter one, the data of a tick is
// a whole window.
const MinPacedRTT = 2 * Tick

// WindowRate returns the pacing rate of a window-based controller with this number of bytes in a round trip. A window
// is sent in half of the RTT in slow start and in five sixths of it later, so that the window can grow (as on Linux).
func WindowRate(c Controller, window int64, srtt time.Duration) Rate {
	rate := RateOf(window, srtt)
	if c.Window() < c.SlowStartThreshold()/2 {
		return rate.Times(2, 1)
	}
	return rate.Times(6, 5)
}

// smallWindow is the size in initial windows up to which a congestion window is small.
const smallWindow = 3

// Burst returns the contents of the bucket for a window-based controller: an initial window (RFC 6928; RFC 9002 7.7 has
// the same limit), or two while the congestion window is small, as many as the ACKs of one release in slow start. With
// less, short responses take longer: each round trip is extended by the time over which it is spread, and recovery that
// begins while the pacer delays data has few segments in flight.
func Burst(window int64, mss int) int64 {
	burst := InitialWindow(mss)
	if window <= smallWindow*burst {
		burst *= 2
	}
	return burst
}
