//go:build linux

package links

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// first puts this process, and those it starts, before what else the machine does (SCHED_RR): a TCP that does not run
// for ten milliseconds is measured as a worse one. It does without if it may not. The links' threads go before these, too.
func first() {
	param := struct{ priority int32 }{1}
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(id), unix.SCHED_RR, uintptr(unsafe.Pointer(&param)))
		}
	}
}
