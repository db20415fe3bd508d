package conn

import "time"

// chrono answers: what has the sender been waiting for, and for how long? Time runs on one account at once, as in Linux's
// tcp_chrono: on busy while something is unacknowledged, on window while besides the peer's window is too small for what
// is to be sent, on buffer while all that was written has been sent and the application waits for room to write more.
type chrono struct {
	on            account
	since         Time
	writeRefused  bool // Write took less than it was given
	windowLimited bool // the peer's window is what holds the next segment back
}

type account uint8

const (
	onNothing account = iota
	onBusy
	onWindow
	onBuffer
	accounts = iota - 1 // the time on nothing is not counted
)

// accountTime is called when there is nothing to send: what time is spent on from now until something happens.
func (c *Conn) accountTime(now Time) {
	h := &c.active.chrono
	on := onNothing
	switch {
	case c.snd.una >= c.snd.buf.End() || c.state == Closed:
	case h.windowLimited:
		on = onWindow
	case h.writeRefused && c.snd.nxt >= c.snd.buf.End():
		on = onBuffer
	default:
		on = onBusy
	}
	if on != h.on {
		if h.on != onNothing {
			c.waited[h.on-1] += now.Sub(h.since)
		}
		h.on, h.since = on, now
	}
}

// timeSpent is the time on an account until now.
func (c *Conn) timeSpent(a account, now Time) time.Duration {
	d := c.waited[a-1]
	if c.active != nil && c.active.chrono.on == a {
		d += now.Sub(c.active.chrono.since)
	}
	return d
}
