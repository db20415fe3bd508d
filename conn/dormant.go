package conn

import (
	"io"
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/cc"
	"minitcp/conn/seq"
)

// Most connections of a server do nothing most of the time, and its memory is theirs. So a connection that has been idle
// for idleTime goes to sleep: of what it needs only while something happens, dormant remembers what is still true, and the
// rest is forgotten. The next call that has something to do wakes it. Whoever drives it need not know.
//
// What is forgotten:
//
//   - What tells about octets in flight, early, unread or unsent, for there are none; about an answer that is awaited, for
//     none is; and about what was urgent or small, for it has been acknowledged.
//   - How the window came to be what it is. After so long a pause it begins anew in any case (RFC 5681 4.1): as the initial
//     one, or less if it was less, and slow start goes up to the threshold, which is remembered. CUBIC's curve begins from
//     there (RFC 9438 4.2), BBR measures the path anew: its minimum of the round trip holds for as long as idleTime.
//   - What the last episode of loss recovery took, and could have been given back: what would prove it a mistake (D-SACK,
//     an old timestamp) would have come by now.
//   - How large the buffers had become, unless the application has set it, and the measurements for that: see tuneReceive.
//     A window that was offered stays offered.
//   - Up to where marks have been answered: what is acknowledged already says nothing new.
//   - When the pacer let go what, when the last challenge ACK was, and the last segment that was sent again: it was long ago.

// idleTime is how long nothing must have happened for a connection to go to sleep, and nothing have come for its window to
// be what it was in the beginning.
const idleTime = 10 * time.Second

// rousedTime is the same for a connection that has been woken and has exchanged no data since.
const rousedTime = time.Second

// dormant is what is remembered. All numbers that are equal in a connection that has nothing to do are in it once.
type dormant struct {
	una       seq.Offset // and SND.NXT, and the end of what was written, with its FIN
	edge      seq.Offset // of the peer's window
	wl1       seq.Offset
	threshold int64   // of slow start
	delivered int64   // octets
	rate      cc.Rate // at which
	window    uint32  // SND.WND
	largest   uint32  // MAX.SND.WND
	iss       uint32
	cwnd      uint32
	sendLimit int32 // of the buffer, when fixed

	receiveLimit int32 // likewise
	irs          uint32
	size         uint32     // of the largest segment
	next         seq.Offset // first octet that has not arrived; the others have been read
	offered      seq.Offset // edge of our window
	read         seq.Offset // how far the application had read when that was last told

	keepAlive                     Time
	srtt, rttvar, minimum, first  time.Duration
	receiveRTT                    time.Duration
	busy, windowLimited, buffered time.Duration // of chrono

	sendScale, receiveScale    uint8
	backoff                    uint8
	multiplier, persist        uint8 // of rack
	sendFixed, receiveFixed    bool
	finQueued, finDone         bool
	discard                    bool
	probed, reordered, bounded bool // bounded: the rate is the application's
}

// quiescent reports whether the connection has nothing to do until somebody calls: nothing is on its way, held, owed or
// waited for, but that the peer may have been silent for too long.
func (c *Conn) quiescent() bool {
	s, r := &c.snd, &c.rcv
	if s.una != s.max || s.nxt != s.max || s.end() != s.max || s.probe || s.force || s.more {
		return false
	}
	if r.buf.Readable() > 0 || len(r.buf.OutOfOrder()) > 0 || r.acked != r.nxt() || r.urgent > r.buf.Start() ||
		!r.finDone && r.finAt != never || c.ack.due {
		return false
	}
	switch c.state {
	case Established, CloseWait, FinWait2:
	default:
		return false
	}
	if c.orphan || c.probes > 0 || c.probeDue || c.resetDue || c.probe != (tailProbe{}) ||
		c.recovery.phase != noRecovery || c.recovery.reducing || c.recovery.timeouts > 0 {
		return false
	}
	t := c.timer
	t.keepAlive, t.sleep = Never, Never
	return t == noTimers
}

// idleTime returns how long nothing must have happened before the connection goes to sleep. It is short after a segment
// without data, as a keep-alive probe or its answer, has woken the connection.
func (c *Conn) idleTime() time.Duration {
	if c.roused {
		return rousedTime
	}
	return idleTime
}

// armSleep is called when there is nothing to send. What happens afterwards does not move the timer.
func (c *Conn) armSleep(now Time) {
	if c.timer.sleep == Never && c.quiescent() {
		c.timer.sleep = now.Add(c.idleTime())
	}
}

// sleepTimeout looks whether something has happened since the timer was set, or is happening. Then it is the next Transmit
// that sets it again.
func (c *Conn) sleepTimeout(now Time) {
	c.timer.sleep = Never
	if !c.quiescent() {
		return
	}
	if idle := max(c.heard, c.lastSent, c.challenge.since).Add(c.idleTime()); now < idle {
		c.timer.sleep = idle
		return
	}
	c.sleep(now)
}

