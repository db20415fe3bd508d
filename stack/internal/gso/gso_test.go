package gso

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"minitcp/conn/wire"
)

// superframe describes a TCP superframe, or a single packet, for tests.
type superframe struct {
	ip6     bool
	seq     uint32
	flags   wire.Flags
	options int // bytes, a multiple of 4
	size    int // of each segment's data
	data    []byte
	id      uint16
	port    uint16
	window  uint16
	class   uint8
}

// frame returns the frame in parts, the data cut at random places.
func (s superframe) frame() [][]byte {
	ip := wire.IP{Protocol: wire.ProtocolTCP, HopLimit: 64, TrafficClass: s.class, ID: s.id, MayFragment: s.id != 0}
	ip.Src, ip.Dst = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	ipLen := wire.IPv4HeaderLen
	h := wire.VirtioHeader{Flags: wire.VirtioNeedsChecksum, ChecksumOffset: wire.TCPChecksumOffset}
	if s.ip6 {
		ip.Src, ip.Dst, ipLen = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), wire.IPv6HeaderLen
	}
	h.ChecksumStart = uint16(ipLen)
	tcp := make([]byte, 20+s.options)
	binary.BigEndian.PutUint16(tcp, s.port)
	binary.BigEndian.PutUint16(tcp[2:], 80)
	binary.BigEndian.PutUint32(tcp[4:], s.seq)
	binary.BigEndian.PutUint32(tcp[8:], 77)
	tcp[tcpDataOffset] = byte(len(tcp)/4) << 4
	tcp[tcpFlags] = byte(s.flags)
	binary.BigEndian.PutUint16(tcp[tcpWindow:], s.window)
	for i := 20; i < len(tcp); i++ {
		tcp[i] = 1
	}
	n := len(tcp) + len(s.data)
	binary.BigEndian.PutUint16(tcp[wire.TCPChecksumOffset:], wire.Fold(wire.PseudoHeaderSum(ip.Src, ip.Dst, wire.ProtocolTCP, n)))
	if len(s.data) > s.size {
		h.GSOType, h.GSOSize = wire.GSOTCPv4, uint16(s.size)
		if s.ip6 {
			h.GSOType = wire.GSOTCPv6
		}
	}
	head := make([]byte, wire.VirtioHeaderLen+ipLen)
	wire.PutVirtio(head, &h)
	wire.PutIP(head[wire.VirtioHeaderLen:], &ip, n)
	parts := [][]byte{append(head, tcp...)}
	r := rand.New(rand.NewPCG(uint64(len(s.data)), 1))
	for data := s.data; len(data) > 0; {
		n := 1 + r.IntN(len(data))
		parts = append(parts, data[:n])
		data = data[n:]
	}
	return parts
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

// cut returns the packets of a frame, each after offset bytes.
func cut(t testing.TB, parts [][]byte, offset int) (packets [][]byte) {
	t.Helper()
	var c Cutter
	if err := c.Load(parts); err != nil {
		t.Fatal(err)
	}
	for c.More() {
		b := make([]byte, offset+maxPacket)
		n := c.Next(b[offset:])
		if n == 0 {
			t.Fatal("Next: the packet is larger than any packet can be")
		}
		packets = append(packets, b[:offset+n])
	}
	return packets
}

// join returns the frames that packets make.
func join(packets [][]byte, offset int) (frames [][]byte) {
	var j Joiner
	for i := range j.Load(packets, offset) {
		if p := j.Single(i); p != nil {
			frames = append(frames, append(make([]byte, wire.VirtioHeaderLen), p[offset:]...))
			continue
		}
		b := make([]byte, wire.VirtioHeaderLen+maxPacket)
		frames = append(frames, b[:j.Join(i, b)])
	}
	return frames
}

