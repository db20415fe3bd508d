package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Sum returns the ones' complement sum of initial and of the 16-bit numbers in network order in b, which Fold brings to
// 16 bits (RFC 1071 1). An odd byte at the end counts as if a zero followed it, so only the last of several pieces may
// have an odd length. ChecksumGather takes pieces of any length.
func Sum(b []byte, initial uint32) uint32 {
	sum, carry := bits.Add32(initial, uint32(sum16(b)), 0)
	return sum + carry
}

// sum16 returns the folded ones' complement sum of b. It is 0 only if every byte is.
//
// A sum over larger words folds to the sum over 16-bit words, and the byte order only exchanges the bytes of the result
// (RFC 1071 2 (B) and (C)). Therefore sum16 adds 8 bytes at once, in the order in which most processors read them, and
// passes the carry of one addition to the next. Two chains of additions are half again as fast as one, because neither
// waits for the other.
func sum16(b []byte) uint16 {
	var s, t, c uint64
	for len(b) >= 64 {
		p := b[:64]
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(p[0:]), 0)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(p[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(p[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(p[24:]), c)
		s += c // cannot overflow: a chain that begins without a carry never ends with one and all bits set
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(p[32:]), 0)
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(p[40:]), c)
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(p[48:]), c)
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(p[56:]), c)
		t += c
		b = b[64:]
	}
	s, c = bits.Add64(s, t, 0)
	s += c
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), 0)
		s += c
		b = b[8:]
	}
	var tail uint64
	if len(b) >= 4 {
		tail = uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		tail += uint64(binary.LittleEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		tail += uint64(b[0])
	}
	s, c = bits.Add64(s, tail, 0)
	s += c
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	return bits.ReverseBytes16(Fold(uint32(s)))
}

// Fold returns a sum in 16 bits, not complemented. In this form, the sum of the pseudo-header is the value of the
// checksum field for a device that completes checksums.
func Fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// PseudoHeaderSum returns the sum of the pseudo-header that TCP and ICMPv6 include in their checksums: addresses,
// protocol, and the length in bytes of header and data (RFC 9293 3.1, RFC 8200 8.1). It is the initial value for Sum
// and ChecksumGather.
func PseudoHeaderSum(src, dst netip.Addr, p Protocol, length int) uint32 {
	return addressSum(src) + addressSum(dst) + uint32(p) + uint32(length)>>16 + uint32(length)&0xffff
}

// addressSum returns the sum of both addresses. It is below 2^17, so that PseudoHeaderSum cannot overflow.
func addressSum(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return uint32(binary.BigEndian.Uint16(b[0:])) + uint32(binary.BigEndian.Uint16(b[2:]))
	}
	b := a.As16()
	return uint32(sum16(b[:]))
}

// ChecksumGather returns the checksum of initial and the parts, one after the other, complemented as in the header.
// Parts may have any length.
func ChecksumGather(initial uint32, parts [][]byte) uint16 {
	sum := initial
	odd := false
	for _, part := range parts {
		s := sum16(part)
		if odd { // its bytes have the other place in each pair
			s = bits.ReverseBytes16(s)
		}
		var carry uint32
		sum, carry = bits.Add32(sum, uint32(s), 0)
		sum += carry
		odd = odd != (len(part)%2 == 1)
	}
	return ^Fold(sum)
}

// VerifyTCP reports whether the checksum of segment, a TCP header and its data, is right for a packet between ip's
// addresses.
func VerifyTCP(ip *IP, segment []byte) bool {
	return Fold(Sum(segment, PseudoHeaderSum(ip.Src, ip.Dst, ProtocolTCP, len(segment)))) == 0xffff
}