// sleep lets go of awake. The connection must be quiescent.
func (c *Conn) sleep(now Time) {
	c.clockIn(now)
	c.endBulk()
	c.cc.OnIdle()
	s, r := &c.snd, &c.rcv
	d := &dormant{
		iss: s.iss, una: s.una, edge: s.edge, wl1: s.wl1, window: uint32(s.window), largest: uint32(s.largest),
		sendScale: s.scale, sendLimit: int32(s.limit), sendFixed: s.fixed, finQueued: s.finQueued,

		irs: r.irs, next: r.buf.Next(), offered: r.edge, read: r.read, receiveScale: r.scale, size: uint32(r.size),
		receiveLimit: int32(r.limit), receiveFixed: r.tuning.fixed, receiveRTT: r.tuning.rtt,
		finDone: r.finDone, discard: r.discard,

		cwnd:      uint32(min(c.cc.Window(), cc.InitialWindow(c.fullSize()))),
		threshold: c.cc.SlowStartThreshold(),
		delivered: c.rate.delivered, rate: c.rate.last, bounded: c.rate.lastLimited,
		reordered: c.rack.reordered, multiplier: c.rack.multiplier, persist: c.rack.persist,
		srtt: c.rtt.srtt, rttvar: c.rtt.rttvar, minimum: c.rtt.minimum, first: c.rtt.first,
		backoff: c.rtt.backoff, probed: c.rtt.probed,
		busy: c.chrono.total[onBusy], windowLimited: c.chrono.total[onWindow], buffered: c.chrono.total[onBuffer],
		keepAlive: c.timer.keepAlive,
	}
	if d.keepAlive != Never { // every segment that came has put it off
		d.keepAlive = max(d.keepAlive, c.heard.Add(c.KeepAlive().Idle))
	}
	c.awake, c.dormant = nil, d
}

// wake is called by whatever has something to do.
func (c *Conn) wake() {
	if c.awake == nil {
		c.rouse()
	}
}

// Dormant reports whether the connection sleeps: it takes little memory, and wakes for the next call.
func (c *Conn) Dormant() bool { return c.awake == nil }

// woken is the connection, or what it would be if it were woken.
func (c *Conn) woken() *Conn {
	if c.awake != nil {
		return c
	}
	w := *c
	w.rouse()
	return &w
}

// rouse undoes sleep, but for what is forgotten.
func (c *Conn) rouse() {
	d := c.dormant
	c.awake, c.dormant = &awake{timer: noTimers, roused: true}, nil
	c.timer.keepAlive = d.keepAlive

	end := d.una
	if d.finQueued {
		end--
	}
	c.snd = sendSpace{
		iss: d.iss, una: d.una, nxt: d.una, max: d.una, edge: d.edge, wl1: d.wl1, wl2: d.una,
		window: int64(d.window), largest: int64(d.largest), scale: d.sendScale,
		buf: buffer.SendAt(end), limit: c.cfg.SendBuffer, fixed: d.sendFixed, finQueued: d.finQueued,
	}
	c.rcv = receiveSpace{
		irs: d.irs, buf: buffer.ReceiveAt(d.next), edge: d.offered, scale: d.receiveScale,
		limit: c.cfg.ReceiveBuffer, tuning: receiveTuning{fixed: d.receiveFixed, rtt: d.receiveRTT}, size: int32(d.size),
		read: d.read, finAt: never, finDone: d.finDone, discard: d.discard,
	}
	if d.finDone {
		c.rcv.finAt = d.next
	}
	c.rcv.acked = c.rcv.nxt()
	if d.sendFixed {
		c.snd.limit = int(d.sendLimit)
	}
	if d.receiveFixed {
		c.rcv.limit = int(d.receiveLimit)
	}

	c.recovery.marked = d.una
	c.rtt = rttEstimator{srtt: d.srtt, rttvar: d.rttvar, minimum: d.minimum, first: d.first, backoff: d.backoff, probed: d.probed}
	c.rack = rack{reordered: d.reordered, multiplier: d.multiplier, persist: d.persist}
	c.rate = deliveryRate{delivered: d.delivered, last: d.rate, lastLimited: d.bounded}
	c.chrono.total[onBusy], c.chrono.total[onWindow], c.chrono.total[onBuffer] = d.busy, d.windowLimited, d.buffered
	c.cc = c.newController(int64(d.cwnd))
	c.cc.Resume(d.threshold)
}

// readError is what Read has to say while nothing is there.
func (d *dormant) readError() error {
	if d.discard || d.finDone {
		return io.EOF
	}
	return ErrWouldBlock
}

// ready is the conditions that hold meanwhile.
func (d *dormant) ready() Ready {
	r := ReadyConnected | ReadyWrite // the buffer is empty, or a FIN has been sent
	if d.discard || d.finDone {
		r |= ReadyRead
	}
	return r
}
