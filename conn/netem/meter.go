package netem

import "time"

// Meter measures a direction by the times at which its packets were delivered. In a simulation they are the times of
// their Passage; in real time they are later.
type Meter struct {
	Packets, Bytes int64 // delivered, copies included

	delay, maxDelay time.Duration // sum and largest, of onTime packets
	waited          time.Duration // sum
	onTime          int64

	last        Passage       // of the latest packet in order
	at          time.Duration // its delivery
	streamBytes int64         // that the line sent between deliveries of the same period
	stream      time.Duration
	streamed    int // number of those deliveries
}

// LeastForRate is the number of packets that must have waited before a rate is measured. With fewer, one packet that is
// delivered late by the time of a packet makes the rate wrong by more than 2 %.
const LeastForRate = 50

// Deliver counts a packet of size bytes that is delivered now.
func (m *Meter) Deliver(now time.Duration, size int, p *Passage) {
	m.Packets++
	m.Bytes += int64(size)
	if p.Late {
		return
	}
	m.onTime++
	m.waited += p.Waited
	m.delay += now - p.Sent
	m.maxDelay = max(m.maxDelay, now-p.Sent)
	if p.period == m.last.period && p.bytes > m.last.bytes && now >= m.at {
		m.streamBytes += p.bytes - m.last.bytes
		m.stream += now - m.at
		m.streamed++
	}
	m.last, m.at = *p, now
}

// Rate returns the rate of the line in bits per second, measured while packets wait, or 0 if fewer than
// [LeastForRate] have waited.
func (m *Meter) Rate() int64 {
	if m.stream <= 0 || m.streamed < LeastForRate {
		return 0
	}
	return mulDiv(m.streamBytes*8, int64(time.Second), int64(m.stream))
}

// Delay returns the mean and the largest time from the end of the transmission to the delivery. Reordered packets are
// left out.
func (m *Meter) Delay() (mean, largest time.Duration) { return m.mean(m.delay), m.maxDelay }

// Waited returns the mean time in the queue.
func (m *Meter) Waited() time.Duration { return m.mean(m.waited) }

func (m *Meter) mean(sum time.Duration) time.Duration {
	if m.onTime == 0 {
		return 0
	}
	return sum / time.Duration(m.onTime)
}
