package stack

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack/internal/datagrams"
	"minitcp/stack/internal/memory"
	"minitcp/stack/stacktest"
)

// families runs f with the addresses of a and b of each family.
func families(t *testing.T, f func(t *testing.T, a, b netip.Addr)) {
	for i, name := range []string{"IPv4", "IPv6"} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T) { f(t, addressesA[i].Addr(), addressesB[i].Addr()) })
		})
	}
}

func (p *pair) listenUDP(address netip.AddrPort) *UDPConn {
	p.t.Helper()
	c, err := p.b.ListenUDP("udp", address.String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.used = append(p.used, c)
	return c
}

func (p *pair) dialUDP(remote netip.AddrPort) *UDPConn {
	p.t.Helper()
	c, err := p.a.DialUDP(netip.AddrPort{}, remote)
	if err != nil {
		p.t.Fatal(err)
	}
	p.used = append(p.used, c)
	return c
}

func wantDatagram(t *testing.T, c interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
}, want string) netip.AddrPort {
	t.Helper()
	b := make([]byte, len(want)+1)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("read %q, %v; want %q", b[:n], err, want)
	}
	return from
}

// A datagram that any method has sent can be read by any method, with the sender's address.
func TestUDP(t *testing.T) {
	for _, offload := range []stacktest.Offload{stacktest.Offloaded, stacktest.Plain} {
		families(t, func(t *testing.T, a, b netip.Addr) {
			p := newPairOn(t, stacktest.Config{Offload: offload}, Config{}, Config{})
			server := p.listenUDP(netip.AddrPortFrom(b, 53))
			client := p.dialUDP(netip.AddrPortFrom(b, 53))
			own := client.LocalAddr().(*net.UDPAddr).AddrPort()
			if own.Addr() != a || own.Port() < 32768 || client.RemoteAddr().String() != netip.AddrPortFrom(b, 53).String() {
				t.Fatalf("connected from %v to %v", own, client.RemoteAddr())
			}
			write(t, client, "one")
			if from := wantDatagram(t, server, "one"); from != own {
				t.Errorf("from %v, want %v", from, own)
			}
			buffer := make([]byte, 10)
			replies := []func([]byte) (int, error){
				func(p []byte) (int, error) { return server.WriteTo(p, net.UDPAddrFromAddrPort(own)) },
				func(p []byte) (int, error) { return server.WriteToUDP(p, net.UDPAddrFromAddrPort(own)) },
				func(p []byte) (int, error) { return server.WriteToUDPAddrPort(p, own) },
				func(p []byte) (int, error) {
					_, err := server.WriteBatch([]Datagram{{Buffer: p, N: len(p), Remote: own}})
					return len(p), err
				},
			}
			reads := []func() (int, netip.AddrPort, error){
				func() (int, netip.AddrPort, error) {
					n, err := client.Read(buffer)
					return n, netip.AddrPortFrom(b, 53), err
				},
				func() (int, netip.AddrPort, error) {
					n, from, err := client.ReadFrom(buffer)
					return n, from.(*net.UDPAddr).AddrPort(), err
				},
				func() (int, netip.AddrPort, error) {
					n, from, err := client.ReadFromUDP(buffer)
					return n, from.AddrPort(), err
				},
				func() (int, netip.AddrPort, error) { return client.ReadFromUDPAddrPort(buffer) },
				func() (int, netip.AddrPort, error) {
					batch := []Datagram{{Buffer: buffer}, {Buffer: make([]byte, 10)}}
					n, err := client.ReadBatch(batch)
					if n != 1 || batch[0].Local != a || batch[0].Truncated {
						t.Errorf("ReadBatch: %d, %+v", n, batch[0])
					}
					return batch[0].N, batch[0].Remote, err
				},
			}
			for i, reply := range replies {
				for j, read := range reads {
					message := fmt.Sprint(i, j)
					if n, err := reply([]byte(message)); n != len(message) || err != nil {
						t.Fatalf("reply %d: %d, %v", i, n, err)
					}
					if n, from, err := read(); string(buffer[:n]) != message || from != netip.AddrPortFrom(b, 53) || err != nil {
						t.Fatalf("read %d: %q from %v, %v", j, buffer[:n], from, err)
					}
				}
			}
		})
	}
}

