package stack

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"minitcp/conn/wire"
	"minitcp/stack/internal/ports"
	"minitcp/stack/stacktest"
)

// echoHeaderLen is the length of an echo message without its data, in bytes.
const echoHeaderLen = 8

// echoRequest returns an echo request of a's family, without an identifier and a checksum.
func echoRequest(t *testing.T, a netip.Addr, seq int, data []byte) []byte {
	t.Helper()
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{Seq: seq, Data: data}}
	if a.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	b, err := m.Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantReply checks that b is the echo reply with a sequence number and data.
func wantReply(t *testing.T, a netip.Addr, b []byte, seq int, data []byte) {
	t.Helper()
	protocol, want := 1, icmp.Type(ipv4.ICMPTypeEchoReply)
	if a.Is6() {
		protocol, want = 58, ipv6.ICMPTypeEchoReply
	}
	m, err := icmp.ParseMessage(protocol, b)
	if err != nil || m.Type != want {
		t.Fatalf("%+v, %v", m, err)
	}
	if e := m.Body.(*icmp.Echo); e.Seq != seq || !bytes.Equal(e.Data, data) {
		t.Fatalf("%d with %d bytes, want %d with %d", e.Seq, len(e.Data), seq, len(data))
	}
}

// A stack answers pings of every size, and each socket gets the replies to its own.
func TestPingSockets(t *testing.T) {
	for _, offload := range []stacktest.Offload{stacktest.Offloaded, stacktest.Plain} {
		families(t, func(t *testing.T, a, b netip.Addr) {
			p := newPairOn(t, stacktest.Config{Offload: offload}, Config{}, Config{})
			dialed, err := p.a.DialPing(netip.Addr{}, b)
			if err != nil {
				t.Fatal(err)
			}
			listening, err := p.a.ListenPing(a)
			if err != nil {
				t.Fatal(err)
			}
			buffer := make([]byte, 70_000)
			for seq, size := range []int{0, 56, 1472, 1500, 4000, 60_000} {
				data := bytes.Repeat([]byte{byte(size)}, size)
				if _, err := dialed.Write(echoRequest(t, a, seq, data)); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				n, err := dialed.Read(buffer)
				if err != nil {
					t.Fatal(err)
				}
				wantReply(t, a, buffer[:n], seq, data)
				if _, err := listening.WriteTo(echoRequest(t, a, seq+100, data), &net.IPAddr{IP: b.AsSlice()}); err != nil {
					t.Fatal(err)
				}
				n, from, err := listening.ReadFrom(buffer)
				if err != nil || from.String() != b.String() {
					t.Fatalf("from %v, %v", from, err)
				}
				wantReply(t, a, buffer[:n], seq+100, data)
			}
			if dialed.LocalAddr().String() != a.String() || dialed.RemoteAddr().String() != b.String() || listening.RemoteAddr() != nil {
				t.Errorf("%v to %v", dialed.LocalAddr(), dialed.RemoteAddr())
			}
			if dialed.in.Len() != 0 || listening.in.Len() != 0 {
				t.Error("a socket has got another's replies")
			}
		})
	}
}

// Deadlines and Close end calls; the identifier is free afterwards.
func TestPingDeadlinesAndClose(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		c, err := p.a.DialPing(netip.Addr{}, b)
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		_, err = c.Read(make([]byte, 1))
		wantOpError(t, err, "read", os.ErrDeadlineExceeded)
		c.SetDeadline(time.Now())
		_, err = c.Write(echoRequest(t, a, 1, nil))
		wantOpError(t, err, "write", os.ErrDeadlineExceeded)
		c.SetDeadline(time.Time{})
		done := make(chan error)
		go func() { _, err := c.Read(make([]byte, 1)); done <- err }()
		synctest.Wait()
		c.Close()
		wantOpError(t, <-done, "read", net.ErrClosed)
		if p.a.pings.Len() != 0 {
			t.Error("the identifier is taken")
		}
		c, err = p.a.DialPing(netip.Addr{}, b)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, err := c.Read(make([]byte, 1)); done <- err }()
		synctest.Wait()
		p.a.Close()
		wantOpError(t, <-done, "read", net.ErrClosed)
	})
}

