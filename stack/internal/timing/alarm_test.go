package timing

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn"
)

// An Alarm calls once for each deadline, at the last one that was set, and never after Stop.
func TestAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := NewClock()
		var mu sync.Mutex
		var calls []conn.Time
		a := NewAlarm(func() {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, clock.Now())
		})
		second := func(n int) conn.Time { return conn.Time(n) * conn.Time(time.Second) }
		want := func(seconds ...int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			var times []conn.Time
			for _, n := range seconds {
				times = append(times, second(n))
			}
			if !slices.Equal(calls, times) {
				t.Errorf("calls at %v, want %v", calls, times)
			}
			calls = nil
		}
		if a.At() != conn.Never {
			t.Errorf("the deadline is %v before the first", a.At())
		}
		a.Set(clock.Now(), second(5))
		a.Set(clock.Now(), second(3)) // earlier
		if a.At() != second(3) {
			t.Errorf("the deadline is %v, want 3 s", a.At())
		}
		time.Sleep(10 * time.Second)
		want(3)
		a.Set(clock.Now(), second(4)) // past
		time.Sleep(time.Second)
		want(10)
		a.Set(clock.Now(), second(12))
		a.Set(clock.Now(), conn.Never)
		time.Sleep(10 * time.Second)
		want()
		a.Set(clock.Now(), second(22))
		a.Stop()
		a.Set(clock.Now(), second(23))
		time.Sleep(10 * time.Second)
		want()
		if a.At() != conn.Never {
			t.Errorf("the deadline is %v after Stop", a.At())
		}
	})
}