// Empty datagrams and the largest arrive whole; one byte more is EMSGSIZE.
func TestUDPSizes(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		server := p.listenUDP(netip.AddrPortFrom(b, 53))
		client := p.dialUDP(netip.AddrPortFrom(b, 53))
		most := 65507
		if b.Is6() {
			most = 65527
		}
		data := make([]byte, most+1)
		rand.NewChaCha8([32]byte{1}).Read(data)
		headers := 28
		if b.Is6() {
			headers = 48
		}
		for _, n := range []int{0, 1, 1500 - headers, 1500 - headers + 1, 9000, most} {
			if _, err := client.Write(data[:n]); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			got := make([]byte, most+1)
			m, err := server.Read(got)
			if err != nil || !bytes.Equal(got[:m], data[:n]) {
				t.Fatalf("%d of %d bytes arrived, %v", m, n, err)
			}
		}
		_, err := client.Write(data)
		wantOpError(t, err, "write", syscall.EMSGSIZE)

		// Fragments are not sent if they must not be.
		client.SetDontFragment(true)
		if _, err := client.Write(data[:1500-headers]); err != nil {
			t.Errorf("a datagram that fits: %v", err)
		}
		_, err = client.Write(data[:1500-headers+1])
		wantOpError(t, err, "write", syscall.EMSGSIZE)

		// The rest of a datagram that the buffer has no room for is lost.
		write(t, client, "too long")
		server.Read(nil) // the datagram of before
		batch := []Datagram{{Buffer: make([]byte, 3)}}
		if n, err := server.ReadBatch(batch); n != 1 || err != nil || string(batch[0].Buffer[:batch[0].N]) != "too" || !batch[0].Truncated {
			t.Errorf("%d, %v, %+v", n, err, batch[0])
		}

		// A later one of a batch is left for the next call.
		write(t, client, "abc")
		write(t, client, "long")
		batch = append(batch, Datagram{Buffer: make([]byte, 3)})
		if n, err := server.ReadBatch(batch); n != 1 || err != nil || string(batch[0].Buffer) != "abc" {
			t.Errorf("%d, %v, %+v; want the first of two", n, err, batch[0])
		}
		wantDatagram(t, server, "long")
	})
}

// A connected socket comes before one that is bound to the address, and that before one bound to the port alone.
func TestUDPDemultiplexing(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		at := netip.AddrPortFrom(b, 53)
		from := netip.AddrPortFrom(a, 1000)
		client, err := p.a.ListenUDP("udp", from.String())
		if err != nil {
			t.Fatal(err)
		}
		send := func(message string) {
			t.Helper()
			if _, err := client.WriteToUDPAddrPort([]byte(message), at); err != nil {
				t.Fatal(err)
			}
		}
		wildcard, err := p.b.ListenUDP("udp", ":53")
		if err != nil {
			t.Fatal(err)
		}
		send("wildcard")
		wantDatagram(t, wildcard, "wildcard")
		_, err = p.b.ListenUDP("udp", at.String())
		wantOpError(t, err, "listen", syscall.EADDRINUSE)
		wildcard.Close()

		bound := p.listenUDP(at)
		_, err = p.b.ListenUDP("udp", ":53")
		wantOpError(t, err, "listen", syscall.EADDRINUSE)
		send("bound")
		wantDatagram(t, bound, "bound")
		bound.Close()

		connected, err := p.b.DialUDP(at, from)
		if err != nil {
			t.Fatal(err)
		}
		send("connected")
		wantDatagram(t, connected, "connected")
		other := p.dialUDP(at) // another port: not the socket's peer
		write(t, other, "x")
		_, err = other.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNREFUSED)
		_, err = p.b.DialUDP(at, from)
		wantOpError(t, err, "dial", syscall.EADDRINUSE)
	})
}

// An ICMP error fails the next call on the connected socket, whichever it is, and only that one.
func TestUDPICMPErrors(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		c := p.dialUDP(netip.AddrPortFrom(b, 53))
		write(t, c, "is anybody there?")
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.ECONNREFUSED)
		write(t, c, "again")
		synctest.Wait()
		_, err = c.Write([]byte("x"))
		wantOpError(t, err, "write", syscall.ECONNREFUSED)
		write(t, c, "and again")
		synctest.Wait()
		if got := p.b.Stats()["dropped-udp-no-port"]; got != 3 {
			t.Errorf("%d datagrams for a closed port, want 3", got)
		}
		// A socket that is not connected does not hear of it.
		l, err := p.a.ListenUDP("udp", netip.AddrPortFrom(a, 0).String())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := l.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(b, 53)); err != nil {
				t.Errorf("a socket that is not connected: %v", err)
			}
			synctest.Wait()
		}
	})
}

