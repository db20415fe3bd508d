package wgnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/netstack"

	"minitcp/stack"
)

// TestMethods checks that Net, PingAddr and PingConn have every exported method of wireguard-go's, with the same
// signature except for the types of connections and listeners.
func TestMethods(t *testing.T) {
	for _, pair := range [][2]any{
		{(*netstack.Net)(nil), (*Net)(nil)},
		{(*netstack.PingAddr)(nil), (*PingAddr)(nil)},
		{(*netstack.PingConn)(nil), (*PingConn)(nil)},
	} {
		theirs, ours := reflect.TypeOf(pair[0]), reflect.TypeOf(pair[1])
		for i := range theirs.NumMethod() {
			m := theirs.Method(i)
			got, ok := ours.MethodByName(m.Name)
			if !ok {
				t.Errorf("%v has no method %s", ours, m.Name)
				continue
			}
			if a, b := signature(got.Type), signature(m.Type); a != b {
				t.Errorf("%v.%s is a %s, want %s", ours, m.Name, a, b)
			}
		}
	}
	if a, b := signature(reflect.TypeOf(CreateNetTUN)), signature(reflect.TypeOf(netstack.CreateNetTUN)); a != b {
		t.Errorf("CreateNetTUN is a %s, want %s", a, b)
	}
	if a, b := signature(reflect.TypeOf(PingAddrFromAddr)), signature(reflect.TypeOf(netstack.PingAddrFromAddr)); a != b {
		t.Errorf("PingAddrFromAddr is a %s, want %s", a, b)
	}
}

// signature returns the type of a function, with the same names for the types that differ.
func signature(f reflect.Type) string {
	return strings.NewReplacer("*gonet.TCPConn", "*stack.Conn", "*gonet.TCPListener", "*stack.Listener", "*gonet.UDPConn", "*stack.UDPConn",
		"netstack.", "wgnet.").Replace(f.String())
}

func TestCreateNetTUNErrors(t *testing.T) {
	for _, test := range []struct {
		name           string
		addresses, dns []netip.Addr
		mtu            int
		want           []string
	}{
		{"small MTU for IPv6", []netip.Addr{addressA, addressA6}, nil, 1279, []string{"1279", "1280", "fd09::1"}},
		{"small MTU for IPv4", []netip.Addr{addressA}, nil, 575, []string{"575", "576"}},
		{"address that is not valid", []netip.Addr{{}}, nil, 1420, []string{"address"}},
		{"DNS server that is not valid", []netip.Addr{addressA}, []netip.Addr{{}}, 1420, []string{"DNS server"}},
	} {
		d, n, err := CreateNetTUN(test.addresses, test.dns, test.mtu)
		if err == nil {
			d.Close()
			t.Errorf("%s: no error", test.name)
			continue
		}
		if d != nil || n != nil {
			t.Errorf("%s: a device or a Net beside the error", test.name)
		}
		for _, w := range test.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %q does not mention %q", test.name, err, w)
			}
		}
	}
}

// The MTU of a Net can fall and rise again, at most to that of its device.
func TestSetMTU(t *testing.T) {
	p := newPair(t, 1420)
	defer p.close(t)
	l, err := p.b.ListenTCPAddrPort(netip.AddrPortFrom(addressB, 80))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = p.a.Stack().SetMTU(1421)
	if !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), "1420") || !strings.Contains(err.Error(), "1421") {
		t.Errorf("an MTU of 1421: error %v, want EINVAL with both sizes", err)
	}
	for i, mtu := range []int{1300, 1420} {
		if err := p.a.Stack().SetMTU(mtu); err != nil {
			t.Fatal(err)
		}
		dialed, accepted := connect(t, p.a, p.b, l)
		transfer(t, dialed, accepted, uint64(i), 1<<20)
		if got := dialed.(*stack.Conn).Info().MSS; got > mtu-40 || got < mtu-52 {
			t.Errorf("an MSS of %d bytes with an MTU of %d", got, mtu)
		}
	}
}