// ICMP errors fail a connected ping socket.
func TestPingUnreachable(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		c, err := p.a.DialPing(netip.Addr{}, b)
		if err != nil {
			t.Fatal(err)
		}
		var frame []byte
		p.da.SetHook(func(f []byte) stacktest.Fate { frame = bytes.Clone(f); return stacktest.Drop })
		if _, err := c.Write(echoRequest(t, a, 1, []byte("data"))); err != nil {
			t.Fatal(err)
		}
		p.da.SetHook(nil)
		m := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4HostUnreachable}
		if a.Is6() {
			m = wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6AddressUnreachable}
		}
		p.da.Inject(icmpAbout(frame, b, m))
		_, err = c.Read(make([]byte, 100))
		wantOpError(t, err, "read", syscall.EHOSTUNREACH)
	})
}

func TestPingErrors(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		c, err := p.a.DialPing(netip.Addr{}, b)
		if err != nil {
			t.Fatal(err)
		}
		l, err := p.a.ListenPing(a)
		if err != nil {
			t.Fatal(err)
		}
		request := echoRequest(t, a, 1, nil)
		other := "fd77::2"
		if a.Is6() {
			other = "10.77.0.2"
		}
		for _, k := range []struct {
			name, op string
			call     func() error
			want     error
		}{
			{"an empty message", "write", func() error { _, err := c.Write(nil); return err }, syscall.EINVAL},
			{"an echo reply", "write", func() error { _, err := c.Write(make([]byte, 8)); return err }, syscall.EINVAL},
			{"an address for a connected socket", "write", func() error { _, err := c.WriteTo(request, c.RemoteAddr()); return err }, net.ErrWriteToConnected},
			{"no address", "write", func() error { _, err := l.Write(request); return err }, syscall.EDESTADDRREQ},
			{"another kind of address", "write", func() error { _, err := l.WriteTo(request, &net.TCPAddr{}); return err }, syscall.EINVAL},
			{"the other family", "write", func() error { _, err := l.WriteTo(request, &net.IPAddr{IP: net.ParseIP(other)}); return err }, syscall.EAFNOSUPPORT},
			{"the largest and more", "write", func() error { _, err := c.Write(append(request, make([]byte, 65536)...)); return err }, syscall.EMSGSIZE},
			{"an address that is not the stack's", "listen", func() error { _, err := p.a.ListenPing(b); return err }, syscall.EADDRNOTAVAIL},
			{"a multicast group", "dial", func() error { _, err := p.a.DialPing(netip.Addr{}, netip.MustParseAddr("224.0.0.1")); return err }, syscall.ENETUNREACH},
		} {
			t.Log(k.name)
			wantOpError(t, k.call(), k.op, k.want)
		}
	})
}

