package netem

import (
	"fmt"
	"time"
)

// Config describes one direction of a link. The zero value delivers every packet at once, in order and undamaged.
// Probabilities are from 0 to 1.
type Config struct {
	Rate  int64 // bits per second of IP packets; 0 means no limit
	Trace Trace // takes the place of Rate unless it is empty

	// The limits of the queue before a line with a Rate or a Trace. A packet that would exceed one of them is dropped. 0
	// means no limit.
	QueueBytes   int           // bytes in the queue and of the packet in transmission that are not sent yet
	QueuePackets int           // packets in the queue, without the one in transmission
	QueueTime    time.Duration // time that a packet waits

	Discipline Discipline

	MaxPacket int // largest IP packet in bytes; larger ones are dropped before the queue; 0 means no limit

	Delay  time.Duration // from the end of the transmission to the arrival
	Jitter time.Duration // largest additional delay, evenly distributed
	Order  Order

	Loss        float64
	Burst       Burst
	Duplication float64 // arrives twice
	Corruption  float64 // arrives damaged
	Marking     float64 // arrives with CE if it has ECT

	Reordering      float64 // arrives later by ReorderingDelay, and is overtaken
	ReorderingDelay time.Duration
}

// Discipline is a queue discipline.
type Discipline uint8

const (
	// DropTail drops packets that arrive while the queue is full.
	DropTail Discipline = iota
	// CoDel also drops, or marks with CE, packets of a queue that stays too long [RFC 8289].
	CoDel
)

// String returns the usual name of the discipline.
func (d Discipline) String() string {
	if d == CoDel {
		return "CoDel"
	}
	return "drop-tail"
}

// Order is the effect of Jitter on the order of packets.
type Order uint8

const (
	// KeepOrder delays a packet until those before it have arrived.
	KeepOrder Order = iota
	// Overtake lets packets overtake one another.
	Overtake
)

// Burst is the Gilbert-Elliott model of losses in bursts. Before each packet, a burst begins with probability Begin or
// ends with probability End. Linux's netem names the four probabilities p, r, 1-h and 1-k.
type Burst struct {
	Begin, End float64
	Loss       float64       // of the packets in a burst
	Between    float64       // of the packets between bursts
	MaxGap     time.Duration // time without packets after which a burst ends; 0 means never
}

// Mean returns the share of packets that the model loses in the long run, without an effect of MaxGap.
func (b *Burst) Mean() float64 {
	if b.Begin == 0 {
		return b.Between
	}
	bad := b.Begin / (b.Begin + b.End)
	return bad*b.Loss + (1-bad)*b.Between
}

// Active reports whether c changes anything.
func (c *Config) Active() bool {
	return c.limited() || c.MaxPacket > 0 || c.Delay > 0 || c.Jitter > 0 || c.Loss > 0 || c.Burst.Begin > 0 || c.Burst.Between > 0 ||
		c.Duplication > 0 || c.Corruption > 0 || c.Marking > 0 || c.Reordering > 0
}

// Instant reports whether every packet that arrives does so at once, because there is no rate, delay or reordering.
func (c *Config) Instant() bool {
	return !c.limited() && c.Delay == 0 && c.Jitter == 0 && c.Reordering == 0
}

// limited reports whether the line has a limited rate.
func (c *Config) limited() bool { return c.Rate > 0 || len(c.Trace) > 0 }

// Check returns an error that names a field of c that is out of range.
func (c *Config) Check() error {
	for _, p := range []struct {
		name  string
		value float64
	}{
		{"Loss", c.Loss}, {"Duplication", c.Duplication}, {"Corruption", c.Corruption}, {"Marking", c.Marking},
		{"Reordering", c.Reordering}, {"Burst.Begin", c.Burst.Begin}, {"Burst.End", c.Burst.End},
		{"Burst.Loss", c.Burst.Loss}, {"Burst.Between", c.Burst.Between},
	} {
		if !(p.value >= 0 && p.value <= 1) {
			return fmt.Errorf("netem: %s %v is not a probability from 0 to 1", p.name, p.value)
		}
	}
	for _, d := range []struct {
		name  string
		value int64
	}{
		{"Rate", c.Rate}, {"QueueBytes", int64(c.QueueBytes)}, {"QueuePackets", int64(c.QueuePackets)},
		{"QueueTime", int64(c.QueueTime)}, {"MaxPacket", int64(c.MaxPacket)}, {"Delay", int64(c.Delay)}, {"Jitter", int64(c.Jitter)},
		{"ReorderingDelay", int64(c.ReorderingDelay)}, {"Burst.MaxGap", int64(c.Burst.MaxGap)},
	} {
		if d.value < 0 {
			return fmt.Errorf("netem: %s is negative", d.name)
		}
	}
	if len(c.Trace) > 0 {
		return c.Trace.check()
	}
	return nil
}
