package tun

import (
	"sync/atomic"
	"syscall"
	"time"

	wgtun "golang.zx2c4.com/wireguard/tun"
)

// sendQueue holds frames between WriteFrame, which must not block, and a device's Write, which may. If WriteFrame
// blocked, two stacks could wait for each other to read.
type sendQueue struct {
	size   int         // size of the largest frame in bytes
	frames chan []byte // frames to send
	free   chan []byte // buffers for reuse
	ending chan struct{}
	ended  chan struct{}
	lost   atomic.Int64
}

const (
	sendQueueLen = 1024                   // frames; more than a window of 1 MiB at an MTU of 1500
	flushTime    = 250 * time.Millisecond // limit of Close for sending the queued frames
)

func (q *sendQueue) start(device wgtun.Device, size int) {
	q.size = size
	q.frames = make(chan []byte, sendQueueLen)
	q.free = make(chan []byte, sendQueueLen)
	q.ending = make(chan struct{})
	q.ended = make(chan struct{})
	go q.run(device)
}

// put queues a copy of the frame.
func (q *sendQueue) put(parts [][]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size > q.size {
		return FrameError(syscall.EMSGSIZE)
	}
	frame := q.buffer()
	for _, p := range parts {
		frame = append(frame, p...)
	}
	select {
	case q.frames <- frame:
		return nil
	default:
		q.release(frame)
		return FrameError(syscall.ENOBUFS)
	}
}

func (q *sendQueue) buffer() []byte {
	select {
	case b := <-q.free:
		return b[:0]
	default:
		return make([]byte, 0, q.size)
	}
}

func (q *sendQueue) release(frame []byte) {
	select {
	case q.free <- frame:
	default:
	}
}

// run writes frames to the device, up to its batch size at a time. After stop it writes the remaining ones and returns.
func (q *sendQueue) run(device wgtun.Device) {
	defer close(q.ended)
	limit := max(device.BatchSize(), 1)
	batch := make([][]byte, 0, limit)
	written := make([][]byte, 0, limit) // the device may change this slice
	for {
		batch = batch[:0]
		select {
		case f := <-q.frames:
			batch = append(batch, f)
		case <-q.ending:
		}
	more:
		for len(batch) < limit {
			select {
			case f := <-q.frames:
				batch = append(batch, f)
			default:
				break more
			}
		}
		if len(batch) == 0 {
			return
		}
		written = append(written[:0], batch...)
		if _, err := device.Write(written, headerLen); err != nil {
			q.lost.Add(int64(len(batch))) // an upper bound: the device does not report which
		}
		for _, f := range batch {
			q.release(f)
		}
	}
}

// stop makes run return when the queue is empty, and waits for that up to flushTime.
func (q *sendQueue) stop() {
	close(q.ending)
	timer := time.NewTimer(flushTime)
	defer timer.Stop()
	select {
	case <-q.ended:
	case <-timer.C:
	}
}
