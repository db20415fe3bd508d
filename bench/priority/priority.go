//go:build linux

// Package priority puts a measurement before what else the machine does: a TCP that does not run for ten milliseconds is
// measured as a worse one.
//
// All threads of a process get the same priority. One above the others would wait for ever for a lock of Go's runtime that
// one of the others holds: to yield makes way only for equals.
package priority

import (
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Priorities of SCHED_FIFO and SCHED_RR.
const (
	firstPriority  = 2
	secondPriority = 1
)

// mostAtOnce is how long a thread may compute without ever waiting before the kernel ends its process. Nothing that is
// measured so comes near; what is broken must not take the machine with it.
const mostAtOnce = 10 * time.Second

// First puts this process before all others, and those it starts from then on, too, unless they call [Second]. It does
// without if it may not.
func First() {
	limit := unix.Rlimit{Cur: uint64(mostAtOnce.Microseconds()), Max: uint64(mostAtOnce.Microseconds())}
	if unix.Setrlimit(unix.RLIMIT_RTTIME, &limit) != nil {
		return
	}
	set(unix.SCHED_FIFO, firstPriority)
}

// Second puts this process behind the one that has started it, if that has called [First].
func Second() {
	policy, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, 0, 0, 0)
	if errno == 0 && policy == unix.SCHED_FIFO {
		set(unix.SCHED_RR, secondPriority)
	}
}

// set sets what every thread is, again until none has come meanwhile: a thread inherits what its creator is.
func set(policy uintptr, priority int32) {
	for known, before := 0, -1; known != before; {
		tasks, _ := os.ReadDir("/proc/self/task")
		for _, t := range tasks {
			if id, err := strconv.Atoi(t.Name()); err == nil {
				unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(id), policy, uintptr(unsafe.Pointer(&priority)))
			}
		}
		known, before = len(tasks), known
	}
}