func TestDevice(t *testing.T) {
	d, _, err := CreateNetTUN([]netip.Addr{addressA}, nil, 576)
	if err != nil {
		t.Fatal(err)
	}
	if d.File() != nil {
		t.Error("File: a file, want nil")
	}
	if mtu, err := d.MTU(); mtu != 576 || err != nil {
		t.Errorf("MTU: %d, %v, want 576", mtu, err)
	}
	if name, err := d.Name(); name == "" || err != nil {
		t.Errorf("Name: %q, %v, want a name", name, err)
	}
	if n := d.BatchSize(); n != 128 {
		t.Errorf("BatchSize: %d, want 128", n)
	}
	if e, ok := <-d.Events(); e != tun.EventUp || !ok {
		t.Errorf("the first event is %v, want EventUp", e)
	}
	if _, err := d.Read(nil, nil, 0); err == nil {
		t.Error("Read without buffers: no error")
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if e, ok := <-d.Events(); ok {
		t.Errorf("event %v after Close, want the end of the channel", e)
	}
	if _, err := d.Read([][]byte{make([]byte, 2000)}, make([]int, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read after Close: %v, want os.ErrClosed", err)
	}
	if _, err := d.Write([][]byte{make([]byte, 60)}, 16); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close: %v, want os.ErrClosed", err)
	}
}

// TestInvalidAddresses checks that an IP address of a wrong length and a port out of range are errors: cut to 16 bits,
// the port would be another one, and without the IP address, a listener would listen at all of them.
func TestInvalidAddresses(t *testing.T) {
	d, n, err := CreateNetTUN([]netip.Addr{addressA}, nil, 1420)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, c := range []struct {
		ip   net.IP
		port int
		want string
	}{
		{net.IP{10, 9}, 80, "address ?0a09: invalid IP address"},
		{nil, -1, "address -1: invalid port"},
		{addressA.AsSlice(), 1<<16 + 80, "address 65616: invalid port"},
	} {
		tcp, udp := &net.TCPAddr{IP: c.ip, Port: c.port}, &net.UDPAddr{IP: c.ip, Port: c.port}
		for name, call := range map[string]func() (any, error){
			"dial tcp: ":   func() (any, error) { return n.DialTCP(tcp) },
			"listen tcp: ": func() (any, error) { return n.ListenTCP(tcp) },
			"dial udp: ":   func() (any, error) { return n.DialUDP(nil, udp) },
			"listen udp: ": func() (any, error) { return n.ListenUDP(udp) },
		} {
			if v, err := call(); err == nil || err.Error() != name+c.want {
				t.Errorf("%v: %v, %v, want %s%s", tcp, v, err, name, c.want)
			}
		}
		if v, err := n.DialUDP(udp, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addressB, 80))); err == nil {
			t.Errorf("DialUDP from %v: %v, no error", udp, v)
		}
	}
}

