package stack

import (
	"fmt"

	"minitcp/stack/internal/frame"
)

// Device sends and receives frames. A frame is a virtio_net_hdr in its form of 10 bytes (native byte order) and one IP
// packet. The packet may be a superframe (a GSO packet): several segments of one connection under common headers, of
// the size in the virtio_net_hdr.
//
// These four methods are sufficient. A Device may implement more, which New looks for:
//
//   - [Offloader]: the device cuts superframes and fills in checksums. Without it, the device gets packets that fit the
//     MTU, with complete checksums and a header of zeros.
//   - [BigFramer]: the Offloader takes superframes larger than an IP packet.
//   - [UDPSegmenter]: the Offloader also cuts superframes of UDP datagrams. Without it, each datagram is a frame.
//   - [MTULimiter]: the device loses packets above a size, which [Stack.SetMTU] does not exceed then.
//   - [NearReporter]: the device knows the addresses on its other side. Without it, a peer is near only if
//     [Config.Near] lists it.
//   - [MultiQueue]: the device has several queues. Without it, one goroutine reads all frames with ReadBatch.
//   - [Pusher]: the device delivers packets on its own goroutines, and takes the frames of connections when it has
//     room. Without it, a goroutine of the stack reads the device, and WriteFrame is called at any time.
//
// Frames that arrive do not depend on them: they may be superframes, and may lack the transport checksum if their
// header has VIRTIO_NET_HDR_F_NEEDS_CSUM.
//
// A struct that embeds a Device has these four methods only, whatever the embedded device implements. It works, with
// smaller frames, checksums computed in software and one reader, and sees every frame. To keep an ability it forwards
// the methods of the interface. A struct that embeds a concrete type, such as *tun.Device, has all methods of the type:
// it must override ReadQueue and WriteQueue as well as ReadBatch and WriteFrame to see every frame, and MaxFrame to see
// IP packets only.
type Device interface {
	// ReadBatch blocks until there is a frame, then takes the frames that are there without blocking, up to len(frames),
	// or fewer. Frame i is frames[i][:sizes[i]]. Each of frames has room for MaxFrame bytes.
	//
	// The device may exchange elements of frames with each other. It must not put other slices there, shorten an element
	// or keep one: the stack ends with an error that names the element when it finds it replaced.
	//
	// Any error ends the stack; see [Stack.Err]. After Close, and when another owner closed the device, it is one for
	// which errors.Is finds [os.ErrClosed].
	ReadBatch(frames [][]byte, sizes []int) (int, error)
	// WriteFrame sends one frame gathered from parts, the first of which begins with the virtio_net_hdr. It does not
	// block, keeps nothing of parts, and may be called from many goroutines at once. After an error the frame is lost, as
	// on any network. An error for which errors.Is finds [os.ErrClosed] ends the stack.
	WriteFrame(parts [][]byte) error
	// MTU returns the size in bytes of the largest IP packet that is not a superframe.
	MTU() int
	// Close makes a blocked ReadBatch return. It may be called more than once.
	Close() error
}

// MaxFrame is the size in bytes of the largest frame, header and IP packet, except for a [BigFramer].
const MaxFrame = frame.MaxSize

// Offloader is implemented by a [Device] that may have segmentation and checksum offloads, in hardware or by passing
// frames to a host that needs neither.
type Offloader interface {
	// Offloads reports whether WriteFrame takes superframes, packets to be cut into segments of the size in their header,
	// and packets with partial checksums, and whether the header of a frame read vouches for its checksum
	// (VIRTIO_NET_HDR_F_DATA_VALID).
	Offloads() bool
}

// UDPSegmenter is an [Offloader] that also cuts superframes of UDP: datagrams of one size, the last of which may be
// shorter, under a common header (VIRTIO_NET_HDR_GSO_UDP_L4). [UDPConn.WriteBatch] makes them.
type UDPSegmenter interface {
	// SegmentsUDP reports whether WriteFrame takes superframes of up to 64 datagrams.
	SegmentsUDP() bool
}

// MTULimiter is implemented by a [Device] whose MTU can never be more than a limit. The MTU of others may rise after
// New, such as that of a TUN, which an administrator can change.
type MTULimiter interface {
	// MaxMTU returns the limit in bytes.
	MaxMTU() int
}

// BigFramer is implemented by an [Offloader] that takes superframes larger than an IP packet can be, which Linux calls
// BIG TCP. They are sent over IPv4 only, because IPv6 would need an extension header. The total length in the packet's
// header is 0 then, and the length of the packet follows from that of the frame.
type BigFramer interface {
	// MaxFrame returns the size in bytes of the largest frame that WriteFrame takes, at least [MaxFrame].
	MaxFrame() int
}

// MultiQueue is implemented by a [Device] with several queues. The stack reads each on a goroutine of its own. The
// segments of a connection leave on the queue of the last segment received.
//
// No frame arrives on a queue other than 0 before the first call of ReadQueue or WriteQueue for that queue. A struct
// that embeds the Device and reads with ReadBatch alone therefore gets every frame.
type MultiQueue interface {
	// Queues returns the number of queues, 1 to 255. They are numbered from 0.
	Queues() int
	// ReadQueue is [Device].ReadBatch for one queue.
	ReadQueue(queue int, frames [][]byte, sizes []int) (int, error)
	// WriteQueue is [Device].WriteFrame for one queue.
	WriteQueue(queue int, parts [][]byte) error
}

// queueIO reads and writes the frames of one queue of a Device.
type queueIO interface {
	ReadBatch(frames [][]byte, sizes []int) (int, error)
	WriteFrame(parts [][]byte) error
}

// maxQueues is the number of queues that entry.queue can distinguish, besides the one of the stack's own addresses.
const maxQueues = 255

// queuesOf returns the device's queues. A device with one queue is its own.
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

// deviceQueue is one of several queues of a device.
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

// segmentsUDP reports whether the device takes superframes of UDP.
func segmentsUDP(d Device) bool {
	u, ok := d.(UDPSegmenter)
	return ok && offloads(d) && u.SegmentsUDP()
}