// TestCut compares the packets of a superframe with those that the wire package makes of the same segments.
func TestCut(t *testing.T) {
	for _, s := range []superframe{
		{size: 1000, data: random(1, 3500), flags: wire.ACK | wire.PSH | wire.FIN | wire.CWR, options: 12, seq: 1<<32 - 1500},
		{size: 1000, data: random(2, 3000), flags: wire.ACK, ip6: true, class: 3},
		{size: 7, data: random(3, 100), flags: wire.ACK | wire.PSH, id: 65530},
		{size: 100, data: random(4, 100), flags: wire.ACK},
		{size: 100, flags: wire.ACK, ip6: true},
	} {
		packets := cut(t, s.frame(), 3)
		var want [][]byte
		for at := 0; at == 0 || at < len(s.data); at += s.size {
			one := s
			one.data, one.seq = s.data[at:min(at+s.size, len(s.data))], s.seq+uint32(at)
			if at > 0 {
				one.flags &^= wire.CWR
			}
			if at+s.size < len(s.data) {
				one.flags &^= wire.PSH | wire.FIN
			}
			p := complete(bytes.Join(one.frame(), nil))
			if !s.ip6 {
				put16(p, ipv4Identification, s.id+uint16(at/s.size))
				put16(p, ipv4Checksum, 0)
				put16(p, ipv4Checksum, wire.ChecksumGather(0, [][]byte{p[:wire.IPv4HeaderLen]}))
			}
			want = append(want, p)
		}
		if len(packets) != len(want) {
			t.Fatalf("%d packets, want %d", len(packets), len(want))
		}
		for i, p := range packets {
			if !bytes.Equal(p[3:], want[i]) {
				t.Errorf("packet %d:\n%.80x, want\n%.80x", i, p[3:], want[i])
			}
		}
	}
}

// complete returns the packet of a frame that is no superframe, with its checksum as the wire package computes it.
func complete(frame []byte) []byte {
	p := frame[wire.VirtioHeaderLen:]
	var ip wire.IP
	segment, err := wire.ParseIP(p, &ip)
	if err != nil {
		panic(err)
	}
	put16(segment, wire.TCPChecksumOffset, 0)
	put16(segment, wire.TCPChecksumOffset, wire.ChecksumGather(wire.PseudoHeaderSum(ip.Src, ip.Dst, ip.Protocol, len(segment)), [][]byte{segment}))
	return p
}

func TestCutUDP(t *testing.T) {
	for _, ip6 := range []bool{false, true} {
		ip := wire.IP{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: wire.ProtocolUDP, HopLimit: 64}
		ipLen := wire.IPv4HeaderLen
		if ip6 {
			ip.Src, ip.Dst, ipLen = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), wire.IPv6HeaderLen
		}
		data := random(5, 2500)
		h := wire.VirtioHeader{Flags: wire.VirtioNeedsChecksum, GSOType: wire.GSOUDPL4, GSOSize: 1000, ChecksumStart: uint16(ipLen), ChecksumOffset: udpChecksum}
		head := make([]byte, wire.VirtioHeaderLen+ipLen+wire.UDPHeaderLen)
		wire.PutVirtio(head, &h)
		wire.PutIP(head[wire.VirtioHeaderLen:], &ip, wire.UDPHeaderLen+len(data))
		udp := head[wire.VirtioHeaderLen+ipLen:]
		wire.PutUDP(udp, 1, 2, len(data))
		put16(udp, udpChecksum, wire.Fold(wire.PseudoHeaderSum(ip.Src, ip.Dst, wire.ProtocolUDP, len(udp)+len(data))))
		var got []byte
		for _, p := range cut(t, [][]byte{head, data[:1], data[1:]}, 0) {
			var parsed wire.IP
			payload, err := wire.ParseIP(p, &parsed)
			if err != nil {
				t.Fatal(err)
			}
			var u wire.UDP
			d, err := wire.ParseUDP(payload, &u)
			if err != nil || len(payload) != u.Length || !wire.VerifyUDP(parsed.Src, parsed.Dst, payload) {
				t.Errorf("a datagram of %d bytes: %v, length %d, or a bad checksum", len(d), err, u.Length)
			}
			got = append(got, d...)
		}
		if !bytes.Equal(got, data) {
			t.Error("the datagrams do not hold the data of the superframe")
		}
	}
}

