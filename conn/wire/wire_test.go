package wire

import (
	"bytes"
	"net/netip"
	"testing"
)

var (
	addr4a = netip.MustParseAddr("10.77.0.1")
	addr4b = netip.MustParseAddr("10.77.0.2")
	addr6a = netip.MustParseAddr("fd77::1")
	addr6b = netip.MustParseAddr("fd77::2")
)

// Sum returns the value of the example in RFC 1071 3.
func TestSumRFC1071(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := Fold(Sum(b, 0)); got != 0xddf2 {
		t.Errorf("sum = %#x, want 0xddf2", got)
	}
}

func naive(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		sum += w
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

func FuzzChecksum(f *testing.F) {
	f.Add(bytes.Repeat([]byte{0xff}, 100), uint8(7))
	f.Add([]byte{1}, uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		if got, want := Fold(Sum(b, 0)), naive(b); got != want {
			t.Fatalf("Sum = %#x, want %#x", got, want)
		}
		k := int(cut) % (len(b) + 1)
		if got, want := ChecksumGather(0, [][]byte{b[:k], b[k:]}), ^naive(b); got != want {
			t.Fatalf("gathered at %d: %#x, want %#x", k, got, want)
		}
	})
}

// segment returns a SYN-ACK with every option, from 10.77.0.1:80.
func segment(t *testing.T) (IP, []byte, TCP) {
	t.Helper()
	ip := IP{Src: addr4a, Dst: addr4b, Protocol: ProtocolTCP, HopLimit: 64}
	h := TCP{SrcPort: 80, DstPort: 4000, Seq: 1, Ack: 2, Flags: SYN | ACK, Window: 1000, Urgent: 3, Options: Options{
		MSS: 1460, HasWindowScale: true, WindowScale: 7, SACKPermitted: true, HasTimestamps: true, TSVal: 5, TSEcr: 6,
	}}
	b := make([]byte, 60)
	n := PutTCP(b, &h)
	b = append(b[:n], "hello"...)
	c := ChecksumGather(PseudoHeaderSum(ip.Src, ip.Dst, ProtocolTCP, len(b)), [][]byte{b})
	b[16], b[17] = byte(c>>8), byte(c)
	h.HeaderLen = n
	return ip, b, h
}

// Shows: MUST-3.
func TestTCPRoundTripAndDamage(t *testing.T) {
	ip, b, want := segment(t)
	var got TCP
	data, err := ParseTCP(b, &got)
	if err != nil || got != want || string(data) != "hello" {
		t.Fatalf("parsed %+v, %q, %v; want %+v", got, data, err, want)
	}
	if !VerifyTCP(&ip, b) {
		t.Fatal("checksum of an intact segment is refused")
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if VerifyTCP(&ip, b) {
				t.Errorf("damage in byte %d bit %d is not found", i, bit)
			}
			b[i] ^= 1 << bit
		}
	}
}

// Shows: MUST-7, MUST-68.
func TestParseTCPErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		offset  byte
		options []byte
		want    error
	}{
		{"data offset 4", 4, nil, ErrTCPDataOffset},
		{"data offset beyond", 15, nil, ErrTCPDataOffset},
		{"length 0", 6, []byte{2, 0, 0, 0}, ErrTCPOptionLength},
		{"length 1", 6, []byte{99, 1, 0, 0}, ErrTCPOptionLength},
		{"beyond the header", 6, []byte{99, 5, 0, 0}, ErrTCPOptionLength},
		{"kind without length", 6, []byte{1, 1, 1, 99}, ErrTCPOptionLength},
		{"MSS of length 3", 6, []byte{2, 3, 0, 0}, ErrTCPOptionLength},
		{"unknown", 6, []byte{99, 4, 0, 0}, nil},
		{"after the end anything goes", 6, []byte{0, 99, 0, 0}, nil},
	} {
		b := make([]byte, 20, 24)
		b[1], b[12] = 80, c.offset<<4
		b = append(b, c.options...)
		var h TCP
		if _, err := ParseTCP(b, &h); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if h.SrcPort != 80 {
			t.Errorf("%s: the fixed part is not filled", c.name)
		}
	}
}

