package pcap

import (
	"encoding/binary"

	"minitcp/conn/wire"
)

// cutter cuts a superframe into segments, as segmentation offload does.
type cutter struct {
	ip      wire.IP
	tcp     wire.TCP
	headers []byte // IP and TCP headers of the superframe
	data    []byte
	size    int // bytes of data in each segment except the last
	memory  []byte
}

// Offsets of fields in the headers (RFC 791 3.1, RFC 8200 3, RFC 9293 3.1).
const (
	ipv4TotalLength    = 2
	ipv4Identification = 4
	ipv4Checksum       = 10
	ipv6PayloadLength  = 4
	tcpSequence        = 4
	tcpFlags           = 13
	tcpChecksum        = 16
)

// load parses a packet and returns the number of its segments. The number is 1 unless the packet is a superframe that a
// device could cut.
func (c *cutter) load(packet []byte, h *wire.VirtioHeader) int {
	kind := h.GSOType &^ wire.GSOECN
	if kind != wire.GSOTCPv4 && kind != wire.GSOTCPv6 || h.GSOSize == 0 {
		return 1
	}
	segment, err := wire.ParseIP(packet, &c.ip)
	if err != nil || c.ip.Protocol != wire.ProtocolTCP {
		return 1
	}
	// Options are copied, even invalid ones.
	c.data, err = wire.ParseTCP(segment, &c.tcp)
	if err != nil && err != wire.ErrTCPOptionLength {
		return 1
	}
	c.headers = packet[:c.ip.HeaderLen+c.tcp.HeaderLen]
	c.size = int(h.GSOSize)
	return max((len(c.data)+c.size-1)/c.size, 1)
}

// segment returns the i-th of n segments, counted from 0, as a packet that is valid until the next call.
func (c *cutter) segment(i, n int) []byte {
	data := c.data[i*c.size : min((i+1)*c.size, len(c.data))]
	c.memory = append(append(c.memory[:0], c.headers...), data...)
	packet := c.memory
	if c.ip.Is4() {
		c.setIPv4(packet, i)
	} else {
		binary.BigEndian.PutUint16(packet[ipv6PayloadLength:], uint16(len(packet)-wire.IPv6HeaderLen))
	}

	tcp := packet[c.ip.HeaderLen:]
	binary.BigEndian.PutUint32(tcp[tcpSequence:], c.tcp.Seq+uint32(i*c.size))
	flags := c.tcp.Flags
	if i > 0 {
		flags &^= wire.CWR // only on the first segment (RFC 3168 6.1.2)
	}
	if i < n-1 {
		flags &^= wire.FIN | wire.PSH
	}
	tcp[tcpFlags] = byte(flags)
	binary.BigEndian.PutUint16(tcp[tcpChecksum:], 0)
	pseudo := wire.PseudoHeaderSum(c.ip.Src, c.ip.Dst, wire.ProtocolTCP, len(tcp))
	binary.BigEndian.PutUint16(tcp[tcpChecksum:], ^wire.Fold(wire.Sum(tcp, pseudo)))
	return packet
}

// setIPv4 sets the length, the identification and the checksum of the i-th packet. Identifications are consecutive (RFC
// 6864 4.1 permits any).
func (c *cutter) setIPv4(packet []byte, i int) {
	header := packet[:c.ip.HeaderLen]
	binary.BigEndian.PutUint16(header[ipv4TotalLength:], uint16(len(packet)))
	id := binary.BigEndian.Uint16(header[ipv4Identification:])
	binary.BigEndian.PutUint16(header[ipv4Identification:], id+uint16(i))
	binary.BigEndian.PutUint16(header[ipv4Checksum:], 0)
	binary.BigEndian.PutUint16(header[ipv4Checksum:], ^wire.Fold(wire.Sum(header, 0)))
}