// unreachable returns the frame of an ICMP error from router about the packet that a sent in frame.
func icmpAbout(frame []byte, router netip.Addr, m wire.ICMP) []byte {
	packet := frame[wire.VirtioHeaderLen:]
	var sent wire.IP
	wire.ParseIP(packet, &sent)
	m.Body = packet[:min(len(packet), 200)]
	b := make([]byte, 8+len(m.Body))
	protocol := wire.ProtocolICMPv6
	if router.Is4() {
		protocol = wire.ProtocolICMP
	}
	n := wire.PutICMP(b, &wire.IP{Src: router, Dst: sent.Src, Protocol: protocol}, &m)
	return ipPacket(router, sent.Src, protocol, b[:n])
}

// ICMP errors become the errors that the kernel's sockets return, and Packet Too Big the path MTU.
func TestUDPICMPKinds(t *testing.T) {
	for i, kinds := range [][]struct {
		m    wire.ICMP
		want error
	}{
		{
			{wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4PortUnreachable}, syscall.ECONNREFUSED},
			{wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4NetUnreachable}, syscall.ENETUNREACH},
			{wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4HostUnreachable}, syscall.EHOSTUNREACH},
			{wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: 1000}, syscall.EMSGSIZE},
		},
		{
			{wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6PortUnreachable}, syscall.ECONNREFUSED},
			{wire.ICMP{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6NoRoute}, syscall.ENETUNREACH},
			{wire.ICMP{Type: wire.ICMPv6Unreachable, Code: 3}, syscall.EHOSTUNREACH},
			{wire.ICMP{Type: wire.ICMPv6TooBig, MTU: 1280}, syscall.EMSGSIZE},
		},
	} {
		b, router := addressesB[i].Addr(), []string{"10.77.0.254", "fd77::fe"}[i]
		for _, k := range kinds {
			within(t, func(t *testing.T) {
				p := newPair(t, Config{})
				server := p.listenUDP(netip.AddrPortFrom(b, 53))
				c := p.dialUDP(netip.AddrPortFrom(b, 53))
				c.SetDontFragment(true)
				var frame []byte
				p.da.SetHook(func(f []byte) stacktest.Fate {
					frame = bytes.Clone(f)
					return stacktest.Drop
				})
				data := make([]byte, 1400)
				if _, err := c.Write(data); err != nil {
					t.Fatal(err)
				}
				p.da.SetHook(nil)
				p.da.Inject(icmpAbout(frame, netip.MustParseAddr(router), k.m))
				_, err := c.Read(make([]byte, 1))
				wantOpError(t, err, "read", k.want)
				if k.want != syscall.EMSGSIZE {
					return
				}
				// The path MTU bounds datagrams, and without DontFragment larger ones are fragmented.
				_, err = c.Write(data)
				wantOpError(t, err, "write", syscall.EMSGSIZE)
				c.SetDontFragment(false)
				largest, n := 0, 0
				p.da.SetHook(func(f []byte) stacktest.Fate {
					n, largest = n+1, max(largest, len(f)-wire.VirtioHeaderLen)
					return stacktest.Pass
				})
				if _, err := c.Write(data); err != nil {
					t.Fatal(err)
				}
				if got, err := server.Read(make([]byte, 2000)); got != len(data) || err != nil {
					t.Errorf("%d bytes arrived, %v", got, err)
				}
				if n != 2 || largest > int(k.m.MTU) {
					t.Errorf("%d packets, the largest of %d bytes; want 2 of at most %d", n, largest, k.m.MTU)
				}
			})
		}
	}
}

// A path MTU ends 10 minutes after the last Packet Too Big that reported it.
func TestUDPPathMTUExpires(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		c := p.dialUDP(netip.AddrPortFrom(b, 53))
		if err := c.SetDontFragment(true); err != nil {
			t.Fatal(err)
		}
		var frame []byte
		p.da.SetHook(func(f []byte) stacktest.Fate { frame = bytes.Clone(f); return stacktest.Drop })
		m := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: 1300}
		if b.Is6() {
			m = wire.ICMP{Type: wire.ICMPv6TooBig, MTU: 1300}
		}
		data := make([]byte, 1400)
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}
		wantTooLong := func() {
			t.Helper()
			_, err := c.Write(data)
			wantOpError(t, err, "write", syscall.EMSGSIZE)
		}
		tooBig := func() {
			p.da.Inject(icmpAbout(frame, b, m))
			synctest.Wait()
		}
		tooBig()
		wantTooLong() // once because of the message
		wantTooLong()
		time.Sleep(9 * time.Minute)
		wantTooLong()
		tooBig()
		time.Sleep(10*time.Minute - time.Nanosecond)
		wantTooLong()
		time.Sleep(time.Nanosecond)
		if _, err := c.Write(data); err != nil {
			t.Errorf("10 minutes after the last Packet Too Big: %v", err)
		}
		tooBig()
		wantTooLong()
		wantTooLong()
	})
}

