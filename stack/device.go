package stack

import "minitcp/conn/wire"

// Device moves frames. A frame is a virtio_net_hdr in its form of 10 octets (native byte order) and one IP packet. The
// packet may be larger than the MTU: a superframe, to be cut into segments of the size the header states.
//
// A device that can neither cut superframes nor fill in checksums has a method Offloads() bool that says false; it
// then gets whole packets that fit the MTU, and its checksums are verified.
type Device interface {
	// ReadBatch blocks until there is a frame, then takes what is there without blocking, up to len(frames). Frame i is
	// frames[i][:sizes[i]]; each of frames has room for MaxFrame octets. After Close it returns an error for which
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

// MaxFrame is the size of the largest frame: header and IP packet.
const MaxFrame = wire.VirtioHeaderLen + maxPacket

const maxPacket = 65535

// offloads reports whether the device takes superframes and partial checksums.
func offloads(d Device) bool {
	o, ok := d.(interface{ Offloads() bool })
	return !ok || o.Offloads()
}
