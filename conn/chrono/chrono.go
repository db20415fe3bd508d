// Package chrono measures the time that a sender spends waiting, by cause, as Linux's tcp_chrono does.
package chrono

import (
	"time"

	"minitcp/conn/clock"
)

// Account is a cause of waiting. One runs at a time.
type Account uint8

const (
	Nothing Account = iota // time on it is not counted
	Busy                   // data is unacknowledged
	Window                 // likewise, and the peer's window is too small for the next segment
	Buffer                 // all data is sent, and the application waits for room in the send buffer
	accounts
)

// Waited is the time spent on the accounts, without the current one's.
type Waited [accounts - 1]time.Duration

// Chrono is the account that runs. Its zero value is Nothing.
type Chrono struct {
	on    Account
	since clock.Time
}

// Select selects the account that runs from now on, and adds the time on the last one to w.
func (c *Chrono) Select(now clock.Time, on Account, w *Waited) {
	if on == c.on {
		return
	}
	if c.on != Nothing {
		w[c.on-1] += now.Sub(c.since)
	}
	c.on, c.since = on, now
}

// Running returns the time since an account was selected, 0 if another one runs.
func (c *Chrono) Running(a Account, now clock.Time) time.Duration {
	if c.on != a {
		return 0
	}
	return now.Sub(c.since)
}

// On returns the time on an account, which is not Nothing.
func (w *Waited) On(a Account) time.Duration { return w[a-1] }
