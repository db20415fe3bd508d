package conn

import "time"

// rateMeter measures how fast the path delivers: octets delivered between the sending of a record and its ACK, over the
// longer of the time it took to send them and the time it took to have them acknowledged
// (draft-cheng-iccrg-delivery-rate-estimation).
type rateMeter struct {
	delivered   int64 // octets known to have arrived since the connection began
	deliveredAt Time  // when the last of them was heard of
	firstAt     Time  // when the first of the flight now measured was sent
	limited     int64 // the application was slower than the path until so much is delivered; 0: it is not

	round int64 // deliveries that end this round trip
	last  rateSample
}

// rateStamp is what a record remembers of the moment it was sent.
type rateStamp struct {
	delivered   int64
	deliveredAt Time
	firstAt     Time
	limited     bool
}

// rateSample is one measurement.
type rateSample struct {
	delivered int64
	interval  time.Duration
	limited   bool // the application had not enough to send: the path may be faster
}

// perSecond is the sample's rate in octets, 0: there is none.
func (s rateSample) perSecond() int64 {
	if s.interval <= 0 {
		return 0
	}
	return int64(float64(s.delivered) / s.interval.Seconds())
}

// stamp is called when something is sent, with what was in flight before.
func (m *rateMeter) stamp(now Time, flying int64) rateStamp {
	if flying == 0 {
		m.firstAt, m.deliveredAt = now, now
	}
	return rateStamp{m.delivered, m.deliveredAt, m.firstAt, m.limited != 0}
}

// applicationLimited is called when the window would let more out than there is.
func (m *rateMeter) applicationLimited(flying int64) { m.limited = max(1, m.delivered+flying) }

// sample takes what an ACK said, and reports whether a round trip has passed.
func (m *rateMeter) sample(now Time, a *arrival) (round bool) {
	if a.octets == 0 {
		return false
	}
	m.delivered += a.octets
	m.deliveredAt = now
	if m.limited != 0 && m.delivered > m.limited {
		m.limited = 0
	}
	s := a.newest.rate
	if s.delivered >= m.round {
		m.round = m.delivered
		round = true
	}
	m.firstAt = a.newest.at
	sending := a.newest.at.Sub(s.firstAt)
	acking := now.Sub(s.deliveredAt)
	m.last = rateSample{m.delivered - s.delivered, max(sending, acking), s.limited}
	return round
}
