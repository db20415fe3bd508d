package ladder

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// output writes lines to a writer that may be slow, from a goroutine of its own, so that callers do not wait.
type output struct {
	w     io.Writer
	fail  func(error)   // called with the first error; may be nil
	ready chan struct{} // holds a token when there are lines to write
	ended chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	pending []byte
	dropped int  // number of lines dropped since pending was last taken
	busy    bool // lines are being written
	closed  bool
	err     error

	written sync.Cond // busy or err has changed
}

// maxPending is the size of the queue in bytes.
const maxPending = 1 << 20

// gathering is the time for which lines are gathered for a write. To wake the goroutine for each line takes CPU time
// from bulk: see bench/README.md.
const gathering = time.Millisecond

func newOutput(w io.Writer, fail func(error)) *output {
	o := &output{w: w, fail: fail, ready: make(chan struct{}, 1), ended: make(chan struct{})}
	o.written.L = &o.mu
	go o.run()
	return o
}

// put queues all of the given lines, or drops all of them.
func (o *output) put(lines []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed, o.err != nil:
		return
	case o.dropped > 0, len(o.pending)+len(lines) > maxPending: // later lines must not overtake the dropped ones
		o.dropped += bytes.Count(lines, []byte{'\n'})
	default:
		o.pending = append(o.pending, lines...)
	}
	o.wake()
}

// wake makes run check the queue.
func (o *output) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// run writes the queued lines until close or an error.
func (o *output) run() {
	defer close(o.ended)
	var lines []byte
	for range o.ready {
		time.Sleep(gathering)
		o.mu.Lock()
		lines, o.pending = o.pending, lines[:0]
		dropped := o.dropped
		o.dropped = 0
		closed := o.closed
		o.busy = true
		o.mu.Unlock()
		if dropped > 0 {
			lines = fmt.Appendf(lines, "... %d lines are missing here: the output is too slow\n", dropped)
		}
		var err error
		if len(lines) > 0 {
			_, err = o.w.Write(lines)
		}
		if err != nil && o.fail != nil {
			o.fail(err)
		}
		o.mu.Lock()
		o.busy, o.err = false, err
		o.written.Broadcast()
		o.mu.Unlock()
		if closed || err != nil {
			return
		}
	}
}

// wait waits until everything queued has been written, or writing has failed.
func (o *output) wait() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for (len(o.pending) > 0 || o.dropped > 0 || o.busy) && o.err == nil {
		o.written.Wait()
	}
	return o.err
}

// close writes the queued lines, ends run and returns the first error of the writer.
func (o *output) close() error {
	o.mu.Lock()
	o.closed = true
	o.wake()
	o.mu.Unlock()
	<-o.ended
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
