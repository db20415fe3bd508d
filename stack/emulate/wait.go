package emulate

import (
	"math"
	"time"
)

const (
	never = time.Duration(math.MaxInt64)
	// timerError is the time by which a timer of package time may be late: Linux's epoll counts milliseconds.
	timerError = 1200 * time.Microsecond
	// maxSleep is the longest sleep, during which an earlier arrival is not noticed.
	maxSleep = 300 * time.Microsecond
)

// alarm wakes the goroutine that waits for a direction's next packet. There is one at a time.
type alarm struct {
	rung  chan struct{}
	timer *time.Timer
	sleep func(time.Duration)
}

// newAlarm returns an alarm that sleeps with a function, nil for the default.
func newAlarm(sleep func(time.Duration)) alarm {
	if sleep == nil {
		sleep = newSleep()
	}
	t := time.NewTimer(never)
	t.Stop()
	return alarm{make(chan struct{}, 1), t, sleep}
}

// ring ends a wait, or the next one.
func (a *alarm) ring() {
	select {
	case a.rung <- struct{}{}:
	default:
	}
}

// wait returns at the time until at the latest, and may return earlier: the caller looks again.
func (a *alarm) wait(until, now time.Duration) {
	rest := until - now
	if rest <= timerError {
		a.sleep(min(rest, maxSleep))
		return
	}
	var expired <-chan time.Time
	if until != never {
		a.timer.Reset(rest - timerError)
		expired = a.timer.C
	}
	select {
	case <-a.rung:
	case <-expired:
	}
}
