package reassembly

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

const second = conn.Time(time.Second)

var (
	a4, b4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	a6, b6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// piece returns the fragment of a UDP packet with data at offset.
func piece(src, dst netip.Addr, id uint32, offset int, more bool, data []byte) []byte {
	return pieceOf(wire.IP{Src: src, Dst: dst, Protocol: wire.ProtocolUDP, HopLimit: 64}, wire.Fragment{ID: id, Offset: offset, More: more}, data)
}

func pieceOf(ip wire.IP, f wire.Fragment, data []byte) []byte {
	if ip.Is4() {
		b := make([]byte, wire.IPv4HeaderLen)
		wire.PutIPv4(b, &ip, len(data))
		wire.PutFragmentIPv4(b, f, len(data))
		return append(b, data...)
	}
	b := make([]byte, wire.IPv6HeaderLen+8)
	next := ip.Protocol
	ip.Protocol = wire.ProtocolFragment
	wire.PutIPv6(b, &ip, 8+len(data))
	wire.PutFragmentIPv6(b[wire.IPv6HeaderLen:], f, next)
	return append(b, data...)
}

// count returns n bytes that differ from their neighbours.
func count(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

type part struct {
	offset int
	more   bool
	data   []byte
}

func TestReassembly(t *testing.T) {
	data := count(64)
	for _, c := range []struct {
		name  string
		parts []part
		done  int // index of the part that completes the packet, or -1
	}{
		{"in order", []part{{0, true, data[:24]}, {24, true, data[24:48]}, {48, false, data[48:]}}, 2},
		{"backwards", []part{{48, false, data[48:]}, {24, true, data[24:48]}, {0, true, data[:24]}}, 2},
		{"repeated", []part{{0, true, data[:24]}, {0, true, data[:24]}, {48, false, data[48:]}, {48, false, data[48:]}, {24, true, data[24:48]}}, 4},
		{"one byte at the end", []part{{0, true, data[:56]}, {56, false, data[56:57]}}, 1},
		{"middle missing", []part{{0, true, data[:24]}, {48, false, data[48:]}}, -1},
		{"overlap of 8 bytes", []part{{0, true, data[:24]}, {16, true, data[16:48]}, {24, true, data[24:48]}, {48, false, data[48:]}}, -1},
		{"same offset, other length", []part{{0, true, data[:24]}, {0, true, data[:32]}, {24, true, data[24:48]}, {48, false, data[48:]}}, -1},
		{"two ends", []part{{0, true, data[:24]}, {48, false, data[48:]}, {48, false, data[48:56]}, {24, true, data[24:48]}}, -1},
		{"data behind the end", []part{{24, false, data[24:48]}, {48, true, data[48:]}, {0, true, data[:24]}}, -1},
		{"an end before data", []part{{48, true, data[48:]}, {24, false, data[24:48]}, {0, true, data[:24]}}, -1},
		{"not a multiple of 8", []part{{0, true, data[:20]}, {24, true, data[24:48]}, {48, false, data[48:]}}, -1},
		{"first fragment without the ports", []part{{0, true, nil}, {8, true, data[8:48]}, {48, false, data[48:]}}, -1},
		{"beyond 65,535 bytes", []part{{0, true, data}, {65528, false, data[:24]}}, -1},
	} {
		for _, family := range [][2]netip.Addr{{a4, b4}, {a6, b6}} {
			t.Run(fmt.Sprintf("%s %v", c.name, family[0].Is4()), func(t *testing.T) {
				var r Reassembler
				for i, p := range c.parts {
					whole := r.Receive(second, piece(family[0], family[1], 77, p.offset, p.more, p.data))
					if message := r.Check(); message != "" {
						t.Fatal(message)
					}
					if (whole != nil) != (i == c.done) {
						t.Fatalf("part %d completes the packet: %v", i, whole != nil)
					}
					if whole == nil {
						continue
					}
					var ip wire.IP
					payload, err := wire.ParseIP(whole, &ip)
					if err != nil || ip.Src != family[0] || ip.Dst != family[1] || ip.Protocol != wire.ProtocolUDP || ip.HopLimit != 64 {
						t.Fatalf("%+v, %v", ip, err)
					}
					last := c.parts[len(c.parts)-1]
					if c.name == "backwards" || c.name == "repeated" {
						last = part{offset: 48, data: data[48:]}
					}
					if want := data[:last.offset+len(last.data)]; !bytes.Equal(payload, want) {
						t.Errorf("%x, want %x", payload, want)
					}
				}
				if c.done >= 0 && r.Memory() != 0 {
					t.Errorf("%d bytes in use after the packet is complete", r.Memory())
				}
			})
		}
	}
}

// A packet that is whole is refused, as is one that is no packet.
func TestReceiveOfOtherPackets(t *testing.T) {
	whole := make([]byte, wire.IPv4HeaderLen)
	wire.PutIPv4(whole, &wire.IP{Src: a4, Dst: b4, Protocol: wire.ProtocolUDP}, 0)
	var r Reassembler
	for _, b := range [][]byte{nil, {0x45}, whole} {
		if r.Receive(0, b) != nil || r.Memory() != 0 {
			t.Errorf("% x taken as a fragment", b)
		}
	}
	if got, want := r.Counts(), (Counts{Fragments: 3, Failed: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A first fragment that does not hold the whole TCP header is refused: the fields that filters examine would be in
// another one.
func TestTinyFirstFragment(t *testing.T) {
	for size, want := range map[int]int{8: 0, 16: 0, 24: 1} {
		for _, ends := range [][2]netip.Addr{{a4, b4}, {a6, b6}} {
			var r Reassembler
			ip := wire.IP{Src: ends[0], Dst: ends[1], Protocol: wire.ProtocolTCP, HopLimit: 64}
			r.Receive(0, pieceOf(ip, wire.Fragment{More: true}, count(size)))
			r.Receive(0, pieceOf(ip, wire.Fragment{Offset: size}, count(40)))
			if got := int(r.Counts().Reassembled); got != want {
				t.Errorf("a first fragment of %d bytes: %d packets, want %d", size, got, want)
			}
		}
	}
}

// IPv4 headers with options and IPv6 headers with extension headers survive.
func TestHeadersOfFragments(t *testing.T) {
	options := func(f wire.Fragment, data []byte) []byte {
		b := make([]byte, 24)
		wire.PutIPv4(b, &wire.IP{Src: a4, Dst: b4, Protocol: wire.ProtocolUDP, HopLimit: 9}, len(data))
		copy(b[20:], []byte{1, 1, 1, 0})
		b[0] = 0x46
		wire.PutFragmentIPv4(b, f, len(data))
		return append(b, data...)
	}
	extensions := func(f wire.Fragment, data []byte) []byte {
		b := make([]byte, 40, 200)
		b = append(b, 60, 0, 1, 4, 0, 0, 0, 0) // hop-by-hop options
		b = append(b, 44, 0, 1, 4, 0, 0, 0, 0) // destination options
		b = append(b, make([]byte, 8)...)
		wire.PutFragmentIPv6(b[len(b)-8:], f, wire.ProtocolUDP)
		b = append(b, data...)
		wire.PutIPv6(b, &wire.IP{Src: a6, Dst: b6, Protocol: 0, HopLimit: 9}, len(b)-40)
		return b
	}
	data := count(40)
	for name, make := range map[string]func(wire.Fragment, []byte) []byte{"options": options, "extensions": extensions} {
		var r Reassembler
		r.Receive(0, make(wire.Fragment{ID: 5, Offset: 24}, data[24:]))
		whole := r.Receive(0, make(wire.Fragment{ID: 5, More: true}, data[:24]))
		var ip wire.IP
		payload, err := wire.ParseIP(whole, &ip)
		if err != nil || !bytes.Equal(payload, data) || ip.Protocol != wire.ProtocolUDP || ip.HopLimit != 9 {
			t.Errorf("%s: %x, %+v, %v", name, payload, ip, err)
		}
		if name == "options" && ip.HeaderLen != 24 || name == "extensions" && ip.HeaderLen != 56 {
			t.Errorf("%s: a header of %d bytes", name, ip.HeaderLen)
		}
	}
}

// nested returns the two fragments of a packet whose data is itself a fragment, behind the extension headers given.
func nested(extensions []byte, next wire.Protocol) (first, last []byte) {
	inner := append(extensions, make([]byte, 8)...)
	wire.PutFragmentIPv6(inner[len(extensions):], wire.Fragment{ID: 6, More: true}, wire.ProtocolUDP)
	inner = append(inner, count(24)...)
	ip := wire.IP{Src: a6, Dst: b6, Protocol: next, HopLimit: 64}
	return pieceOf(ip, wire.Fragment{ID: 5, More: true}, inner[:16]), pieceOf(ip, wire.Fragment{ID: 5, Offset: 16}, inner[16:])
}

// A packet that is a fragment again once it is complete is discarded and counted.
func TestNestedFragment(t *testing.T) {
	for name, c := range map[string]struct {
		extensions []byte
		next       wire.Protocol
	}{
		"at once":                    {nil, wire.ProtocolFragment},
		"behind destination options": {[]byte{44, 0, 1, 4, 0, 0, 0, 0}, 60},
	} {
		var r Reassembler
		first, last := nested(c.extensions, c.next)
		r.Receive(0, first)
		if whole := r.Receive(0, last); whole != nil {
			t.Errorf("%s: the whole packet: % x", name, whole)
		}
		if got, want := r.Counts(), (Counts{Fragments: 2, Failed: 1}); got != want || r.Memory() != 0 {
			t.Errorf("%s: %+v, %d bytes; want %+v, none", name, got, r.Memory(), want)
		}
	}
}

// The codepoints of fragments are combined as RFC 3168 5.3 has it.
func TestECNOfFragments(t *testing.T) {
	for _, c := range []struct{ first, second, want int }{
		{int(wire.ECT0), int(wire.ECT0), int(wire.ECT0)},
		{int(wire.ECT0), int(wire.CE), int(wire.CE)},
		{int(wire.CE), int(wire.ECT1), int(wire.CE)},
		{int(wire.NotECT), int(wire.NotECT), int(wire.NotECT)},
		{int(wire.NotECT), int(wire.CE), -1},
		{int(wire.CE), int(wire.NotECT), -1},
	} {
		for _, ends := range [][2]netip.Addr{{a4, b4}, {a6, b6}} {
			var r Reassembler
			ip := wire.IP{Src: ends[0], Dst: ends[1], Protocol: wire.ProtocolUDP, HopLimit: 1, TrafficClass: uint8(c.first)}
			r.Receive(0, pieceOf(ip, wire.Fragment{More: true}, count(16)))
			ip.TrafficClass = uint8(c.second)
			whole := r.Receive(0, pieceOf(ip, wire.Fragment{Offset: 16}, count(16)))
			got := -1
			if whole != nil {
				if _, err := wire.ParseIP(whole, &ip); err != nil {
					t.Fatal(err)
				}
				got = int(ip.ECN())
			}
			if got != c.want {
				t.Errorf("%v and %v: %d, want %d", wire.ECN(c.first), wire.ECN(c.second), got, c.want)
			}
		}
	}
}

// A packet that is not complete in time is discarded. An ICMP message quotes its first fragment.
func TestTimeout(t *testing.T) {
	for _, c := range []struct {
		src, dst netip.Addr
		timeout  time.Duration
	}{{a4, b4, Timeout4}, {a6, b6, Timeout6}} {
		var r Reassembler
		first := piece(c.src, c.dst, 3, 0, true, count(1400))
		r.Receive(second, first)
		r.Receive(2*second, piece(c.src, c.dst, 4, 1400, false, count(10)))
		if got, want := r.Deadline(), second.Add(c.timeout); got != want {
			t.Errorf("deadline %v, want %v", got, want)
		}
		quotes := 0
		expired := func(b []byte) {
			quotes++
			if want := first[:1232]; !bytes.Equal(b, want) {
				t.Errorf("quoted\n% x, want\n% x", b[:64], want[:64])
			}
		}
		r.Advance(second.Add(c.timeout)-1, expired)
		if quotes != 0 {
			t.Error("discarded too early")
		}
		r.Advance(2*second.Add(c.timeout), expired)
		want := Counts{Fragments: 2, Failed: 2, TimedOut: 2}
		if quotes != 1 || r.Counts() != want || r.Memory() != 0 || r.Deadline() != conn.Never {
			t.Errorf("%d quotes, %+v, %d bytes, deadline %v", quotes, r.Counts(), r.Memory(), r.Deadline())
		}
		// A fragment that arrives later does not complete the packet.
		if r.Receive(3*second.Add(c.timeout), piece(c.src, c.dst, 3, 1400, false, count(8))) != nil {
			t.Error("completed after its time")
		}
	}
}

// Floods of fragments stay within the bounds, and a packet of another source survives one source's flood
// (CVE-2018-5391).
func TestFlood(t *testing.T) {
	var r Reassembler
	honest := piece(a4, b4, 1, 0, true, count(8))
	r.Receive(0, honest)
	for i := range 10_000 {
		r.Receive(0, piece(netip.AddrFrom4([4]byte{198, 51, 100, 1}), b4, uint32(i), 0, true, count(1400)))
		r.Receive(0, piece(netip.MustParseAddr(fmt.Sprintf("2001:db8:9::%x", i+1)), b6, uint32(i), 8, true, count(1024)))
		if message := r.Check(); message != "" {
			t.Fatal(message)
		}
	}
	if r.Receive(0, piece(a4, b4, 1, 8, false, count(8))) == nil {
		t.Error("a flood from two other sources displaced the packet")
	}
	for i := range 10_000 { // from many sources
		src := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		for at := 0; at < 64_000; at += 32_000 {
			r.Receive(0, piece(src, b4, 1, at, true, count(32_000)))
		}
		if message := r.Check(); message != "" {
			t.Fatal(message)
		}
	}
	if got := len(r.packets); got > MaxPackets || r.Memory() > MaxMemory {
		t.Errorf("%d packets, %d bytes", got, r.Memory())
	}
	for i := range 8000 { // one packet in pieces of 8 bytes
		r.Receive(0, piece(a4, b4, 2, 16*i%65_000, true, count(8)))
	}
	for _, p := range r.packets {
		if len(p.fragments) > MaxFragments {
			t.Errorf("%d fragments", len(p.fragments))
		}
	}
}

// Packets that are cut at random, mixed, repeated and reordered arrive whole, each once.
func TestRandomFragments(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 0))
		var r Reassembler
		type sent struct {
			data []byte
			seen bool
		}
		packets := make([]sent, 1+random.IntN(8))
		var pieces [][]byte
		for id := range packets {
			data := make([]byte, 16+random.IntN(9000))
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			data[0], data[1] = byte(id>>8), byte(id)
			packets[id].data = data
			src, dst := a4, b4
			if id%2 == 1 {
				src, dst = a6, b6
			}
			for at := 0; at < len(data); {
				n := min(8*(1+random.IntN(200)), len(data)-at)
				if at == 0 {
					n = min(max(n, 8), len(data)-8) &^ 7
				}
				pieces = append(pieces, piece(src, dst, uint32(id), at, at+n < len(data), data[at:at+n]))
				at += n
			}
		}
		random.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		for _, p := range pieces {
			for range 1 + random.IntN(2) {
				whole := r.Receive(0, p)
				if message := r.Check(); message != "" {
					t.Fatalf("seed %d: %s", seed, message)
				}
				if whole == nil {
					continue
				}
				var ip wire.IP
				payload, err := wire.ParseIP(whole, &ip)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				want := &packets[int(payload[0])<<8|int(payload[1])]
				if want.seen || !bytes.Equal(payload, want.data) {
					t.Fatalf("seed %d: a packet of %d bytes, seen before: %v", seed, len(payload), want.seen)
				}
				want.seen = true
				break // a repetition would begin another packet
			}
		}
		for id := range packets {
			if !packets[id].seen {
				t.Fatalf("seed %d: packet %d of %d bytes did not arrive", seed, id, len(packets[id].data))
			}
		}
	}
}

// FuzzReceive cuts its input into packets and holds the invariants. A whole packet must be one that parses.
func FuzzReceive(f *testing.F) {
	join := func(packets ...[]byte) (b []byte) {
		for _, p := range packets {
			b = append(b, byte(len(p)>>8), byte(len(p)))
			b = append(b, p...)
		}
		return b
	}
	f.Add(join(piece(a4, b4, 1, 0, true, count(16)), piece(a4, b4, 1, 16, false, count(3))))
	f.Add(join(piece(a6, b6, 1, 16, false, count(3)), piece(a6, b6, 1, 0, true, count(16))))
	f.Add(join(piece(a4, b4, 1, 0, true, count(24)), piece(a4, b4, 1, 16, false, count(16))))
	f.Add(join(nested(nil, wire.ProtocolFragment)))
	f.Add(join(nested([]byte{44, 0, 1, 4, 0, 0, 0, 0}, 60)))
	f.Fuzz(func(t *testing.T, input []byte) {
		var r Reassembler
		now := conn.Time(0)
		for len(input) >= 2 {
			n := min(int(input[0])<<8|int(input[1]), len(input)-2)
			whole := r.Receive(now, input[2:2+n])
			input = input[2+n:]
			if message := r.Check(); message != "" {
				t.Fatal(message)
			}
			if whole != nil {
				var ip wire.IP
				if _, err := wire.ParseIP(whole, &ip); err == wire.ErrFragment || err == wire.ErrIPv4Checksum || err == wire.ErrIPv4TotalLength {
					t.Fatalf("the whole packet: %v\n% x", err, whole)
				}
			}
			now += second
			r.Advance(now, func(first []byte) {
				var ip wire.IP
				if _, err := wire.ParseIP(first, &ip); len(first) < 1232 && err != wire.ErrFragment {
					t.Fatalf("the quote: %v", err)
				}
			})
		}
	})
}
