package stack

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack/internal/frame"
	"minitcp/stack/internal/icmp"
	"minitcp/stack/stacktest"
)

// Shows: MUST-54.
func TestDialUnreachable(t *testing.T) {
	for _, c := range []struct {
		address string
		message wire.ICMP
		want    error
	}{
		{"10.77.0.2:80", wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4HostUnreachable}, syscall.EHOSTUNREACH},
		{"10.77.0.2:80", wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4NetUnreachable}, syscall.ENETUNREACH},
		{"10.77.0.2:80", wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4PortUnreachable}, syscall.ECONNREFUSED},
		{"10.77.0.2:80", wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4ProtocolUnreachable}, syscall.ENOPROTOOPT},
		{"10.77.0.2:80", wire.ICMP{Type: wire.ICMPv4TimeExceeded}, syscall.EHOSTUNREACH},
		{"[fd77::2]:80", wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6NoRoute}, syscall.ENETUNREACH},
		{"[fd77::2]:80", wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6PortUnreachable}, syscall.ECONNREFUSED},
	} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			p.da.SetHook(func(frame []byte) stacktest.Fate {
				p.da.Inject(icmpFrame(frame, c.message))
				return stacktest.Drop
			})
			begin := time.Now()
			_, err := p.a.Dial("tcp", c.address)
			wantOpError(t, err, "dial", c.want)
			took(t, begin, 0, 0)
		})
	}
}

// On a path with a narrower link, Packet Too Big and Fragmentation Needed take effect, and the transfer completes.
//
// Shows: MUST-16, MUST-54.
func TestPathMTU(t *testing.T) {
	for _, address := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
		within(t, func(t *testing.T) {
			p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{}, Config{})
			c, s := p.connectTo(p.listen(), address)
			const narrow = 1400
			tooBig := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: narrow}
			if address[0] == '[' {
				tooBig = wire.ICMP{Type: wire.ICMPv6TooBig, MTU: narrow}
			}
			p.da.SetHook(func(frame []byte) stacktest.Fate {
				if len(frame)-wire.VirtioHeaderLen > narrow {
					p.da.Inject(icmpFrame(frame, tooBig))
					return stacktest.Drop
				}
				return stacktest.Pass
			})
			begin := time.Now()
			go sendAndClose(t, c, 1, 1<<20)
			receiveAll(t, s, 1, 1<<20)
			took(t, begin, 0, 10*time.Second)
			if got := c.Info().PathMTU; got != narrow {
				t.Errorf("path MTU %d, want %d", got, narrow)
			}
		})
	}
}

// TestPathMTUBelowMinimum transfers over a hop that takes packets of 296 bytes. The stack sends no packet that small;
// it lets the router fragment larger ones, which have different identifications (RFC 5927 7).
func TestPathMTUBelowMinimum(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{}, Config{})
		c, s := p.connect(p.listen())
		const narrow, dontFragment = 296, 1 << 14
		tooBig := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: narrow}
		fragmented, repeated, last := 0, 0, uint16(0)
		p.da.SetHook(func(frame []byte) stacktest.Fate {
			packet := frame[wire.VirtioHeaderLen:]
			switch {
			case len(packet) <= narrow:
			case binary.BigEndian.Uint16(packet[6:])&dontFragment != 0:
				p.da.Inject(icmpFrame(frame, tooBig))
				return stacktest.Drop
			default:
				id := binary.BigEndian.Uint16(packet[4:])
				if fragmented > 0 && id == last {
					repeated++
				}
				fragmented, last = fragmented+1, id
			}
			return stacktest.Pass
		})
		begin := time.Now()
		go sendAndClose(t, c, 1, 1<<20)
		receiveAll(t, s, 1, 1<<20)
		took(t, begin, 0, 10*time.Second)
		if got := c.Info().PathMTU; got != 552 {
			t.Errorf("path MTU %d, want 552", got)
		}
		if want := 1 << 20 / 512; fragmented < want || repeated > 0 {
			t.Errorf("%d packets that may be fragmented, want at least %d; %d with the identification of the one before", fragmented, want, repeated)
		}
	})
}

// icmpFrame returns an ICMP message from a router to a about the segment in the frame.
func icmpFrame(frame []byte, message wire.ICMP) []byte {
	quoted := frame[wire.VirtioHeaderLen:]
	ip, _, _, _ := stacktest.Segment(frame)
	router := netip.MustParseAddr("10.77.0.9")
	protocol := wire.ProtocolICMP
	if !ip.Is4() {
		router, protocol = netip.MustParseAddr("fd77::9"), wire.ProtocolICMPv6
	}
	message.Body = append([]byte(nil), quoted[:min(len(quoted), 600)]...)
	answer := wire.IP{Src: router, Dst: ip.Src, Protocol: protocol}
	b := make([]byte, icmp.HeaderLen+len(message.Body))
	return ipPacket(router, ip.Src, protocol, b[:wire.PutICMP(b, &answer, &message)])
}

