package wire

import "encoding/binary"

// VirtioHeaderLen is the length in bytes of a VirtioHeader.
const VirtioHeaderLen = 10

// VirtioHeader is struct virtio_net_hdr, which precedes every packet of a TUN device and describes the offloaded work
// (VIRTIO 1.2, 5.1.6). All fields are in the machine's byte order.
type VirtioHeader struct {
	Flags          uint8  // VirtioNeedsChecksum, VirtioDataValid
	GSOType        uint8  // one of the GSO types, optionally with GSOECN
	HeaderLen      uint16 // bytes before the data of a GSO packet: a hint that may be wrong
	GSOSize        uint16 // bytes of data in each segment of a GSO packet
	ChecksumStart  uint16 // offset in bytes of the first byte that the checksum covers
	ChecksumOffset uint16 // offset in bytes of the checksum field from ChecksumStart
}

// Bits of VirtioHeader.Flags.
const (
	// VirtioNeedsChecksum means that the checksum field holds the folded sum of the pseudo-header. The device that puts
	// the packet on a wire adds the rest and complements the sum.
	VirtioNeedsChecksum = 1
	// VirtioDataValid means that the checksum has been verified.
	VirtioDataValid = 2
)

// Values of VirtioHeader.GSOType, the kind of segments in a GSO packet.
const (
	GSONone  = 0
	GSOTCPv4 = 1
	GSOUDP   = 3
	GSOTCPv6 = 4
	GSOUDPL4 = 5
	// GSOECN is a bit in addition to the others: only the first packet carries CWR (RFC 3168 6.1.2).
	GSOECN = 0x80
)

// ParseVirtio reads the header in front of b into h. The packet follows it. The error is ErrVirtioHeader if b is
// shorter than the header. ParseVirtio does not check whether the fields fit the packet.
func ParseVirtio(b []byte, h *VirtioHeader) error {
	if len(b) < VirtioHeaderLen {
		*h = VirtioHeader{}
		return ErrVirtioHeader
	}
	h.Flags = b[0]
	h.GSOType = b[1]
	h.HeaderLen = binary.NativeEndian.Uint16(b[2:])
	h.GSOSize = binary.NativeEndian.Uint16(b[4:])
	h.ChecksumStart = binary.NativeEndian.Uint16(b[6:])
	h.ChecksumOffset = binary.NativeEndian.Uint16(b[8:])
	return nil
}

// PutVirtio writes h to the first VirtioHeaderLen bytes of b.
func PutVirtio(b []byte, h *VirtioHeader) {
	b = b[:VirtioHeaderLen]
	b[0] = h.Flags
	b[1] = h.GSOType
	binary.NativeEndian.PutUint16(b[2:], h.HeaderLen)
	binary.NativeEndian.PutUint16(b[4:], h.GSOSize)
	binary.NativeEndian.PutUint16(b[6:], h.ChecksumStart)
	binary.NativeEndian.PutUint16(b[8:], h.ChecksumOffset)
}

// Segments returns the number of segments of size bytes into which a GSO packet with n bytes of data is cut, at least
// 1. A size of 0 stands for a single segment.
func Segments(n, size int) int {
	if size <= 0 || n <= size {
		return 1
	}
	return (n + size - 1) / size
}