// A forged Packet Too Big does not make tiny fragments, and raises no MTU.
func TestUDPForgedPacketTooBig(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		c := p.dialUDP(netip.AddrPortFrom(b, 53))
		for _, k := range []struct{ mtu, want4, want6 int }{{68, 552, 1280}, {9000, 552, 1280}, {0, 552, 1280}} {
			m := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: uint32(k.mtu)}
			want := k.want4
			if b.Is6() {
				m, want = wire.ICMP{Type: wire.ICMPv6TooBig, MTU: uint32(k.mtu)}, k.want6
			}
			var frame []byte
			p.da.SetHook(func(f []byte) stacktest.Fate { frame = bytes.Clone(f); return stacktest.Drop })
			write(t, c, "x")
			p.da.SetHook(nil)
			p.da.Inject(icmpAbout(frame, b, m))
			synctest.Wait()
			c.mu.Lock()
			if got := c.mtu(); got != want {
				t.Errorf("after an MTU of %d: %d, want %d", k.mtu, got, want)
			}
			c.mu.Unlock()
		}
	})
}

// The queue is bounded in bytes. The newest datagram is dropped, and counted.
func TestUDPReceiveBuffer(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		server := p.listenUDP(netip.MustParseAddrPort("10.77.0.2:53"))
		client := p.dialUDP(netip.MustParseAddrPort("10.77.0.2:53"))
		if err := server.SetReadBuffer(10 * (100 + datagrams.Overhead)); err != nil {
			t.Fatal(err)
		}
		for i := range 25 {
			client.Write(append(make([]byte, 99), byte(i)))
		}
		synctest.Wait()
		if got := p.b.Stats()["udp-receive-buffer-full"]; got != 15 {
			t.Errorf("%d dropped, want 15", got)
		}
		for i := range 10 {
			b := make([]byte, 100)
			if n, err := server.Read(b); n != 100 || err != nil || b[99] != byte(i) {
				t.Fatalf("datagram %d: %d, %v, %d", i, n, err, b[99])
			}
		}
		if n := p.b.cfg.Conn.Pool.(*memory.Pool).Charged(); n > 1<<10 || server.in.Len() != 0 {
			t.Error("an empty queue holds memory")
		}
		wantOpError(t, server.SetReadBuffer(0), "set", syscall.EINVAL)
	})
}

// Checksums are verified. One of 0 means none in IPv4, and is not allowed in IPv6.
func TestUDPChecksum(t *testing.T) {
	for i, family := range []string{"IPv4", "IPv6"} {
		within(t, func(t *testing.T) {
			a, b := addressesA[i].Addr(), addressesB[i].Addr()
			p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{}, Config{})
			server := p.listenUDP(netip.AddrPortFrom(b, 53))
			send := func(change func(datagram []byte)) {
				d := make([]byte, 8, 16)
				wire.PutUDP(d, 9, 53, 4)
				d = append(d, "data"...)
				wire.PutUDPChecksum(d, wire.ChecksumGather(wire.PseudoHeaderSum(a, b, wire.ProtocolUDP, len(d)), [][]byte{d}))
				change(d)
				p.db.Inject(ipPacket(a, b, wire.ProtocolUDP, d))
				synctest.Wait()
			}
			send(func(d []byte) {})
			send(func(d []byte) { d[8]++ })
			send(func(d []byte) { d[6], d[7] = 0, 0 })
			send(func(d []byte) { d[5] = 13 })
			send(func(d []byte) { d[5] = 7 })
			stats := p.b.Stats()
			damaged, arrived := uint64(1), 2
			if family == "IPv6" {
				damaged, arrived = 2, 1
			}
			if stats["dropped-udp-checksum"] != damaged || stats["dropped-udp-length"] != 2 || server.in.Len() != arrived {
				t.Errorf("%s: %d wrong checksums, %d wrong lengths, %d arrived; want %d, 2, %d", family,
					stats["dropped-udp-checksum"], stats["dropped-udp-length"], server.in.Len(), damaged, arrived)
			}
		})
	}
}

