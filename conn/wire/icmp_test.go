package wire

import (
	"encoding/binary"
	"testing"
)

// The packet that an ICMP error quotes may be cut after 8 bytes of TCP, and routers may have changed it.
func TestParseQuoted(t *testing.T) {
	tcp := make([]byte, 20)
	PutTCP(tcp, &TCP{SrcPort: 1234, DstPort: 80, Seq: 0xdeadbeef})
	v4 := make([]byte, 40)
	PutIPv4(v4, &IP{Src: addr4a, Dst: addr4b, Protocol: ProtocolTCP, HopLimit: 9}, 1480) // longer than the quoted part
	copy(v4[20:], tcp)
	v4[8]--                                                     // a router's work; the checksum is wrong now
	options := append(append([]byte{}, v4[:20]...), 1, 1, 1, 1) // with options
	options = append(options, tcp...)
	options[0] = 0x46
	later := append([]byte{}, v4...)
	binary.BigEndian.PutUint16(later[6:], 185)
	first := append([]byte{}, v4...)
	binary.BigEndian.PutUint16(first[6:], ipv4MoreFragments)
	udp := append([]byte{}, v4...)
	udp[9] = byte(ProtocolUDP)
	for _, c := range []struct {
		name  string
		b     []byte
		want  error
		ports bool
	}{
		{"whole", v4, nil, true},
		{"8 bytes of TCP", v4[:28], nil, true},
		{"7 bytes", v4[:27], ErrTruncated, false},
		{"half an IP header", v4[:19], ErrTruncated, false},
		{"nothing", nil, ErrTruncated, false},
		{"options", options, nil, true},
		{"options, cut", options[:31], ErrTruncated, false},
		{"options, cut within", options[:22], ErrIPv4HeaderLength, false},
		{"first fragment", first, nil, true},
		{"later fragment", later, ErrFragment, false},
		{"UDP", udp, nil, false},
		{"version 0", make([]byte, 28), ErrIPVersion, false},
		{"IPv6", packet6(ProtocolTCP, tcp), nil, true},
		{"IPv6, 8 bytes", packet6(ProtocolTCP, tcp)[:48], nil, true},
		{"IPv6, 7 bytes", packet6(ProtocolTCP, tcp)[:47], ErrTruncated, false},
		{"IPv6, half a header", packet6(ProtocolTCP, tcp)[:39], ErrTruncated, false},
		{"IPv6 extensions", packet6(0, []byte{44, 0, 1, 4, 0, 0, 0, 0}, []byte{6, 0, 0, 1, 0, 0, 0, 0}, tcp), nil, true},
		{"IPv6 extension cut", packet6(0, []byte{44, 1, 1, 4, 0, 0, 0, 0}), ErrIPv6Extension, false},
		{"IPv6 later fragment", packet6(44, []byte{6, 0, 0, 8, 0, 0, 0, 0}, tcp), ErrFragment, false},
	} {
		var ip IP
		src, dst, seq, err := ParseQuoted(c.b, &ip)
		if c.name == "UDP" { // whose header has no sequence number
			if err != nil || src != 1234 || dst != 80 || seq != 0 {
				t.Errorf("UDP: %d, %d, %#x, %v", src, dst, seq, err)
			}
			continue
		}
		if err != c.want || c.ports != (src == 1234 && dst == 80 && seq == 0xdeadbeef) || !c.ports && (src != 0 || dst != 0 || seq != 0) {
			t.Errorf("%s: %d, %d, %#x, %v; want %v", c.name, src, dst, seq, err, c.want)
		}
	}
}

// ICMP: the four bytes whose meaning depends on the type, both ways.
func TestICMPRest(t *testing.T) {
	v4 := IP{Src: addr4a, Dst: addr4b, Protocol: ProtocolICMP}
	v6 := IP{Src: addr6a, Dst: addr6b, Protocol: ProtocolICMPv6}
	for _, c := range []struct {
		ip   *IP
		in   ICMP
		rest [4]byte
	}{
		{&v4, ICMP{Type: ICMPv4Echo, ID: 0x0102, Seq: 0x0304}, [4]byte{1, 2, 3, 4}},
		{&v4, ICMP{Type: ICMPv4Unreachable, Code: ICMPv4FragmentationNeeded, MTU: 1400}, [4]byte{0, 0, 0x05, 0x78}},
		{&v4, ICMP{Type: ICMPv4Unreachable, Code: ICMPv4PortUnreachable}, [4]byte{}},
		{&v4, ICMP{Type: ICMPv4ParameterProblem, Pointer: 9}, [4]byte{9}},
		{&v6, ICMP{Type: ICMPv6EchoReply, ID: 0x0102, Seq: 0x0304}, [4]byte{1, 2, 3, 4}},
		{&v6, ICMP{Type: ICMPv6TooBig, MTU: 0x01020304}, [4]byte{1, 2, 3, 4}},
		{&v6, ICMP{Type: ICMPv6ParameterProblem, Pointer: 0x01020304}, [4]byte{1, 2, 3, 4}},
		{&v6, ICMP{Type: ICMPv6Unreachable}, [4]byte{}},
	} {
		c.in.Body = []byte("body!") // odd
		b := make([]byte, 13)
		n := PutICMP(b, c.ip, &c.in)
		var m ICMP
		if err := ParseICMP(c.ip, b[:n], &m); err != nil || [4]byte(b[4:8]) != c.rest {
			t.Errorf("type %d: %v, %v; want %v", c.in.Type, err, b[4:8], c.rest)
		}
		if string(m.Body) != "body!" {
			t.Errorf("type %d: body %q", c.in.Type, m.Body)
		}
		m.Body, c.in.Body = nil, nil
		if m.Type != c.in.Type || m.Code != c.in.Code || m.ID != c.in.ID || m.Seq != c.in.Seq || m.MTU != c.in.MTU || m.Pointer != c.in.Pointer {
			t.Errorf("%+v became %+v", c.in, m)
		}
		for cut := range icmpHeaderLen {
			if err := ParseICMP(c.ip, b[:cut], &m); err != ErrICMPTruncated {
				t.Errorf("%d bytes: %v", cut, err)
			}
		}
	}
}
