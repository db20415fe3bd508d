package scoreboard

import (
	"minitcp/conn/cc"
	"minitcp/conn/clock"
)

// rate estimates the delivery rate of the path. Every record remembers how much had been delivered when it was sent,
// and when. The bytes delivered since then, divided by the longer of the time it took to send and the time it took to
// deliver them, are the rate (draft-ietf-ccwg-bbr-06 4.1). A GSO packet is one record and gives one sample.
type rate struct {
	delivered   int64      // bytes delivered: C.delivered
	deliveredAt clock.Time // time of the last delivery
	sentAt      clock.Time // time at which the record delivered last had been sent: C.first_send_time
	lost        int64      // bytes ever declared lost
	// limited is the value of delivered until which samples measure the application and not the path, 0 for none.
	limited int64
}

// snapshot is the state of a rate when a record was sent.
type snapshot struct {
	delivered   int64
	deliveredAt clock.Time
	firstSent   clock.Time // rate.sentAt
	inFlight    uint32     // bytes in flight, the record included
	lost        uint32     // bytes ever lost, modulo 2^32
	limited     bool       // the application had left the path empty
}

// sent sets the snapshot of a record sent now. first reports whether nothing else is unacknowledged.
func (t *rate) sent(s *snapshot, now clock.Time, first bool, inFlight int64) {
	if first {
		t.deliveredAt, t.sentAt = now, now // the pause before is no part of any interval
	}
	s.delivered, s.deliveredAt, s.firstSent = t.delivered, t.deliveredAt, t.sentAt
	s.inFlight, s.lost, s.limited = uint32(inFlight), uint32(t.lost), t.limited != 0
}

// lose counts r as lost.
func (t *rate) lose(r *Record) cc.Lost {
	t.lost += r.Size()
	return cc.Lost{
		Size: r.Size(), Delivered: t.delivered, InFlight: int64(r.snapshot.inFlight),
		Lost: int64(uint32(t.lost) - r.snapshot.lost), Limited: r.snapshot.limited,
	}
}

// Sample counts the bytes that an ACK has delivered and returns the measurement of the path, which is zero if there is
// none.
func (q *Queue) Sample(d *Delivered) cc.Sample {
	t := &q.rate
	if d.Bytes == 0 {
		return cc.Sample{}
	}
	t.delivered += d.Bytes
	t.deliveredAt = d.Now
	if t.delivered > t.limited {
		t.limited = 0 // the gap has left the path
	}
	if d.Newest.end == 0 {
		return cc.Sample{}
	}
	r := &d.Newest.snapshot
	t.sentAt = d.Newest.sentAt
	s := cc.Sample{
		Delivered: t.delivered - r.delivered,
		Interval:  max(t.sentAt.Sub(r.firstSent), d.Now.Sub(r.deliveredAt)),
		Prior:     r.delivered,
		InFlight:  int64(r.inFlight),
		Lost:      int64(uint32(t.lost) - r.lost),
		Limited:   r.limited,
	}
	if s.Interval < d.MinRTT {
		s.Interval = 0 // the retransmission was spurious, and the original was delivered
	}
	return s
}

// Delivered returns the number of bytes delivered since the connection began.
func (q *Queue) Delivered() int64 { return q.rate.delivered }

// SetDelivered sets the number of bytes delivered, for a Queue that continues another one.
func (q *Queue) SetDelivered(n int64) { q.rate.delivered = n }

// TotalLost returns the number of bytes ever declared lost by MarkLost.
func (q *Queue) TotalLost() int64 { return q.rate.lost }

// MarkLimited makes the samples of the data that is sent until pipe more bytes are delivered measurements of the
// application: it has left the path empty with pipe bytes in flight.
func (q *Queue) MarkLimited(pipe int64) { q.rate.limited = max(1, q.rate.delivered+pipe) }

// Limited reports whether new samples measure the application and not the path.
func (q *Queue) Limited() bool { return q.rate.limited != 0 }
