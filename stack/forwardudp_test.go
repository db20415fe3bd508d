package stack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"minitcp/conn/wire"
	"minitcp/stack/internal/datagrams"
	"minitcp/stack/stacktest"
)

// forwardingUDP makes b forward datagrams, and returns where its flows arrive.
func (p *pair) forwardingUDP(cfg ForwardUDPConfig) <-chan *UDPFlow {
	p.t.Helper()
	flows := make(chan *UDPFlow, 100_000)
	if _, err := p.b.ForwardUDP(cfg, func(f *UDPFlow) { flows <- f }); err != nil {
		p.t.Fatal(err)
	}
	return flows
}

// remoteEnds returns three ends of the same family as a: two ports of one address, and another address.
func remoteEnds(a netip.Addr) [3]netip.AddrPort {
	if a.Is4() {
		return [3]netip.AddrPort{
			netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("192.0.2.1:2000"), netip.MustParseAddrPort("192.0.2.2:1000"),
		}
	}
	return [3]netip.AddrPort{
		netip.MustParseAddrPort("[2001:db8::1]:1000"), netip.MustParseAddrPort("[2001:db8::1]:2000"), netip.MustParseAddrPort("[2001:db8::2]:1000"),
	}
}

// A flow reads the datagrams of its client, with their destinations, and writes to the client as any remote end.
func TestUDPFlow(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		flows := p.forwardingUDP(ForwardUDPConfig{})
		client, err := p.a.ListenUDP("udp", netip.AddrPortFrom(a, 5000).String())
		if err != nil {
			t.Fatal(err)
		}
		ends := remoteEnds(a)
		for i, to := range ends {
			if _, err := client.WriteToUDPAddrPort([]byte(fmt.Sprint(i)), to); err != nil {
				t.Fatal(err)
			}
		}
		flow := <-flows
		if got := flow.LocalAddr().String(); got != netip.AddrPortFrom(a, 5000).String() {
			t.Errorf("a flow of %v", got)
		}
		buffer := make([]byte, 10)
		for i, to := range ends {
			n, destination, err := flow.ReadFromUDPAddrPort(buffer)
			if err != nil || destination != to || string(buffer[:n]) != fmt.Sprint(i) {
				t.Fatalf("%q to %v, %v; want %d to %v", buffer[:n], destination, err, i, to)
			}
			if _, err := flow.WriteToUDPAddrPort([]byte("reply"), to); err != nil {
				t.Fatal(err)
			}
			if from := wantDatagram(t, client, "reply"); from != to {
				t.Errorf("a reply from %v, want %v", from, to)
			}
		}
		// A remote end that the client has not sent to.
		other := netip.AddrPortFrom(ends[2].Addr(), 9)
		if _, err := flow.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(other)); err != nil {
			t.Fatal(err)
		}
		if from := wantDatagram(t, client, "hello"); from != other {
			t.Errorf("from %v, want %v", from, other)
		}
		if len(flows) != 0 || p.b.Stats()["udp-flows"] != 1 {
			t.Errorf("%d more flows, %d in all", len(flows), p.b.Stats()["udp-flows"])
		}
		// Another port of the client's is another flow.
		second := p.dialUDP(ends[0])
		write(t, second, "x")
		wantDatagram(t, <-flows, "x")
		// Closed, the flow ends; the next datagram begins another.
		if err := flow.Close(); err != nil {
			t.Error(err)
		}
		_, err = flow.WriteToUDPAddrPort([]byte("x"), ends[0])
		wantOpError(t, err, "write", net.ErrClosed)
		client.WriteToUDPAddrPort([]byte("again"), ends[0])
		if next := <-flows; next == flow {
			t.Error("the flow goes on after Close")
		}
	})
}

// The mapping decides how many flows a client's port makes, the filtering which remote ends reach it. The two probes
// are those of RFC 5780 4.3 and 4.4: the client sends to three ends, and each end, and one the client has not sent to,
// replies.
func TestNATBehavior(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		ends := remoteEnds(a)
		for _, c := range []struct {
			mapping NATBehavior
			flows   int
		}{{EndpointIndependent, 1}, {AddressDependent, 2}, {AddressAndPortDependent, 3}} {
			p := newPair(t, Config{})
			flows := p.forwardingUDP(ForwardUDPConfig{Mapping: c.mapping})
			client, err := p.a.ListenUDP("udp", netip.AddrPortFrom(a, 5000).String())
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				for _, to := range ends {
					client.WriteToUDPAddrPort([]byte("x"), to)
				}
			}
			synctest.Wait()
			if len(flows) != c.flows {
				t.Errorf("mapping %v: %d flows, want %d", c.mapping, len(flows), c.flows)
			}
		}
		for _, c := range []struct {
			filtering NATBehavior
			reach     [3]bool // the end sent to; another port of it; another address
		}{
			{EndpointIndependent, [3]bool{true, true, true}},
			{AddressDependent, [3]bool{true, true, false}},
			{AddressAndPortDependent, [3]bool{true, false, false}},
		} {
			p := newPair(t, Config{})
			flows := p.forwardingUDP(ForwardUDPConfig{Filtering: c.filtering})
			client := p.dialUDP(ends[0])
			write(t, client, "x")
			flow := <-flows
			for i, from := range ends {
				_, err := flow.WriteToUDPAddrPort([]byte("reply"), from)
				if c.reach[i] && err != nil {
					t.Errorf("filtering %v: from %v: %v", c.filtering, from, err)
				}
				if !c.reach[i] {
					wantOpError(t, err, "write", syscall.EPERM)
				}
			}
		}
	})
}