// TestCutChecksumZero checks that a UDP checksum that would be 0 is sent as 0xffff.
func TestCutChecksumZero(t *testing.T) {
	ip := wire.IP{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: wire.ProtocolUDP, HopLimit: 64}
	frame := make([]byte, wire.VirtioHeaderLen+wire.IPv4HeaderLen+wire.UDPHeaderLen+2)
	h := wire.VirtioHeader{Flags: wire.VirtioNeedsChecksum, ChecksumStart: wire.IPv4HeaderLen, ChecksumOffset: udpChecksum}
	wire.PutVirtio(frame, &h)
	wire.PutIP(frame[wire.VirtioHeaderLen:], &ip, wire.UDPHeaderLen+2)
	udp := frame[wire.VirtioHeaderLen+wire.IPv4HeaderLen:]
	wire.PutUDP(udp, 1, 2, 2)
	pseudo := wire.PseudoHeaderSum(ip.Src, ip.Dst, wire.ProtocolUDP, len(udp))
	put16(udp, wire.UDPHeaderLen, ^wire.Fold(wire.Sum(udp, pseudo))) // data that makes the sum 0xffff
	put16(udp, udpChecksum, wire.Fold(pseudo))
	p := cut(t, [][]byte{frame}, 0)[0]
	if got := get16(p, wire.IPv4HeaderLen+udpChecksum); got != 0xffff {
		t.Errorf("checksum %#x, want 0xffff", got)
	}
}

// A frame whose headers are not those of its kind, or not complete, is an error. The Cutter would write beyond them.
func TestCutHeaders(t *testing.T) {
	tcp := func(kind uint8, change func(packet []byte) []byte) []byte {
		b := bytes.Join(superframe{size: 1000, data: random(1, 3500), flags: wire.ACK}.frame(), nil)
		b[1] = kind
		return append(b[:wire.VirtioHeaderLen:wire.VirtioHeaderLen], change(b[wire.VirtioHeaderLen:])...)
	}
	whole := func(b []byte) []byte { return b }
	for name, frame := range map[string][]byte{
		"an unknown kind":               tcp(0x30, whole),
		"UDP fragments":                 tcp(wire.GSOUDP, whole),
		"IPv6":                          tcp(wire.GSOTCPv6, whole),
		"18 bytes of the TCP header":    tcp(wire.GSOTCPv4, func(b []byte) []byte { return b[:wire.IPv4HeaderLen+18] }),
		"a TCP header of 16 bytes":      tcp(wire.GSOTCPv4, func(b []byte) []byte { b[wire.IPv4HeaderLen+tcpDataOffset] = 4 << 4; return b }),
		"a TCP header beyond the frame": tcp(wire.GSOTCPv4, func(b []byte) []byte { b[wire.IPv4HeaderLen+tcpDataOffset] = 15 << 4; return b[:wire.IPv4HeaderLen+40] }),
		"6 bytes of the UDP header":     tcp(wire.GSOUDPL4, func(b []byte) []byte { return b[:wire.IPv4HeaderLen+6] }),
	} {
		var c Cutter
		if err := c.Load([][]byte{frame}); err != ErrFrame {
			t.Errorf("%s: %v, want ErrFrame", name, err)
		}
	}
	var c Cutter
	if err := c.Load([][]byte{tcp(wire.GSOTCPv4|wire.GSOECN, whole)}); err != nil {
		t.Errorf("TCP with ECN: %v", err)
	}
}

func TestCutShortBuffer(t *testing.T) {
	var c Cutter
	if err := c.Load(superframe{size: 1000, data: random(1, 3500), flags: wire.ACK}.frame()); err != nil {
		t.Fatal(err)
	}
	if n := c.Next(make([]byte, 1039)); n != 0 || c.More() {
		t.Errorf("%d bytes and more %t in a buffer that is too short, want 0 and false", n, c.More())
	}
}