// A frame in which the kernel has joined datagrams of one flow is cut.
func TestUDPSuperframe(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		server := p.listenUDP(netip.AddrPortFrom(b, 53))
		d := make([]byte, 8, 64)
		wire.PutUDP(d, 9, 53, 10)
		frame := ipPacket(a, b, wire.ProtocolUDP, append(d, "aaaabbbbcc"...))
		wire.PutVirtio(frame, &wire.VirtioHeader{Flags: wire.VirtioNeedsChecksum, GSOType: wire.GSOUDPL4, GSOSize: 4})
		p.db.Inject(frame)
		for _, want := range []string{"aaaa", "bbbb", "cc"} {
			if from := wantDatagram(t, server, want); from != netip.AddrPortFrom(a, 9) {
				t.Errorf("from %v", from)
			}
		}
	})
}

// WriteBatch joins datagrams of one size and destination in a frame, if the device takes it. They arrive
// singly and in order in any case.
func TestUDPWriteBatchJoins(t *testing.T) {
	sizes := func(n int, size int, last ...int) []int { return append(slices.Repeat([]int{size}, n), last...) }
	for _, k := range []struct {
		name   string
		sizes  []int
		frames int
	}{
		{"one size", sizes(10, 1000), 1},
		{"a shorter last one", sizes(10, 1000, 7), 1},
		{"a longer last one", sizes(10, 1000, 1001), 2},
		{"more after the shorter one", sizes(3, 1000, 7, 7), 2},
		{"64 at most", sizes(65, 100), 2},
		{"64 KiB at most", sizes(60, 1400), 2},
		{"none is empty", sizes(2, 0), 2},
		{"an empty one ends it", sizes(2, 5, 0), 2},
		{"larger than the MTU", sizes(2, 1600), 4}, // two fragments each
	} {
		t.Run(k.name, func(t *testing.T) {
			families(t, func(t *testing.T, a, b netip.Addr) {
				p := newPair(t, Config{})
				server, client := p.listenUDP(netip.AddrPortFrom(b, 53)), p.dialUDP(netip.AddrPortFrom(b, 53))
				batch := make([]Datagram, len(k.sizes))
				for i, n := range k.sizes {
					batch[i] = Datagram{Buffer: bytes.Repeat([]byte{byte(i)}, n), N: n}
				}
				if n, err := client.WriteBatch(batch); n != len(batch) || err != nil {
					t.Fatalf("WriteBatch: %d, %v; want %d", n, err, len(batch))
				}
				wantCount(t, p.a, "frames-sent", uint64(k.frames))
				wantCount(t, p.a, "udp-sent", uint64(len(batch)))
				for _, d := range batch {
					wantDatagram(t, server, string(d.Buffer))
				}
			})
		})
	}
}

// A Plain device, or other addresses or another ECN codepoint, keep datagrams apart.
func TestUDPWriteBatchApart(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		to := netip.AddrPortFrom(b, 53)
		same := Datagram{Buffer: []byte("x"), N: 1, Remote: to}
		otherPort, otherECN, otherLocal := same, same, same
		otherPort.Remote = netip.AddrPortFrom(b, 54)
		otherECN.ECN = wire.ECT0
		otherLocal.Local = a
		for _, k := range []struct {
			offload stacktest.Offload
			second  Datagram
			frames  uint64
		}{
			{stacktest.Offloaded, same, 1},
			{stacktest.Plain, same, 2},
			{stacktest.Offloaded, otherPort, 2},
			{stacktest.Offloaded, otherECN, 2},
			{stacktest.Offloaded, otherLocal, 2},
		} {
			p := newPairOn(t, stacktest.Config{Offload: k.offload}, Config{}, Config{})
			p.listenUDP(to)
			p.listenUDP(netip.AddrPortFrom(b, 54))
			client, err := p.a.ListenUDP("udp", ":0")
			if err != nil {
				t.Fatal(err)
			}
			if n, err := client.WriteBatch([]Datagram{same, k.second}); n != 2 || err != nil {
				t.Fatalf("WriteBatch: %d, %v", n, err)
			}
			wantCount(t, p.a, "frames-sent", k.frames)
			wantCount(t, p.b, "udp-received", 2)
		}
	})
}

