// Package frame builds the frames that a device takes: a virtio_net_hdr and an IP packet. It also limits their size.
package frame

import (
	"encoding/binary"

	"minitcp/conn/wire"
)

const (
	// MaxPacket is the size in bytes of the largest IP packet.
	MaxPacket = 65535
	// MaxSize is the size in bytes of the largest frame, header and IP packet, that is not a frame of BIG TCP.
	MaxSize = wire.VirtioHeaderLen + MaxPacket

	maxTCPHeader = 60
)

// MaxUDP returns the largest number of bytes of data in a UDP datagram.
func MaxUDP(is4 bool) int {
	if is4 {
		return MaxPacket - wire.IPv4HeaderLen - wire.UDPHeaderLen
	}
	return MaxPacket - wire.UDPHeaderLen
}

// IPHeaderLen returns the length in bytes of an IP header without options or extensions.
func IPHeaderLen(is4 bool) int {
	if is4 {
		return wire.IPv4HeaderLen
	}
	return wire.IPv6HeaderLen
}

// Checksum selects how the transport checksum of a frame is made.
type Checksum bool

const (
	Complete Checksum = false // computed here
	Partial  Checksum = true  // completed by the device or not needed (VIRTIO_NET_HDR_F_NEEDS_CSUM)
)

// Builder is reusable memory for one frame. TCP or UDP begins a frame, the caller appends the data to Parts, and Finish
// completes the headers. These are calls one after the other, and not within each other, so that a goroutine that sends
// needs little stack. Packet and WithHeaders build the frames of other packets.
type Builder struct {
	Parts   [][]byte // the frame; the first part holds the headers
	Headers [wire.VirtioHeaderLen + wire.IPv6HeaderLen + maxTCPHeader]byte
}

// TCP begins the frame of a segment with n bytes of data.
func (b *Builder) TCP(ip *wire.IP, h *wire.TCP, n int) {
	at := wire.VirtioHeaderLen + IPHeaderLen(ip.Is4())
	b.begin(ip, b.Headers[at:at+wire.PutTCP(b.Headers[at:], h)], n)
}

// UDP begins the frame of n bytes of data, in one datagram or several.
func (b *Builder) UDP(ip *wire.IP, srcPort, dstPort uint16, n int) {
	at := wire.VirtioHeaderLen + IPHeaderLen(ip.Is4())
	header := b.Headers[at : at+wire.UDPHeaderLen]
	wire.PutUDP(header, srcPort, dstPort, n)
	b.begin(ip, header, n)
}

// begin begins a frame with a transport header, which is in its place in Headers.
func (b *Builder) begin(ip *wire.IP, header []byte, n int) {
	wire.PutIP(b.Headers[wire.VirtioHeaderLen:], ip, len(header)+n)
	b.Parts = append(b.Parts[:0], header)
}

// Finish completes a frame with n bytes of data. If n is more than size and size is not 0, the frame is a superframe,
// which the device cuts into packets with size bytes of data each. A superframe requires a Partial checksum.
func (b *Builder) Finish(ip *wire.IP, n, size int, c Checksum) {
	header, ipLen := b.Parts[0], IPHeaderLen(ip.Is4())
	pseudo := wire.PseudoHeaderSum(ip.Src, ip.Dst, ip.Protocol, len(header)+n)
	var h wire.VirtioHeader
	if c == Partial {
		h.Flags, h.ChecksumStart, h.ChecksumOffset = wire.VirtioNeedsChecksum, uint16(ipLen), checksumOffset(ip.Protocol)
		binary.BigEndian.PutUint16(header[h.ChecksumOffset:], wire.Fold(pseudo))
		if wire.Segments(n, size) > 1 {
			h.GSOType, h.GSOSize, h.HeaderLen = gsoType(ip), uint16(size), uint16(ipLen+len(header))
		}
	} else {
		putChecksum(ip.Protocol, header, wire.ChecksumGather(pseudo, b.Parts))
	}
	wire.PutVirtio(b.Headers[:], &h)
	b.Parts[0] = b.Headers[:wire.VirtioHeaderLen+ipLen+len(header)]
}

// checksumOffset returns the position of the checksum in the header of TCP or UDP.
func checksumOffset(p wire.Protocol) uint16 {
	if p == wire.ProtocolUDP {
		return wire.UDPChecksumOffset
	}
	return wire.TCPChecksumOffset
}

// putChecksum writes a checksum into the header of TCP or UDP.
func putChecksum(p wire.Protocol, header []byte, sum uint16) {
	if p == wire.ProtocolUDP {
		wire.PutUDPChecksum(header, sum)
		return
	}
	binary.BigEndian.PutUint16(header[wire.TCPChecksumOffset:], sum)
}

// gsoType returns the kind of a superframe.
func gsoType(ip *wire.IP) uint8 {
	switch {
	case ip.Protocol == wire.ProtocolUDP:
		return wire.GSOUDPL4
	case ip.Is4():
		return wire.GSOTCPv4
	}
	return wire.GSOTCPv6
}

// Packet builds the frame of a packet whose payload is complete.
func (b *Builder) Packet(ip *wire.IP, payload []byte) {
	b.WithHeaders(wire.PutIP(b.Headers[wire.VirtioHeaderLen:], ip, len(payload)), payload)
}

// WithHeaders builds the frame of a packet whose headers, of headerLen bytes, are in their place in Headers.
func (b *Builder) WithHeaders(headerLen int, payload []byte) {
	wire.PutVirtio(b.Headers[:], &wire.VirtioHeader{})
	b.Parts = append(b.Parts[:0], b.Headers[:wire.VirtioHeaderLen+headerLen], payload)
}

// IsSuperframe reports whether the frame is a superframe.
func (b *Builder) IsSuperframe() bool {
	const gsoType = 1 // offset in a virtio_net_hdr
	return b.Parts[0][gsoType] != wire.GSONone
}
