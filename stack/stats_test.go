package stack

import (
	"bytes"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"

	"minitcp/conn/wire"
	"minitcp/stack/internal/datagrams"
	"minitcp/stack/internal/icmp"
	"minitcp/stack/stacktest"
)

// counting calls act and checks by how much the counters named have risen meanwhile.
func counting(t *testing.T, s *Stack, act func(), want Stats) {
	t.Helper()
	before := s.Stats()
	act()
	synctest.Wait()
	after := s.Stats()
	for name, n := range want {
		if _, ok := after[name]; !ok {
			t.Errorf("there is no counter %q", name)
		}
		if got := after[name] - before[name]; got != n {
			t.Errorf("%s rose by %d, want %d", name, got, n)
		}
	}
}

// A datagram that finds no room in the queue counts as dropped and not as received. Echo replies count as ICMP, and not
// as UDP.
func TestCountersOfQueues(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		server := p.listenUDP(netip.AddrPortFrom(b, 53))
		client := p.dialUDP(netip.AddrPortFrom(b, 53))
		if err := server.SetReadBuffer(2 * (1 + datagrams.Overhead)); err != nil {
			t.Fatal(err)
		}
		counting(t, p.b, func() {
			for range 5 {
				write(t, client, "x")
			}
		}, Stats{"udp-received": 2, "udp-receive-buffer-full": 3, "dropped-udp-no-port": 0})

		ping, err := p.a.DialPing(netip.Addr{}, b)
		if err != nil {
			t.Fatal(err)
		}
		if err := ping.SetReadBuffer(2 * (icmp.HeaderLen + datagrams.Overhead)); err != nil {
			t.Fatal(err)
		}
		counting(t, p.a, func() {
			for i := range 5 {
				if _, err := ping.Write(echoRequest(t, a, i, nil)); err != nil {
					t.Fatal(err)
				}
			}
		}, Stats{
			"icmp-sent": 5, "icmp-received": 5, "ping-receive-buffer-full": 3,
			"udp-received": 0, "udp-receive-buffer-full": 0, "icmp-ignored": 0,
		})
	})
}

// A datagram that arrives while its socket is being closed is one to a closed port.
func TestCountersOfClosedSocket(t *testing.T) {
	s, d := newPushed(t, Config{})
	at := netip.AddrPortFrom(addressesB[0].Addr(), 53)
	from := netip.MustParseAddrPort("10.77.0.1:1000")
	c, err := s.ListenUDP("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	datagram := make([]byte, wire.UDPHeaderLen)
	wire.PutUDP(datagram, from.Port(), at.Port(), 0)
	datagram[6], datagram[7] = 0, 0 // without a checksum
	// The packet finds the socket and waits for its lock, which it gets when the socket is closed.
	c.mu.Lock()
	received := make(chan error)
	go func() {
		frame := append(make([]byte, 6), ipPacket(from.Addr(), at.Addr(), wire.ProtocolUDP, datagram)...)
		received <- d.link.Receive([][]byte{frame}, 6+wire.VirtioHeaderLen)
	}()
	for s.Stats()["frames-received"] == 0 {
		runtime.Gosched()
	}
	for range 1000 { // the look-up follows
		runtime.Gosched()
	}
	c.forget()
	c.closed = net.ErrClosed
	c.mu.Unlock()
	if err := <-received; err != nil {
		t.Fatal(err)
	}
	stats := s.Stats()
	for name, want := range (Stats{"udp-received": 0, "udp-receive-buffer-full": 0, "dropped-udp-no-port": 1, "icmp-sent": 1}) {
		if got := stats[name]; got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

// An echo request that is refused because of its size does not count as sent.
func TestCountersOfRefusedPing(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		c, err := p.a.DialPing(netip.Addr{}, b)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDontFragment(true); err != nil {
			t.Fatal(err)
		}
		counting(t, p.a, func() {
			_, err := c.Write(echoRequest(t, a, 1, make([]byte, 1500)))
			wantOpError(t, err, "write", syscall.EMSGSIZE)
		}, Stats{"icmp-sent": 0, "frames-sent": 0})
		if err := c.SetDontFragment(false); err != nil {
			t.Fatal(err)
		}
		counting(t, p.a, func() {
			_, err := c.Write(echoRequest(t, a, 1, make([]byte, 1<<16)))
			wantOpError(t, err, "write", syscall.EMSGSIZE)
		}, Stats{"icmp-sent": 0, "fragments-sent": 0})
	})
}

// An ICMP error about a handshake has no effect, and counts as dropped.
func TestCountersOfICMPAboutHandshake(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		l := p.listen()
		defer l.Close()
		p.da.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop })
		var synACK []byte
		p.db.SetHook(func(f []byte) stacktest.Fate { synACK = bytes.Clone(f); return stacktest.Drop })
		p.db.Inject(packet(segmentSpec{src: netip.AddrPortFrom(a, 1000), dst: netip.AddrPortFrom(b, 80), flags: wire.SYN}))
		synctest.Wait()
		m := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4PortUnreachable}
		if a.Is6() {
			m = wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6PortUnreachable}
		}
		counting(t, p.b, func() { p.db.Inject(icmpAbout(synACK, a, m)) }, Stats{"icmp-received": 1, "dropped-icmp": 1})
		wantCount(t, p.b, "connections", 1)
	})
}

// A Write on a flow that has ended is not one that the filtering has refused.
func TestCountersOfEndedFlow(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		flows := p.forwardingUDP(ForwardUDPConfig{Filtering: AddressAndPortDependent})
		ends := remoteEnds(addressesA[0].Addr())
		write(t, p.dialUDP(ends[0]), "x")
		flow := <-flows
		flow.Close()
		counting(t, p.b, func() {
			_, err := flow.WriteToUDPAddrPort([]byte("x"), ends[1])
			wantOpError(t, err, "write", net.ErrClosed)
		}, Stats{"udp-flows-filtered": 0})
	})
}
