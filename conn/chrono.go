package conn

import "time"

// chrono answers: what has the sender been waiting for, and for how long? Time runs on one account at once, as in Linux's
// tcp_chrono: on busy while something is unacknowledged, on window while besides the peer's window is too small for what
// is to be sent, on buffer while all that was written has been sent and the application waits for room to write more.
type chrono struct {
	on      account
	since   Time
	total   [accounts]time.Duration
	refused bool // Write took less than it was given
	window  bool // the peer's window is what holds the next segment back
}

type account uint8

const (
	onNothing account = iota
	onBusy
	onWindow
	onBuffer
	accounts
)

// clockIn is called when there is nothing to send: what time is spent on from now until something happens.
func (c *Conn) clockIn(now Time) {
	h := &c.chrono
	on := onNothing
	switch {
	case c.snd.una >= c.snd.buf.End() || c.state == Closed:
	case h.window:
		on = onWindow
	case h.refused && c.snd.nxt >= c.snd.buf.End():
		on = onBuffer
	default:
		on = onBusy
	}
	if on != h.on {
		h.total[h.on] += now.Sub(h.since)
		h.on, h.since = on, now
	}
}

// spent is the time on an account until now.
func (h *chrono) spent(a account, now Time) time.Duration {
	d := h.total[a]
	if h.on == a {
		d += now.Sub(h.since)
	}
	return d
}
