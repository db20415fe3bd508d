package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Sum adds the octets of b, taken as 16-bit numbers in network order, to initial: a ones' complement sum that Fold
// brings to 16 bits (RFC 1071 1). An odd octet at the end counts as if a zero followed it, so only the last of several
// pieces may be of odd length; ChecksumGather takes any.
func Sum(b []byte, initial uint32) uint32 {
	sum, carry := bits.Add32(initial, uint32(sum16(b)), 0)
	return sum + carry
}

// sum16 is the ones' complement sum of b, folded. It is 0 only if every octet is.
//
// A sum over larger words folds to the sum over 16-bit words, and the order of octets within a word does not matter
// but for exchanging the octets of the result (RFC 1071 2 (B) and (C)). So it adds 8 octets at once, in the order
// most processors read them, with the carry of one addition going into the next. Two chains of additions side by side
// are half again as fast as one, because neither waits for the other.
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

// Fold brings a sum to 16 bits. It does not complement it: in this form the sum of the pseudo-header is what a device
// that finishes checksums wants in the checksum field.
func Fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// PseudoHeaderSum sums the pseudo-header that TCP and ICMPv6 include in their checksums: addresses, protocol, and the
// length in octets of header and data (RFC 9293 3.1, RFC 8200 8.1). It is the initial for Sum and ChecksumGather.
func PseudoHeaderSum(src, dst netip.Addr, p Protocol, length int) uint32 {
	return addressSum(src) + addressSum(dst) + uint32(p) + uint32(length)>>16 + uint32(length)&0xffff
}

// addressSum is below 2^17, so that PseudoHeaderSum cannot overflow.
func addressSum(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return uint32(binary.BigEndian.Uint16(b[0:])) + uint32(binary.BigEndian.Uint16(b[2:]))
	}
	b := a.As16()
	return uint32(sum16(b[:]))
}

// ChecksumGather returns the checksum of the parts, one after the other, with initial added: complemented, ready for
// the header. Parts may be of any length.
func ChecksumGather(initial uint32, parts [][]byte) uint16 {
	sum := initial
	odd := false
	for _, part := range parts {
		s := sum16(part)
		if odd { // its octets are the other ones of each pair
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
