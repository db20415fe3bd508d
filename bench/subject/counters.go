//go:build linux

package subject

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// counters are what a server has done since it began. Each has a cache line: the services run on many threads.
type counters struct {
	accepted counter
	in, out  counter // octets
	failure  atomic.Pointer[string]
}

type counter struct {
	atomic.Int64
	_ [56]byte
}

// fail records the first thing that went wrong.
func (c *counters) fail(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	c.failure.CompareAndSwap(nil, &text)
}

// Usage is what a process under test has done and used since it began.
type Usage struct {
	Time     time.Duration // of the process's clock
	CPU      time.Duration // user and system time of all threads
	Accepted int64         // connections
	In, Out  int64         // octets of data
	// Timeouts and Spurious are how often a retransmission timer of a source ran out, and how often an episode of loss
	// recovery was found to be needless; -1: the target cannot tell.
	Timeouts, Spurious int64
	Failure            string // the first thing that went wrong, such as data that was not what it should be
}

// Memory is what a process under test occupies, after the garbage was collected.
type Memory struct {
	RSS  int64 // octets of resident memory
	Heap int64 // octets of Go's heap in use, and of stacks
}

var begin = time.Now()

func (c *counters) usage() Usage {
	u := Usage{Accepted: c.accepted.Load(), In: c.in.Load(), Out: c.out.Load(), Time: time.Since(begin), CPU: CPUTime()}
	if text := c.failure.Load(); text != nil {
		u.Failure = *text
	}
	return u
}

// CPUTime is the user and system time of this process so far.
func CPUTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // cannot fail with these arguments
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// Rest is for how long connections must have done nothing to be called idle, for every target alike: a little longer than
// minitcp's take to go to sleep.
const Rest = 12 * time.Second

// OwnMemory collects the garbage of this process and says what it occupies.
func OwnMemory() (Memory, error) {
	runtime.GC() // twice: what a sync.Pool holds survives the first
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	pages, err := residentPages()
	return Memory{RSS: pages * int64(os.Getpagesize()), Heap: int64(m.HeapInuse + m.StackInuse)}, err
}

func residentPages() (n int64, err error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size int64
	if _, err := fmt.Sscan(string(text), &size, &n); err != nil {
		return 0, fmt.Errorf("/proc/self/statm: %w", err)
	}
	return n, nil
}