// A flow ends after its time without datagrams, which is shorter after an answer from port 53. Datagrams in either
// direction keep it.
func TestUDPFlowTimeouts(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		flows := p.forwardingUDP(ForwardUDPConfig{})
		wait := func(f *UDPFlow) time.Duration {
			t.Helper()
			begin := time.Now()
			_, _, err := f.ReadFrom(make([]byte, 1)) // the datagram that began it
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = f.ReadFromUDPAddrPort(make([]byte, 1))
			wantOpError(t, err, "read", net.ErrClosed)
			return time.Since(begin)
		}
		client := p.dialUDP(netip.MustParseAddrPort("192.0.2.1:1000"))
		write(t, client, "x")
		if took := wait(<-flows); took != 5*time.Minute {
			t.Errorf("a flow ended after %v", took)
		}

		write(t, client, "x")
		flow := <-flows
		for range 3 {
			time.Sleep(4 * time.Minute)
			flow.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort("192.0.2.1:1000"))
			client.Read(make([]byte, 1))
		}
		if took := wait(flow); took != 5*time.Minute {
			t.Errorf("a flow that was written to ended after %v", took)
		}

		query := p.dialUDP(netip.MustParseAddrPort("192.0.2.1:53"))
		write(t, query, "?")
		flow = <-flows
		time.Sleep(time.Minute) // a slow server
		flow.WriteToUDPAddrPort([]byte("!"), netip.MustParseAddrPort("192.0.2.1:53"))
		if took := wait(flow); took != 30*time.Second {
			t.Errorf("a flow ended %v after the answer", took)
		}
		stats := p.b.Stats()
		if stats["udp-flows-expired"] != 3 || stats["udp-flows"] != 0 {
			t.Errorf("%d expired, %d left", stats["udp-flows-expired"], stats["udp-flows"])
		}
	})
}

// Flows are limited in all and for each source. The one that has been idle for the longest time ends.
func TestUDPFlowLimits(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Queue: 70_000}, Config{}, Config{})
		flows := p.forwardingUDP(ForwardUDPConfig{MaxFlows: 1000, MaxFlowsPerSource: 100})
		to := netip.MustParseAddr("192.0.2.1")
		datagram := func(src netip.AddrPort) {
			d := emptyDatagram()
			d[0], d[1] = byte(src.Port()>>8), byte(src.Port())
			p.db.Inject(ipPacket(src.Addr(), to, 17, d))
		}
		honest := p.dialUDP(netip.AddrPortFrom(to, 9))
		write(t, honest, "x")
		synctest.Wait()
		first := <-flows
		for port := range 65_535 {
			datagram(netip.AddrPortFrom(netip.MustParseAddr("10.77.0.9"), uint16(port+1)))
			if port%10_000 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		stats := p.b.Stats()
		if stats["udp-flows"] != 101 || stats["udp-flows-evicted"] != 65_435 {
			t.Fatalf("%d flows, %d evicted; want 101 and 65435", stats["udp-flows"], stats["udp-flows-evicted"])
		}
		write(t, honest, "still the same flow")
		synctest.Wait()
		first.mu.Lock()
		if first.in.Len() != 2 {
			t.Error("a flood from another source ended the flow")
		}
		first.mu.Unlock()
		for i := range 2000 {
			datagram(netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 9))
		}
		synctest.Wait()
		if got := p.b.Stats()["udp-flows"]; got != 1000 {
			t.Errorf("%d flows, want 1000", got)
		}
	})
}

