package wire

import "encoding/binary"

// Fragment is the place of a fragment in the packet it is part of [RFC 791 3.2, RFC 8200 4.5].
type Fragment struct {
	ID     uint32 // identification, 16 bits in IPv4
	Offset int    // position of the fragment's data in bytes, a multiple of 8
	More   bool   // whether other fragments follow
}

const ipv6FragmentHeaderLen = 8

// ParseFragment reads the packet in front of b, for which [ParseIP] returned [ErrFragment]. It fills ip as ParseIP
// does. Header is the beginning of a reassembled packet: the IPv4 header, or the IPv6 header and the extension
// headers before the fragment header. Data is the fragment's part of the rest. In IPv6, ip.Protocol is the header
// that data begins with if f.Offset is 0, which may be an extension header.
func ParseFragment(b []byte, ip *IP) (f Fragment, header, data []byte, err error) {
	if _, err := ParseIP(b, ip); err != ErrFragment {
		if err == nil {
			err = ErrNotFragment
		}
		return Fragment{}, nil, nil, err
	}
	header = b[:ip.HeaderLen]
	if ip.Is4() {
		field := binary.BigEndian.Uint16(b[6:])
		f.ID = uint32(binary.BigEndian.Uint16(b[4:]))
		f.Offset = int(field&ipv4OffsetMask) * 8
		f.More = field&ipv4MoreFragments != 0
		return f, header, b[ip.HeaderLen:binary.BigEndian.Uint16(b[2:])], nil
	}
	extension := b[ip.HeaderLen:]
	field := binary.BigEndian.Uint16(extension[2:])
	f.ID = binary.BigEndian.Uint32(extension[4:])
	f.Offset = int(field &^ 7)
	f.More = field&1 != 0
	ip.Protocol = Protocol(extension[0])
	ip.HeaderLen += ipv6FragmentHeaderLen
	return f, header, b[ip.HeaderLen : IPv6HeaderLen+int(binary.BigEndian.Uint16(b[4:]))], nil
}

// Unfragment changes a header that [ParseFragment] returned to that of a whole packet with dataLen bytes after the
// header. Next is the protocol ParseFragment found for the fragment with offset 0. Header and data together must not
// be longer than an IP packet can be: 65,535 bytes, plus the 40 of the fixed header in IPv6.
func Unfragment(header []byte, next Protocol, dataLen int) {
	if header[0]>>4 == 4 {
		binary.BigEndian.PutUint16(header[2:], uint16(len(header)+dataLen))
		binary.BigEndian.PutUint16(header[6:], 0)
		putIPv4Checksum(header)
		return
	}
	binary.BigEndian.PutUint16(header[4:], uint16(len(header)-IPv6HeaderLen+dataLen))
	field, at := 6, IPv6HeaderLen // the next header field of the last header
	for p := Protocol(header[6]); at < len(header); p = Protocol(header[field]) {
		field = at
		at += extensionLen(p, header[at:])
	}
	header[field] = uint8(next)
}

func putIPv4Checksum(header []byte) {
	binary.BigEndian.PutUint16(header[10:], 0)
	binary.BigEndian.PutUint16(header[10:], ^Fold(Sum(header, 0)))
}

// PutFragmentIPv4 changes the IPv4 header in front of b to that of the fragment f with dataLen bytes of data.
func PutFragmentIPv4(b []byte, f Fragment, dataLen int) {
	b = b[:int(b[0]&0xf)*4]
	field := uint16(f.Offset / 8)
	if f.More {
		field |= ipv4MoreFragments
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+dataLen))
	binary.BigEndian.PutUint16(b[4:], uint16(f.ID))
	binary.BigEndian.PutUint16(b[6:], field)
	putIPv4Checksum(b)
}

// PutFragmentIPv6 writes the fragment header of f, 8 bytes, in front of b. Next is the protocol of the packet's data.
func PutFragmentIPv6(b []byte, f Fragment, next Protocol) int {
	b = b[:ipv6FragmentHeaderLen]
	field := uint16(f.Offset)
	if f.More {
		field |= 1
	}
	b[0], b[1] = uint8(next), 0
	binary.BigEndian.PutUint16(b[2:], field)
	binary.BigEndian.PutUint32(b[4:], f.ID)
	return ipv6FragmentHeaderLen
}

// ProtocolFragment is the number of IPv6's fragment header [RFC 8200 4.5].
const ProtocolFragment = ipv6Fragment
