package stack

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn/wire"
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

// A narrower link on the way: Packet Too Big and Fragmentation Needed are believed, and the transfer goes through.
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
// it lets the router fragment larger ones, which have different identifications.
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

// icmpFrame is an ICMP message from a router to a about the segment in the frame.
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
	b := make([]byte, icmpHeaderLen+len(message.Body))
	return ipPacket(router, ip.Src, protocol, b[:wire.PutICMP(b, &answer, &message)])
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
