package wait

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A deadline given by the wall clock's reading is kept by the monotonic one. The test runs outside a synctest bubble,
// whose times have no monotonic reading.
func TestDeadlineIsMonotonic(t *testing.T) {
	var mu sync.Mutex
	d := NewDeadline(&mu)
	mu.Lock()
	defer mu.Unlock()
	d.Set(time.Now().Add(time.Hour).Round(0))
	defer d.Stop()
	if !strings.Contains(d.at.String(), "m=") {
		t.Errorf("the deadline %v has no monotonic reading", d.at)
	}
}

// A deadline whose timer fires early passes at its time nevertheless.
func TestDeadlineTimerFiresEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		d := NewDeadline(&mu)
		mu.Lock()
		d.Set(time.Now().Add(time.Second))
		d.timer.Stop()
		mu.Unlock()
		d.expire() // early
		for _, want := range []bool{false, true} {
			mu.Lock()
			if d.passed != want {
				t.Errorf("passed is %v, want %v", d.passed, want)
			}
			mu.Unlock()
			time.Sleep(2 * time.Second)
		}
	})
}