// An ICMP error that quotes a flow that is not the stack's, or too little, is dropped and counted, and no socket or
// connection gets an error.
func TestICMPAboutOthers(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		c, server := p.connectTo(p.listen(), netip.AddrPortFrom(b, 80).String())
		u := p.dialUDP(netip.AddrPortFrom(b, 53))
		ping, err := p.a.DialPing(netip.Addr{}, b)
		if err != nil {
			t.Fatal(err)
		}
		other := remoteEnds(a)[0].Addr()
		udp := func(from, to netip.AddrPort) []byte {
			d := emptyDatagram()
			wire.PutUDP(d, from.Port(), to.Port(), 0)
			return ipPacket(from.Addr(), to.Addr(), wire.ProtocolUDP, d)
		}
		echo := func(id uint16, from netip.Addr) []byte {
			ip := wire.IP{Src: from, Dst: b, Protocol: wire.ProtocolICMP}
			m := wire.ICMP{Type: wire.ICMPv4Echo, ID: id}
			if a.Is6() {
				ip.Protocol, m.Type = wire.ProtocolICMPv6, wire.ICMPv6Echo
			}
			body := make([]byte, icmp.HeaderLen)
			wire.PutICMP(body, &ip, &m)
			return ipPacket(from, b, ip.Protocol, body)
		}
		own, ownTCP := u.addr, c.LocalAddr().(*net.TCPAddr).AddrPort()
		hard, tooBig := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4PortUnreachable},
			wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: 600}
		if a.Is6() {
			hard, tooBig = wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6PortUnreachable}, wire.ICMP{Type: wire.ICMPv6TooBig, MTU: 1280}
		}
		for name, quoted := range map[string][]byte{
			"a UDP port without a socket":  udp(netip.AddrPortFrom(a, own.Port()+1), u.remote),
			"another peer of a UDP socket": udp(own, netip.AddrPortFrom(b, 54)),
			"UDP of another address":       udp(netip.AddrPortFrom(other, own.Port()), u.remote),
			"another identifier":           echo(ping.id+1, a),
			"an echo of another address":   echo(ping.id, other),
			"another port of TCP":          packet(segmentSpec{src: netip.AddrPortFrom(a, ownTCP.Port()+1), dst: netip.AddrPortFrom(b, 80)}),
			"TCP of another address":       packet(segmentSpec{src: netip.AddrPortFrom(other, ownTCP.Port()), dst: netip.AddrPortFrom(b, 80)}),
			"an unknown protocol":          ipPacket(a, b, 200, make([]byte, 8)),
			"half a header":                udp(own, u.remote)[:wire.VirtioHeaderLen+10],
			"no ports":                     udp(own, u.remote)[:wire.VirtioHeaderLen+frame.IPHeaderLen(a.Is4())+3],
			"nothing":                      make([]byte, wire.VirtioHeaderLen),
		} {
			for _, m := range []wire.ICMP{hard, tooBig} {
				ip := wire.IP{Src: b, Dst: a, Protocol: wire.ProtocolICMP}
				if a.Is6() {
					ip.Protocol = wire.ProtocolICMPv6
				}
				m.Body = quoted[wire.VirtioHeaderLen:]
				body := make([]byte, icmp.HeaderLen+len(m.Body))
				wire.PutICMP(body, &ip, &m)
				before := p.a.Stats()["dropped-icmp"]
				p.da.Inject(ipPacket(b, a, ip.Protocol, body))
				synctest.Wait()
				if got := p.a.Stats()["dropped-icmp"] - before; got != 1 {
					t.Errorf("%s: %d dropped, want 1", name, got)
				}
			}
		}
		if errU, errPing := u.in.Pending(), ping.in.Pending(); errU != nil || errPing != nil || u.mtu() != 1500 || ping.mtu() != 1500 {
			t.Errorf("errors %v and %v, MTUs %d and %d", errU, errPing, u.mtu(), ping.mtu())
		}
		write(t, c, "goes on")
		wantRead(t, server, "goes on")
	})
}

// No ICMP error is sent about an ICMP error [RFC 1122 3.2.2, RFC 4443 2.4].
func TestNoErrorAboutError(t *testing.T) {
	for i, to := range []string{"192.0.2.1", "2001:db8::1"} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			p.forwarding(ForwardConfig{})
			from, dst := addressesA[i].Addr(), netip.MustParseAddr(to)
			ip := wire.IP{Src: from, Dst: dst, Protocol: wire.ProtocolICMPv6, HopLimit: 1}
			m := wire.ICMP{Type: wire.ICMPv6TimeExceeded, Body: make([]byte, 100)}
			if from.Is4() {
				ip.Protocol, m.Type = wire.ProtocolICMP, wire.ICMPv4TimeExceeded
			}
			body := make([]byte, 200)
			body = body[:wire.PutICMP(body, &ip, &m)]
			frame := make([]byte, wire.VirtioHeaderLen+wire.IPv6HeaderLen)
			n := wire.PutIP(frame[wire.VirtioHeaderLen:], &ip, len(body))
			p.db.Inject(bytes.Clone(append(frame[:wire.VirtioHeaderLen+n], body...)))
			synctest.Wait()
			if n := p.db.Counts().Sent; n != 0 {
				t.Errorf("%v: %d answers", from, n)
			}
		})
	}
}
