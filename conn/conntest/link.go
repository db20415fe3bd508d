package conntest

import (
	"time"

	"minitcp/conn"
)

// Link is what the network between two ends does, the same in both directions. Its zero value delivers at once, in
// order and whole. Probabilities are from 0 to 1.
type Link struct {
	Delay  time.Duration // one way
	Jitter time.Duration // up to so much more, for each packet by itself: they overtake each other
	// Changes are new routes, whose delay is another. In the order of their times.
	Changes []Change
	Outages []Outage

	Loss        float64
	Burst       Burst
	ACKLoss     float64 // of segments that only acknowledge
	Duplication float64
	Corruption  float64 // arrives, but damaged: the receiver's checksum is wrong, and it is dropped there
	Marking     float64 // arrives with CE, if its sender permits (ECT)

	Reordering      float64 // arrives ReorderingDelay later than it would, and others overtake it
	ReorderingDelay time.Duration
	// ACKThinning is how often segments that only acknowledge are let through; of those in between, each takes the place of
	// the one before it. 0: all are.
	ACKThinning time.Duration

	Rate int // bytes per second; 0: no limit
	// Rates, if not empty, takes the place of Rate: each lasts for 100 ms, and the first follows the last. All are positive.
	Rates []int
	Queue int // bytes that may wait for the rate; a packet that finds more is lost. 0: no limit
	// Discipline says what else becomes of packets that wait.
	Discipline Discipline

	Periodic Periodic
	// Box changes headers and forges ICMP errors.
	Box Box

	// Superframes is the most octets of data handed over in one piece (Transmit's limit). The receiver gets superframes
	// whole, as a TUN delivers them.
	Superframes int
	// Cut has superframes cut into segments before they are sent, as a network card does.
	Cut bool
}

// inOrder reports whether packets arrive once and in the order in which they were sent.
func (l *Link) inOrder() bool {
	return l.Jitter == 0 && len(l.Changes) == 0 && l.Duplication == 0 && l.Reordering == 0 && l.ACKThinning == 0
}

// lossless reports whether every packet arrives.
func (l *Link) lossless() bool {
	return l.Loss == 0 && l.ACKLoss == 0 && l.Corruption == 0 && l.Burst.Begin == 0 && len(l.Outages) == 0 && l.Queue == 0 && l.Periodic.Of == 0
}

// Change is a new route.
type Change struct {
	At    time.Duration // from when on
	Delay time.Duration // Link's from then on
}

// Outage is a time during which everything that is sent is lost.
type Outage struct {
	From, To time.Duration
}

// Periodic loses every Of-th segment with data that is sent from At to To; 0: none.
type Periodic struct {
	At, To time.Duration
	Of     int
}

// Burst loses packets in bursts (the Gilbert-Elliott model): with probability Begin before each packet, a bad time begins,
// in which packets are lost with probability Loss, and with probability End it ends, as it does when for a second none comes.
type Burst struct {
	Begin, End, Loss float64
}

// delay is how long packets sent now are on their way.
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
