//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/stack"
	"minitcp/tun"
)

// socketIn returns a UDP socket of the kernel's in a namespace, connected if remote is not "". Its reads fail after
// patience.
func socketIn(t *testing.T, n *tun.Namespace, local, remote string) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := n.Do(func() error {
		if remote != "" {
			dialed, err := net.Dial("udp", remote)
			if err == nil {
				c = dialed.(*net.UDPConn)
			}
			return err
		}
		p, err := net.ListenPacket("udp", local)
		if err == nil {
			c = p.(*net.UDPConn)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// forwardUDP forwards the datagrams of the clients, and returns their flows.
func (g *testGateway) forwardUDP(t *testing.T, cfg stack.ForwardUDPConfig) <-chan *stack.UDPFlow {
	t.Helper()
	flows := make(chan *stack.UDPFlow, 10)
	if _, err := g.stack.ForwardUDP(cfg, func(f *stack.UDPFlow) { flows <- f }); err != nil {
		t.Fatal(err)
	}
	return flows
}

// relayUDP gives each flow a socket of the kernel's among the servers, at the gateway's own address there, and copies
// datagrams both ways until the test ends.
func (g *testGateway) relayUDP(t *testing.T, flows <-chan *stack.UDPFlow) {
	var relays sync.WaitGroup
	ended := make(chan struct{})
	t.Cleanup(func() {
		g.stack.Close() // ends the flows
		close(ended)
		relays.Wait()
	})
	relays.Go(func() {
		for {
			select {
			case <-ended:
				return
			case f := <-flows:
				outside := "198.18.0.9:0"
				if f.LocalAddr().(*net.UDPAddr).IP.To4() == nil {
					outside = "[fd80::9]:0"
				}
				s := socketIn(t, g.servers, outside, "")
				relays.Go(func() { copyDatagrams(s, f) })
				relays.Go(func() { copyDatagrams(f, s) })
			}
		}
	})
}

type datagramConn interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	Close() error
}

// copyDatagrams copies until one of the sockets is closed, and closes both.
func copyDatagrams(to, from datagramConn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 65535)
	for {
		n, addr, err := from.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
		if _, err := to.WriteToUDPAddrPort(b[:n], addr); err != nil {
			return
		}
	}
}

// serveReflection makes a server among the servers answer every datagram with the address that it came from, as a STUN
// server answers a Binding Request: from itself, or from other if the datagram asks for that (CHANGE-REQUEST).
func serveReflection(t *testing.T, server, other *net.UDPConn) {
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			via := server
			if string(b[:n]) == "change" {
				via = other
			}
			via.WriteToUDPAddrPort([]byte(from.String()), from)
		}
	}()
}

// probe sends a datagram and returns the answer and its sender.
func probe(t *testing.T, c *net.UDPConn, to net.Addr, text string) (answer string, from netip.AddrPort) {
	t.Helper()
	if _, err := c.WriteTo([]byte(text), to); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n]), from
}

// Two probes in the manner of RFC 5780, from a socket of the kernel's. Mapping (4.3): servers at two addresses see the
// client at one address and port. Filtering (4.4): an answer arrives from a server to which the client has sent
// nothing.
func TestForwardUDPEndpointIndependent(t *testing.T) {
	for _, family := range forwardFamilies {
		t.Run(family.name, func(t *testing.T) {
			g := newGateway(t)
			g.relayUDP(t, g.forwardUDP(t, stack.ForwardUDPConfig{}))
			seenByA, seenByB := udpEndpointIndependent(t, g, family.name, family.live)
			if seenByB != seenByA {
				t.Errorf("mapping: one server sees %v, the other %v", seenByA, seenByB)
			}
			if n := g.stack.Stats()["udp-flows"]; n != 1 {
				t.Errorf("%d flows, want 1", n)
			}
		})
	}
}

// udpEndpointIndependent makes the probes of TestForwardUDPEndpointIndependent. It returns the client as two servers
// see it.
func udpEndpointIndependent(t *testing.T, g *testGateway, family, live string) (seenByA, seenByB netip.AddrPort) {
	t.Helper()
	second := "198.18.0.2:0"
	if family == "IPv6" {
		second = "[fd80::2]:0"
	}
	a := socketIn(t, g.servers, net.JoinHostPort(live, "0"), "")
	b := socketIn(t, g.servers, second, "")
	unknown := socketIn(t, g.servers, second, "")
	serveReflection(t, a, unknown)
	serveReflection(t, b, unknown)

	client := socketIn(t, g.clients, ":0", "")
	answerA, from := probe(t, client, a.LocalAddr(), "hello")
	if want := a.LocalAddr().String(); from.String() != want && netip.AddrPortFrom(from.Addr().Unmap(), from.Port()).String() != want {
		t.Errorf("the answer of %v comes from %v", want, from)
	}
	answerB, _ := probe(t, client, b.LocalAddr(), "hello")
	if _, from = probe(t, client, a.LocalAddr(), "change"); from.Port() != uint16(unknown.LocalAddr().(*net.UDPAddr).Port) {
		t.Errorf("filtering: an answer from %v, want one from %v", from, unknown.LocalAddr())
	}
	return netip.MustParseAddrPort(answerA), netip.MustParseAddrPort(answerB)
}

