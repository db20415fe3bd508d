package conntest

import (
	"errors"
	"fmt"
	"time"

	"minitcp/conn"
)

// Reboot is the loss of everything an end knows, in mid-connection. Its successor has the same address and port and another
// initial sequence number: it dials or listens, as the end did. When the other end's connection is over, that has a successor
// as well, and the two transfer data of their own. The zero value is none.
type Reboot struct {
	At   time.Duration // of the loss; if a handshake is not complete then, once it is
	Of   string        // name of the end
	Down time.Duration // time for which nothing passes then
}

const (
	// rebootR2 is R2 of the connection that a reboot ends. Its keep-alive is rebootKeepAlive.
	rebootR2 = 100 * time.Second
	// longestHalfOpen is the longest that the connection of the other end may outlive a reboot: R2, or the keep-alive's time,
	// or 2 MSL.
	longestHalfOpen = 2 * time.Minute
	// longestChallenge is the same where nothing is lost and the successor dials: its SYN is answered with an ACK, that with
	// a RST, which ends the connection, even in TIME-WAIT.
	longestChallenge = 2 * time.Second
	// mostHalfOpen is the most packets that are sent meanwhile, besides one for each that was in flight.
	mostHalfOpen = 100
)

var rebootKeepAlive = conn.KeepAlive{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 9}

// rebooting is the state of a Reboot.
type rebooting struct {
	Reboot
	successor func(*End) *End // makes the end that takes an end's place

	survivor *End // the end that has not lost its state; nil: before the reboot
	replaced bool // it has a successor
	at, over conn.Time
	lossless bool
	packets  int // sent and in flight when it happened, and sent until the survivor's connection was over
}

// next returns the time at which reboot has something to do; Never: there is none, or a handshake must be complete first.
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

// reboot makes the successors that are due.
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
		r.survivor, r.at, r.packets = survivor, p.Now, p.Packets+len(p.flying)
		r.lossless = p.Link.lossless()
		p.Link.Outages = append(p.Link.Outages[:len(p.Link.Outages):len(p.Link.Outages)], Outage{time.Duration(p.Now), time.Duration(p.Now) + r.Down})
		p.succeed(end).peer = survivor
	}
	if r.survivor != nil && !r.replaced && r.survivor.over {
		r.replaced, r.over, r.packets = true, p.Now, p.Packets-r.packets
		p.succeed(r.survivor)
		p.A.peer, p.B.peer = p.B, p.A
	}
}

// succeed puts an end's successor in its place.
func (p *Pair) succeed(e *End) *End {
	n := p.rebooting.successor(e)
	n.pipe, n.peer = e.pipe, e.peer
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

// current returns the end that has e's place now.
func (p *Pair) current(e *End) *End {
	if e.Name == p.A.Name {
		return p.A
	}
	return p.B
}

// reopens makes way for a SYN that ends e's TIME-WAIT, and reports whether it does.
func (p *Pair) reopens(e *End, v conn.Verdict) bool {
	if p.rebooting == nil || v != conn.VerdictReopen {
		return false
	}
	e.over = true
	p.reboot()
	return p.current(e) != e
}

// check returns an error if the connection of the end that did not reboot is not over, or was over late or after many packets.
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
	case late > longestHalfOpen, late > longestChallenge && r.Of == "a" && r.lossless:
		return fmt.Errorf("%s: the connection ends %v after the peer's reboot", r.survivor.Name, late)
	case r.packets > mostHalfOpen:
		return fmt.Errorf("%s: the connection ends %d packets after the peer's reboot", r.survivor.Name, r.packets)
	case pages.Lent != 0 || pages.Borrowed != 0 || pages.Small != 0:
		return fmt.Errorf("%s keeps %d pages, %d borrowed buffers and %d bytes", r.survivor.Name, pages.Lent, pages.Borrowed, pages.Small)
	}
	return nil
}
