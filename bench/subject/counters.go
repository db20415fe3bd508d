//go:build linux

package subject

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// counters count the work of a server since it began. Each has a cache line, because the services run on many threads.
type counters struct {
	accepted counter
	in, out  counter // bytes
	failure  atomic.Pointer[string]
}

type counter struct {
	atomic.Int64
	_ [56]byte
}

// fail records a failure, if it is the first.
func (c *counters) fail(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	c.failure.CompareAndSwap(nil, &text)
}

// failed returns the first failure; nil for none.
func (c *counters) failed() error {
	if text := c.failure.Load(); text != nil {
		return errors.New(*text)
	}
	return nil
}

// Usage is the work of a process under test, and the CPU time that it used, since it began.
type Usage struct {
	Time     time.Duration // by the clock of the process
	CPU      time.Duration // user and system time of all threads
	Accepted int64         // connections
	In, Out  int64         // bytes of data
	// Timeouts is the number of retransmission timeouts of sources, and Spurious the number of episodes of loss recovery
	// that were undone as needless; -1 if the target does not count them.
	Timeouts, Spurious int64
	Failure            string // the first failure, such as wrong data
}

// Memory is the memory of a process under test after a garbage collection.
type Memory struct {
	RSS    int64 // bytes of resident memory
	Heap   int64 // bytes of Go's heap in use, and of stacks
	Stacks int64 // bytes of the goroutines' stacks
	Live   int64 // bytes of live objects on Go's heap
	// Counted is the number of bytes that count in the target's budget, 0 if it has none.
	Counted int64
}

var begin = time.Now()

func (c *counters) usage() Usage {
	u := Usage{Accepted: c.accepted.Load(), In: c.in.Load(), Out: c.out.Load(), Time: time.Since(begin), CPU: CPUTime()}
	if text := c.failure.Load(); text != nil {
		u.Failure = *text
	}
	return u
}

// CPUTime returns the user and system time of this process so far.
func CPUTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // cannot fail with these arguments
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// Rest is the time without traffic after which connections count as idle, for every target alike. It is a little
// longer than the time after which minitcp's become dormant.
const Rest = 12 * time.Second

// OwnMemory collects the garbage of this process and returns its memory.
func OwnMemory() (Memory, error) {
	runtime.GC() // twice, because a sync.Pool keeps its objects for one collection
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	pages, err := residentPages("self")
	return Memory{RSS: pages * int64(os.Getpagesize()), Heap: int64(m.HeapInuse + m.StackInuse), Stacks: int64(m.StackInuse), Live: int64(m.HeapAlloc)}, err
}

// childMemory returns the resident memory of another process.
func childMemory(pid int) (Memory, error) {
	pages, err := residentPages(strconv.Itoa(pid))
	return Memory{RSS: pages * int64(os.Getpagesize())}, err
}

func residentPages(process string) (n int64, err error) {
	file := "/proc/" + process + "/statm"
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	var size int64
	if _, err := fmt.Sscan(string(text), &size, &n); err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}
