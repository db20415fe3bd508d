package stack

import (
	"fmt"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// queue reads the device, or one queue of it: one goroutine, which parses what arrives, gives it to the connections and
// sends their answers.
type queue struct {
	stack  *Stack
	number uint8
	writer *writer
	memory []*frame
	frames [][]byte // of memory
	sizes  []int

	// The frame at hand. They live here so that nothing is allocated per packet.
	virtio  wire.VirtioHeader
	ip      wire.IP
	segment conn.Segment
	icmp    wire.ICMP
	frame   []byte
	tapped  bool // Tap has seen it

	pending []*entry // given something in this batch, not flushed yet
}

// batch is how many frames are taken at once. What one batch brings a connection is acknowledged together
// (RFC 9293 3.8.6.3, MUST-58, MUST-59).
const batch = 32

func newQueue(s *Stack, number uint8) *queue {
	q := &queue{stack: s, number: number, writer: newWriter(), memory: make([]*frame, batch), frames: make([][]byte, batch), sizes: make([]int, batch)}
	for i := range q.frames {
		q.replaceBuffer(i)
	}
	return q
}

// replaceBuffer has frame i read into other memory.
func (q *queue) replaceBuffer(i int) {
	q.memory[i] = q.stack.frames.get()
	q.frames[i] = q.memory[i].memory[:]
}

// run reads the device until it is closed or fails, which ends the stack.
func (q *queue) run() {
	s := q.stack
	for {
		n, err := s.queues[q.number].ReadBatch(q.frames, q.sizes)
		if broken := q.checkBatch(n); broken != nil {
			s.fail("read", broken)
			return
		}
		if n > 0 {
			q.receiveBatch(n)
		}
		if err != nil {
			s.fail("read", err)
			return
		}
	}
}

// checkBatch returns an error if the device has broken the contract of [Device.ReadBatch] for the first n frames: their
// memory is not that of the frames lent. If the device has exchanged frames with each other, memory follows.
func (q *queue) checkBatch(n int) error {
	if n < 0 || n > batch {
		return fmt.Errorf("%d frames were read, there was room for %d", n, batch)
	}
	for i := range n {
		if !q.lent(i, i) {
			j := i + 1
			for j < batch && !q.lent(i, j) {
				j++
			}
			if j == batch {
				return fmt.Errorf("the device has replaced element %d of the frames lent to it", i)
			}
			q.memory[i], q.memory[j] = q.memory[j], q.memory[i]
		}
		if size := q.sizes[i]; size < 0 || size > MaxFrame {
			return fmt.Errorf("frame %d has a size of %d bytes, there was room for %d", i, size, MaxFrame)
		}
	}
	return nil
}

// lent reports whether frame i is the whole of memory j.
func (q *queue) lent(i, j int) bool {
	f := q.frames[i]
	return len(f) == MaxFrame && &f[0] == &q.memory[j].memory[0]
}

// receiveBatch handles the first n frames. They get one time, that of their being read: how long it takes to handle
// them is no part of the round trip.
func (q *queue) receiveBatch(n int) {
	now := q.stack.clock.now()
	for i := range n {
		q.receiveFrame(now, q.frames[i][:q.sizes[i]], i)
	}
	q.endBatch(now)
}

// notLent is the place of a frame in memory that connections may not keep.
const notLent = -1

// receiveFrame handles one frame, which is in memory i of the queue's.
func (q *queue) receiveFrame(now conn.Time, frame []byte, i int) {
	q.frame, q.tapped = frame, false
	q.segment.Buffer, q.segment.Retained = nil, false
	if i != notLent {
		q.memory[i].lend()
		q.segment.Buffer = q.memory[i]
	}
	q.input(now, frame)
	q.tap(now, nil) // what was thrown away
	if q.segment.Retained {
		kept := q.memory[i]
		q.replaceBuffer(i)
		kept.kept()
	}
}

// endBatch ends a batch of frames that were read at a time.
func (q *queue) endBatch(now conn.Time) {
	q.flushPending()
	q.stack.shedOutOfOrder(now)
	q.stack.abandoned.close()
}

// deferFlush puts e, whose mu is held, on the list of entries to flush when the batch has been handled.
func (q *queue) deferFlush(e *entry) {
	if !e.pending {
		e.pending = true
		q.pending = append(q.pending, e)
	}
}

// flushPending flushes the entries on the list, and empties it.
func (q *queue) flushPending() {
	rest := q.pending[:0]
	for _, e := range q.pending {
		e.lockInput()
		e.pending = false
		if c := e.user.get(); c != nil && c.handling != nil {
			e.mu.Unlock()
			c.serve() // and flush: the Handler's data carries the ACK
			continue
		}
		if q.stack.flushBurst(e, q.writer) {
			rest = append(rest, e)
		}
		e.mu.Unlock()
	}
	q.stack.flushAll(rest, q.writer)
	clear(q.pending)
	q.pending = q.pending[:0]
}
