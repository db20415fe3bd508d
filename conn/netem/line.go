package netem

import (
	"math/bits"
	"time"
)

// line sends one packet after the other.
type line struct {
	free      time.Duration // end of the transmission of the last packet
	played    played        // with a Trace
	starts    instants      // of the transmissions of waiting packets, with a limit of packets
	sentBytes int64
	periods   int64 // periods without idle time
}

// send returns the end of the transmission of n bytes that arrive now.
func (l *line) send(c *Config, now time.Duration, n int) time.Duration {
	if len(c.Trace) > 0 {
		return l.played.send(c.Trace, now, n)
	}
	return max(now, l.free) + time.Duration(mulDiv(int64(n)*8, int64(time.Second), c.Rate))
}

// peek returns the time of the transmission of a large packet that begins at start.
func (l *line) peek(c *Config, start time.Duration) time.Duration {
	p := line{free: l.free, played: l.played}
	return p.send(c, start, TraceUnit) - start
}

// backlog returns the number of bytes that the line has not sent yet.
func (l *line) backlog(c *Config, now time.Duration) int64 {
	if len(c.Trace) > 0 {
		return l.played.backlog(c.Trace, now)
	}
	return mulDiv(int64(max(0, l.free-now)), c.Rate, 8*int64(time.Second))
}

// Capacity returns the number of bytes that the line could have sent from time 0 until now, or 0 without a limit.
func (d *Direction) Capacity(now time.Duration) int64 {
	if len(d.Trace) > 0 {
		return int64(d.Trace.from(now)) * TraceUnit
	}
	return mulDiv(int64(now), d.Rate, 8*int64(time.Second))
}

// mulDiv returns a·b/c, rounded down. The product may have 128 bits. No argument is negative, and the result must fit.
func mulDiv(a, b, c int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	quotient, _ := bits.Div64(high, low, uint64(c))
	return int64(quotient)
}

// instants is a queue of times that do not decrease.
type instants struct {
	list []time.Duration
	head int
}

func (q *instants) push(t time.Duration) {
	if q.head > 0 && len(q.list) == cap(q.list) {
		q.list = q.list[:copy(q.list, q.list[q.head:])]
		q.head = 0
	}
	q.list = append(q.list, t)
}

// after removes the times up to now, and returns the number of those that remain.
func (q *instants) after(now time.Duration) int {
	for q.head < len(q.list) && q.list[q.head] <= now {
		q.head++
	}
	if q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	}
	return len(q.list) - q.head
}
