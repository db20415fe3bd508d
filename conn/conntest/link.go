package conntest

import (
	"time"

	"minitcp/conn"
	"minitcp/conn/netem"
)

// Link is the network path between two ends, with the same properties in both directions. Its zero value delivers at
// once, in order and undamaged. Probabilities are from 0 to 1. Package netem emulates the queue, the line and the
// random faults; this package adds those that depend on the time or on the segment.
type Link struct {
	Delay  time.Duration // one way
	Jitter time.Duration // maximum additional delay, random per packet, which reorders packets
	// Changes are route changes in the order of their times.
	Changes []Change
	Outages []Outage

	Loss        float64
	Burst       netem.Burst // ends after a second without packets
	ACKLoss     float64     // for segments without data, SYN, FIN or RST
	Duplication float64
	Corruption  float64 // arrives damaged and fails the checksum
	Marking     float64 // arrives with CE if it has ECT

	Reordering      float64 // arrives later by ReorderingDelay
	ReorderingDelay time.Duration
	// ACKThinning is the interval at which pure ACKs are delivered. Each replaces the earlier ones of the interval. 0
	// delivers all of them.
	ACKThinning time.Duration

	Rate int // bytes per second; 0 means no limit
	// Trace, if not empty, replaces Rate.
	Trace      netem.Trace
	Queue      int // capacity of the queue in bytes; 0 means no limit
	Discipline netem.Discipline

	Periodic Periodic
	Narrows  []Narrow
	// Box changes headers and forges ICMP errors.
	Box Box

	// GSOMaxSize is the limit passed to Transmit: the maximum number of bytes of data in one packet. A packet larger
	// than the MSS (a GSO packet) is received whole, as from a TUN device.
	GSOMaxSize int
	// Cut splits GSO packets into segments before they are sent, as a network card does.
	Cut bool
}

// keepsOrder reports whether packets arrive once and in the order in which they were sent.
func (l *Link) keepsOrder() bool {
	return l.Jitter == 0 && len(l.Changes) == 0 && l.Duplication == 0 && l.Reordering == 0 && l.ACKThinning == 0
}

// lossless reports whether every packet arrives.
func (l *Link) lossless() bool {
	return l.Loss == 0 && l.ACKLoss == 0 && l.Corruption == 0 && l.Burst.Begin == 0 && len(l.Outages) == 0 && l.Queue == 0 && l.Periodic.Of == 0 && len(l.Narrows) == 0 && !l.Box.AccECN.Drop
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

// maxBurstGap is the time without packets after which a burst of losses ends. Without it, a burst would outlast the
// retransmission timeouts of a connection that has backed off.
const maxBurstGap = time.Second

// emulated returns the part of the link that package netem emulates. The delay is left out, because connections that
// share a queue have their own.
func (l *Link) emulated() netem.Config {
	c := netem.Config{
		Rate: 8 * int64(l.Rate), Trace: l.Trace, QueueBytes: l.Queue, Discipline: l.Discipline,
		Jitter: l.Jitter, Order: netem.Overtake,
		Loss: l.Loss, Burst: l.Burst, Duplication: l.Duplication, Corruption: l.Corruption, Marking: l.Marking,
		Reordering: l.Reordering, ReorderingDelay: l.ReorderingDelay,
	}
	c.Burst.MaxGap = maxBurstGap
	return c
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
