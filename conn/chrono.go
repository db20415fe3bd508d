package conn

import (
	"time"

	"minitcp/conn/chrono"
)

// waiting is the state by which the account of the sender's waiting time is selected.
type waiting struct {
	account       chrono.Chrono
	writeRefused  bool // the last Write took less than it was given
	windowLimited bool // the peer's window holds the next segment back
}

// accountTime selects the account that runs from now on. It is called when there is nothing to send.
func (c *Conn) accountTime(now Time) {
	h := &c.active.waiting
	on := chrono.Nothing
	switch {
	case c.snd.una >= c.snd.buf.End() || !c.state.synchronized() || c.state == Closed:
	case h.windowLimited:
		on = chrono.Window
	case h.writeRefused && c.snd.nxt >= c.snd.buf.End() && c.pipe() < c.congestionWindow():
		on = chrono.Buffer
	default:
		on = chrono.Busy
	}
	h.account.Select(now, on, &c.waited)
}

// timeSpent returns the time on an account until now.
func (c *Conn) timeSpent(a chrono.Account, now Time) time.Duration {
	d := c.waited.On(a)
	if c.active != nil {
		d += c.active.waiting.account.Running(a, now)
	}
	return d
}