// TestJoin checks which packets are joined. Each case changes the second of two packets that would be.
func TestJoin(t *testing.T) {
	base := superframe{size: 100, data: random(1, 100), flags: wire.ACK, options: 12, seq: 1<<32 - 50, window: 9}
	for _, test := range []struct {
		name   string
		change func(first, second *superframe)
		frames int
	}{
		{"equal", func(_, _ *superframe) {}, 1},
		{"IPv6", func(first, second *superframe) { first.ip6, second.ip6 = true, true }, 1},
		{"shorter", func(_, s *superframe) { s.data = s.data[:1] }, 1},
		{"PSH", func(_, s *superframe) { s.flags |= wire.PSH }, 1},
		{"FIN", func(_, s *superframe) { s.flags |= wire.FIN }, 1},
		{"first with CWR", func(f, _ *superframe) { f.flags |= wire.CWR }, 2},
		{"first with PSH", func(f, _ *superframe) { f.flags |= wire.PSH }, 2},
		{"both with ECE", func(f, s *superframe) { f.flags |= wire.ECE; s.flags |= wire.ECE }, 1},
		{"CWR", func(_, s *superframe) { s.flags |= wire.CWR }, 2},
		{"ECE", func(_, s *superframe) { s.flags |= wire.ECE }, 2},
		{"URG", func(_, s *superframe) { s.flags |= wire.URG }, 2},
		{"SYN", func(_, s *superframe) { s.flags |= wire.SYN }, 2},
		{"RST", func(_, s *superframe) { s.flags |= wire.RST }, 2},
		{"longer", func(_, s *superframe) { s.size, s.data = 101, random(2, 101) }, 2},
		{"no data", func(_, s *superframe) { s.data = nil }, 2},
		{"gap", func(_, s *superframe) { s.seq++ }, 2},
		{"overlap", func(_, s *superframe) { s.seq-- }, 2},
		{"window", func(_, s *superframe) { s.window++ }, 2},
		{"options", func(_, s *superframe) { s.options = 8 }, 2},
		{"ECN", func(_, s *superframe) { s.class = 3 }, 2},
		{"port", func(_, s *superframe) { s.port++ }, 2},
		{"DF", func(_, s *superframe) { s.id = 1 }, 2},
		{"family", func(_, s *superframe) { s.ip6 = true }, 2},
	} {
		first, second := base, base
		second.seq += 100
		test.change(&first, &second)
		packets := append(cut(t, first.frame(), 16), cut(t, second.frame(), 16)...)
		frames := join(packets, 16)
		if len(frames) != test.frames {
			t.Errorf("%s: %d frames, want %d", test.name, len(frames), test.frames)
		}
	}
}

// TestJoinBadChecksum checks that a packet with a bad checksum is neither joined nor joined to, so that it alone is
// lost.
func TestJoinBadChecksum(t *testing.T) {
	for bad := range 3 {
		for _, at := range []int{10, 60} { // in the IP header's checksum, in the data
			packets := cut(t, superframe{size: 100, data: random(1, 300), flags: wire.ACK}.frame(), 0)
			packets[bad][at] ^= 1
			damaged := bytes.Clone(packets[bad])
			var alone bool
			for _, f := range join(packets, 0) {
				alone = alone || bytes.Equal(f[wire.VirtioHeaderLen:], damaged)
			}
			if !alone {
				t.Errorf("packet %d with bit flipped at %d is not alone", bad, at)
			}
		}
	}
}

// TestJoinFlows checks that the packets of several flows are joined by flow, and that those of one flow stay in order.
func TestJoinFlows(t *testing.T) {
	for _, flows := range []int{8, maxOpen, maxOpen + 1} {
		var packets [][]byte
		var list [][][]byte
		for i := range flows {
			list = append(list, cut(t, superframe{size: 100, data: random(uint64(i), 600), flags: wire.ACK | wire.PSH, port: uint16(i)}.frame(), 0))
		}
		for k := range 6 {
			for i := range flows {
				packets = append(packets, list[i][k])
			}
		}
		packets = packets[:min(len(packets), MaxBatch)]
		next := make(map[uint16]uint32)
		frames := join(packets, 0)
		for _, f := range frames {
			var ip wire.IP
			var tcp wire.TCP
			segment, err := wire.ParseIP(f[wire.VirtioHeaderLen:], &ip)
			if err != nil {
				t.Fatal(err)
			}
			data, err := wire.ParseTCP(segment, &tcp)
			if err != nil {
				t.Fatal(err)
			}
			if tcp.Seq != next[tcp.SrcPort] {
				t.Errorf("flow %d: sequence number %d, want %d", tcp.SrcPort, tcp.Seq, next[tcp.SrcPort])
			}
			next[tcp.SrcPort] += uint32(len(data))
		}
		if want := min(flows, maxOpen) + 6*max(0, flows-maxOpen); len(frames) != want {
			t.Errorf("%d flows: %d frames, want %d", flows, len(frames), want)
		}
	}
}

