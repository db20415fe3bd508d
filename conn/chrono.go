package conn

import "time"

// chrono measures the time that the sender spends waiting, by cause, as Linux's tcp_chrono does. One account runs at a
// time: onBusy while data is unacknowledged, onWindow while the peer's window is also too small for the next segment,
// and onBuffer while all data is sent and the application waits for room in the send buffer.
type chrono struct {
	on            account
	since         Time
	writeRefused  bool // the last Write took less than it was given
	windowLimited bool // the peer's window holds the next segment back
}

type account uint8

const (
	onNothing account = iota
	onBusy
	onWindow
	onBuffer
	accounts = iota - 1 // time on onNothing is not counted
)

// accountTime selects the account that runs from now on. It is called when there is nothing to send.
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

// timeSpent returns the time on an account until now.
func (c *Conn) timeSpent(a account, now Time) time.Duration {
	d := c.waited[a-1]
	if c.active != nil && c.active.chrono.on == a {
		d += now.Sub(c.active.chrono.since)
	}
	return d
}
