package relay

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"minitcp/stack"
	"minitcp/stack/stacktest"
)

// loopbackSocket returns a socket on loopback of a network, and its address.
func loopbackSocket(t *testing.T, network string) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	address := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	if network == "udp6" {
		address.IP = net.IPv6loopback
	}
	c, err := net.ListenUDP(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second)) // not to wait for ever if it is broken
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// datagramsOf returns datagrams of the sizes given for one destination, each with other data.
func datagramsOf(to netip.AddrPort, sizes ...int) []stack.Datagram {
	list := make([]stack.Datagram, len(sizes))
	for i, n := range sizes {
		list[i] = stack.Datagram{Buffer: append(bytes.Repeat([]byte{byte(i)}, n), "more"...), N: n, Remote: to}
	}
	return list
}

var sizesOfBatches = map[string][]int{
	"one":                        {100},
	"of one size":                slices.Repeat([]int{1200}, 20),
	"a shorter last one":         append(slices.Repeat([]int{1200}, 20), 7),
	"a longer one":               {10, 10, 11, 10, 10},
	"empty ones":                 {0, 0, 5, 0, 5},
	"more than the kernel joins": slices.Repeat([]int{9}, 65),
	"more bytes than it joins":   slices.Repeat([]int{20_000}, 4),
	"large":                      {60_000},
}

// Datagrams of any size arrive one by one and in order at a socket that knows nothing of segmentation, connected or
// not.
func TestWriteBatch(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		for _, connected := range []bool{false, true} {
			server, to := loopbackSocket(t, network)
			client, _ := loopbackSocket(t, network)
			if connected {
				var err error
				if client, err = net.DialUDP(network, nil, net.UDPAddrFromAddrPort(to)); err != nil {
					t.Fatal(err)
				}
				defer client.Close()
			}
			s := NewUDPSocket(client)
			for name, sizes := range sizesOfBatches {
				batch := datagramsOf(to, sizes...)
				if n, err := s.WriteBatch(batch); n != len(batch) || err != nil {
					t.Fatalf("%s, %s, connected %v: %d datagrams sent, %v", network, name, connected, n, err)
				}
				b := make([]byte, maxDatagram)
				for i, d := range batch {
					n, err := server.Read(b)
					if err != nil || !bytes.Equal(b[:n], d.Buffer[:d.N]) {
						t.Fatalf("%s, %s, connected %v: datagram %d arrives as %d bytes, %v; want %d", network, name, connected, i, n, err, d.N)
					}
				}
			}
		}
	}
}

