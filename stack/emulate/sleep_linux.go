package emulate

import (
	"syscall"
	"time"
)

// newSleep returns a function for one goroutine that blocks for a duration, or less if a signal arrives. The kernel's
// timer has a slack of 50 µs.
func newSleep() func(time.Duration) {
	t := new(syscall.Timespec) // on the heap once, not for each call
	return func(d time.Duration) {
		*t = syscall.NsecToTimespec(int64(max(d, 0)))
		syscall.Nanosleep(t, nil)
	}
}
