package tun

import (
	"sync/atomic"
	"syscall"
	"time"

	wgtun "golang.zx2c4.com/wireguard/tun"
)

// sendQueue keeps finished frames between WriteFrame, which must not block, and a foreign device, which may: two stacks
// that each wait for the other to read would wait for ever.
type sendQueue struct {
	size   int         // of the largest frame
	frames chan []byte // to be sent
	free   chan []byte // buffers to use again
	ending chan struct{}
	ended  chan struct{}
	lost   atomic.Int64
}

const (
	sendQueueLen = 1024 // a window of 1 MiB in frames for an MTU of 1500, and some
	flushTime    = 250 * time.Millisecond
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

// run gives frames to the device, as many at a time as it likes, until stop; then those that are left.
func (q *sendQueue) run(device wgtun.Device) {
	defer close(q.ended)
	limit := max(device.BatchSize(), 1)
	batch := make([][]byte, 0, limit)
	given := make([][]byte, 0, limit) // the device may change the slice it is given
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
		given = append(given[:0], batch...)
		if _, err := device.Write(given, headerLen); err != nil {
			q.lost.Add(int64(len(batch))) // at most: the device does not say which
		}
		for _, f := range batch {
			q.release(f)
		}
	}
}

// stop ends run when the queue is empty, and does not wait for that longer than flushTime.
func (q *sendQueue) stop() {
	close(q.ending)
	timer := time.NewTimer(flushTime)
	defer timer.Stop()
	select {
	case <-q.ended:
	case <-timer.C:
	}
}
