package stack

import "minitcp/conn/wire"

// Device moves frames. A frame is a virtio_net_hdr in its form of 10 octets (native byte order) and one IP packet. The
// packet may be larger than the MTU: a superframe, to be cut into segments of the size the header states.
//
// A device that can neither cut superframes nor fill in checksums has a method Offloads() bool that says false; it
// then gets whole packets that fit the MTU, and its checksums are verified.
//
// A device with several queues has methods Queues, ReadQueue and WriteQueue; see [MultiQueue]. Each queue then gets a
// goroutine of its own, and a connection's segments leave on the queue on which the last one came.
type Device interface {
	// ReadBatch blocks until there is a frame, then takes what is there without blocking, up to len(frames), or less. Frame i
	// is frames[i][:sizes[i]]; each of frames has room for MaxFrame octets. After Close it returns an error for which
	// errors.Is(err, os.ErrClosed); any other error means that the device has failed for good.
	ReadBatch(frames [][]byte, sizes []int) (int, error)
	// WriteFrame sends one frame gathered from parts, the first of which begins with the virtio_net_hdr. It does not
	// block, keeps nothing of parts, and may be called from many goroutines at once. A frame it could not take is lost,
	// as on any network.
	WriteFrame(parts [][]byte) error
	// MTU is the size in octets of the largest IP packet.
	MTU() int
	// Close makes a blocked ReadBatch return.
	Close() error
}

// MaxFrame is the size of the largest frame, header and IP packet, but for what a [BigFramer] takes.
const MaxFrame = wire.VirtioHeaderLen + maxPacket

const maxPacket = 65535

// MultiQueue is what a [Device] may have besides.
type MultiQueue interface {
	// Queues is how many queues there are, numbered from 0, at least 1 and at most 256.
	Queues() int
	// ReadQueue is ReadBatch from one of them.
	ReadQueue(queue int, frames [][]byte, sizes []int) (int, error)
	// WriteQueue is WriteFrame to one of them.
	WriteQueue(queue int, parts [][]byte) error
}

// lane is what a queue reads and writes.
type lane interface {
	ReadBatch(frames [][]byte, sizes []int) (int, error)
	WriteFrame(parts [][]byte) error
}

// maxQueues is as many as entry.queue can tell apart.
const maxQueues = 256

// lanesOf are the device's queues: the device itself when it has but one.
func lanesOf(d Device) []lane {
	m, ok := d.(MultiQueue)
	if !ok || m.Queues() <= 1 {
		return []lane{d}
	}
	list := make([]lane, min(m.Queues(), maxQueues))
	for i := range list {
		list[i] = &nth{m, i}
	}
	return list
}

// nth is one queue of several.
type nth struct {
	device MultiQueue
	queue  int
}

func (n *nth) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	return n.device.ReadQueue(n.queue, frames, sizes)
}

func (n *nth) WriteFrame(parts [][]byte) error { return n.device.WriteQueue(n.queue, parts) }

// offloads reports whether the device takes superframes and partial checksums.
func offloads(d Device) bool {
	o, ok := d.(interface{ Offloads() bool })
	return !ok || o.Offloads()
}