// Datagrams that the kernel has joined are cut, and have their sender.
func TestReceive(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		socket, to := loopbackSocket(t, network)
		server := NewUDPSocket(socket)
		sender, from := loopbackSocket(t, network)
		client := NewUDPSocket(sender)
		for name, sizes := range sizesOfBatches {
			batch := datagramsOf(to, sizes...)
			client.WriteBatch(batch)
			for i := 0; i < len(batch); {
				if err := server.Receive(func(got []stack.Datagram) {
					for _, d := range got {
						if want := batch[i]; d.N != len(d.Buffer) || !bytes.Equal(d.Buffer, want.Buffer[:want.N]) || d.Remote != from {
							t.Fatalf("%s, %s: datagram %d arrives as %d bytes from %v; want %d from %v", network, name, i, d.N, d.Remote, want.N, from)
						}
						i++
					}
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// A socket for both families reports senders with IPv4 addresses as such.
func TestReceiveUnmapped(t *testing.T) {
	socket, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	sender, from := loopbackSocket(t, "udp4")
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(socket.LocalAddr().(*net.UDPAddr).Port))
	sender.WriteToUDPAddrPort([]byte("data"), to)
	s := NewUDPSocket(socket)
	if err := s.Receive(func(got []stack.Datagram) {
		if len(got) != 1 || got[0].Remote != from {
			t.Errorf("%d datagrams, from %v; want one from %v", len(got), got[0].Remote, from)
		}
		if n, err := s.WriteBatch(got); n != 1 || err != nil {
			t.Errorf("reply: %d, %v", n, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := sender.Read(make([]byte, 10)); n != 4 || err != nil {
		t.Errorf("the reply has %d bytes, %v", n, err)
	}
}

// translated is a flow whose destination is a socket on loopback, where packets of a stack cannot go.
type translated struct {
	*stack.UDPFlow
	outer, server netip.AddrPort // as the client knows it; its address
}

func (f *translated) ReadBatch(batch []stack.Datagram) (int, error) {
	n, err := f.UDPFlow.ReadBatch(batch)
	for i := range batch[:n] {
		batch[i].Remote = f.server
	}
	return n, err
}

func (f *translated) WriteBatch(batch []stack.Datagram) (int, error) {
	for i := range batch {
		batch[i].Remote = f.outer
	}
	return f.UDPFlow.WriteBatch(batch)
}

func (f *translated) SendUnreachable(_ netip.AddrPort, reason stack.Unreachable) error {
	return f.UDPFlow.SendUnreachable(f.outer, reason)
}

var outerAddress = netip.MustParseAddrPort("192.0.2.1:4000")

// datagramPair is a stack of clients and one that forwards.
type datagramPair struct {
	clients, forwards *stack.Stack
	forwarder         *stack.UDPForwarder
}

// newDatagramPair returns a pair that relays flows to server, through sockets that are connected to it or not. The
// errors of the relays arrive in done.
func newDatagramPair(t *testing.T, server netip.AddrPort, connected bool) (p *datagramPair, done <-chan error) {
	t.Helper()
	a, b := stacktest.Pipe(1500)
	p = new(datagramPair)
	for i, s := range []**stack.Stack{&p.clients, &p.forwards} {
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}), 24)
		var err error
		if *s, err = stack.New([]stack.Device{a, b}[i], stack.Config{Addresses: []netip.Prefix{address}}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*s).Close() })
	}
	ended := make(chan error, 1000)
	var err error
	p.forwarder, err = p.forwards.ForwardUDP(stack.ForwardUDPConfig{}, func(f *stack.UDPFlow) {
		socket, err := net.ListenUDP("udp4", nil)
		if connected {
			socket, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server))
		}
		if err != nil {
			t.Error(err)
			return
		}
		go func() { ended <- Datagrams(&translated{f, outerAddress, server}, socket) }()
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, ended
}

func (p *datagramPair) dial(t *testing.T) *stack.UDPConn {
	t.Helper()
	c, err := p.clients.DialUDP(netip.AddrPort{}, outerAddress)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// Datagrams pass in both directions, whole and in order, and end with the flow.
func TestDatagrams(t *testing.T) {
	for _, connected := range []bool{false, true} {
		server, to := loopbackSocket(t, "udp4")
		p, done := newDatagramPair(t, to, connected)
		client := p.dial(t)
		b := make([]byte, maxDatagram)
		for name, sizes := range sizesOfBatches {
			batch := datagramsOf(outerAddress, sizes...)
			if _, err := client.WriteBatch(batch); err != nil {
				t.Fatal(err)
			}
			for i, d := range batch {
				n, from, err := server.ReadFromUDPAddrPort(b)
				if err != nil || !bytes.Equal(b[:n], d.Buffer[:d.N]) {
					t.Fatalf("%s, connected %v: datagram %d arrives as %d bytes, %v; want %d", name, connected, i, n, err, d.N)
				}
				server.WriteToUDPAddrPort(b[:n], from)
			}
			for i, d := range batch {
				n, err := client.Read(b)
				if err != nil || !bytes.Equal(b[:n], d.Buffer[:d.N]) {
					t.Fatalf("%s, connected %v: datagram %d comes back as %d bytes, %v; want %d", name, connected, i, n, err, d.N)
				}
			}
		}
		p.forwarder.Close()
		if err := <-done; err != nil {
			t.Errorf("connected %v: %v at the end of the flow", connected, err)
		}
	}
}

// A client whose relay has a connected socket gets the error of a port that nothing listens on, and the flow goes on.
func TestDatagramsRefused(t *testing.T) {
	server, to := loopbackSocket(t, "udp4")
	server.Close()
	p, _ := newDatagramPair(t, to, true)
	client := p.dial(t)
	for range 2 {
		client.Write([]byte("data"))
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("%v, want ECONNREFUSED", err)
		}
	}
}

// The end of the socket ends the flow, without an error.
func TestDatagramsSocketCloses(t *testing.T) {
	a, b := stacktest.Pipe(1500)
	defer a.Close()
	s, err := stack.New(b, stack.Config{Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24")}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	flow, err := s.ListenUDP("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	socket, _ := loopbackSocket(t, "udp4")
	socket.Close()
	if err := Datagrams(unreachableless{flow}, socket); err != nil {
		t.Errorf("%v, want no error", err)
	}
	if err := flow.Wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the flow: %v, want net.ErrClosed", err)
	}
}

// unreachableless is a socket of a stack in the place of a flow.
type unreachableless struct{ *stack.UDPConn }

func (unreachableless) SendUnreachable(netip.AddrPort, stack.Unreachable) error { return nil }
