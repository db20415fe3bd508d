package wgnet

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/internal/gso"
)

const (
	// batchSize is the number of packets that WireGuard reads or writes at once, which is the number that it takes from
	// the network at once, too.
	batchSize = 128
	// maxQueued is the number of packets of UDP and ICMP, and of RSTs that belong to no connection, that wait to be read
	// before the sockets of the application wait. When there are twice as many, packets of others are dropped. It bounds
	// the delay and the memory, 2.8 MiB at an MTU of 1,420 bytes.
	maxQueued = 1024
	// maxHeaders is the number of bytes of IPv6 and TCP headers with all options.
	maxHeaders = wire.IPv6HeaderLen + 60
)

// device is the stack's device. Frames that the stack writes are cut straight into the buffers of a Read that waits.
// While none waits, connections keep their data, and other packets are queued.
type device struct {
	mtu  int
	link *stack.Link
	// room is the number of bytes that Room returns. It is more than 0 only while Read waits and has looked at the
	// connections that wait.
	room atomic.Int64
	full atomic.Bool // from maxQueued packets in the queue until half of them have been read

	mu     sync.Mutex
	arrive sync.Cond // of mu: a packet is in the buffers of Read, or the device is closed
	closed bool
	cutter gso.Cutter
	read   reading
	queue  packetQueue
}

// reading is the buffers of the Read in progress.
type reading struct {
	active  bool
	waiting bool // Read has found nothing to read
	buffers [][]byte
	sizes   []int
	offset  int
	n       int // packets in the buffers
}

func newDevice(mtu int) *device {
	d := &device{mtu: mtu}
	d.arrive.L = &d.mu
	return d
}

// Attach implements [stack.Pusher].
func (d *device) Attach(link *stack.Link) { d.link = link }

// Offloads implements [stack.Offloader].
func (d *device) Offloads() bool { return true }

// SegmentsUDP implements [stack.UDPSegmenter].
func (d *device) SegmentsUDP() bool { return true }

// MTU implements [stack.Device].
func (d *device) MTU() int { return d.mtu }

// MaxMTU implements [stack.MTULimiter].
func (d *device) MaxMTU() int { return d.mtu }

// Room implements [stack.Pusher].
func (d *device) Room() int { return int(d.room.Load()) }

// Full implements [stack.Pusher].
func (d *device) Full() bool { return d.full.Load() }

// ReadBatch implements [stack.Device]. The stack does not call it.
func (d *device) ReadBatch([][]byte, []int) (int, error) { return 0, errors.ErrUnsupported }

// Close implements [stack.Device].
func (d *device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.room.Store(0)
	d.arrive.Broadcast()
	return nil
}

// WriteFrame implements [stack.Device]: it cuts a frame into the buffers of the Read in progress, and queues the
// packets that find no room there.
func (d *device) WriteFrame(parts [][]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return os.ErrClosed
	}
	c := &d.cutter
	if err := c.Load(parts); err != nil {
		return err
	}
	r := &d.read
	for r.active && r.n < len(r.buffers) && c.More() {
		size := c.Next(r.buffers[r.n][r.offset:])
		if size == 0 {
			return syscall.EMSGSIZE
		}
		r.sizes[r.n] = size
		r.n++
		if r.n == 1 && r.waiting {
			d.arrive.Signal()
		}
	}
	d.setRoom()
	if !c.More() {
		return nil
	}
	if d.queue.count >= 2*maxQueued && !ofConnection(parts[0][wire.VirtioHeaderLen:]) {
		return syscall.ENOBUFS
	}
	for c.More() {
		d.queue.push(c, d.mtu)
	}
	if d.queue.count >= maxQueued {
		d.full.Store(true)
	}
	return nil
}

// ofConnection reports whether a packet belongs to a connection, which sends no more than Room has allowed: at most
// one frame for each goroutine that had called Room before the Read ended.
func ofConnection(packet []byte) bool {
	ipLen, protocol := wire.IPv6HeaderLen, packet[6]
	if packet[0]>>4 == 4 {
		ipLen, protocol = wire.IPv4HeaderLen, packet[9]
	}
	return wire.Protocol(protocol) == wire.ProtocolTCP && !wire.Flags(packet[ipLen+13]).Has(wire.RST)
}

// free returns the number of bytes of data that fit into the buffers of the Read in progress. The lock is held.
func (d *device) free() int { return (len(d.read.buffers) - d.read.n) * (d.mtu - maxHeaders) }

func (d *device) setRoom() {
	room := 0
	if d.read.waiting && !d.closed {
		room = d.free()
	}
	if int(d.room.Load()) != room {
		d.room.Store(int64(room))
	}
}

// readPackets waits for packets, and returns how many it has put into buffers.
func (d *device) readPackets(buffers [][]byte, sizes []int, offset int) (int, error) {
	if d.begin(buffers, sizes, offset) {
		d.link.Drained()
	}
	d.transmit()
	for d.wait() {
		// A connection that had found no room may have got onto the list before it could see that there is some.
		d.transmit()
	}
	return d.end()
}

// begin begins a Read: queued packets come first. It reports whether the queue is not full any more.
func (d *device) begin(buffers [][]byte, sizes []int, offset int) (drained bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &d.read
	*r = reading{active: true, buffers: buffers, sizes: sizes, offset: offset}
	for r.n < len(buffers) && d.queue.count > 0 {
		if sizes[r.n] = d.queue.pop(buffers[r.n][offset:]); sizes[r.n] > 0 {
			r.n++
		}
	}
	drained = d.full.Load() && d.queue.count <= maxQueued/2
	if drained {
		d.full.Store(false)
	}
	return drained
}

// transmit has the connections that wait send, in turn, until the buffers are full or none waits.
func (d *device) transmit() {
	for {
		d.mu.Lock()
		free := d.free()
		if d.closed {
			free = 0
		}
		d.mu.Unlock()
		if free == 0 || !d.link.Transmit(free) {
			return
		}
	}
}

// wait returns false if a packet has been read or the device is closed. The first time it is called in a Read it
// gives room to connections, and returns true. Then it waits.
func (d *device) wait() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &d.read
	if r.n > 0 || d.closed {
		return false
	}
	if !r.waiting {
		r.waiting = true
		d.setRoom()
		return true
	}
	for r.n == 0 && !d.closed {
		d.arrive.Wait()
	}
	return false
}

// end ends a Read.
func (d *device) end() (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.read.n
	d.read = reading{}
	d.setRoom()
	if n == 0 && d.closed {
		return 0, os.ErrClosed
	}
	return n, nil
}
