package stack

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// Every packet that arrives is counted under a name, gets the reply that the RFCs specify, and does no harm.
//
// Shows: MUST-3, MUST-7, MUST-57, MUST-63.
func TestBadInput(t *testing.T) {
	const (
		nothing  = ""
		reset    = "resets-sent"
		icmp     = "icmp-sent"
		syn      = wire.SYN
		ack      = wire.ACK
		every    = wire.FIN | wire.SYN | wire.RST | wire.PSH | wire.ACK | wire.URG | wire.ECE | wire.CWR
		closed   = "10.77.0.2:81"
		own      = "10.77.0.2:80"
		stranger = "192.0.2.1:99"
	)
	at := netip.MustParseAddrPort
	segment := func(s segmentSpec) []byte { return packet(s) }
	change := func(frame []byte, f func(ip []byte)) []byte {
		f(frame[wire.VirtioHeaderLen:])
		return frame
	}
	header4 := func(ip []byte) { // the IPv4 header's checksum is right again
		ip[10], ip[11] = 0, 0
		binary.BigEndian.PutUint16(ip[10:], ^wire.Fold(wire.Sum(ip[:20], 0)))
	}
	v6 := segmentSpec{src: at("[fd77::1]:1234"), dst: at("[fd77::2]:80"), flags: syn}
	for _, c := range []struct {
		name    string
		frame   []byte
		counter string
		answer  string
	}{
		{"damaged data", change(segment(segmentSpec{flags: syn, data: []byte("x")}), func(ip []byte) { ip[len(ip)-1]++ }), "dropped-tcp-checksum", nothing},
		{"damaged IPv4 header", change(segment(segmentSpec{flags: syn}), func(ip []byte) { ip[8]++ }), "dropped-ipv4-checksum", nothing},
		{"cut virtio header", segment(segmentSpec{flags: syn})[:7], "dropped-virtio-header", nothing},
		{"cut IPv4 header", segment(segmentSpec{flags: syn})[:wire.VirtioHeaderLen+19], "dropped-truncated", nothing},
		{"no packet", segment(segmentSpec{flags: syn})[:wire.VirtioHeaderLen], "dropped-truncated", nothing},
		{"cut TCP header", ipPacket(at(own).Addr(), at(own).Addr(), wire.ProtocolTCP, make([]byte, 19)), "dropped-truncated", nothing},
		{"version 5", change(segment(segmentSpec{flags: syn}), func(ip []byte) { ip[0] = 0x55 }), "dropped-ip-version", nothing},
		{"option length 0", segment(segmentSpec{flags: syn, options: []byte{2, 0, 0, 0}}), "dropped-tcp-option-length", nothing},
		{"option length 1", segment(segmentSpec{flags: syn, options: []byte{254, 1, 0, 0}}), "dropped-tcp-option-length", nothing},
		{"option beyond header", segment(segmentSpec{flags: syn, options: []byte{254, 5, 0, 0}}), "dropped-tcp-option-length", nothing},
		{"data offset 4", segment(segmentSpec{flags: syn, offset: 4}), "dropped-tcp-data-offset", nothing},
		{"data offset beyond segment", segment(segmentSpec{flags: syn, offset: 15}), "dropped-tcp-data-offset", nothing},
		{"land", segment(segmentSpec{flags: syn, src: at(own)}), "dropped-land", nothing},
		{"our own address as source", segment(segmentSpec{flags: syn, src: at("10.77.0.2:9")}), "dropped-bad-source", nothing},
		{"multicast source", segment(segmentSpec{flags: syn, src: at("224.0.0.1:9")}), "dropped-bad-source", nothing},
		{"broadcast source", segment(segmentSpec{flags: syn, src: at("10.77.0.255:9")}), "dropped-bad-source", nothing},
		{"loopback source", segment(segmentSpec{flags: syn, src: at("127.0.0.1:9")}), "dropped-bad-source", nothing},
		{"broadcast destination", segment(segmentSpec{flags: syn, dst: at("10.77.0.255:80")}), "dropped-group-destination", nothing},
		{"multicast destination", segment(segmentSpec{flags: syn, dst: at("224.0.0.1:80")}), "dropped-group-destination", nothing},
		{"another host's", segment(segmentSpec{flags: syn, dst: at(stranger)}), "dropped-not-ours", nothing},
		{"SYN and FIN", segment(segmentSpec{flags: syn | wire.FIN}), "dropped-syn-fin", nothing},
		{"no flags", segment(segmentSpec{}), "dropped-no-flags", nothing},
		{"FIN alone", segment(segmentSpec{flags: wire.FIN}), "dropped-no-flags", nothing},
		{"all flags", segment(segmentSpec{flags: every}), "dropped-stray-reset", nothing},
		{"RST", segment(segmentSpec{flags: wire.RST}), "dropped-stray-reset", nothing},
		{"ACK to a listener", segment(segmentSpec{flags: ack}), reset, reset},
		{"SYN to a closed port", segment(segmentSpec{flags: syn, dst: at(closed)}), reset, reset},
		{"no flags to a closed port", segment(segmentSpec{dst: at(closed)}), reset, reset},
		{"RST to a closed port", segment(segmentSpec{flags: wire.RST, dst: at(closed)}), "dropped-stray-reset", nothing},
		{"all flags to a closed port", segment(segmentSpec{flags: every, dst: at(closed)}), "dropped-stray-reset", nothing},
		{"total length 0", change(segment(segmentSpec{flags: syn}), func(ip []byte) { ip[2], ip[3] = 0, 0; header4(ip) }), "dropped-ipv4-total-length", nothing},
		{"total length beyond", change(segment(segmentSpec{flags: syn}), func(ip []byte) { ip[3]++; header4(ip) }), "dropped-ipv4-total-length", nothing},
		{"header length 4", change(segment(segmentSpec{flags: syn}), func(ip []byte) { ip[0] = 0x44; header4(ip) }), "dropped-ipv4-header-length", nothing},
		{"first fragment", change(segment(segmentSpec{flags: syn}), func(ip []byte) { ip[6] = 0x20; header4(ip) }), "fragments-received", nothing},
		{"later fragment", change(segment(segmentSpec{flags: syn}), func(ip []byte) { ip[6], ip[7] = 0, 1; header4(ip) }), "fragments-received", nothing},
		{"damaged IPv6", change(packet(v6), func(ip []byte) { ip[len(ip)-1]++ }), "dropped-tcp-checksum", nothing},
		{"jumbogram", change(ipPacket(v6.src.Addr(), v6.dst.Addr(), 0, jumboOptions()), func(ip []byte) { ip[4], ip[5] = 0, 0 }), "dropped-ipv6-jumbogram", nothing},
		{"IPv6 fragment", ipPacket(v6.src.Addr(), v6.dst.Addr(), 44, []byte{6, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}), "fragments-received", nothing},
		{"endless extension header", ipPacket(v6.src.Addr(), v6.dst.Addr(), 60, []byte{6, 255, 0, 0, 0, 0, 0, 0}), "dropped-ipv6-extension", nothing},
		{"UDP", ipPacket(at("10.77.0.1:1").Addr(), at(own).Addr(), wire.ProtocolUDP, emptyDatagram()), "dropped-udp-no-port", icmp},
		{"unknown protocol", ipPacket(at("10.77.0.1:1").Addr(), at(own).Addr(), 200, make([]byte, 30)), "dropped-protocol", icmp},
		{"unknown next header", ipPacket(v6.src.Addr(), v6.dst.Addr(), 200, make([]byte, 30)), "dropped-protocol", icmp},
		{"no next header", ipPacket(v6.src.Addr(), v6.dst.Addr(), wire.ProtocolNone, nil), "dropped-protocol", nothing},
		{"UDP to a group", ipPacket(at("10.77.0.1:1").Addr(), at("10.77.0.255:1").Addr(), wire.ProtocolUDP, make([]byte, 30)), "dropped-group-destination", nothing},
		{"short ICMP", ipPacket(at("10.77.0.1:1").Addr(), at(own).Addr(), wire.ProtocolICMP, make([]byte, 3)), "dropped-icmp-truncated", nothing},
		{"damaged ICMP", ipPacket(at("10.77.0.1:1").Addr(), at(own).Addr(), wire.ProtocolICMP, []byte{8, 0, 1, 2, 3, 4, 5, 6}), "dropped-icmp-checksum", nothing},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				p := newPair(t, Config{})
				l := p.listen()
				before := p.b.Stats()
				p.db.Inject(c.frame)
				quiet()
				after := p.b.Stats()
				if _, ok := after[c.counter]; !ok {
					t.Fatalf("there is no counter %q", c.counter)
				}
				if n := after[c.counter] - before[c.counter]; n != 1 {
					t.Errorf("%s rose by %d", c.counter, n)
				}
				if c.answer == nothing && p.db.Counts().Sent != 0 {
					t.Errorf("it was answered: %v", after)
				}
				if c.answer != nothing && (after[c.answer] != 1 || p.db.Counts().Sent != 1) {
					t.Errorf("%d answers, %s is %d", p.db.Counts().Sent, c.answer, after[c.answer])
				}
				wantCount(t, p.b, "connections", 0)
				client, server := p.connect(l) // no harm was done
				write(t, client, "x")
				wantRead(t, server, "x")
			})
		})
	}
}

