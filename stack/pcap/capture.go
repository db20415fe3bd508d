package pcap

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"minitcp/stack"
)

// Config says what is captured, and where to. Path must be set; every other field's zero value is its default.
type Config struct {
	// Path is the file, of mode 0600. One that was there before is replaced.
	Path string
	// Interface is the device's name, for the file.
	Interface string
	// Filter chooses the packets. Default: all.
	Filter Filter
	// Superframes says how they are written. Default: whole.
	Superframes Superframes
	// MaxSize is how many octets a file may have, unless a single packet is larger. When the next packet does not fit,
	// the file is completed and gets the name Path.1, the one of that name before becomes Path.2 and so on, and a new one
	// begins at Path. Every file can be opened by itself. Default: no limit.
	MaxSize int64
	// Files is how many files are kept, with MaxSize: Path and Path.1 up to Path.(Files-1). Whatever had these names
	// before is gone. Default 10.
	Files int
	// Queue is how many octets of memory may hold packets on their way to the file. Default 16 MiB; there is always room
	// for one packet.
	Queue int
	// Failed, if not nil, is called when the file cannot be written any more, with the cause, which Close returns, too. The
	// packets after that are lost. It is called once at most, by the goroutine that writes, and must not call Close.
	Failed func(error)
}

// Superframes is a way to write packets that stand for many segments.
type Superframes uint8

const (
	// Whole writes them as they passed the device, with a checksum over all of it.
	Whole Superframes = iota
	// Cut writes the segments that a device would have made of them.
	Cut
)

const (
	defaultFiles = 10
	defaultQueue = 16 << 20
)

// Capture is a file that is being written.
type Capture struct {
	filter Filter
	queue  *queue
	epoch  atomic.Int64 // the stack's, in nanoseconds of the wall clock; 0: no frame has come yet

	seen, captured, lost atomic.Uint64

	mu     sync.RWMutex // held for reading while a frame is on its way into the queue
	closed bool

	finished chan struct{} // the goroutine has ended
	err      error         // its error; read after finished
}

// Create makes the file and begins to write. Close must be called. The error is an *fs.PathError when the file cannot be
// made.
func Create(cfg Config) (*Capture, error) {
	if cfg.MaxSize < 0 || cfg.Files < 0 || cfg.Queue < 0 {
		return nil, errors.New("pcap: a limit is negative")
	}
	if cfg.Files == 0 {
		cfg.Files = defaultFiles
	}
	if cfg.Queue == 0 {
		cfg.Queue = defaultQueue
	}
	c := &Capture{filter: cfg.Filter.clone(), queue: newQueue(cfg.Queue), finished: make(chan struct{})}
	w, err := newWriter(&cfg, c.Counts)
	if err != nil {
		return nil, err
	}
	go c.run(w, cfg.Failed)
	return c, nil
}

// Tap takes a frame: it is a stack's Config.Tap. It may be called by many goroutines at once, and after Close, when it
// does nothing.
func (c *Capture) Tap(f *stack.Frame) {
	c.seen.Add(1)
	if !c.filter.matches(f.Parts) {
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
	c.captured.Add(1)
	c.queue.put(p)
}

// run writes what is in the queue until that is closed.
func (c *Capture) run(w *writer, failed func(error)) {
	defer close(c.finished)
	var err error
	told := failed == nil
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
			err = w.flush() // a reader of the file finds every packet so far
		}
		if err != nil && !told {
			failed(err)
			told = true
		}
	}
	if err == nil {
		err = w.complete()
	}
	c.err = errors.Join(err, w.close())
}

// Counts are numbers of frames so far.
type Counts struct {
	Seen     uint64 // that passed the device
	Captured uint64 // that the filter chose, in the file or on their way
	Lost     uint64 // that the filter chose and that will not be in the file
}

// Counts returns the numbers so far.
func (c *Capture) Counts() Counts {
	return Counts{c.seen.Load(), c.captured.Load(), c.lost.Load()}
}

// LostError is Close's error when the file is in order, but has gaps: frames came faster than it could be written.
type LostError struct{ Counts Counts }

// Error says how many frames are missing.
func (e *LostError) Error() string {
	return fmt.Sprintf("pcap: %d of %d frames are missing, because they came faster than the file could be written",
		e.Counts.Lost, e.Counts.Lost+e.Counts.Captured)
}

// Close writes what has been taken, completes the file and closes it. The goroutine has ended when it returns. It should
// be called after the stack's Close. The error says why the file is not complete, or is a *LostError; closing again
// returns it again.
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
