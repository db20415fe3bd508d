package conntest

import (
	"errors"
	"fmt"
	"time"

	"minitcp/conn"
)

// Reboot makes an end lose its state during a connection. The end's successor has the same address and port and another
// initial sequence number, and dials or listens as the end did. When the other end's connection is over, it is replaced
// as well, and the two successors transfer data of their own. The zero value means no reboot.
type Reboot struct {
	At   time.Duration // time of the reboot, or of the end of the handshake if that is later
	Of   string        // name of the end
	Down time.Duration // duration of the outage that follows
}

const (
	// rebootR2 is the R2 of a connection whose end reboots. Its keep-alive is rebootKeepAlive.
	rebootR2 = 100 * time.Second
	// maxHalfOpen is the maximum time for which the connection of the other end outlives a reboot: R2, the time of
	// keep-alive, or 2 MSL.
	maxHalfOpen = 2 * time.Minute
	// maxHalfOpenLossless is the maximum if the link is lossless and the successor dials. Its SYN is answered with an
	// ACK, and its RST in reply ends the connection, even in TIME-WAIT.
	maxHalfOpenLossless = 2 * time.Second
	// maxHalfOpenPackets is the maximum number of packets that a reboot causes. These are at most ten timeouts until R2,
	// as each doubles the RTO of at least 200 ms, or nine probes of keep-alive, and a tail loss probe, with a RST in
	// reply to each; and for each of at most eight SYNs of the successor in that time, a challenge ACK and a RST.
	maxHalfOpenPackets = 2*(10+1) + 3*8
)

var rebootKeepAlive = conn.KeepAlive{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 9}

// rebooting is the state of a Reboot.
type rebooting struct {
	Reboot
	successor func(*End) *End // returns the successor of an end

	survivor *End // end that keeps its state, or nil before the reboot
	replaced bool // whether the survivor has a successor
	at, over conn.Time
	lossless bool
	packets  int // first the packets not caused by the reboot, then the number of those sent until over
	room     int // full segments in the survivor's congestion window then
	fresh    int // first the data segments not retransmitted, then the number of those sent from then until over
}

// earlier records that the packets sent so far are not caused by the reboot. It is called at the reboot, and when a
// packet sent before the reboot or an ICMP message has arrived at the survivor, since these permit new data and cause
// retransmissions. After the last of them nothing is acknowledged any more. The survivor then sends at most a
// congestion window of new data and of segments that RACK's timer marks lost. Each of these segments, and each packet
// in flight, may cause a RST, since it is for a connection that does not exist (RFC 9293 3.10.7.1).
func (r *rebooting) earlier(p *Pair) {
	i := r.survivor.Conn.Info(p.Now)
	r.packets, r.fresh = p.Packets+p.inFlight.Len(), fresh(&i)
	r.room = int(i.CongestionWindow) / max(i.MSS, 1)
}

// fresh returns the number of data segments that were no retransmissions.
func fresh(i *conn.Info) int { return int(i.DataSegmentsSent - i.Retransmitted) }

// received records the arrival of a packet.
func (r *rebooting) received(p *Pair, k *packet) {
	if r == nil || r.survivor == nil || r.replaced || k.to != r.survivor {
		return
	}
	if k.from == r.survivor.peer || k.icmp != nil {
		r.earlier(p)
	}
}

// maxPackets returns the maximum number of packets since the last call of earlier.
func (r *rebooting) maxPackets() int { return maxHalfOpenPackets + 2*max(r.room, r.fresh) }

// next returns the time of the next replacement. It is Never if there is none, or if the handshake must complete first.
func (r *rebooting) next(now conn.Time) conn.Time {
	switch {
	case r == nil:
	case r.survivor == nil && now < conn.Time(r.At):
		return conn.Time(r.At)
	case r.survivor != nil && !r.replaced && r.survivor.over:
		return now + 1
	}
	return conn.Never
}

// reboot replaces the ends whose time has come.
func (p *Pair) reboot() {
	r := p.rebooting
	if r == nil {
		return
	}
	if r.survivor == nil && p.Now >= conn.Time(r.At) && p.A.Conn != nil && p.B.Conn != nil {
		end, survivor := p.A, p.B
		if r.Of == p.B.Name {
			end, survivor = p.B, p.A
		}
		r.survivor, r.at = survivor, p.Now
		r.earlier(p)
		r.lossless = p.Link.lossless()
		p.Link.Outages = append(p.Link.Outages[:len(p.Link.Outages):len(p.Link.Outages)], Outage{time.Duration(p.Now), time.Duration(p.Now) + r.Down})
		p.replace(end).peer = survivor
	}
	if r.survivor != nil && !r.replaced && r.survivor.over {
		i := r.survivor.Conn.Info(p.Now)
		r.replaced, r.over, r.packets, r.fresh = true, p.Now, p.Packets-r.packets, fresh(&i)-r.fresh
		p.replace(r.survivor)
		p.A.peer, p.B.peer = p.B, p.A
	}
}

// replace replaces an end by its successor and returns that.
func (p *Pair) replace(e *End) *End {
	n := p.rebooting.successor(e)
	n.direction, n.peer = e.direction, e.peer
	if e.TimeWait != nil {
		n.Open.ISS = e.TimeWait.ISN(n.Open.ISS)
	}
	if e == p.A {
		p.A = n
		p.DialAt(p.Now.Add(p.rebooting.Down))
	} else {
		p.B = n
	}
	return n
}

// current returns e or its successor.
func (p *Pair) current(e *End) *End {
	if e.Name == p.A.Name {
		return p.A
	}
	return p.B
}

// reopens replaces e if a SYN ends its TIME-WAIT, and reports whether it did.
func (p *Pair) reopens(e *End, v conn.Verdict) bool {
	if p.rebooting == nil || v != conn.VerdictReopen {
		return false
	}
	e.over = true
	p.reboot()
	return p.current(e) != e
}

// check returns an error if the connection of the end that did not reboot is still open, or ended too late or after too
// many packets.
func (r *rebooting) check() error {
	switch {
	case r == nil:
		return nil
	case r.survivor == nil:
		return errors.New("the reboot never happened")
	case !r.replaced:
		return fmt.Errorf("%s: the connection outlives the peer's reboot", r.survivor.Name)
	}
	r.survivor.Conn.Close(r.over, conn.Linger{})
	pages, late := &r.survivor.Pages, r.over.Sub(r.at)-r.Down
	switch {
	case late > maxHalfOpen, late > maxHalfOpenLossless && r.Of == "a" && r.lossless:
		return fmt.Errorf("%s: the connection ends %v after the peer's reboot", r.survivor.Name, late)
	case r.packets > r.maxPackets():
		return fmt.Errorf("%s: the connection ends %d packets after the peer's reboot, at most %d are permitted", r.survivor.Name, r.packets, r.maxPackets())
	case pages.Used != 0 || pages.Borrowed != 0 || pages.Charged != 0:
		return fmt.Errorf("%s keeps %d pages, %d borrowed buffers and %d bytes", r.survivor.Name, pages.Used, pages.Borrowed, pages.Charged)
	}
	return nil
}