// jumboOptions returns a hop-by-hop header with a jumbo payload option (RFC 2675).
func jumboOptions() []byte {
	return append([]byte{6, 0, 0xc2, 4, 0, 1, 0, 1}, make([]byte, 20)...)
}

func TestPing(t *testing.T) {
	for _, c := range []struct {
		from, to string
		protocol wire.Protocol
		request  uint8
		reply    uint8
	}{
		{"10.77.0.1", "10.77.0.2", wire.ProtocolICMP, wire.ICMPv4Echo, wire.ICMPv4EchoReply},
		{"fd77::1", "fd77::2", wire.ProtocolICMPv6, wire.ICMPv6Echo, wire.ICMPv6EchoReply},
	} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			var answers [][]byte
			p.db.SetHook(locked(recordTo(&answers)))
			src, dst := netip.MustParseAddr(c.from), netip.MustParseAddr(c.to)
			ip := wire.IP{Src: src, Dst: dst, Protocol: c.protocol}
			b := make([]byte, 64)
			n := wire.PutICMP(b, &ip, &wire.ICMP{Type: c.request, ID: 77, Seq: 3, Body: []byte("the same back")})
			p.db.Inject(ipPacket(src, dst, c.protocol, b[:n]))
			quiet()
			if len(answers) != 1 {
				t.Fatalf("%d answers", len(answers))
			}
			var m wire.ICMP
			payload, err := wire.ParseIP(answers[0][wire.VirtioHeaderLen:], &ip)
			if err != nil {
				t.Fatal(err)
			}
			if err := wire.ParseICMP(&ip, payload, &m); err != nil {
				t.Fatal(err)
			}
			if ip.Src != dst || ip.Dst != src || m.Type != c.reply || m.ID != 77 || m.Seq != 3 || string(m.Body) != "the same back" {
				t.Errorf("%+v %+v", ip, m)
			}
		})
	}
}

func recordTo(frames *[][]byte) stacktest.Hook {
	return func(frame []byte) stacktest.Fate {
		*frames = append(*frames, bytes.Clone(frame))
		return stacktest.Pass
	}
}

// ICMP messages and RSTs for no connection are rationed for each destination.
func TestRateLimits(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Queue: 10000}, Config{}, Config{ICMPRate: 100})
		for range 1000 {
			p.db.Inject(packet(segmentSpec{flags: wire.SYN, dst: netip.MustParseAddrPort("10.77.0.2:81")}))
			p.db.Inject(ipPacket(addressesA[0].Addr(), addressesB[0].Addr(), wire.ProtocolUDP, emptyDatagram()))
		}
		quiet()
		to := addressesA[0].Addr()
		resets, messages := uint64(p.b.resetLimit.Current(to)), uint64(p.b.icmpLimit.Current(to))
		if resets > 100 || messages > 10 { // a tenth of a second's
			t.Errorf("the limits are %d and %d", resets, messages)
		}
		wantCount(t, p.b, "resets-sent", resets)
		wantCount(t, p.b, "resets-limited", 1000-resets)
		wantCount(t, p.b, "icmp-sent", messages)
		wantCount(t, p.b, "icmp-limited", 1000-messages)
	})
}
