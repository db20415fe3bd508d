package frame

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"minitcp/conn/wire"
)

func header(protocol wire.Protocol, src, dst string) *wire.IP {
	return &wire.IP{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), Protocol: protocol, HopLimit: 64}
}

// data returns n bytes of data.
func data(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// The checksum and the fields of the virtio_net_hdr are right for both protocols and both families.
func TestBuild(t *testing.T) {
	ip4 := func(p wire.Protocol) *wire.IP { return header(p, "10.0.0.1", "10.0.0.2") }
	ip6 := func(p wire.Protocol) *wire.IP { return header(p, "fd77::1", "fd77::2") }
	const partial = wire.VirtioNeedsChecksum
	for _, c := range []struct {
		name     string
		ip       *wire.IP
		n, size  int
		checksum Checksum
		want     wire.VirtioHeader
	}{
		{"TCP over IPv4", ip4(wire.ProtocolTCP), 7, 0, Complete, wire.VirtioHeader{}},
		{"TCP over IPv6", ip6(wire.ProtocolTCP), 7, 7, Complete, wire.VirtioHeader{}},
		{"UDP over IPv4", ip4(wire.ProtocolUDP), 7, 7, Complete, wire.VirtioHeader{}},
		{"UDP over IPv6", ip6(wire.ProtocolUDP), 0, 0, Complete, wire.VirtioHeader{}},
		{"TCP, partial", ip4(wire.ProtocolTCP), 7, 0, Partial, wire.VirtioHeader{Flags: partial, ChecksumStart: 20, ChecksumOffset: 16}},
		{"UDP, partial", ip6(wire.ProtocolUDP), 7, 7, Partial, wire.VirtioHeader{Flags: partial, ChecksumStart: 40, ChecksumOffset: 6}},
		{"TCP superframe over IPv4", ip4(wire.ProtocolTCP), 9, 4, Partial,
			wire.VirtioHeader{Flags: partial, GSOType: wire.GSOTCPv4, GSOSize: 4, HeaderLen: 40, ChecksumStart: 20, ChecksumOffset: 16}},
		{"TCP superframe over IPv6", ip6(wire.ProtocolTCP), 9, 4, Partial,
			wire.VirtioHeader{Flags: partial, GSOType: wire.GSOTCPv6, GSOSize: 4, HeaderLen: 60, ChecksumStart: 40, ChecksumOffset: 16}},
		{"UDP superframe", ip4(wire.ProtocolUDP), 9, 4, Partial,
			wire.VirtioHeader{Flags: partial, GSOType: wire.GSOUDPL4, GSOSize: 4, HeaderLen: 28, ChecksumStart: 20, ChecksumOffset: 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b Builder
			want := data(c.n)
			if c.ip.Protocol == wire.ProtocolTCP {
				b.TCP(c.ip, &wire.TCP{SrcPort: 1, DstPort: 2, Flags: wire.ACK}, c.n)
			} else {
				b.UDP(c.ip, 1, 2, c.n)
			}
			b.Parts = append(b.Parts, want[:c.n/3], want[c.n/3:])
			b.Finish(c.ip, c.n, c.size, c.checksum)
			frame := bytes.Join(b.Parts, nil)
			var h wire.VirtioHeader
			if err := wire.ParseVirtio(frame, &h); err != nil || h != c.want {
				t.Fatalf("%v, the header is %+v, want %+v", err, h, c.want)
			}
			if got := b.IsSuperframe(); got != (c.want.GSOType != 0) {
				t.Errorf("IsSuperframe returns %v", got)
			}
			if h.Flags == partial { // the device adds the sum of the rest
				transport := frame[wire.VirtioHeaderLen+int(h.ChecksumStart):]
				sum := ^wire.Fold(wire.Sum(transport, 0))
				binary.BigEndian.PutUint16(transport[h.ChecksumOffset:], sum)
			}
			var ip wire.IP
			payload, err := wire.ParseIP(frame[wire.VirtioHeaderLen:], &ip)
			if err != nil {
				t.Fatal(err)
			}
			headerLen := wire.UDPHeaderLen
			valid := ip.Protocol == wire.ProtocolUDP && wire.VerifyUDP(ip.Src, ip.Dst, payload)
			if ip.Protocol == wire.ProtocolTCP {
				headerLen, valid = 20, wire.VerifyTCP(&ip, payload)
			}
			if !valid {
				t.Error("the checksum is wrong")
			}
			if !bytes.Equal(payload[headerLen:], want) {
				t.Errorf("the data is %x, want %x", payload[headerLen:], want)
			}
		})
	}
}

// The bytes of a datagram are those of RFC 768 and RFC 791.
func TestUDPBytes(t *testing.T) {
	var b Builder
	ip := header(wire.ProtocolUDP, "10.0.0.1", "10.0.0.2")
	b.UDP(ip, 0x1234, 53, 2)
	b.Parts = append(b.Parts, []byte{0xab, 0xcd})
	b.Finish(ip, 2, 0, Complete)
	want := strings.Join([]string{
		"00000000000000000000",
		"4500001e00004000401126cd0a0000010a000002",
		"12340035000a2da1", "abcd",
	}, "")
	if got := hex.EncodeToString(bytes.Join(b.Parts, nil)); got != want {
		t.Errorf("the frame is\n%s, want\n%s", got, want)
	}
}

// A Builder is reused without rests of the frame before. The largest sizes are those of the protocols.
func TestPacket(t *testing.T) {
	var b Builder
	tcp := header(wire.ProtocolTCP, "10.0.0.1", "10.0.0.2")
	b.TCP(tcp, &wire.TCP{Flags: wire.ACK}, 9)
	b.Parts = append(b.Parts, data(9))
	b.Finish(tcp, 9, 4, Partial)
	b.Packet(header(wire.ProtocolICMP, "10.0.0.1", "10.0.0.2"), []byte{1, 2, 3})
	if b.IsSuperframe() {
		t.Error("the second frame is a superframe")
	}
	var ip wire.IP
	payload, err := wire.ParseIP(bytes.Join(b.Parts, nil)[wire.VirtioHeaderLen:], &ip)
	if err != nil || !bytes.Equal(payload, []byte{1, 2, 3}) || ip.Protocol != wire.ProtocolICMP {
		t.Errorf("%v, the payload is %v of %v", err, payload, ip.Protocol)
	}
	if MaxUDP(true) != 65507 || MaxUDP(false) != 65527 {
		t.Errorf("the largest datagrams are %d and %d bytes", MaxUDP(true), MaxUDP(false))
	}
}
