package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Sum adds the 16-bit words of b to initial in ones' complement (RFC 1071). An odd last octet counts as the high half
// of a word, so only the last piece of several may have an odd length; [ChecksumGather] has no such limit.
func Sum(b []byte, initial uint32) uint32 {
	sum, carry := uint64(initial), uint64(0)
	for len(b) >= 32 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), 0)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[8:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[16:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[24:]), carry)
		sum, carry = bits.Add64(sum, 0, carry)
		sum += carry
		b = b[32:]
	}
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), 0)
		sum += carry
		b = b[8:]
	}
	var last [8]byte
	copy(last[:], b)
	sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(last[:]), 0)
	sum += carry
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>32 + sum&0xffffffff
	return uint32(sum)
}

// Fold brings a sum to 16 bits, not complemented.
func Fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum)
}

// PseudoHeaderSum is the sum over the pseudo-header of a transport segment of length octets (RFC 9293 3.1, RFC 8200 8.1).
func PseudoHeaderSum(src, dst netip.Addr, p Protocol, length int) uint32 {
	sum := uint32(p) + uint32(length)>>16 + uint32(length)&0xffff
	if src.Is4() {
		s, d := src.As4(), dst.As4()
		return Sum(d[:], Sum(s[:], sum))
	}
	s, d := src.As16(), dst.As16()
	return Sum(d[:], Sum(s[:], sum))
}

// ChecksumGather is the Internet checksum of initial and all parts in a row, complemented: ready for the wire. Parts
// may have any lengths.
func ChecksumGather(initial uint32, parts [][]byte) uint16 {
	sum := uint32(Fold(initial))
	odd := false
	for _, p := range parts {
		s := Fold(Sum(p, 0))
		if odd {
			s = bits.ReverseBytes16(s) // this part begins in the low half of a word
		}
		sum += uint32(s)
		sum = uint32(Fold(sum))
		odd = odd != (len(p)%2 == 1)
	}
	return ^Fold(sum)
}

// VerifyTCP reports whether the checksum of a segment, header and data, is right (MUST-3).
func VerifyTCP(ip *IP, segment []byte) bool {
	return Fold(Sum(segment, PseudoHeaderSum(ip.Src, ip.Dst, ProtocolTCP, len(segment)))) == 0xffff
}
