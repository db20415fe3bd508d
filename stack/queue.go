package stack

import (
	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/memory"
)

// queue reads one queue of the device. Its goroutine parses packets, passes them to the connections and sends their
// segments.
type queue struct {
	stack  *Stack
	number uint8
	writer *writer
	memory.Batch

	// The frame at hand and its headers. They are stored here so that nothing is allocated per packet.
	virtio  wire.VirtioHeader
	ip      wire.IP
	segment conn.Segment
	icmp    wire.ICMP
	frame   []byte
	tapped  bool // the observers of frames have been called for it

	pending []*entry      // entries with calls in this batch that have not been flushed
	cookies []cookieReply // SYN-ACKs that have not been sent
}

// batch is the largest number of frames that are read at once. The segments of a connection in one batch are
// acknowledged together [RFC 9293 3.8.6.3, MUST-58, MUST-59].
const batch = 32

func newQueue(s *Stack, number uint8) *queue {
	return &queue{stack: s, number: number, writer: newWriter(), Batch: s.frames.NewBatch(batch)}
}

// run reads the device until the device is closed or fails, which ends the stack.
func (q *queue) run() {
	s := q.stack
	for {
		n, err := s.queues[q.number].ReadBatch(q.Frames, q.Sizes)
		if broken := q.Check(n); broken != nil {
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

// receiveBatch handles the first n frames. They have one time, that of the read, so that the time needed to handle them
// is not part of the round-trip time.
func (q *queue) receiveBatch(n int) {
	now := q.stack.clock.Now()
	for i := range n {
		q.receiveFrame(now, q.Frames[i][:q.Sizes[i]], i)
	}
	q.endBatch(now)
}

// notLent is the index of a frame whose memory connections may not retain.
const notLent = -1

// receiveFrame handles one frame, which is in the queue's buffer i.
func (q *queue) receiveFrame(now conn.Time, frame []byte, i int) {
	q.frame, q.tapped = frame, false
	q.segment.Buffer, q.segment.Retained = nil, false
	if i != notLent {
		q.segment.Buffer = q.Lend(i)
	}
	q.input(now, frame)
	q.tap(now, nil) // a frame that was dropped
	if q.segment.Retained {
		q.Kept(i)
	}
}

// endBatch completes a batch of frames.
func (q *queue) endBatch(now conn.Time) {
	q.stack.totals.Count(counters.Batches)
	q.flushPending()
	q.writeCookies(now)
	q.stack.shedOutOfOrder(now)
	q.stack.shedStalled(now, q.writer, maxTimedOut)
	q.stack.abandoned.close()
}

// deferFlush adds e, whose mu is held, to the entries that are flushed at the end of the batch.
func (q *queue) deferFlush(e *entry) {
	if !e.pending {
		e.pending = true
		q.pending = append(q.pending, e)
	}
}

// flushPending flushes the entries in the list, and empties it.
func (q *queue) flushPending() {
	rest := q.pending[:0]
	for _, e := range q.pending {
		e.lockInput()
		e.pending = false
		if c := e.served; c != nil {
			e.mu.Unlock()
			c.serve() // flushes as well: the Handler's data carries the ACK
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
