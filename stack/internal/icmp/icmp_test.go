package icmp

import (
	"bytes"
	"net/netip"
	"testing"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// The meaning of every message that a host must know, and of some that it must ignore.
func TestClassify(t *testing.T) {
	type effect = conn.ICMPError
	host, net := effect{Err: conn.ErrHostUnreachable}, effect{Err: conn.ErrNetUnreachable}
	port := effect{Kind: conn.ICMPHard, Err: conn.ErrRefused}
	protocol := effect{Kind: conn.ICMPHard, Err: conn.ErrProtocolUnreachable}
	big := effect{Kind: conn.ICMPTooBig, MTU: 1300}
	for _, c := range []struct {
		name       string
		is4        bool
		kind, code uint8
		want       Kind
		effect     effect
	}{
		{"echo request", true, 8, 0, Echo, effect{}},
		{"echo reply", true, 0, 0, EchoReply, effect{}},
		{"net unreachable", true, 3, 0, Error, net},
		{"host unreachable", true, 3, 1, Error, host},
		{"protocol unreachable", true, 3, 2, Error, protocol},
		{"port unreachable", true, 3, 3, Error, port},
		{"fragmentation needed", true, 3, 4, Error, big},
		{"source route failed", true, 3, 5, Error, host},
		{"prohibited", true, 3, 13, Error, host},
		{"source quench", true, 4, 0, Ignored, effect{}},
		{"redirect", true, 5, 0, Ignored, effect{}},
		{"time exceeded", true, 11, 0, Error, host},
		{"parameter problem", true, 12, 0, Error, host},
		{"timestamp request", true, 13, 0, Ignored, effect{}},

		{"echo request of IPv6", false, 128, 0, Echo, effect{}},
		{"echo reply of IPv6", false, 129, 0, EchoReply, effect{}},
		{"no route", false, 1, 0, Error, net},
		{"prohibited in IPv6", false, 1, 1, Error, host},
		{"address unreachable", false, 1, 3, Error, host},
		{"port unreachable in IPv6", false, 1, 4, Error, port},
		{"packet too big", false, 2, 0, Error, big},
		{"time exceeded in IPv6", false, 3, 0, Error, host},
		{"erroneous header", false, 4, 0, Error, host},
		{"unknown next header", false, 4, 1, Error, protocol},
		{"router advertisement", false, 134, 0, Ignored, effect{}},
		{"echo request of IPv4 in IPv6", false, 8, 0, Ignored, effect{}},
	} {
		kind, got := Classify(c.is4, &wire.ICMP{Type: c.kind, Code: c.code, MTU: 1300})
		if kind != c.want || got != c.effect {
			t.Errorf("%s: kind %d, %+v; want %d, %+v", c.name, kind, got, c.want, c.effect)
		}
	}
}

var (
	ip4 = wire.IP{Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), HopLimit: 64}
	ip6 = wire.IP{Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr("2001:db8::2"), HopLimit: 64}
)

// packet returns a packet of the protocol with a payload of n bytes.
func packet(ip wire.IP, protocol wire.Protocol, n int) []byte {
	ip.Protocol = protocol
	b := make([]byte, 60+n)
	return b[:wire.PutIP(b, &ip, n)+n]
}

// An error about a packet has the type of its family, and fits into the family's smallest MTU with the quote.
func TestUndeliverable(t *testing.T) {
	for _, c := range []struct {
		name       string
		ip         wire.IP
		protocol   wire.Protocol
		ok         bool
		kind, code uint8
		pointer    uint32
	}{
		{"UDP", ip4, wire.ProtocolUDP, true, 3, 3, 0},
		{"another protocol", ip4, 132, true, 3, 2, 0},
		{"UDP of IPv6", ip6, wire.ProtocolUDP, true, 1, 4, 0},
		{"another protocol of IPv6", ip6, 132, true, 4, 1, 6},
		{"no payload in IPv6", ip6, wire.ProtocolNone, false, 0, 0, 0},
	} {
		for _, n := range []int{0, 8, 2000} {
			p := packet(c.ip, c.protocol, n)
			var ip wire.IP
			if _, err := wire.ParseIP(p, &ip); err != nil {
				t.Fatal(err)
			}
			m, ok := Undeliverable(&ip, p)
			if ok != c.ok || m.Type != c.kind || m.Code != c.code || m.Pointer != c.pointer {
				t.Errorf("%s with %d bytes: %v, type %d, code %d, pointer %d", c.name, n, ok, m.Type, m.Code, m.Pointer)
			}
			least := 576 - 20
			if !ip.Is4() {
				least = 1280 - 40
			}
			if ok && len(m.Body) != min(len(p), least-HeaderLen) || !bytes.HasPrefix(p, m.Body) {
				t.Errorf("%s with %d bytes: %d bytes are quoted", c.name, n, len(m.Body))
			}
		}
	}
}