// The forwarder's verdict on a datagram is the error of the next call of a connected socket of the kernel's.
func TestForwardUDPUnreachable(t *testing.T) {
	for _, family := range forwardFamilies {
		t.Run(family.name, func(t *testing.T) {
			g := newGateway(t)
			flows := g.forwardUDP(t, stack.ForwardUDPConfig{})
			for reason, want := range map[stack.Unreachable]syscall.Errno{
				stack.NetUnreachable: syscall.ENETUNREACH, stack.HostUnreachable: syscall.EHOSTUNREACH, stack.PortUnreachable: syscall.ECONNREFUSED,
			} {
				client := socketIn(t, g.clients, "", net.JoinHostPort(family.live, "9"))
				reportErrors(t, client, family.name)
				if _, err := client.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				f := <-flows
				_, to, err := f.ReadFromUDPAddrPort(make([]byte, 10))
				if err != nil {
					t.Fatal(err)
				}
				if err := f.SendUnreachable(to, reason); err != nil {
					t.Fatal(err)
				}
				if _, err := client.Read(make([]byte, 1)); !errors.Is(err, want) {
					t.Errorf("%v: Read returns %v, want %v", reason, err, want)
				}
			}
		})
	}
}

// reportErrors makes the kernel report all ICMP errors to a UDP socket, not only those for a closed port (IP_RECVERR).
func reportErrors(t *testing.T, c *net.UDPConn, family string) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR
	if family == "IPv6" {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, option, 1) })
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
}

// Datagrams that a client of the kernel's sends in one call with UDP_SEGMENT arrive singly, in order and whole, and so
// do those of a WriteBatch at the client. Since Linux 6.2 they pass the TUN in one frame. Fragments pass both ways,
// too.
func TestForwardUDPFromKernel(t *testing.T) {
	for _, family := range forwardFamilies {
		t.Run(family.name, func(t *testing.T) {
			g := newGateway(t)
			flows := g.forwardUDP(t, stack.ForwardUDPConfig{})
			client := socketIn(t, g.clients, ":0", "")
			to := netip.AddrPortFrom(netip.MustParseAddr(family.live), 53)
			const size = 1200
			data := noiseBytes(t, 6, 20*size+700)
			control := make([]byte, unix.CmsgSpace(2))
			h := unix.Cmsghdr{Level: unix.SOL_UDP, Type: unix.UDP_SEGMENT}
			h.SetLen(unix.CmsgLen(2))
			putHeader(control, &h)
			binary.NativeEndian.PutUint16(control[unix.CmsgLen(0):], size)
			before := g.stack.Stats()["frames-received"]
			if _, _, err := client.WriteMsgUDPAddrPort(data, control, to); err != nil {
				t.Fatal(err)
			}
			f := <-flows
			if n := g.stack.Stats()["frames-received"] - before; n > 5 && g.segmentsUDP { // IPv6 sends a few
				t.Errorf("%d frames, want 1", n)
			}
			f.SetReadDeadline(time.Now().Add(patience))
			b := make([]byte, 65535)
			for want := range slices.Chunk(data, size) {
				n, from, err := f.ReadFromUDPAddrPort(b)
				if err != nil || from != to || !bytes.Equal(b[:n], want) {
					t.Fatalf("%d bytes for %v, %v; want %d bytes for %v", n, from, err, len(want), to)
				}
			}
			var batch []stack.Datagram
			for part := range slices.Chunk(data, size) {
				batch = append(batch, stack.Datagram{Buffer: part, N: len(part), Remote: to})
			}
			before = g.stack.Stats()["frames-sent"]
			if n, err := f.WriteBatch(batch); n != len(batch) || err != nil {
				t.Fatalf("WriteBatch: %d, %v", n, err)
			}
			if n := g.stack.Stats()["frames-sent"] - before; n > 5 && g.segmentsUDP {
				t.Errorf("%d frames, want 1", n)
			}
			for want := range slices.Chunk(data, size) {
				if n, from, err := client.ReadFromUDPAddrPort(b); err != nil || !bytes.Equal(b[:n], want) {
					t.Fatalf("to the kernel: %d bytes from %v, %v; want %d bytes", n, from, err, len(want))
				}
			}
			if _, err := client.WriteToUDPAddrPort(data, to); err != nil { // in fragments
				t.Fatal(err)
			}
			if n, _, err := f.ReadFromUDPAddrPort(b); err != nil || !bytes.Equal(b[:n], data) {
				t.Errorf("fragments: %d bytes, %v; want %d", n, err, len(data))
			}
			if _, err := f.WriteToUDPAddrPort(data, to); err != nil { // in fragments, too
				t.Fatal(err)
			}
			if n, from, err := client.ReadFromUDPAddrPort(b); err != nil || !bytes.Equal(b[:n], data) {
				t.Errorf("fragments to the kernel: %d bytes from %v, %v; want %d", n, from, err, len(data))
			}
		})
	}
}

// putHeader writes the header of a control message.
func putHeader(b []byte, h *unix.Cmsghdr) {
	if _, err := binary.Encode(b, binary.NativeEndian, h); err != nil {
		panic(err)
	}
}