// Deadlines, Close and the end of the stack end calls that wait, and those that come later.
func TestUDPDeadlinesAndClose(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c := p.listenUDP(netip.MustParseAddrPort("10.77.0.2:53"))
		begin := time.Now()
		c.SetReadDeadline(begin.Add(time.Second))
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", os.ErrDeadlineExceeded)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("the deadline passed after %v", took)
		}
		if e := err.(net.Error); !e.Timeout() {
			t.Error("not a timeout")
		}
		c.SetReadDeadline(time.Time{})
		c.SetWriteDeadline(begin)
		_, err = c.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort("10.77.0.1:9"))
		wantOpError(t, err, "write", os.ErrDeadlineExceeded)
		c.SetWriteDeadline(time.Time{})

		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() {
				_, _, err := c.ReadFrom(make([]byte, 1))
				wantOpError(t, err, "read", net.ErrClosed)
			})
		}
		synctest.Wait()
		c.SetReadDeadline(time.Now().Add(time.Hour)) // changes nothing for calls that wait
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		wait.Wait()
		wantOpError(t, c.Close(), "close", net.ErrClosed)
		wantOpError(t, c.SetDeadline(time.Now()), "set", net.ErrClosed)
		_, err = c.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort("10.77.0.1:9"))
		wantOpError(t, err, "write", net.ErrClosed)
		again := p.listenUDP(netip.MustParseAddrPort("10.77.0.2:53")) // the port is free

		wait.Go(func() {
			_, err := again.Read(make([]byte, 1))
			wantOpError(t, err, "read", net.ErrClosed)
		})
		synctest.Wait()
		p.b.Close()
		wait.Wait()
		_, err = p.b.ListenUDP("udp", ":0")
		wantOpError(t, err, "listen", net.ErrClosed)
	})
}

// A device that fails ends the sockets with its error.
func TestUDPAfterDeviceFails(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c := p.listenUDP(netip.MustParseAddrPort("10.77.0.2:53"))
		done := make(chan error)
		go func() {
			_, err := c.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		p.db.Close()
		if err := <-done; !errors.Is(err, os.ErrClosed) || errors.Is(err, net.ErrClosed) {
			t.Errorf("%v, want the device's error", err)
		}
		if err := p.b.Close(); !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
		p.b = p.a // the test's cleanup closes it once more
	})
}

// Wrong arguments get the errors of package net.
func TestUDPErrors(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c := p.dialUDP(netip.MustParseAddrPort("10.77.0.2:53"))
		l, err := p.a.ListenUDP("udp4", ":0")
		if err != nil {
			t.Fatal(err)
		}
		both, err := p.a.ListenPacket("udp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		x := []byte("x")
		for _, k := range []struct {
			name, op string
			call     func() error
			want     error
		}{
			{"an address for a connected socket", "write", func() error { _, err := c.WriteTo(x, c.RemoteAddr()); return err }, net.ErrWriteToConnected},
			{"no address", "write", func() error { _, err := l.Write(x); return err }, syscall.EDESTADDRREQ},
			{"a nil address", "write", func() error { _, err := l.WriteToUDP(x, nil); return err }, errMissingAddress},
			{"another kind of address", "write", func() error { _, err := l.WriteTo(x, &net.TCPAddr{}); return err }, syscall.EINVAL},
			{"the other family", "write", func() error {
				_, err := l.WriteToUDPAddrPort(x, netip.MustParseAddrPort("[fd77::2]:53"))
				return err
			}, syscall.EAFNOSUPPORT},
			{"a zero address", "write", func() error { _, err := l.WriteToUDPAddrPort(x, netip.AddrPort{}); return err }, syscall.EDESTADDRREQ},
			{"a multicast group", "write", func() error {
				_, err := l.WriteToUDPAddrPort(x, netip.MustParseAddrPort("224.0.0.1:53"))
				return err
			}, syscall.ENETUNREACH},
			{"a source that is not the stack's", "write", func() error {
				_, err := l.WriteBatch([]Datagram{{Buffer: x, N: 1, Remote: netip.MustParseAddrPort("10.77.0.2:53"), Local: netip.MustParseAddr("10.77.0.9")}})
				return err
			}, syscall.EADDRNOTAVAIL},
			{"an address that is not the stack's", "listen", func() error { _, err := p.a.ListenUDP("udp", "10.77.0.9:53"); return err }, syscall.EADDRNOTAVAIL},
			{"the network tcp", "listen", func() error { _, err := p.a.ListenUDP("tcp", ":53"); return err }, net.UnknownNetworkError("tcp")},
			{"an ECN codepoint of 4", "write", func() error {
				_, err := c.WriteBatch([]Datagram{{Buffer: x, N: 1, ECN: wire.CE + 1}})
				return err
			}, syscall.EINVAL},
			{"a hop limit of 0", "set", func() error { return c.SetHopLimit(0) }, syscall.EINVAL},
			{"a DSCP of 64", "set", func() error { return c.SetTrafficClass(64) }, syscall.EINVAL},
		} {
			t.Log(k.name)
			wantOpError(t, k.call(), k.op, k.want)
		}
		if _, err := both.WriteTo(x, &net.UDPAddr{IP: net.ParseIP("fd77::2"), Port: 53}); err != nil {
			t.Errorf("a socket of both families to IPv6: %v", err)
		}
		if _, err := both.WriteTo(x, &net.UDPAddr{IP: net.ParseIP("10.77.0.2"), Port: 53}); err != nil {
			t.Errorf("a socket of both families to IPv4: %v", err)
		}
		for network, want := range map[string]string{"udp": "10.77.0.2:9", "udp4": "10.77.0.2:9", "udp6": "[fd77::2]:9"} {
			c, err := p.a.Dial(network, want)
			if err != nil || c.RemoteAddr().Network() != "udp" || c.RemoteAddr().String() != want {
				t.Errorf("Dial %s: %v, %v", network, c, err)
			}
		}
		var address *net.AddrError
		if _, err := p.a.Dial("udp6", "10.77.0.2:9"); !errors.As(err, &address) || address.Err != "not an address of network udp6" {
			t.Errorf("Dial of the other family: %v", err)
		}
	})
}