// Options count at any alignment (MUST-64).
//
// Shows: MUST-64.
func TestOptionsUnaligned(t *testing.T) {
	b := make([]byte, 40)
	b[12] = 10 << 4
	copy(b[20:], []byte{1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 2, 4, 5, 0xb4, 3, 3, 20, 0, 0})
	var h TCP
	if _, err := ParseTCP(b, &h); err != nil {
		t.Fatal(err)
	}
	want := Options{MSS: 1460, HasTimestamps: true, TSVal: 1, TSEcr: 2, HasWindowScale: true, WindowScale: 14}
	if h.Options != want {
		t.Errorf("options %+v, want %+v", h.Options, want)
	}
}

func TestIPRoundTrip(t *testing.T) {
	for _, want := range []IP{
		{Src: addr4a, Dst: addr4b, Protocol: ProtocolTCP, HopLimit: 64, TrafficClass: 8, HeaderLen: 20},
		{Src: addr6a, Dst: addr6b, Protocol: ProtocolTCP, HopLimit: 3, TrafficClass: 0xb9, HeaderLen: 40},
	} {
		b := make([]byte, 100)
		n := PutIP(b, &want, 5)
		copy(b[n:], "hello, and padding")
		var got IP
		payload, err := ParseIP(b, &got)
		if err != nil || got != want || string(payload) != "hello" {
			t.Errorf("parsed %+v, %q, %v; want %+v", got, payload, err, want)
		}
	}
}

