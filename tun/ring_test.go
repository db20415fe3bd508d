//go:build linux

package tun

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ringOf is the ring of the device's first queue. Without one nothing is tested.
func ringOf(t *testing.T, d *Device) *ring {
	t.Helper()
	r := d.queues[0].reading.ring
	if r == nil {
		_, err := newRing(d.queues[0].fd)
		notTested(t, fmt.Sprintf("io_uring: %v", err))
	}
	return r
}

// A ring takes the frames that are there in their order, up to ringSize, whatever it has done before, and says that there
// is no other.
func TestRing(t *testing.T) {
	_, d, socket := udpDevice(t)
	r := ringOf(t, d)
	frames, sizes := buffers(ringSize + 1)
	for _, sent := range []int{0, 1, 3, ringSize - 1, ringSize, ringSize + 1, 2 * ringSize, 5} {
		for i := range sent {
			if _, err := socket.Write(bytes.Repeat([]byte{byte(i)}, 1+i)); err != nil {
				t.Fatal(err)
			}
		}
		got := 0
		for full := true; full; {
			n, errno := r.read(frames, sizes)
			for i := range n {
				frame := frames[i][:sizes[i]]
				if !isUDP(frame) {
					continue // the kernel's own announcements
				}
				if len(frame) != headerLen+28+1+got || frame[len(frame)-1] != byte(got) {
					t.Errorf("of %d, frame %d is % x", sent, got, frame)
				}
				got++
			}
			full = n == ringSize
			if want := (map[bool]syscall.Errno{true: 0, false: unix.EAGAIN})[full]; errno != want {
				t.Errorf("of %d: %d frames and %v", sent, n, errno)
			}
		}
		if got != sent {
			t.Errorf("of %d there were %d", sent, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { r.read(frames, sizes) }); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}

// When the device is gone the ring says so, and the queue ends as it does without.
func TestRingOfDeletedDevice(t *testing.T) {
	ns, d, _ := udpDevice(t)
	r := ringOf(t, d)
	deleteLink(t, ns, d.Name())
	frames, sizes := buffers(2)
	if n, errno := r.read(frames, sizes); n != 0 || errno != unix.EBADFD {
		t.Errorf("%d frames, %v; want EBADFD", n, errno)
	}
	d.queues[0].reading.n = 1 // in the middle of a batch
	if n, errno := d.queues[0].more(d.queues[0].fd, frames, sizes); n != 0 || errno != unix.EBADFD || d.queues[0].reading.ring != nil {
		t.Errorf("%d frames, %v; want EBADFD, and no ring any more", n, errno)
	}
	if _, err := d.ReadBatch(frames, sizes); !errors.Is(err, ErrGone) {
		t.Errorf("ReadBatch: %v, want ErrGone", err)
	}
}

// A ring that misses a completion is read no more: read returns, and the queue goes on with read(2).
func TestRingMissesCompletion(t *testing.T) {
	_, d, socket := udpDevice(t)
	r := ringOf(t, d)
	tail := *r.done.head
	r.done.tail = &tail // no completion is ever seen
	frames, sizes := buffers(4)
	if n, errno := r.read(frames, sizes); n != 0 || errno != unix.EIO {
		t.Fatalf("%d frames, %v; want EIO", n, errno)
	}
	if n, errno := r.read(frames, sizes); n != 0 || errno != unix.EIO {
		t.Fatalf("%d frames, %v from a broken ring; want EIO", n, errno)
	}
	for range 3 {
		if _, err := socket.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for got := 0; got < 3; {
		n, err := d.ReadBatch(frames, sizes) // ends after patience
		if err != nil {
			t.Fatalf("of 3 datagrams %d arrive, then: %v", got, err)
		}
		for i := range n {
			if isUDP(frames[i][:sizes[i]]) {
				got++
			}
		}
	}
	if d.queues[0].reading.ring != nil {
		t.Error("the queue still has its ring")
	}
}
