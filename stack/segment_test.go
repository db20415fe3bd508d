package stack

import (
	"encoding/binary"
	"net/netip"

	"minitcp/conn/wire"
)

// segmentSpec is a segment for b, built by hand where the stack's own would not do. Zero fields are those of a client
// at 10.77.0.1:1234 that talks to 10.77.0.2:80.
type segmentSpec struct {
	src, dst netip.AddrPort
	flags    wire.Flags
	seq, ack uint32
	options  []byte // whole words, as they are
	data     []byte
	offset   int // data offset in words, if not the true one
}

// packet builds the frame, with a true checksum and no offloads.
func packet(s segmentSpec) []byte {
	if !s.src.IsValid() {
		s.src = netip.MustParseAddrPort("10.77.0.1:1234")
	}
	if !s.dst.IsValid() {
		s.dst = netip.MustParseAddrPort("10.77.0.2:80")
	}
	segment := make([]byte, 20, 60)
	binary.BigEndian.PutUint16(segment[0:], s.src.Port())
	binary.BigEndian.PutUint16(segment[2:], s.dst.Port())
	binary.BigEndian.PutUint32(segment[4:], s.seq)
	binary.BigEndian.PutUint32(segment[8:], s.ack)
	words := 5 + len(s.options)/4
	if s.offset != 0 {
		words = s.offset
	}
	segment[12] = byte(words << 4)
	segment[12] |= byte(s.flags >> 8) // AE
	segment[13] = byte(s.flags)
	binary.BigEndian.PutUint16(segment[14:], 65535)
	segment = append(append(segment, s.options...), s.data...)
	sum := wire.PseudoHeaderSum(s.src.Addr(), s.dst.Addr(), wire.ProtocolTCP, len(segment))
	binary.BigEndian.PutUint16(segment[16:], ^wire.Fold(wire.Sum(segment, sum)))
	return ipPacket(s.src.Addr(), s.dst.Addr(), wire.ProtocolTCP, segment)
}

// ipPacket puts a frame's and an IP header before payload.
func ipPacket(src, dst netip.Addr, protocol wire.Protocol, payload []byte) []byte {
	ip := wire.IP{Src: src, Dst: dst, Protocol: protocol, HopLimit: 64}
	frame := make([]byte, wire.VirtioHeaderLen+wire.IPv6HeaderLen)
	n := wire.PutIP(frame[wire.VirtioHeaderLen:], &ip, len(payload))
	return append(frame[:wire.VirtioHeaderLen+n], payload...)
}
