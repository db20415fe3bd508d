package stack

import (
	"fmt"

	"minitcp/conn/wire"
)

// Device moves frames. A frame is a virtio_net_hdr in its form of 10 bytes (native byte order) and one IP packet.
//
// These four methods are enough. A Device may have more, and the stack uses those it finds in New:
//
//   - [Offloader]: the device cuts superframes and fills in checksums. Without it, the device gets packets that fit the
//     MTU, with complete checksums and a header of zeros.
//   - [BigFramer]: of an Offloader, the device takes superframes larger than an IP packet.
//   - [NearReporter]: the device knows which addresses are on its other side. Without it, no peer is near unless
//     [Config.Near] lists it.
//   - [MultiQueue]: the device has several queues. Without it, one goroutine reads all frames with ReadBatch.
//   - [Pusher]: the device hands over what arrives on goroutines of its owner, and takes what connections send when it has
//     room. Without it, a goroutine of the stack reads the device, and WriteFrame is called at any time.
//
// What the stack reads does not depend on them: frames may be superframes, and may lack the transport checksum if their
// header has VIRTIO_NET_HDR_F_NEEDS_CSUM.
//
// A struct that embeds a Device has these four methods only, whatever the embedded device has. It works, with smaller
// frames, checksums computed here and one reader, and sees every frame. To keep an ability it forwards the methods of the
// interface. A struct that embeds a concrete type, such as *tun.Device, has all methods of the type: it must override
// ReadQueue and WriteQueue as well as ReadBatch and WriteFrame to see every frame, and MaxFrame to see IP packets only.
type Device interface {
	// ReadBatch blocks until there is a frame, then takes the frames that are there without blocking, up to len(frames), or
	// fewer. Frame i is frames[i][:sizes[i]]. Each of frames has room for MaxFrame bytes.
	//
	// The device may exchange elements of frames with each other. It must not put other slices there, shorten an element or
	// keep one: the stack ends with an error that names the element when it finds it replaced.
	//
	// Any error ends the stack; see [Stack.Err]. After Close, and when another owner closed the device, it is one for which
	// errors.Is finds [os.ErrClosed].
	ReadBatch(frames [][]byte, sizes []int) (int, error)
	// WriteFrame sends one frame gathered from parts, the first of which begins with the virtio_net_hdr. It does not
	// block, keeps nothing of parts, and may be called from many goroutines at once. After an error the frame is lost, as
	// on any network. An error for which errors.Is finds [os.ErrClosed] ends the stack.
	WriteFrame(parts [][]byte) error
	// MTU is the size in bytes of the largest IP packet that is no superframe.
	MTU() int
	// Close makes a blocked ReadBatch return. It may be called more than once.
	Close() error
}

// MaxFrame is the size in bytes of the largest frame, header and IP packet, except for a [BigFramer].
const MaxFrame = wire.VirtioHeaderLen + maxPacket

const maxPacket = 65535

// Offloader is a [Device] with hardware's abilities, or without need of them.
type Offloader interface {
	// Offloads reports whether WriteFrame takes superframes, packets to be cut into segments of the size in their header,
	// and packets with partial checksums, and whether the header of a frame read vouches for its checksum
	// (VIRTIO_NET_HDR_F_DATA_VALID).
	Offloads() bool
}

// BigFramer is an [Offloader] that takes superframes larger than an IP packet can be: Linux's BIG TCP. They are sent over
// IPv4 only, because IPv6 would need an extension header. The total length in the packet's header is 0 then, and its true
// length that of the frame.
type BigFramer interface {
	// MaxFrame is the size in bytes of the largest frame that WriteFrame takes, at least [MaxFrame].
	MaxFrame() int
}

// MultiQueue is a [Device] with several queues. The stack reads each on a goroutine of its own. A connection's segments
// leave on the queue on which the last one came.
//
// No frame comes on a queue other than 0 before the first call of ReadQueue or WriteQueue for that queue. A struct that
// embeds the Device and reads with ReadBatch alone therefore gets every frame.
type MultiQueue interface {
	// Queues is the number of queues, numbered from 0, 1 to 256.
	Queues() int
	// ReadQueue is ReadBatch from one of them.
	ReadQueue(queue int, frames [][]byte, sizes []int) (int, error)
	// WriteQueue writes a frame to a queue, as WriteFrame does.
	WriteQueue(queue int, parts [][]byte) error
}

// queueIO is the half of a Device that moves the frames of one queue.
type queueIO interface {
	ReadBatch(frames [][]byte, sizes []int) (int, error)
	WriteFrame(parts [][]byte) error
}

// maxQueues is the number of queues that entry.queue can distinguish.
const maxQueues = 256

// queuesOf returns the device's queues: the device itself if it has one.
func queuesOf(d Device) ([]queueIO, error) {
	m, ok := d.(MultiQueue)
	if _, pushes := d.(Pusher); !ok || pushes || m.Queues() == 1 {
		return []queueIO{d}, nil
	}
	n := m.Queues()
	if n < 1 || n > maxQueues {
		return nil, fmt.Errorf("stack: the device has %d queues; it must have 1 to %d", n, maxQueues)
	}
	list := make([]queueIO, n)
	for i := range list {
		list[i] = &deviceQueue{m, i}
	}
	return list, nil
}

// deviceQueue is one queue of several.
type deviceQueue struct {
	device MultiQueue
	queue  int
}

func (n *deviceQueue) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	return n.device.ReadQueue(n.queue, frames, sizes)
}

func (n *deviceQueue) WriteFrame(parts [][]byte) error { return n.device.WriteQueue(n.queue, parts) }

// offloads reports whether the device takes superframes and partial checksums.
func offloads(d Device) bool {
	o, ok := d.(Offloader)
	return ok && o.Offloads()
}
