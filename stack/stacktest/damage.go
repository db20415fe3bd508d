package stacktest

import (
	"encoding/binary"

	"minitcp/conn/wire"
)

// Damage inverts one bit of a frame's TCP data, or of its TCP header if it has no data, as a bad line would: behind
// the back of the checksum. A checksum the device was to fill in is filled in first. It reports false, and leaves the
// frame as it is, if that holds no TCP segment.
func Damage(frame []byte) bool {
	segment, ok := complete(frame)
	if ok {
		segment[len(segment)-1] ^= 0x10
	}
	return ok
}

// complete fills in the checksum the device was asked for, and returns the TCP segment.
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

// Segment reads the TCP segment of a frame, for hooks that choose what to drop.
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