// The traffic class, the hop limit and the congestion codepoint are those set, and arrive.
func TestUDPHeaderFields(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		server := p.listenUDP(netip.AddrPortFrom(b, 53))
		client := p.dialUDP(netip.AddrPortFrom(b, 53))
		client.SetTrafficClass(46)
		client.SetHopLimit(3)
		var ip wire.IP
		p.da.SetHook(func(f []byte) stacktest.Fate { wire.ParseIP(f[wire.VirtioHeaderLen:], &ip); return stacktest.Pass })
		if n, err := client.WriteBatch([]Datagram{{Buffer: []byte("x"), N: 1, ECN: wire.ECT0}}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		batch := []Datagram{{Buffer: make([]byte, 1)}}
		if n, err := server.ReadBatch(batch); n != 1 || err != nil || batch[0].ECN != wire.ECT0 || batch[0].Local != b {
			t.Errorf("%d, %v, %+v", n, err, batch[0])
		}
		if ip.HopLimit != 3 || ip.TrafficClass != 46<<2|uint8(wire.ECT0) {
			t.Errorf("hop limit %d, traffic class %#x", ip.HopLimit, ip.TrafficClass)
		}
	})
}

// Readers, writers, deadlines and Close at once, as nettest does it with streams. In the end every call has returned.
func TestUDPConcurrency(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		for range 20 {
			server := p.listenUDP(netip.MustParseAddrPort("10.77.0.2:53"))
			client := p.dialUDP(netip.MustParseAddrPort("10.77.0.2:53"))
			var wait sync.WaitGroup
			for _, c := range []*UDPConn{server, client} {
				for range 4 {
					wait.Go(func() {
						b := make([]byte, 100)
						for {
							n, from, err := c.ReadFromUDPAddrPort(b)
							if errors.Is(err, net.ErrClosed) {
								return
							}
							if err == nil && c == server {
								c.WriteToUDPAddrPort(b[:n], from)
							}
						}
					})
				}
			}
			for i := range 4 {
				wait.Go(func() {
					for j := range 100 {
						client.Write([]byte(fmt.Sprint(i, j)))
					}
				})
				wait.Go(func() {
					for range 100 {
						client.SetDeadline(time.Now().Add(time.Duration(i) * time.Microsecond))
						client.SetDeadline(time.Time{})
					}
				})
			}
			time.Sleep(time.Millisecond)
			for range 2 {
				wait.Go(func() { server.Close() })
				wait.Go(func() { client.Close() })
			}
			wait.Wait()
		}
	})
}