// A Parameter Problem points to the Next Header field of the last extension header.
func TestPointer(t *testing.T) {
	extensions := []byte{
		44, 0, 0, 0, 0, 0, 0, 0, // hop-by-hop options, 8 bytes
		51, 0, 0, 0, 0, 0, 0, 1, // a fragment header of a whole packet
		60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // authentication, 12 bytes
		132, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // destination options, 16 bytes
	}
	p := append(packet(ip6, 0, len(extensions))[:wire.IPv6HeaderLen], extensions...)
	for headerLen, want := range map[int]int{40: 6, 48: 40, 56: 48, 68: 56, 84: 68} {
		if got := nextHeaderOffset(p, headerLen); got != want {
			t.Errorf("after %d bytes of headers the field is at %d, want %d", headerLen, got, want)
		}
	}
	if got := nextHeaderOffset(p[:41], 84); got != 6 {
		t.Errorf("of a packet that is cut short the field is at %d, want 6", got)
	}
}

func TestSmallMessages(t *testing.T) {
	for _, is4 := range []bool{true, false} {
		request := wire.ICMP{Type: EchoType(is4), ID: 5, Seq: 6, Body: []byte("data")}
		if kind, _ := Classify(is4, &request); kind != Echo {
			t.Errorf("IPv4 %v: an echo request has kind %d", is4, kind)
		}
		reply := Reply(is4, request)
		if kind, _ := Classify(is4, &reply); kind != EchoReply || reply.ID != 5 || reply.Seq != 6 || string(reply.Body) != "data" {
			t.Errorf("IPv4 %v: the reply is %+v", is4, reply)
		}
		m := TimeExceeded(is4, Reassembly, make([]byte, 2000))
		ip := ip4
		if !is4 {
			ip = ip6
		}
		ip.Protocol = Protocol(is4)
		b := make([]byte, 2000)
		if n := wire.PutICMP(b, &ip, &m); !IsError(&ip, b[:n]) || IsError(&ip, nil) || m.Code != 1 {
			t.Errorf("IPv4 %v: Time Exceeded is %d, %d", is4, m.Type, m.Code)
		}
		if n := wire.PutICMP(b, &ip, &reply); IsError(&ip, b[:n]) {
			t.Errorf("IPv4 %v: an echo reply is an error", is4)
		}
		ip.Protocol = wire.ProtocolUDP
		if IsError(&ip, []byte{3}) {
			t.Errorf("IPv4 %v: a datagram is an error", is4)
		}
	}
}

// Whatever a packet holds, a message is an error of both functions or of neither, except for two that are ignored. The
// error about a packet quotes its beginning, and points into it.
func FuzzPacket(f *testing.F) {
	f.Add(packet(ip4, wire.ProtocolICMP, 8))
	f.Add(packet(ip6, wire.ProtocolICMPv6, 8))
	f.Add(packet(ip6, 0, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		var ip wire.IP
		payload, err := wire.ParseIP(b, &ip)
		if err != nil {
			return
		}
		var m wire.ICMP
		if ip.Protocol == Protocol(ip.Is4()) && wire.ParseICMP(&ip, payload, &m) == nil {
			kind, _ := Classify(ip.Is4(), &m)
			if is := IsError(&ip, payload); is != (kind == Error) && (kind != Ignored || !is) {
				t.Errorf("type %d, code %d has kind %d, and is an error: %v", m.Type, m.Code, kind, is)
			}
			return
		}
		m, ok := Undeliverable(&ip, b)
		switch {
		case !ok:
		case !bytes.HasPrefix(b, m.Body) || len(m.Body)+HeaderLen > 1240:
			t.Errorf("%d bytes of %d are quoted", len(m.Body), len(b))
		case m.Type == wire.ICMPv6ParameterProblem && !ip.Is4() && b[m.Pointer] != uint8(ip.Protocol):
			t.Errorf("the pointer %d is to protocol %d, want %d", m.Pointer, b[m.Pointer], ip.Protocol)
		}
	})
}
