package conntest

import (
	"time"

	"minitcp/conn"
)

// Link is the network path between two ends, with the same properties in both directions. Its zero value delivers at
// once, in order and undamaged. Probabilities are from 0 to 1.
type Link struct {
	Delay  time.Duration // one way
	Jitter time.Duration // maximum additional delay, random per packet, which reorders packets
	// Changes are route changes in the order of their times.
	Changes []Change
	Outages []Outage

	Loss        float64
	Burst       Burst
	ACKLoss     float64 // for segments without data, SYN, FIN or RST
	Duplication float64
	Corruption  float64 // arrives damaged and fails the checksum
	Marking     float64 // arrives with CE if it has ECT

	Reordering      float64 // arrives later by ReorderingDelay
	ReorderingDelay time.Duration
	// ACKThinning is the interval at which pure ACKs are delivered. Each replaces the earlier ones of the interval. 0
	// delivers all of them.
	ACKThinning time.Duration

	Rate int // bytes per second; 0 means no limit
	// Rates, if not empty, replaces Rate. Each rate lasts for 100 ms, and the first follows the last. All are positive.
	Rates []int
	Queue int // capacity of the queue in bytes; 0 means no limit
	// Discipline is the queue discipline.
	Discipline Discipline

	Periodic Periodic
	// Box changes headers and forges ICMP errors.
	Box Box

	// Superframes is the limit passed to Transmit: the maximum number of bytes of data in one packet. A packet larger than
	// the MSS (a GSO packet) is received whole, as from a TUN device.
	Superframes int
	// Cut splits GSO packets into segments before they are sent, as a network card does.
	Cut bool
}

// keepsOrder reports whether packets arrive once and in the order in which they were sent.
func (l *Link) keepsOrder() bool {
	return l.Jitter == 0 && len(l.Changes) == 0 && l.Duplication == 0 && l.Reordering == 0 && l.ACKThinning == 0
}

// lossless reports whether every packet arrives.
func (l *Link) lossless() bool {
	return l.Loss == 0 && l.ACKLoss == 0 && l.Corruption == 0 && l.Burst.Begin == 0 && len(l.Outages) == 0 && l.Queue == 0 && l.Periodic.Of == 0
}

// Change is a change of the route.
type Change struct {
	At    time.Duration // time of the change
	Delay time.Duration // one-way delay of the new route
}

// Outage is a period in which all packets are lost.
type Outage struct {
	From, To time.Duration
}

// Periodic loses every Of-th segment with data that is sent between At and To. An Of of 0 means none.
type Periodic struct {
	At, To time.Duration
	Of     int
}

// Burst is the Gilbert-Elliott model of losses in bursts. Before each packet, a burst begins with probability Begin or
// ends with probability End. In a burst, packets are lost with probability Loss. A burst also ends after a second
// without packets.
type Burst struct {
	Begin, End, Loss float64
}

// delay returns the one-way delay of packets sent now.
func (l *Link) delay(now conn.Time) time.Duration {
	d := l.Delay
	for _, c := range l.Changes {
		if time.Duration(now) >= c.At {
			d = c.Delay
		}
	}
	return d
}

// down reports whether packets sent now are lost in an outage.
func (l *Link) down(now conn.Time) bool {
	for _, o := range l.Outages {
		if time.Duration(now) >= o.From && time.Duration(now) < o.To {
			return true
		}
	}
	return false
}
