package stacktest

import (
	"encoding/binary"

	"minitcp/conn/wire"
)

// Damage inverts one bit of a frame's TCP data, or of its TCP header if it has no data, without a change of the
// checksum. A partial checksum is completed first. If the frame holds no TCP segment, Damage does not change it and
// returns false.
func Damage(frame []byte) bool {
	segment, ok := complete(frame)
	if ok {
		segment[len(segment)-1] ^= 0x10
	}
	return ok
}

// complete completes a partial checksum and returns the TCP segment.
func complete(frame []byte) (segment []byte, ok bool) {
	var h wire.VirtioHeader
	if wire.ParseVirtio(frame, &h) != nil {
		return nil, false
	}
	var ip wire.IP
	segment, err := wire.ParseIP(frame[wire.VirtioHeaderLen:], &ip)
	if err != nil || ip.Protocol != wire.ProtocolTCP || len(segment) < 20 {
		return nil, false
	}
	if h.Flags&wire.VirtioNeedsChecksum != 0 {
		binary.BigEndian.PutUint16(segment[16:], 0)
		sum := wire.PseudoHeaderSum(ip.Src, ip.Dst, wire.ProtocolTCP, len(segment))
		binary.BigEndian.PutUint16(segment[16:], ^wire.Fold(wire.Sum(segment, sum)))
	}
	h.Flags &^= wire.VirtioNeedsChecksum | wire.VirtioDataValid
	h.ChecksumStart, h.ChecksumOffset = 0, 0
	wire.PutVirtio(frame, &h)
	return segment, true
}

// Segment returns the TCP segment of a frame, for hooks that select frames.
func Segment(frame []byte) (ip wire.IP, tcp wire.TCP, data []byte, ok bool) {
	var h wire.VirtioHeader
	if wire.ParseVirtio(frame, &h) != nil {
		return ip, tcp, nil, false
	}
	payload, err := wire.ParseIP(frame[wire.VirtioHeaderLen:], &ip)
	if err != nil || ip.Protocol != wire.ProtocolTCP {
		return ip, tcp, nil, false
	}
	data, err = wire.ParseTCP(payload, &tcp)
	return ip, tcp, data, err == nil
}