// Fragments that never become a packet are discarded after their time, which the sender is told.
func TestFragmentsTimeOut(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		server := p.listenUDP(netip.AddrPortFrom(b, 53))
		client := p.dialUDP(netip.AddrPortFrom(b, 53))
		n := 0
		p.da.SetHook(func(f []byte) stacktest.Fate {
			if n++; n == 2 {
				return stacktest.Drop
			}
			return stacktest.Pass
		})
		if _, err := client.Write(make([]byte, 4000)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		_, err := client.Read(make([]byte, 1))
		wantOpError(t, err, "read", syscall.EHOSTUNREACH)
		want := 30 * time.Second
		if b.Is6() {
			want = time.Minute
		}
		if took := time.Since(begin); took != want {
			t.Errorf("Time Exceeded after %v, want %v", took, want)
		}
		stats := p.b.Stats()
		if stats["fragments-received"] != 2 || stats["fragments-timed-out"] != 1 || stats["fragments-reassembled"] != 0 || server.in.Len() != 0 {
			t.Errorf("%v", stats)
		}
	})
}

// TCP's segments are put together, too: routers may fragment them where the path MTU is small.
func TestFragmentsOfTCP(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{}, Config{})
		p.da.SetHook(func(f []byte) stacktest.Fate {
			packet := f[wire.VirtioHeaderLen:]
			var ip wire.IP
			payload, err := wire.ParseIP(packet, &ip)
			if err != nil || len(payload) < 100 {
				return stacktest.Pass
			}
			for at := 0; at < len(payload); at += 96 {
				n := min(96, len(payload)-at)
				b := make([]byte, wire.VirtioHeaderLen+wire.IPv4HeaderLen, 200)
				wire.PutIP(b[wire.VirtioHeaderLen:], &ip, n)
				wire.PutFragmentIPv4(b[wire.VirtioHeaderLen:], wire.Fragment{ID: 7, Offset: at, More: at+n < len(payload)}, n)
				p.db.Inject(append(b, payload[at:at+n]...))
			}
			return stacktest.Drop
		})
		client, server := p.connect(p.listen())
		data := make([]byte, 5000)
		rand.NewChaCha8([32]byte{2}).Read(data)
		go client.Write(data)
		wantRead(t, server, string(data))
		if got := p.b.Stats()["retransmissions"]; got != 0 {
			t.Errorf("%d retransmissions", got)
		}
	})
}

// A socket that the application forgets without Close leaves its address free.
func TestForgottenUDPConn(t *testing.T) {
	s, err := New(nil, Config{Addresses: addressesA})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := netip.MustParseAddrPort("10.77.0.1:53")
	for _, open := range []func() error{
		func() error { _, err := s.ListenUDP("udp", at.String()); return err },
		func() error { _, err := s.DialUDP(at, netip.MustParseAddrPort("10.77.0.1:9")); return err },
	} {
		if err := open(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for s.udp.Len() > 0 && time.Since(begin) < time.Minute {
			runtime.GC()
		}
		if n := s.udp.Len(); n != 0 {
			t.Fatalf("%d sockets are registered", n)
		}
	}
	// One that a goroutine reads stays.
	c, err := s.ListenUDP("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func(c *UDPConn) { _, err := c.Read(make([]byte, 1)); done <- err }(c)
	c = nil
	for range 5 {
		runtime.GC()
	}
	if s.udp.Len() != 1 {
		t.Error("a socket in use was closed as an abandoned one")
	}
	s.Close()
	wantOpError(t, <-done, "read", net.ErrClosed)
}

// A path MTU is no reason to send packets that are larger than the device's MTU.
func TestUDPPathMTUAboveDevice(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		c := p.dialUDP(netip.AddrPortFrom(b, 53))
		c.mu.Lock()
		c.path.TooBig(p.a.clock.Now(), 1500, 1400, a.Is4())
		c.mu.Unlock()
		if err := p.a.SetMTU(1300); err != nil {
			t.Fatal(err)
		}
		largest := 0
		p.da.SetHook(func(f []byte) stacktest.Fate {
			largest = max(largest, len(f)-wire.VirtioHeaderLen)
			return stacktest.Drop
		})
		if _, err := c.Write(make([]byte, 1340)); err != nil {
			t.Fatal(err)
		}
		if largest > 1300 {
			t.Errorf("a packet of %d bytes, with an MTU of 1300", largest)
		}
	})
}