// A flood to 65,535 ports from one source: closed ports are answered at a limited rate, and a forwarder makes one flow,
// or, if the mapping depends on the port, as many as a source may have.
func TestUDPPortFlood(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		flood := func(p *pair, to netip.Addr) {
			for port := range 65_535 {
				d := emptyDatagram()
				wire.PutUDP(d, 5000, uint16(port+1), 0)
				wire.PutUDPChecksum(d, wire.ChecksumGather(wire.PseudoHeaderSum(a, to, wire.ProtocolUDP, len(d)), [][]byte{d}))
				p.db.Inject(ipPacket(a, to, wire.ProtocolUDP, d))
				if port%1000 == 0 {
					synctest.Wait()
				}
			}
			synctest.Wait()
		}
		link := stacktest.Config{Queue: 2000}
		p := newPairOn(t, link, Config{}, Config{})
		flood(p, b)
		stats := p.b.Stats()
		if stats["dropped-udp-no-port"] != 65_535 || stats["icmp-sent"] > 1000 || stats["icmp-sent"]+stats["icmp-limited"] != 65_535 {
			t.Errorf("%d datagrams to closed ports, %d answered, %d not", stats["dropped-udp-no-port"], stats["icmp-sent"], stats["icmp-limited"])
		}
		for mapping, want := range map[NATBehavior]uint64{EndpointIndependent: 1, AddressAndPortDependent: 4096} {
			p := newPairOn(t, link, Config{}, Config{})
			p.forwardingUDP(ForwardUDPConfig{Mapping: mapping})
			flood(p, remoteEnds(a)[0].Addr())
			stats := p.b.Stats()
			if stats["udp-flows"] != want || stats["udp-flows-opened"]-stats["udp-flows-evicted"] != want {
				t.Errorf("mapping %v: %d flows, %d opened, %d evicted; want %d left",
					mapping, stats["udp-flows"], stats["udp-flows-opened"], stats["udp-flows-evicted"], want)
			}
			// The queue of a flow is bounded, too.
			if n := stats["udp-received"] + stats["udp-receive-buffer-full"]; n != 65_535 {
				t.Errorf("mapping %v: %d datagrams received or dropped, want 65535", mapping, n)
			}
		}
	})
}

// An idle flow takes at most 4 KiB.
func TestUDPFlowMemory(t *testing.T) {
	var q datagrams.Queue
	for range 3 {
		q.Push(datagrams.Datagram{Data: make([]byte, 1400)})
	}
	for range 3 {
		q.Pop(make([]byte, 1400))
	}
	// 2*64 bytes are the list elements, 200 those in the map.
	size := unsafe.Sizeof(UDPFlow{}) + uintptr(q.Memory()) + 2*64 + 200
	if size > 4096 {
		t.Errorf("%d bytes, want at most 4096", size)
	}
	t.Logf("about %d bytes", size)
}

// SendUnreachable fails the client's socket with the error of the reason.
func TestUDPFlowUnreachable(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		flows := p.forwardingUDP(ForwardUDPConfig{})
		to := remoteEnds(a)[0]
		client := p.dialUDP(to)
		for reason, want := range map[Unreachable]error{
			NetUnreachable: syscall.ENETUNREACH, HostUnreachable: syscall.EHOSTUNREACH, PortUnreachable: syscall.ECONNREFUSED,
		} {
			write(t, client, "x")
			flow := <-flows
			if err := flow.SendUnreachable(to, reason); err != nil {
				t.Fatal(err)
			}
			_, err := client.Read(make([]byte, 1))
			wantOpError(t, err, "read", want)
			wantOpError(t, flow.SendUnreachable(to, 99), "write", syscall.EINVAL)
			flow.Close()
		}
	})
}

// Sockets of the stack come first; destinations outside the prefixes, and packets after Close, are not forwarded.
func TestForwardUDPBesideSockets(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		server := p.listenUDP(netip.MustParseAddrPort("10.77.0.2:53"))
		flows := make(chan *UDPFlow, 10)
		f, err := p.b.ForwardUDP(ForwardUDPConfig{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, func(f *UDPFlow) { flows <- f })
		if err != nil {
			t.Fatal(err)
		}
		write(t, p.dialUDP(netip.MustParseAddrPort("10.77.0.2:53")), "x")
		wantDatagram(t, server, "x")
		closed := p.dialUDP(netip.MustParseAddrPort("10.77.0.2:54"))
		write(t, closed, "x")
		_, err = closed.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNREFUSED)
		write(t, p.dialUDP(netip.MustParseAddrPort("198.51.100.1:53")), "x")
		synctest.Wait()
		if len(flows) != 0 || p.b.Stats()["dropped-not-ours"] != 1 {
			t.Errorf("%d flows, %d dropped", len(flows), p.b.Stats()["dropped-not-ours"])
		}
		client := p.dialUDP(netip.MustParseAddrPort("192.0.2.1:53"))
		write(t, client, "x")
		flow := <-flows
		flow.ReadFrom(make([]byte, 1))
		done := make(chan error)
		go func() { _, _, err := flow.ReadFrom(make([]byte, 1)); done <- err }()
		synctest.Wait()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		wantOpError(t, <-done, "read", net.ErrClosed)
		write(t, client, "x")
		synctest.Wait()
		if len(flows) != 0 {
			t.Error("a flow after Close")
		}
		if err := f.Close(); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("a second Close: %v", err)
		}
	})
}

