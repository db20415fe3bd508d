package wire

import "encoding/binary"

// VirtioHeaderLen is the length in octets of a VirtioHeader.
const VirtioHeaderLen = 10

// VirtioHeader is struct virtio_net_hdr, which a TUN device puts before every packet to say what is left to do with it
// (VIRTIO 1.2, 5.1.6; here all in the machine's own byte order).
type VirtioHeader struct {
	Flags          uint8  // VirtioNeedsChecksum, VirtioDataValid
	GSOType        uint8  // GSONone and so on, perhaps with GSOECN
	HeaderLen      uint16 // octets before the data of a superframe: a hint, not to be relied on
	GSOSize        uint16 // octets of data in each packet a superframe is to be cut into
	ChecksumStart  uint16 // octets into the packet where checksumming starts
	ChecksumOffset uint16 // octets after ChecksumStart where the checksum goes
}

// Bits of VirtioHeader.Flags.
const (
	// VirtioNeedsChecksum: the checksum field holds the folded sum of the pseudo-header; the rest is to be added, and
	// the whole complemented, by whoever puts the packet on a wire.
	VirtioNeedsChecksum = 1
	// VirtioDataValid: the checksum has been verified.
	VirtioDataValid = 2
)

// Values of VirtioHeader.GSOType: what a superframe is to be cut into.
const (
	GSONone  = 0
	GSOTCPv4 = 1
	GSOUDP   = 3
	GSOTCPv6 = 4
	GSOUDPL4 = 5
	// GSOECN is a bit beside the others: CWR belongs to the first of the packets only (RFC 3168 6.1.2).
	GSOECN = 0x80
)

// ParseVirtio reads the header in front of b into h. The packet is what follows it. The error is ErrVirtioHeader if b is
// shorter than the header; whether the numbers in it fit the packet is not looked at.
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

// PutVirtio writes h to the first VirtioHeaderLen octets of b.
func PutVirtio(b []byte, h *VirtioHeader) {
	b = b[:VirtioHeaderLen]
	b[0] = h.Flags
	b[1] = h.GSOType
	binary.NativeEndian.PutUint16(b[2:], h.HeaderLen)
	binary.NativeEndian.PutUint16(b[4:], h.GSOSize)
	binary.NativeEndian.PutUint16(b[6:], h.ChecksumStart)
	binary.NativeEndian.PutUint16(b[8:], h.ChecksumOffset)
}
