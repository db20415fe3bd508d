package conn

import (
	"time"

	"minitcp/conn/cc"
)

// deliveryRate answers: how fast does the path deliver? Every record remembers how much had arrived when it was sent, and
// when that was. What has arrived meanwhile, by the longer of the time it took to send and the time it took to arrive, is
// the rate (draft-ietf-ccwg-bbr-06 4.1). A superframe is one record and gives one sample.
type deliveryRate struct {
	deliveredAt Time  // when the last of them did
	sentAt      Time  // when the record that arrived last had been sent: C.first_send_time
	lost        int64 // octets ever taken for lost
	// limited: samples tell about the application until so much has been delivered; 0: they tell about the path.
	limited int64
}

// delivery is the total and the rate of what has arrived.
type delivery struct {
	bytes   int64   // known to have arrived: C.delivered
	rate    cc.Rate // the last that tells about the path, or a higher one that does not
	limited bool    // the application, not the path, had set that
}

// recordSent notes what is known now in a record that is sent at an instant. InFlight is with the record.
func (c *Conn) recordSent(r *record, now Time, first bool, inFlight int64) {
	d := &c.active.rate
	if first {
		// Nothing is on its way: what is delivered from now on takes no longer than from now on.
		d.deliveredAt, d.sentAt = now, now
	}
	r.at = now
	r.delivered, r.deliveredAt, r.firstSent = c.delivery.bytes, d.deliveredAt, d.sentAt
	r.inFlight, r.lostBefore = uint32(inFlight), uint32(d.lost)
	r.limited = d.limited != 0
}

// sampleRate takes what an ACK says and returns the sample it makes.
func (c *Conn) sampleRate(a *arrival) cc.Sample {
	d, delivered := &c.active.rate, &c.delivery
	if a.bytes == 0 {
		return cc.Sample{}
	}
	delivered.bytes += a.bytes
	d.deliveredAt = a.now
	if delivered.bytes > d.limited {
		d.limited = 0 // the bubble has left the path
	}
	r := &a.newest
	if r.end == 0 {
		return cc.Sample{} // nobody can tell when it was sent
	}
	d.sentAt = r.at
	s := cc.Sample{
		Delivered: delivered.bytes - r.delivered,
		Interval:  max(r.at.Sub(r.firstSent), a.now.Sub(r.deliveredAt)),
		Prior:     r.delivered,
		InFlight:  int64(r.inFlight),
		Lost:      int64(uint32(d.lost) - r.lostBefore),
		Limited:   r.limited,
	}
	if s.Interval < a.minRTT {
		s.Interval = 0 // of something sent again for nothing
	}
	if rate := s.Rate(); rate > 0 && (!s.Limited || rate >= delivered.rate) {
		delivered.rate, delivered.limited = rate, s.Limited
	}
	return s
}

// checkLimited marks what is delivered in the next round trip as limited by the application, if at this moment nothing
// but the lack of data keeps it from sending. It is to be called before something ends that moment: a Write, an ACK, a
// timer (draft-ietf-ccwg-bbr-06 4.1.2.4).
func (c *Conn) checkLimited(now Time) {
	if s := &c.snd; c.active.cc != nil && !s.moreFollows && int(s.buf.End()-s.nxt) < c.fullSize() && c.active.sent.lost == 0 &&
		c.pipe() < c.congestionWindow() && c.active.pacer.next < now.Add(tick) {
		c.markLimited()
	}
}

func (c *Conn) markLimited() { c.active.rate.limited = max(1, c.delivery.bytes+c.pipe()) }

// lose takes r, which is in flight, for lost.
func (c *Conn) lose(now Time, r *record) {
	d := &c.active.rate
	d.lost += r.size()
	c.active.sent.lose(r)
	c.active.cc.OnLost(cc.Lost{
		Now: time.Duration(now), Size: r.size(), Delivered: c.delivery.bytes,
		InFlight: int64(r.inFlight), Lost: int64(uint32(d.lost) - r.lostBefore), Limited: r.limited,
	})
}

// pushSent adds a record of what is sent for the first time.
func (c *Conn) pushSent(now Time, r record) {
	c.recordSent(&r, now, c.active.sent.empty(), c.pipe()+r.size())
	r.stamp = c.active.stamp.last
	c.active.sent.push(r)
}

// resend notes that the first n bytes of record i, which was lost or is probed for, are sent again in segments of size bytes.
func (c *Conn) resend(now Time, i int, n int64, size int) {
	r := c.active.sent.resend(i, n, now, c.active.stamp.last)
	r.segment = int32(size)
	c.recordSent(r, now, false, c.pipe())
}