// Of the datagrams to one port, a connected socket takes those of its peer, before a socket of the address or of all
// addresses, which take those to the stack's own addresses. The forwarder has the others.
func TestForwardUDPOrder(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		flows := p.forwardingUDP(ForwardUDPConfig{})
		at, elsewhere := netip.AddrPortFrom(b, 1000), remoteEnds(a)[0]
		client, err := p.a.ListenUDP("udp", netip.AddrPortFrom(a, 5000).String())
		if err != nil {
			t.Fatal(err)
		}
		connected, err := p.b.DialUDP(at, netip.AddrPortFrom(a, 5000))
		if err != nil {
			t.Fatal(err)
		}
		send := func(message string, to netip.AddrPort) {
			t.Helper()
			if _, err := client.WriteToUDPAddrPort([]byte(message), to); err != nil {
				t.Fatal(err)
			}
		}
		send("connected", at)
		wantDatagram(t, connected, "connected")
		connected.Close()

		for _, local := range []string{at.String(), ":1000"} {
			server, err := p.b.ListenUDP("udp", local)
			if err != nil {
				t.Fatal(err)
			}
			send("own", at)
			wantDatagram(t, server, "own")
			send("elsewhere", elsewhere)
			flow := <-flows
			wantDatagram(t, flow, "elsewhere")
			if n := server.in.Len(); n != 0 {
				t.Errorf("the socket of %q has %d datagrams to an address that is not the stack's", local, n)
			}
			flow.Close()
			server.Close()
		}
		send("without a socket", at)
		wantDatagram(t, <-flows, "without a socket")
	})
}

func TestForwardUDPErrors(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		handle := func(*UDPFlow) {}
		for name, call := range map[string]func() error{
			"no handler": func() error { _, err := p.a.ForwardUDP(ForwardUDPConfig{}, nil); return err },
			"a mapping":  func() error { _, err := p.a.ForwardUDP(ForwardUDPConfig{Mapping: 3}, handle); return err },
			"a bad prefix": func() error {
				_, err := p.a.ForwardUDP(ForwardUDPConfig{Prefixes: []netip.Prefix{{}}}, handle)
				return err
			},
		} {
			if err := call(); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := p.a.ForwardUDP(ForwardUDPConfig{}, handle); err != nil {
			t.Fatal(err)
		}
		if _, err := p.a.ForwardUDP(ForwardUDPConfig{}, handle); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second forwarder: %v", err)
		}
		p.a.Close()
		if _, err := p.a.ForwardUDP(ForwardUDPConfig{}, handle); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the stack's Close: %v", err)
		}
	})
}

// A flow ends in time, also if answers from name servers have a longer timeout.
func TestUDPFlowLongDNSTimeout(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		flows := make(chan *UDPFlow, 2)
		cfg := ForwardUDPConfig{Timeout: time.Minute, DNSTimeout: time.Hour}
		f, err := p.b.ForwardUDP(cfg, func(f *UDPFlow) { flows <- f })
		if err != nil {
			t.Fatal(err)
		}
		write(t, p.dialUDP(netip.MustParseAddrPort("192.0.2.1:53")), "x")
		if _, err := (<-flows).WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort("192.0.2.1:53")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		write(t, p.dialUDP(netip.MustParseAddrPort("192.0.2.1:54")), "x")
		<-flows
		time.Sleep(time.Minute + time.Second)
		if n := f.count(); n != 1 {
			t.Errorf("%d flows, want the one of the name server", n)
		}
	})
}

// SendUnreachable refuses a destination that is no address.
func TestUDPFlowUnreachableNowhere(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		flows := make(chan *UDPFlow, 2)
		if _, err := p.b.ForwardUDP(ForwardUDPConfig{}, func(f *UDPFlow) { flows <- f }); err != nil {
			t.Fatal(err)
		}
		to := "192.0.2.1:54"
		if a.Is6() {
			to = "[2001:db8::1]:54"
		}
		write(t, p.dialUDP(netip.MustParseAddrPort(to)), "x")
		flow := <-flows
		for _, bad := range []netip.Addr{{}, netip.MustParseAddr("ff02::1"), netip.MustParseAddr("224.0.0.1")} {
			if err := flow.SendUnreachable(netip.AddrPortFrom(bad, 1), PortUnreachable); err == nil {
				t.Errorf("%v: no error", bad)
			}
		}
	})
}