func TestIPErrors(t *testing.T) {
	v4 := func(change func(b []byte)) []byte {
		b := make([]byte, 40)
		PutIPv4(b, &IP{Src: addr4a, Dst: addr4b, Protocol: ProtocolTCP}, 20)
		change(b)
		b[10], b[11] = 0, 0
		c := ^Fold(Sum(b[:20], 0))
		b[10], b[11] = byte(c>>8), byte(c)
		return b
	}
	v6 := func(next Protocol, length int, ext ...byte) []byte {
		b := make([]byte, 40)
		PutIPv6(b, &IP{Src: addr6a, Dst: addr6b, Protocol: next}, length)
		return append(b, ext...)
	}
	damaged := v4(func([]byte) {})
	damaged[8]++
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, ErrTruncated},
		{"version 5", []byte{0x50}, ErrIPVersion},
		{"short", damaged[:19], ErrTruncated},
		{"checksum", damaged, ErrIPv4Checksum},
		{"header length 4", v4(func(b []byte) { b[0] = 0x44 }), ErrIPv4HeaderLength},
		{"total length 0", v4(func(b []byte) { b[2], b[3] = 0, 0 }), ErrIPv4TotalLength},
		{"total length beyond", v4(func(b []byte) { b[3] = 41 }), ErrIPv4TotalLength},
		{"more fragments", v4(func(b []byte) { b[6] = 0x20 }), ErrFragment},
		{"fragment offset", v4(func(b []byte) { b[7] = 1 }), ErrFragment},
		{"v6 payload beyond", v6(ProtocolTCP, 1), ErrIPv6PayloadLength},
		{"v6 jumbogram", v6(0, 0, 6, 0, 0xc2, 4, 0, 1, 0, 0), ErrIPv6Jumbogram},
		{"v6 extension cut", v6(60, 7, 6, 0, 0, 0, 0, 0, 0), ErrIPv6Extension},
		{"v6 extension beyond", v6(60, 8, 6, 1, 0, 0, 0, 0, 0, 0), ErrIPv6Extension},
		{"v6 segments left", v6(43, 8, 6, 0, 0, 1, 0, 0, 0, 0), ErrIPv6Extension},
		{"v6 fragment", v6(44, 8, 6, 0, 0, 1, 0, 0, 0, 0), ErrFragment},
		{"v6 atomic fragment", v6(44, 8, 6, 0, 0, 0, 0, 0, 0, 0), nil},
	} {
		var ip IP
		if _, err := ParseIP(c.b, &ip); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestICMPRoundTrip(t *testing.T) {
	for _, ip := range []IP{
		{Src: addr4a, Dst: addr4b, Protocol: ProtocolICMP},
		{Src: addr6a, Dst: addr6b, Protocol: ProtocolICMPv6},
	} {
		b := make([]byte, 64)
		echo := uint8(8)
		if !ip.Is4() {
			echo = 128
		}
		n := PutICMP(b, &ip, &ICMP{Type: echo, ID: 7, Seq: 9, Body: []byte("ping")})
		var m ICMP
		if err := ParseICMP(&ip, b[:n], &m); err != nil || m.ID != 7 || m.Seq != 9 || string(m.Body) != "ping" {
			t.Errorf("parsed %+v, %v", m, err)
		}
		b[n-1] ^= 1
		if err := ParseICMP(&ip, b[:n], &m); err != ErrICMPChecksum {
			t.Errorf("damaged: %v", err)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	ip, b, h := segment(t)
	buf := make([]byte, 100)
	parts := [][]byte{b[:3], b[3:]}
	if n := testing.AllocsPerRun(100, func() {
		var got TCP
		if _, err := ParseTCP(b, &got); err != nil || !VerifyTCP(&ip, b) {
			t.Fatal(err)
		}
		PutIP(buf, &ip, 60)
		PutTCP(buf[20:], &h)
		ChecksumGather(0, parts)
		var back IP
		if _, err := ParseIP(buf, &back); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// parseFragment checks that the parts of a fragment are parts of b, and that its header becomes that of a whole packet.
func parseFragment(t *testing.T, b []byte) {
	var ip, whole IP
	f, header, data, err := ParseFragment(b, &ip)
	if err != nil {
		return
	}
	if len(header)+len(data) > len(b) || f.Offset%8 != 0 || f.Offset < 0 || f.Offset > 65535 {
		t.Fatalf("%d bytes of headers and %d of data at %d, of %d", len(header), len(data), f.Offset, len(b))
	}
	packet := append(bytes.Clone(header), data...)
	Unfragment(packet[:len(header)], ip.Protocol, len(data))
	if _, err := ParseIP(packet, &whole); err == ErrFragment && ip.Is4() {
		t.Fatal("a fragment of IPv4 without its place is a fragment")
	} else if err == nil && (whole.Src != ip.Src || whole.Dst != ip.Dst) {
		t.Fatalf("from %v to %v became from %v to %v", ip.Src, ip.Dst, whole.Src, whole.Dst)
	}
}

func FuzzParse(f *testing.F) {
	b := make([]byte, 60)
	n := PutIP(b, &IP{Src: addr4a, Dst: addr4b, Protocol: ProtocolTCP}, 20)
	PutTCP(b[n:], &TCP{SrcPort: 1})
	f.Add(b)
	n = PutIP(b, &IP{Src: addr6a, Dst: addr6b, Protocol: ProtocolICMPv6}, 20)
	f.Add(b[:n+20])
	n = PutIP(b, &IP{Src: addr4a, Dst: addr4b, Protocol: ProtocolUDP}, 24)
	PutFragmentIPv4(b, Fragment{ID: 7, Offset: 16, More: true}, 24)
	f.Add(bytes.Clone(b[:n+24]))
	n = PutIP(b, &IP{Src: addr6a, Dst: addr6b, Protocol: ProtocolFragment}, 16)
	PutFragmentIPv6(b[n:], Fragment{ID: 7, Offset: 8, More: true}, ProtocolUDP)
	f.Add(bytes.Clone(b[:n+16]))
	f.Fuzz(func(t *testing.T, b []byte) {
		var ip IP
		var quoted IP
		_, _, _, _ = ParseQuoted(b, &quoted)
		var h TCP
		if data, err := ParseTCP(b, &h); err == nil {
			again := make([]byte, 60)
			n := PutTCP(again, &h)
			var back TCP
			if _, err := ParseTCP(again[:n], &back); err != nil {
				t.Fatalf("%+v does not parse again: %v", h, err)
			}
			if back.Options.SACKCount == h.Options.SACKCount && back.Options.AccECN == h.Options.AccECN && back.Options != h.Options {
				t.Fatalf("options %+v became %+v", h.Options, back.Options)
			}
			_ = data
		}
		payload, err := ParseIP(b, &ip)
		if err == ErrFragment {
			parseFragment(t, b)
		}
		if err != nil {
			return
		}
		if ip.HeaderLen+len(payload) > len(b) {
			t.Fatal("payload runs past the packet")
		}
		var m ICMP
		_ = ParseICMP(&ip, payload, &m)
	})
}

func TestSegments(t *testing.T) {
	for _, c := range []struct{ n, size, want int }{{0, 0, 1}, {0, 100, 1}, {5000, 0, 1}, {100, 100, 1}, {101, 100, 2}, {200, 100, 2}, {65535, 1, 65535}} {
		if got := Segments(c.n, c.size); got != c.want {
			t.Errorf("%d bytes in segments of %d: %d segments, want %d", c.n, c.size, got, c.want)
		}
	}
}