// Echo requests to forwarded addresses are answered as the application decides.
func TestForwardPing(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		to := remoteEnds(a)[0].Addr()
		c, err := p.a.DialPing(netip.Addr{}, to)
		if err != nil {
			t.Fatal(err)
		}
		requests := make(chan *EchoRequest, 10)
		f, err := p.b.ForwardPing(nil, func(r *EchoRequest) { requests <- r })
		if err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat([]byte("data"), 1000)
		c.Write(echoRequest(t, a, 7, data))
		r := <-requests
		if r.Source() != a || r.Destination() != to {
			t.Errorf("from %v to %v", r.Source(), r.Destination())
		}
		sent := echoRequest(t, a, 7, data)
		if got := r.Message(); !bytes.Equal(got[6:], sent[6:]) || got[0] != sent[0] || got[1] != 0 {
			t.Errorf("a message of %d bytes, % x; want %d, % x", len(got), got[:8], len(sent), sent[:8])
		}
		r.Reply()
		buffer := make([]byte, 5000)
		n, err := c.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		wantReply(t, a, buffer[:n], 7, data)
		c.Write(echoRequest(t, a, 8, nil))
		if err := (<-requests).Unreachable(NetUnreachable); err != nil {
			t.Fatal(err)
		}
		_, err = c.Read(buffer)
		wantOpError(t, err, "read", syscall.ENETUNREACH)
		if err := r.Unreachable(99); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("an unknown reason: %v", err)
		}
		for name, call := range map[string]func() error{
			"no handler":   func() error { _, err := p.b.ForwardPing(nil, nil); return err },
			"a bad prefix": func() error { _, err := p.b.ForwardPing([]netip.Prefix{{}}, func(*EchoRequest) {}); return err },
		} {
			if err := call(); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := p.b.ForwardPing(nil, func(*EchoRequest) {}); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second forwarder: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := f.Close(); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("a second Close: %v", err)
		}
		c.Write(echoRequest(t, a, 9, nil))
		synctest.Wait()
		if len(requests) != 0 {
			t.Error("a request after Close")
		}
	})
}

// A ping socket that the application forgets without Close leaves its identifier free. One that is being read stays.
func TestForgottenPingConn(t *testing.T) {
	s, err := New(nil, Config{Addresses: addressesA})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, open := range []func() error{
		func() error { _, err := s.ListenPing(addressesA[0].Addr()); return err },
		func() error { _, err := s.DialPing(netip.Addr{}, addressesA[1].Addr()); return err },
	} {
		if err := open(); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.ListenPing(addressesA[0].Addr())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func(c *PingConn) { _, err := c.Read(make([]byte, 1)); done <- err }(c)
	c = nil
	for begin := time.Now(); s.pings.Len() > 1 && time.Since(begin) < time.Minute; {
		runtime.GC()
	}
	for range 5 {
		runtime.GC()
	}
	if n := s.pings.Len(); n != 1 {
		t.Errorf("%d identifiers are taken, want that of the socket in use", n)
	}
	s.Close()
	wantOpError(t, <-done, "read", net.ErrClosed)
}

// A ping socket takes echo replies to the stack's own addresses only, whatever a forwarder takes.
func TestPingBesideForwarder(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		if _, err := p.b.ForwardPing(nil, func(*EchoRequest) {}); err != nil {
			t.Fatal(err)
		}
		c, err := p.b.ListenPing(ports.Wildcard(a.Is4()))
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []netip.Addr{remoteEnds(a)[0].Addr(), b} {
			ip := wire.IP{Src: a, Dst: to, Protocol: wire.ProtocolICMP}
			m := wire.ICMP{Type: wire.ICMPv4EchoReply, ID: c.id, Body: []byte(to.String())}
			if a.Is6() {
				ip.Protocol, m.Type = wire.ProtocolICMPv6, wire.ICMPv6EchoReply
			}
			message := make([]byte, echoHeaderLen+len(m.Body))
			wire.PutICMP(message, &ip, &m)
			p.db.Inject(ipPacket(a, to, ip.Protocol, message))
		}
		buffer := make([]byte, 100)
		n, err := c.Read(buffer)
		if got := string(buffer[echoHeaderLen:max(n, echoHeaderLen)]); err != nil || got != b.String() {
			t.Errorf("a reply to %s, %v; want the one to %v", got, err, b)
		}
	})
}

func TestPingToNil(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, err := p.a.ListenPing(addressesA[0].Addr())
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []net.Addr{nil, (*net.IPAddr)(nil), (*net.UDPAddr)(nil)} {
			if _, err := c.WriteTo([]byte{8, 0, 0, 0, 0, 0, 0, 0}, to); err == nil {
				t.Errorf("%T: no error", to)
			}
		}
	})
}
