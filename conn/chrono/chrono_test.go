package chrono

import (
	"testing"
	"time"

	"minitcp/conn/clock"
)

// Each account has the time from its selection to that of the next one. Time on Nothing is not counted.
func TestChrono(t *testing.T) {
	var c Chrono
	var w Waited
	at := clock.Time(0)
	for _, step := range []struct {
		on   Account
		next time.Duration
	}{{Busy, 1}, {Busy, 2}, {Window, 10}, {Nothing, 1000}, {Buffer, 100}, {Busy, 4}} {
		c.Select(at, step.on, &w)
		at = at.Add(step.next)
	}
	if got := c.Running(Busy, at); got != 4 {
		t.Errorf("the account runs for %v, want 4 ns", got)
	}
	if got := c.Running(Window, at); got != 0 {
		t.Errorf("another account runs for %v, want 0", got)
	}
	c.Select(at, Nothing, &w)
	if w.On(Busy) != 7 || w.On(Window) != 10 || w.On(Buffer) != 100 {
		t.Errorf("the times are %v, want 7, 10 and 100 ns", w)
	}
}
