package timing

import (
	"time"

	"minitcp/conn"
)

// Alarm calls a function at a deadline, on a goroutine of its own. The lock of its owner guards the Alarm, and is not
// held during the call.
type Alarm struct {
	call    func()
	timer   *time.Timer // nil before the first deadline
	at      conn.Time   // the deadline; conn.Never for none
	stopped bool
}

// NewAlarm returns an Alarm without a deadline.
func NewAlarm(call func()) Alarm { return Alarm{call: call, at: conn.Never} }

// At returns the deadline of Set, [conn.Never] for none.
func (a *Alarm) At() conn.Time { return a.at }

// Set replaces the deadline, by none if at is [conn.Never]. It has no effect after Stop.
func (a *Alarm) Set(now, at conn.Time) {
	if a.stopped {
		return
	}
	a.at = at
	switch left := max(0, at.Sub(now)); {
	case at == conn.Never:
		a.stop()
	case a.timer == nil:
		a.timer = time.AfterFunc(left, a.call)
	default:
		a.timer.Reset(left)
	}
}

// Stop ends the Alarm. A call may still be running.
func (a *Alarm) Stop() {
	a.at, a.stopped = conn.Never, true
	a.stop()
}

func (a *Alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
