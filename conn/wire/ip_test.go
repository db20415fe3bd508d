package wire

import (
	"encoding/binary"
	"testing"
)

// packet6 returns an IPv6 packet whose payload begins with headers as given.
func packet6(next Protocol, parts ...[]byte) []byte {
	b := make([]byte, IPv6HeaderLen)
	for _, p := range parts {
		b = append(b, p...)
	}
	PutIPv6(b, &IP{Src: addr6a, Dst: addr6b, Protocol: next, HopLimit: 64}, len(b)-IPv6HeaderLen)
	return b
}

func TestIPv6Chains(t *testing.T) {
	data := []byte("payload.")
	padded := func(next Protocol, options ...byte) []byte { // an options header
		return append([]byte{byte(next), 0}, append(options, make([]byte, 6-len(options))...)...)
	}
	// Reserved bits are ignored.
	atomic := func(next Protocol) []byte { return []byte{byte(next), 99, 0, 0x06, 1, 2, 3, 4} }
	long := make([]byte, 8+255*8)
	long[0], long[1] = byte(ProtocolTCP), 255
	for _, c := range []struct {
		name     string
		b        []byte
		want     error
		protocol Protocol
		header   int
	}{
		{"none", packet6(ProtocolTCP, data), nil, ProtocolTCP, 40},
		{"hop-by-hop", packet6(0, padded(ProtocolTCP), data), nil, ProtocolTCP, 48},
		{"hop-by-hop, destination, routing done, destination, atomic fragment", packet6(0, padded(60), padded(43),
			[]byte{60, 0, 4, 0, 0, 0, 0, 0}, padded(44), atomic(ProtocolTCP), data), nil, ProtocolTCP, 80},
		{"hop-by-hop second", packet6(60, padded(0), padded(ProtocolTCP), data), ErrIPv6Extension, 0, 48},
		{"the longest header", packet6(60, long, data), nil, ProtocolTCP, 40 + len(long)},
		{"a longer one than the packet", packet6(60, long[:len(long)-1]), ErrIPv6Extension, 60, 40},
		{"nothing after", packet6(60, padded(ProtocolNone)), nil, ProtocolNone, 48},
		{"only an extension's start", packet6(60, []byte{6}), ErrIPv6Extension, 60, 40},
		{"unknown option, skip", packet6(60, padded(ProtocolTCP, 0x1e, 2, 7, 7), data), nil, ProtocolTCP, 48},
		{"unknown option, discard", packet6(60, padded(ProtocolTCP, 0x5e, 2, 7, 7), data), ErrIPv6Option, 60, 40},
		{"unknown option, discard and tell", packet6(60, padded(ProtocolTCP, 0x9e, 2, 7, 7), data), ErrIPv6Option, 60, 40},
		{"option past its header", packet6(60, padded(ProtocolTCP, 0x1e, 5, 7, 7), data), ErrIPv6Extension, 60, 40},
		{"option without length", packet6(60, padded(ProtocolTCP, 1, 3, 0, 0, 0, 0x1e), data), ErrIPv6Extension, 60, 40},
		{"first fragment", packet6(44, []byte{6, 0, 0, 1, 0, 0, 0, 0}, data), ErrFragment, 44, 40},
		{"last fragment", packet6(44, []byte{6, 0, 0, 8, 0, 0, 0, 0}, data), ErrFragment, 44, 40},
		{"authentication is a protocol", packet6(51, data), nil, 51, 40},
	} {
		var ip IP
		payload, err := ParseIP(c.b, &ip)
		if err != c.want || ip.Protocol != c.protocol || ip.HeaderLen != c.header {
			t.Errorf("%s: %v, %v, header %d; want %v, %v, %d", c.name, err, ip.Protocol, ip.HeaderLen, c.want, c.protocol, c.header)
		}
		if err == nil && ip.Protocol == ProtocolTCP && string(payload) != string(data) {
			t.Errorf("%s: payload %q", c.name, payload)
		}
		if err != nil && payload != nil {
			t.Errorf("%s: a payload with an error", c.name)
		}
		if ip.Src != addr6a || ip.Dst != addr6b || ip.HopLimit != 64 {
			t.Errorf("%s: fixed header %+v", c.name, ip)
		}
	}
}

// Every packet cut anywhere is an error or has a shorter payload, never a panic; cut anywhere in its headers it is an
// error.
func TestTruncation(t *testing.T) {
	v4 := make([]byte, 100)
	PutIPv4(v4, &IP{Src: addr4a, Dst: addr4b, Protocol: ProtocolTCP}, 80)
	v6 := packet6(0, []byte{44, 0, 1, 4, 0, 0, 0, 0}, []byte{6, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 40))
	for _, b := range [][]byte{v4, v6} {
		for n := range b {
			var ip IP
			if _, err := ParseIP(b[:n], &ip); err == nil {
				t.Errorf("%d bytes of %d are a packet", n, len(b))
			}
		}
	}
	_, segment, _ := segment(t)
	for n := range len(segment) - len("hello") {
		var h TCP
		if _, err := ParseTCP(segment[:n], &h); err == nil {
			t.Errorf("%d bytes are a TCP header", n)
		}
	}
}

// A packet longer than the field can say has the length 0, as Linux has it, and a checksum that is right all the same.
func TestIPv4LongerThanTheField(t *testing.T) {
	for payload, want := range map[int]uint16{65515: 65535, 65516: 0, 256 << 10: 0} {
		var b [IPv4HeaderLen]byte
		PutIPv4(b[:], &IP{Src: addr4a, Dst: addr4b, Protocol: ProtocolTCP, HopLimit: 9}, payload)
		if got := binary.BigEndian.Uint16(b[2:]); got != want {
			t.Errorf("payload %d: total length %d, want %d", payload, got, want)
		}
		if s := Fold(Sum(b[:], 0)); s != 0xffff {
			t.Errorf("payload %d: the checksum gives %#x", payload, s)
		}
	}
}

// TestPutIPv4MayFragment writes DF and identification 0, or neither.
func TestPutIPv4MayFragment(t *testing.T) {
	ip := IP{Src: addr4a, Dst: addr4b, Protocol: ProtocolTCP, HopLimit: 9, ID: 0x1234}
	for _, c := range []struct {
		mayFragment  bool
		id, fragment uint16
	}{{false, 0, ipv4DontFragment}, {true, 0x1234, 0}} {
		var b [IPv4HeaderLen]byte
		ip.MayFragment = c.mayFragment
		PutIPv4(b[:], &ip, 0)
		if id, fragment := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]); id != c.id || fragment != c.fragment {
			t.Errorf("MayFragment %v: identification %#x, fragment field %#x; want %#x, %#x", c.mayFragment, id, fragment, c.id, c.fragment)
		}
		if _, err := ParseIP(b[:], &IP{}); err != nil {
			t.Errorf("MayFragment %v: %v", c.mayFragment, err)
		}
	}
}
