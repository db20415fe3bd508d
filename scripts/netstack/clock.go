package netstack

import (
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Clock is the clock of a [Stack]. Its time changes only in Set, and its timers fire only in Run.
type Clock struct {
	mu     sync.Mutex
	now    time.Duration // time since its creation
	timers []*timer      // armed timers, unordered
	armed  int64         // timers armed so far
}

// clockEpoch is the wall clock of gVisor when now is 0. It is not the zero time, which means "never" in gVisor.
var clockEpoch = time.Unix(1_700_000_000, 0)

type timer struct {
	clock *Clock
	f     func()
	at    time.Duration
	order int64 // order among timers of the same time
	armed bool
}

// Now implements [tcpip.Clock].
func (c *Clock) Now() time.Time { return clockEpoch.Add(c.Elapsed()) }

// NowMonotonic implements [tcpip.Clock].
func (c *Clock) NowMonotonic() tcpip.MonotonicTime {
	return tcpip.MonotonicTime{}.Add(time.Second + c.Elapsed()) // the zero value means "never"
}

// Elapsed returns the time since the creation of the clock.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock forward to now.
func (c *Clock) Set(now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = max(c.now, now)
}

// Next returns the time of the first timer, or false if none is armed.
func (c *Clock) Next() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.first()
	if t == nil {
		return 0, false
	}
	return t.at, true
}

func (c *Clock) first() *timer {
	var first *timer
	for _, t := range c.timers {
		if first == nil || t.at < first.at || t.at == first.at && t.order < first.order {
			first = t
		}
	}
	return first
}

// Run calls the timers that are due, and reports whether there were any.
func (c *Clock) Run() (any bool) {
	for {
		c.mu.Lock()
		t := c.first()
		if t == nil || t.at > c.now {
			c.mu.Unlock()
			return any
		}
		c.disarm(t)
		c.mu.Unlock()
		t.f()
		any = true
	}
}

// AfterFunc implements [tcpip.Clock].
func (c *Clock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	t := &timer{clock: c, f: f}
	t.Reset(d)
	return t
}

func (t *timer) Reset(d time.Duration) {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disarm(t)
	t.at = c.now + max(d, 0)
	c.armed++
	t.order, t.armed = c.armed, true
	c.timers = append(c.timers, t)
}

func (t *timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.clock.disarm(t)
}

// disarm disarms t and reports whether it was armed.
func (c *Clock) disarm(t *timer) bool {
	if !t.armed {
		return false
	}
	t.armed = false
	for i := range c.timers {
		if c.timers[i] == t {
			last := len(c.timers) - 1
			c.timers[i], c.timers[last] = c.timers[last], nil
			c.timers = c.timers[:last]
			break
		}
	}
	return true
}