// TestUsedAfterClose checks the error of every method of a Net whose device was closed.
func TestUsedAfterClose(t *testing.T) {
	d, n, err := CreateNetTUN([]netip.Addr{addressA}, []netip.Addr{addressB}, 1420)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	local, remote := netip.AddrPortFrom(addressA, 80), netip.AddrPortFrom(addressB, 80)
	tcpLocal, tcpRemote := net.TCPAddrFromAddrPort(local), net.TCPAddrFromAddrPort(remote)
	udpLocal, udpRemote := net.UDPAddrFromAddrPort(local), net.UDPAddrFromAddrPort(remote)
	for name, call := range map[string]func() (any, error){
		"Dial":                   func() (any, error) { return n.Dial("tcp", remote.String()) },
		"Dial udp":               func() (any, error) { return n.Dial("udp", remote.String()) },
		"Dial ping":              func() (any, error) { return n.Dial("ping", addressB.String()) },
		"DialContext":            func() (any, error) { return n.DialContext(ctx, "tcp4", remote.String()) },
		"DialContextTCP":         func() (any, error) { return n.DialContextTCP(ctx, tcpRemote) },
		"DialContextTCPAddrPort": func() (any, error) { return n.DialContextTCPAddrPort(ctx, remote) },
		"DialTCP":                func() (any, error) { return n.DialTCP(tcpRemote) },
		"DialTCPAddrPort":        func() (any, error) { return n.DialTCPAddrPort(remote) },
		"ListenTCP":              func() (any, error) { return n.ListenTCP(tcpLocal) },
		"ListenTCPAddrPort":      func() (any, error) { return n.ListenTCPAddrPort(local) },
		"DialUDP":                func() (any, error) { return n.DialUDP(udpLocal, udpRemote) },
		"DialUDPAddrPort":        func() (any, error) { return n.DialUDPAddrPort(local, remote) },
		"ListenUDP":              func() (any, error) { return n.ListenUDP(udpLocal) },
		"ListenUDPAddrPort":      func() (any, error) { return n.ListenUDPAddrPort(local) },
		"DialPing":               func() (any, error) { return n.DialPing(nil, PingAddrFromAddr(addressB)) },
		"DialPingAddr":           func() (any, error) { return n.DialPingAddr(netip.Addr{}, addressB) },
		"ListenPing":             func() (any, error) { return n.ListenPing(PingAddrFromAddr(addressA)) },
		"ListenPingAddr":         func() (any, error) { return n.ListenPingAddr(addressA) },
	} {
		if v, err := call(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v, %v, want net.ErrClosed", name, v, err)
		}
	}
	if _, err := n.LookupHost("example.org"); err == nil {
		t.Error("LookupHost: no error")
	}
}

func TestUDP(t *testing.T) {
	p := newPair(t, 1420)
	defer p.close(t)
	for _, to := range []netip.Addr{addressB, addressB6} {
		server, err := p.b.ListenUDP(&net.UDPAddr{IP: to.AsSlice(), Port: 7})
		if err != nil {
			t.Fatal(err)
		}
		client, err := p.a.DialUDP(nil, server.LocalAddr().(*net.UDPAddr))
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 1300, 9000} { // the last one in fragments
			sent := make([]byte, size)
			if _, err := client.Write(sent); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 10000)
			n, from, err := server.ReadFrom(b)
			if err != nil || n != size {
				t.Fatalf("ReadFrom: %d bytes, %v, want %d", n, err, size)
			}
			if _, err := server.WriteTo(b[:n], from); err != nil {
				t.Fatal(err)
			}
			if n, err := client.Read(b); err != nil || n != size {
				t.Fatalf("Read: %d bytes, %v, want %d", n, err, size)
			}
		}
	}
	unconnected, err := p.a.DialUDP(&net.UDPAddr{Port: 9}, nil)
	if err != nil || unconnected.LocalAddr().(*net.UDPAddr).Port != 9 || unconnected.RemoteAddr() != nil {
		t.Errorf("DialUDP without a remote address: %v, want a socket that is bound only", err)
	}
}

// TestUDPBatch checks that the datagrams of a batch, which the stack writes as superframes, arrive in order.
func TestUDPBatch(t *testing.T) {
	p := newPair(t, 1420)
	defer p.close(t)
	for _, to := range []netip.Addr{addressB, addressB6} {
		server, err := p.b.ListenUDPAddrPort(netip.AddrPortFrom(to, 7))
		if err != nil {
			t.Fatal(err)
		}
		client, err := p.a.DialUDPAddrPort(netip.AddrPort{}, netip.AddrPortFrom(to, 7))
		if err != nil {
			t.Fatal(err)
		}
		var batch []stack.Datagram
		for i := range 100 {
			size := 1000
			if i%30 == 29 {
				size = 10
			}
			batch = append(batch, stack.Datagram{Buffer: bytes.Repeat([]byte{byte(i)}, size), N: size})
		}
		before := p.a.Stack().Stats()["frames-sent"]
		if n, err := client.WriteBatch(batch); n != len(batch) || err != nil {
			t.Fatalf("WriteBatch: %d, %v", n, err)
		}
		if n := p.a.Stack().Stats()["frames-sent"] - before; n > 10 {
			t.Errorf("%d frames for 100 datagrams, want superframes", n)
		}
		b := make([]byte, 2000)
		for i, d := range batch {
			n, _, err := server.ReadFrom(b)
			if err != nil || !bytes.Equal(b[:n], d.Buffer) {
				t.Fatalf("datagram %d: %d bytes, %v, or other bytes", i, n, err)
			}
		}
	}
}

