package pcap

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"minitcp/stack"
)

// Config holds the settings of a [Capture]. Path or Output must be set. The zero value of every other field means its
// default.
type Config struct {
	// Path is the name of the file. Its mode is 0600, and an existing file is replaced.
	Path string
	// Output is written in place of a file, without MaxSize. Its Write is called when packets have been queued, and may
	// block; meanwhile packets are lost when the queue is full.
	Output io.Writer
	// Interface is the name of the device in the file.
	Interface string
	// Filter selects the packets to capture. Default: all.
	Filter Filter
	// Select, if not nil, reports whether a frame that passes Filter is captured. It must not block.
	Select func(*stack.Frame) bool
	// Limit is the number of frames after which no more are captured. Full is then called once, and must not block or call
	// Close. Default: no limit.
	Limit uint64
	Full  func()
	// Superframes is the form in which superframes (GSO packets) are written. Default: Whole.
	Superframes Superframes
	// MaxSize is the maximum size of a file in bytes, which only a single larger packet exceeds. When the next packet does
	// not fit, the file is completed and renamed to Path.1, Path.1 to Path.2 and so on, and a new file begins at Path.
	// Every file can be opened on its own. Default: no limit.
	MaxSize int64
	// Files is the number of files kept with MaxSize: Path, and Path.1 up to Path.(Files-1). Existing files of these names
	// are removed. Default 10.
	Files int
	// Queue is the memory in bytes for packets that are not yet written. There is always room for one packet. Default 16
	// MiB.
	Queue int
	// Failed, if not nil, is called with the error of Close as soon as the file cannot be written. Later packets are lost.
	// It is called at most once, by the goroutine that writes, and must not call Close.
	Failed func(error)
}

// Superframes is the form in which superframes (GSO packets) are written.
type Superframes uint8

const (
	// Whole writes a superframe as one packet with a single checksum.
	Whole Superframes = iota
	// Cut writes the segments into which a device would cut a superframe.
	Cut
)

const (
	defaultFiles = 10
	defaultQueue = 16 << 20
)

// Capture writes the packets of a stack to a file. Its methods are safe for concurrent use.
type Capture struct {
	filter   Filter
	selected func(*stack.Frame) bool // Config.Select
	limit    uint64
	full     func()
	queue    *queue
	epoch    atomic.Int64 // wall clock at the stack's time 0 in nanoseconds; 0 before the first frame

	seen, captured, lost atomic.Uint64

	mu     sync.RWMutex // held for reading while a frame is put into the queue
	closed bool

	finished chan struct{} // closed when the goroutine has ended
	err      error         // error of the goroutine; valid after finished
}

// Create creates the file, if there is one, and starts the capture, which the caller must close. If the file cannot
// be created, the error is an *fs.PathError.
func Create(cfg Config) (*Capture, error) {
	if cfg.Output != nil && (cfg.Path != "" || cfg.MaxSize != 0) {
		return nil, errors.New("pcap: Output and settings of files exclude each other")
	}
	if cfg.MaxSize < 0 || cfg.Files < 0 || cfg.Queue < 0 {
		return nil, errors.New("pcap: a limit is negative")
	}
	if cfg.Files == 0 {
		cfg.Files = defaultFiles
	}
	if cfg.Queue == 0 {
		cfg.Queue = defaultQueue
	}
	c := &Capture{filter: cfg.Filter.clone(), selected: cfg.Select, limit: cfg.Limit, full: cfg.Full,
		queue: newQueue(cfg.Queue), finished: make(chan struct{})}
	w, err := newWriter(&cfg, c.Counts)
	if err != nil {
		return nil, err
	}
	go c.run(w, cfg.Failed)
	return c, nil
}

// Tap queues a copy of a frame for the file. Use it as a stack's Config.Tap. It may be called concurrently, and does
// nothing after Close.
func (c *Capture) Tap(f *stack.Frame) {
	c.seen.Add(1)
	if !c.filter.matches(f.Parts) || c.selected != nil && !c.selected(f) {
		return
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return
	}
	p := c.queue.take(f.Parts)
	if p == nil {
		c.lost.Add(1)
		return
	}
	if c.epoch.Load() == 0 {
		c.epoch.CompareAndSwap(0, time.Now().UnixNano()-int64(f.Time))
	}
	p.time = c.epoch.Load() + int64(f.Time)
	p.outgoing = f.Outgoing
	p.state = f.State
	p.lost = c.lost.Load()
	n := c.captured.Add(1)
	if c.limit > 0 && n > c.limit {
		c.captured.Add(^uint64(0))
		c.queue.release(p)
		return
	}
	c.queue.put(p)
	if n == c.limit && c.full != nil {
		c.full()
	}
}

// run writes the packets in the queue until it is closed.
func (c *Capture) run(w *writer, failed func(error)) {
	defer close(c.finished)
	var err error
	reported := failed == nil
	for p := range c.queue.packets {
		if err == nil {
			err = w.write(p)
		}
		if err != nil {
			c.captured.Add(^uint64(0))
			c.lost.Add(1)
		}
		c.queue.release(p)
		if err == nil && c.queue.empty() {
			err = w.flush() // every queued packet is now in the file
		}
		if err != nil && !reported {
			failed(err)
			reported = true
		}
	}
	if err == nil {
		err = w.complete()
	}
	c.err = errors.Join(err, w.close())
}

// Counts are totals of a [Capture] in frames.
type Counts struct {
	Seen     uint64 // passed to Tap
	Captured uint64 // selected by the filter, and written or queued
	Lost     uint64 // selected by the filter, and lost
}

// Counts returns the totals.
func (c *Capture) Counts() Counts {
	return Counts{c.seen.Load(), c.captured.Load(), c.lost.Load()}
}

// LostError is the error of [Capture.Close] for a valid file with gaps, because frames arrived faster than they could
// be written.
type LostError struct{ Counts Counts }

// Error returns a message with the number of missing frames.
func (e *LostError) Error() string {
	return fmt.Sprintf("pcap: %d of %d frames are missing, because they came faster than the file could be written",
		e.Counts.Lost, e.Counts.Lost+e.Counts.Captured)
}

// Close writes the queued packets, completes the file and closes it. Call it after the Close of the stack. The
// goroutine of the capture has ended when Close returns. The error is the reason for which the file is incomplete, or a
// *LostError. A second call returns the same error.
func (c *Capture) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.queue.close()
	}
	c.mu.Unlock()
	<-c.finished
	if c.err != nil {
		return c.err
	}
	if n := c.Counts(); n.Lost > 0 {
		return &LostError{n}
	}
	return nil
}
