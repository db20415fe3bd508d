package ladder

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// output writes lines to a writer that may be slow, without making anybody wait.
type output struct {
	w     io.Writer
	fail  func(error)   // called with the first error; may be nil
	ready chan struct{} // holds a token when there is something to do
	ended chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	pending []byte
	dropped int  // lines there was no room for since pending was last taken
	busy    bool // lines are being written
	closed  bool
	err     error

	written sync.Cond // busy or err has changed
}

// maxPending is how many octets of lines wait for the writer.
const maxPending = 1 << 20

func newOutput(w io.Writer, fail func(error)) *output {
	o := &output{w: w, fail: fail, ready: make(chan struct{}, 1), ended: make(chan struct{})}
	o.written.L = &o.mu
	go o.run()
	return o
}

// put queues whole lines, all or none of them.
func (o *output) put(lines []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed, o.err != nil:
		return
	case o.dropped > 0, len(o.pending)+len(lines) > maxPending: // what came later does not overtake
		o.dropped += bytes.Count(lines, []byte{'\n'})
	default:
		o.pending = append(o.pending, lines...)
	}
	o.wake()
}

func (o *output) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

func (o *output) run() {
	defer close(o.ended)
	var lines []byte
	for range o.ready {
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
