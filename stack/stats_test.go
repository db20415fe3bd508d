package stack

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

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
	c.in.Closed = net.ErrClosed
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

// The superframes that one stack counts as sent, the other counts as received.
func TestCountersOfSuperframes(t *testing.T) {
	within(t, func(t *testing.T) {
		var mu sync.Mutex
		seen := uint64(0)
		p := newPairOn(t, stacktest.Config{}, Config{Tap: func(f *Frame) {
			mu.Lock()
			defer mu.Unlock()
			if f.Outgoing && f.Parts[0][1] != wire.GSONone {
				seen++
			}
		}}, Config{})
		client, server := p.connect(p.listen())
		counting(t, p.a, func() { write(t, client, "x"); wantRead(t, server, "x") }, Stats{"superframes-sent": 0})
		if _, err := client.Write(make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		quiet()
		mu.Lock()
		defer mu.Unlock()
		if a, b := p.a.Stats()["superframes-sent"], p.b.Stats()["superframes-received"]; seen == 0 || a != seen || b != seen {
			t.Errorf("%d are sent, %d received, want %d and more than 0", a, b, seen)
		}
	})
}

// A wakeup is a batch of frames, or a run of the timers.
func TestCountersOfWakeups(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{KeepAlive: -1})
		client, server := p.connect(p.listen())
		time.Sleep(time.Minute) // timers of the handshake that are no longer needed fire, too
		counting(t, p.a, func() { time.Sleep(2 * time.Hour) }, Stats{"device-wakeups": 0, "timer-wakeups": 0})
		counting(t, p.b, func() { write(t, client, "x") }, Stats{"device-wakeups": 1})
		wantRead(t, server, "x")
		time.Sleep(time.Minute)
		p.da.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop })
		counting(t, p.a, func() { write(t, client, "x"); time.Sleep(300 * time.Millisecond) }, Stats{"retransmissions": 1, "timer-wakeups": 1})
	})
}

// The memory is that of the connection, and of unread data, in order and not.
func TestCountersOfMemory(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{Memory: 1 << 20})
		client, server := p.connect(p.listen())
		own := uint64(connectionMemory)
		if s := p.b.Stats(); s["memory-used"] != own || s["out-of-order-memory"] != 0 || s["memory-limit"] != 1<<20 {
			t.Errorf("%d and %d bytes of %d without data", s["memory-used"], s["out-of-order-memory"], s["memory-limit"])
		}
		p.da.SetHook(func(frame []byte) stacktest.Fate {
			if bytes.Contains(frame, []byte("lost")) {
				return stacktest.Drop
			}
			return stacktest.Pass
		})
		write(t, client, "lost")
		beyond := strings.Repeat("beyond", 1000)
		write(t, client, beyond)
		quiet()
		if s := p.b.Stats(); s["out-of-order-memory"] == 0 || s["memory-used"] < own+s["out-of-order-memory"] {
			t.Errorf("%d bytes, %d of them out of order, want some", s["memory-used"], s["out-of-order-memory"])
		}
		p.da.SetHook(nil)
		time.Sleep(10 * time.Second)
		if s := p.b.Stats(); s["out-of-order-memory"] != 0 || s["memory-used"] <= own {
			t.Errorf("%d bytes, %d of them out of order, want some and 0", s["memory-used"], s["out-of-order-memory"])
		}
		wantRead(t, server, "lost"+beyond)
		quiet()
		if n := p.b.Stats()["memory-used"]; n != own {
			t.Errorf("%d bytes after all was read", n)
		}
	})
}