// echoRequest returns an ICMP or ICMPv6 echo request with data.
func echoRequest(ip6 bool, data string) []byte {
	b := append(make([]byte, 8), data...)
	b[0] = 8
	if ip6 {
		b[0] = 128
	}
	binary.BigEndian.PutUint16(b[6:], 3) // sequence number
	return b
}

func TestPing(t *testing.T) {
	p := newPair(t, 1420)
	defer p.close(t)
	for _, test := range []struct {
		network string
		to      netip.Addr
	}{{"ping", addressB}, {"ping4", addressB}, {"ping6", addressB6}, {"ping", addressB6}} {
		c, err := p.a.Dial(test.network, test.to.String())
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr(); got.String() != test.to.String() || got.(*PingAddr).Addr() != test.to {
			t.Errorf("RemoteAddr: %v, want %v", got, test.to)
		}
		if n := c.LocalAddr().Network(); !strings.HasPrefix(n, "ping") {
			t.Errorf("LocalAddr is of network %q, want ping4 or ping6", n)
		}
		if _, err := c.Write(echoRequest(test.to.Is6(), "burrow")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := c.Read(b)
		if err != nil || string(b[8:n]) != "burrow" || binary.BigEndian.Uint16(b[6:]) != 3 {
			t.Errorf("%s %v: read %q, %v, want the reply to sequence number 3", test.network, test.to, b[:n], err)
		}
		if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read after the deadline: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	c, err := p.a.ListenPing(PingAddrFromAddr(addressA))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, to := range []net.Addr{PingAddrFromAddr(addressB), &net.IPAddr{IP: addressB.AsSlice()}} {
		if _, err := c.WriteTo(echoRequest(false, "listener"), to); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, from, err := c.ReadFrom(b)
		if err != nil || string(b[8:n]) != "listener" || from.String() != addressB.String() {
			t.Errorf("ReadFrom: %q from %v, %v", b[:n], from, err)
		}
	}
	if _, err := p.a.Dial("ping5", addressB.String()); err == nil {
		t.Error("network ping5: no error")
	}
	if _, err := p.a.Dial("ping6", addressB.String()); err == nil {
		t.Error("an IPv4 address with network ping6: no error")
	}
}

// serveDNS answers every query for an A record with addressB, and others with an empty answer.
func serveDNS(t *testing.T, n *Net) {
	c, err := n.ListenUDP(&net.UDPAddr{Port: 53})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(b[:n]); err != nil || len(m.Questions) != 1 {
				t.Errorf("a query of %d bytes: %v", n, err)
				return
			}
			q := m.Questions[0]
			reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
			if q.Type == dnsmessage.TypeA {
				reply.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
					Body:   &dnsmessage.AResource{A: addressB.As4()},
				}}
			}
			packed, err := reply.Pack()
			if err != nil {
				t.Error(err)
				return
			}
			c.WriteTo(packed, from)
		}
	}()
}

func TestNames(t *testing.T) {
	p := newPairDNS(t, 1420, []netip.Addr{addressB})
	defer p.close(t)
	serveDNS(t, p.b)
	addresses, err := p.a.LookupHost("burrow.example.")
	if err != nil || !slices.Equal(addresses, []string{addressB.String()}) {
		t.Errorf("LookupHost: %v, %v, want %v", addresses, err, addressB)
	}
	l, err := p.b.ListenTCP(&net.TCPAddr{Port: 80})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := p.a.Dial("tcp", "burrow.example.:80")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.RemoteAddr().String(); got != addressB.String()+":80" {
		t.Errorf("connected to %s, want %v", got, addressB)
	}
	c.Close()
	ping, err := p.a.Dial("ping4", "burrow.example.")
	if err != nil {
		t.Fatal(err)
	}
	ping.Close()
	if _, err := p.b.LookupHost("burrow.example."); err == nil {
		t.Error("LookupHost without a DNS server: no error")
	}
}