// FuzzCutJoin checks that the packets of a superframe make the same superframe again.
func FuzzCutJoin(f *testing.F) {
	f.Add(uint16(3500), uint16(1000), uint32(5), uint8(0), true, uint16(0))
	f.Add(uint16(65000), uint16(600), uint32(1<<32-1), uint8(9), false, uint16(9))
	f.Fuzz(func(t *testing.T, length, size uint16, seq uint32, flags uint8, ip6 bool, id uint16) {
		s := superframe{size: max(1, int(size)), data: random(uint64(seq), int(length)), seq: seq, ip6: ip6, options: 12, id: id}
		s.flags = wire.ACK | wire.Flags(flags)&(wire.PSH|wire.FIN|wire.ECE)
		if len(s.data) > 64000 || len(s.data) <= s.size || len(s.data) > MaxBatch*s.size {
			return
		}
		parts := s.frame()
		whole := bytes.Join(parts, nil)
		frames := join(cut(t, parts, 5), 5)
		var h wire.VirtioHeader
		wire.ParseVirtio(whole, &h)
		h.HeaderLen = h.ChecksumStart + 20 + 12 // a hint that the frame lacks
		wire.PutVirtio(whole, &h)
		if len(frames) != 1 || !bytes.Equal(frames[0], whole) {
			t.Fatalf("%d frames, the first of which is not the superframe", len(frames))
		}
	})
}

// FuzzCut checks that a Cutter accepts any frame without a panic, and that the packets hold all bytes after their
// headers.
func FuzzCut(f *testing.F) {
	f.Add(bytes.Join(superframe{size: 1000, data: random(1, 3500), flags: wire.ACK}.frame(), nil), uint16(60))
	f.Fuzz(func(t *testing.T, frame []byte, split uint16) {
		at := min(int(split), len(frame))
		var c Cutter
		if c.Load([][]byte{frame[:at], frame[at:]}) != nil {
			return
		}
		b := make([]byte, maxPacket)
		data := len(frame) - wire.VirtioHeaderLen - len(c.headers)
		for c.More() {
			headers := len(c.headers)
			n := c.Next(b)
			if n == 0 {
				return
			}
			data -= n - headers
		}
		if data != 0 {
			t.Fatalf("%d bytes of data are missing", data)
		}
	})
}

// FuzzJoin checks that a Joiner accepts any packets, and that the data of each flow stays whole and in order.
func FuzzJoin(f *testing.F) {
	packets := cut(f, superframe{size: 100, data: random(1, 300), flags: wire.ACK}.frame(), 0)
	f.Add(packets[0], packets[1], packets[2])
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		packets := [][]byte{a, b, c}
		total := 0
		for _, p := range packets {
			total += len(p)
			if len(p) > maxPacket {
				return
			}
		}
		for _, frame := range join(packets, 0) {
			total -= len(frame) - wire.VirtioHeaderLen
			var h wire.VirtioHeader
			if wire.ParseVirtio(frame, &h); h.GSOType != wire.GSONone {
				list := cut(t, [][]byte{frame}, 0)
				if len(list) < 2 {
					t.Fatal("one packet was joined")
				}
				total -= (len(list) - 1) * int(h.HeaderLen)
			}
		}
		if total != 0 {
			t.Fatalf("%d bytes were lost", total)
		}
	})
}

func BenchmarkCut(b *testing.B) {
	frame := superframe{size: 1368, data: random(1, 64000), flags: wire.ACK, options: 12}.frame()
	var c Cutter
	buffer := make([]byte, 2048)
	b.SetBytes(64000)
	for b.Loop() {
		c.Load(frame)
		for c.More() {
			c.Next(buffer)
		}
	}
}

func BenchmarkJoin(b *testing.B) {
	for _, flows := range []int{1, 8} {
		b.Run(fmt.Sprint(flows), func(b *testing.B) {
			var packets [][]byte
			for i := range flows {
				packets = append(packets, cut(b, superframe{size: 1368, data: random(1, 64000/flows), flags: wire.ACK, options: 12, port: uint16(i)}.frame(), 16)...)
			}
			var j Joiner
			buffer := make([]byte, wire.VirtioHeaderLen+maxPacket)
			b.SetBytes(64000)
			for b.Loop() {
				for i := range j.Load(packets, 16) {
					if j.Single(i) == nil {
						j.Join(i, buffer)
					}
				}
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	frame := superframe{size: 1000, data: random(1, 8000), flags: wire.ACK}.frame()
	packets := cut(t, frame, 0)
	var c Cutter
	var j Joiner
	buffer := make([]byte, wire.VirtioHeaderLen+maxPacket)
	j.Load(packets, 0)
	if n := testing.AllocsPerRun(100, func() {
		c.Load(frame)
		for c.More() {
			c.Next(buffer)
		}
		for i := range j.Load(packets, 0) {
			j.Join(i, buffer)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
