package gso

import (
	"encoding/binary"
	"errors"

	"minitcp/conn/wire"
)

// Cutter makes the packets that a frame stands for, with complete checksums: those of a superframe, or one packet.
// Each byte of data is copied once, to its place in the packet.
type Cutter struct {
	headers  []byte // the frame's, without the virtio_net_hdr
	parts    [][]byte
	first    []byte // bytes of parts[0] that have not been copied
	rest     int    // bytes of data that have not been copied
	size     int    // bytes of data in each packet but the last
	ipLen    int    // bytes of headers before the transport's; 0: the checksum is complete
	checksum int    // offset of the transport's checksum field in a packet
	pseudo   uint32 // the sum of the pseudo-header, without the length in a superframe
	kind     uint8  // GSOTCPv4, GSOTCPv6, GSOUDPL4 or GSONone
	sent     int    // bytes of data in the packets that have been cut
	n        int    // the packets that have been cut
}

// ErrFrame is the error of a frame that cannot be cut: its header contradicts its packet.
var ErrFrame = errors.New("gso: the virtio_net_hdr does not fit the packet")

// Load begins a frame, gathered from parts. The first part must hold the virtio_net_hdr and, of a superframe, the
// packet's headers. The Cutter keeps parts until the last packet has been cut.
func (c *Cutter) Load(parts [][]byte) error {
	var h wire.VirtioHeader
	if len(parts) == 0 || wire.ParseVirtio(parts[0], &h) != nil {
		return ErrFrame
	}
	*c = Cutter{parts: parts, first: parts[0][wire.VirtioHeaderLen:]}
	for _, p := range parts[1:] {
		c.rest += len(p)
	}
	c.kind = h.GSOType &^ wire.GSOECN
	headerLen := len(c.first)
	partial := h.Flags&wire.VirtioNeedsChecksum != 0
	if partial {
		c.ipLen, c.checksum = int(h.ChecksumStart), int(h.ChecksumStart)+int(h.ChecksumOffset)
		if c.ipLen < wire.IPv4HeaderLen || c.checksum+2 > headerLen {
			return ErrFrame
		}
		c.pseudo = uint32(get16(c.first, c.checksum))
	}
	switch {
	case c.kind == wire.GSONone:
		c.rest += headerLen
		c.size = c.rest
		return nil
	case !partial || h.GSOSize == 0:
		return ErrFrame
	case c.kind == wire.GSOUDPL4:
		headerLen = c.ipLen + wire.UDPHeaderLen
	case c.kind != wire.GSOTCPv4 && c.kind != wire.GSOTCPv6, headerLen < c.ipLen+tcpHeaderLen:
		return ErrFrame
	default:
		if headerLen = int(c.first[c.ipLen+tcpDataOffset]>>4) * 4; headerLen < tcpHeaderLen {
			return ErrFrame
		}
		headerLen += c.ipLen
	}
	if headerLen < c.checksum+2 || headerLen > len(c.first) || !c.versionFits() {
		return ErrFrame
	}
	c.rest += len(c.first) - headerLen
	c.headers, c.first = c.first[:headerLen], c.first[headerLen:]
	c.size = int(h.GSOSize)
	// The sum includes the frame's length, which is replaced by the length of each packet.
	c.pseudo += uint32(^uint16(headerLen - c.ipLen + c.rest))
	return nil
}

// versionFits reports whether the IP header is one that can precede the transport's header of c's kind.
func (c *Cutter) versionFits() bool {
	switch c.first[0] >> 4 {
	case 4:
		return c.kind != wire.GSOTCPv6
	case 6:
		return c.kind != wire.GSOTCPv4 && c.ipLen >= wire.IPv6HeaderLen
	}
	return false
}

// More reports whether there is another packet.
func (c *Cutter) More() bool { return c.rest > 0 || c.n == 0 && c.headers != nil }

// Next writes the next packet to b, and returns its length in bytes. It returns 0 if b is too short, and then the
// frame has no more packets.
func (c *Cutter) Next(b []byte) int {
	data := min(c.size, c.rest)
	n := len(c.headers) + data
	if n > len(b) {
		c.rest, c.headers = 0, nil
		return 0
	}
	b = b[:n]
	copy(b, c.headers)
	c.take(b[len(c.headers):])
	if c.kind != wire.GSONone {
		c.setHeaders(b)
	} else if c.ipLen > 0 {
		c.setChecksum(b, c.pseudo)
	}
	c.sent += data
	c.n++
	return n
}

// take fills b with the next bytes of the parts.
func (c *Cutter) take(b []byte) {
	c.rest -= len(b)
	for {
		n := copy(b, c.first)
		c.first, b = c.first[n:], b[n:]
		if len(b) == 0 {
			return
		}
		c.parts = c.parts[1:]
		c.first = c.parts[0]
	}
}

// setHeaders sets the lengths, identification, sequence number, flags and checksums of b, a packet of a superframe.
func (c *Cutter) setHeaders(b []byte) {
	if b[0]>>4 == 4 {
		put16(b, ipv4TotalLength, uint16(len(b)))
		put16(b, ipv4Identification, get16(b, ipv4Identification)+uint16(c.n))
		put16(b, ipv4Checksum, 0)
		put16(b, ipv4Checksum, ^wire.Fold(wire.Sum(b[:c.ipLen], 0)))
	} else {
		put16(b, ipv6PayloadLength, uint16(len(b)-wire.IPv6HeaderLen))
	}
	transport := b[c.ipLen:]
	if c.kind == wire.GSOUDPL4 {
		put16(transport, udpLength, uint16(len(transport)))
	} else {
		seq := binary.BigEndian.Uint32(transport[tcpSequence:])
		binary.BigEndian.PutUint32(transport[tcpSequence:], seq+uint32(c.sent))
		if c.n > 0 {
			transport[tcpFlags] &^= byte(wire.CWR) // RFC 3168 6.1.2: once
		}
		if c.rest > 0 {
			transport[tcpFlags] &^= byte(wire.FIN | wire.PSH)
		}
	}
	c.setChecksum(b, c.pseudo+uint32(len(transport)))
}

// setChecksum writes the transport's checksum of the packet b, whose pseudo-header has the sum given.
func (c *Cutter) setChecksum(b []byte, pseudo uint32) {
	put16(b, c.checksum, 0)
	sum := ^wire.Fold(wire.Sum(b[c.ipLen:], pseudo))
	if sum == 0 && c.checksum-c.ipLen == udpChecksum {
		sum = 0xffff // 0 means that there is none [RFC 768]
	}
	put16(b, c.checksum, sum)
}
