//go:build linux

package gateway

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"minitcp/cmd/minitcp/proxytest"
	"minitcp/stack"
)

// packets returns a UDP socket on loopback and the address by which clients reach it.
func packets(t *testing.T, family int) (c *net.UDPConn, address string) {
	t.Helper()
	p, err := net.ListenPacket("udp", net.JoinHostPort(families[family].loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	p.SetDeadline(time.Now().Add(patience))
	_, port, _ := net.SplitHostPort(p.LocalAddr().String())
	return p.(*net.UDPConn), net.JoinHostPort(families[family].host, port)
}

// socket returns a UDP socket of the client's.
func (f *fixture) socket(t *testing.T) *stack.UDPConn {
	t.Helper()
	c, err := f.client.ListenUDP("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// exchange sends a datagram to a server, which answers with its sender's address. It returns that.
func exchange(t *testing.T, c *stack.UDPConn, server *net.UDPConn, address string) (seen netip.AddrPort) {
	t.Helper()
	to := netip.MustParseAddrPort(address)
	if _, err := c.WriteToUDPAddrPort([]byte("question"), to); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, seen, err := server.ReadFromUDPAddrPort(b)
	if err != nil || string(b[:n]) != "question" {
		t.Fatalf("the server reads %q, %v", b[:n], err)
	}
	if _, err := server.WriteToUDPAddrPort([]byte("answer"), seen); err != nil {
		t.Fatal(err)
	}
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil || string(b[:n]) != "answer" || from != to {
		t.Fatalf("the client reads %q from %v, %v; want the answer of %v", b[:n], from, err, to)
	}
	return seen
}

// A client's port is one port outside, whatever the destination.
func TestUDP(t *testing.T) {
	for _, kind := range []string{"direct", "socks5"} {
		for i, family := range families {
			t.Run(kind+" "+family.name, func(t *testing.T) {
				p := new(proxytest.Proxy)
				o := Options{}
				if kind == "socks5" {
					o.Rules = []Rule{mustRule(t, "socks5://"+newProxy(t, p, p.ServeSOCKS))}
				}
				if kind == "direct" || i == 0 { // a proxy does not know the map of the test's addresses
					o.Rewrite = toLoopback
				}
				f := newFixture(t, o)
				c := f.socket(t)
				a, addressA := packets(t, i)
				b, addressB := packets(t, i)
				seen := exchange(t, c, a, addressA)
				if other := exchange(t, c, b, addressB); other != seen {
					t.Errorf("mapping: one server sees %v, another %v", seen, other)
				}
				if p.Datagrams.Load() != map[string]int64{"direct": 0, "socks5": 2}[kind] {
					t.Errorf("%d datagrams through the proxy", p.Datagrams.Load())
				}
			})
		}
	}
}

// When the proxy ends an association, the flow gets another with a later datagram.
func TestAssociationEnds(t *testing.T) {
	p := new(proxytest.Proxy)
	f := newFixture(t, Options{Rules: []Rule{mustRule(t, "socks5://"+newProxy(t, p, p.ServeSOCKS))}})
	c := f.socket(t)
	server, address := packets(t, 0)
	first := exchange(t, c, server, address)
	p.EndAssociations()
	to := netip.MustParseAddrPort(address)
	b := make([]byte, 100)
	for deadline := time.Now().Add(patience); ; {
		if _, err := c.WriteToUDPAddrPort([]byte("question"), to); err != nil {
			t.Fatal(err)
		}
		server.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // the datagram is lost if it meets the end
		if _, seen, err := server.ReadFromUDPAddrPort(b); err == nil && seen != first {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no datagram arrives through another association")
		}
	}
	server.SetDeadline(time.Now().Add(patience))
	if n := p.Requests.Load(); n != 2 {
		t.Errorf("%d associations were requested, want 2", n)
	}
}

// ICMP errors about the gateway's datagrams, and its own verdicts, become errors of the client's connected socket. The
// flow goes on.
func TestUDPErrors(t *testing.T) {
	p := new(proxytest.Proxy)
	proxy := newProxy(t, p, p.ServeHTTP)
	for i, family := range families {
		f := newFixture(t, Options{Rules: []Rule{mustRule(t, "198.18.0.2=http://"+proxy)}})
		server, address := packets(t, i)
		server.Close()
		refused, err := f.dial(t, "udp", address)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			refused.Write([]byte("hello"))
			if _, err := refused.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: a closed port: %v, want ECONNREFUSED", family.name, err)
			}
		}
	}
}

// query returns a DNS query.
func query(t *testing.T, id uint16) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header: dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("example.test."), Type: dnsmessage.TypeA,
			Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The resolver given gets the queries of clients to any name server. The source of its answers is that name server.
func TestDNS(t *testing.T) {
	resolver, _ := packets(t, 0)
	l, err := net.Listen("tcp", resolver.LocalAddr().String())
	for i := 0; i < 10 && errors.Is(err, syscall.EADDRINUSE); i++ { // a connection of another test has the port
		resolver, _ = packets(t, 0)
		l, err = net.Listen("tcp", resolver.LocalAddr().String())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := newFixture(t, Options{DNS: netip.MustParseAddrPort(resolver.LocalAddr().String())})
	c := f.socket(t)
	servers := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")}
	for i, s := range servers {
		if _, err := c.WriteToUDPAddrPort(query(t, uint16(7+i)), s); err != nil {
			t.Fatal(err)
		}
	}
	type message struct {
		data []byte
		from netip.AddrPort
	}
	var queries []message
	for range servers {
		b := make([]byte, 512)
		n, from, err := resolver.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatal(err)
		}
		queries = append(queries, message{b[:n], from})
	}
	for i := len(queries) - 1; i >= 0; i-- { // the answers are in another order
		resolver.WriteToUDPAddrPort(queries[i].data, queries[i].from)
	}
	for range servers {
		b := make([]byte, 512)
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatal(err)
		}
		if want := servers[messageID(b[:n])-7]; from != want {
			t.Errorf("the answer %d comes from %v, want %v", messageID(b[:n]), from, want)
		}
	}
	tcp, err := f.dial(t, "tcp", "192.0.2.9:53")
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	accepted.Write([]byte("answer"))
	expect(t, tcp, "answer")
}

// A query that the outbound cannot carry over UDP gets an answer that is truncated, so that the client asks over TCP.
func TestDNSWithoutUDP(t *testing.T) {
	for _, kind := range []string{"http", "socks5"} {
		p := &proxytest.Proxy{NoUDP: true}
		serve := map[string]func(net.Listener){"http": p.ServeHTTP, "socks5": p.ServeSOCKS}[kind]
		f := newFixture(t, Options{Rules: []Rule{mustRule(t, kind+"://"+newProxy(t, p, serve))}})
		c := f.socket(t)
		server := netip.MustParseAddrPort("192.0.2.1:53")
		c.WriteToUDPAddrPort(query(t, 7), server)
		b := make([]byte, 512)
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil || from != server {
			t.Fatalf("%s: %v, %v", kind, from, err)
		}
		var m dnsmessage.Message
		if err := m.Unpack(b[:n]); err != nil || m.ID != 7 || !m.Response || !m.Truncated || !m.RecursionAvailable || len(m.Questions) != 1 {
			t.Errorf("%s: the answer is %+v, %v; want a truncated one", kind, m, err)
		}
	}
}

// Datagrams that are no query get no answer of their own.
func TestTruncated(t *testing.T) {
	response := query(t, 7)
	response[2] |= 0x80
	for _, b := range [][]byte{nil, {1}, make([]byte, 11), response, append(query(t, 7)[:12], 0xff), []byte("not a DNS message at all")} {
		if answer := truncated(b); answer != nil {
			t.Errorf("%q is answered with %q", b, answer)
		}
	}
}

// Datagrams of all sizes pass both ways whole and in order, one by one and in a burst.
func TestUDPSizes(t *testing.T) {
	for _, kind := range []string{"direct", "socks5"} {
		t.Run(kind, func(t *testing.T) {
			p := new(proxytest.Proxy)
			o := Options{}
			if kind == "socks5" {
				o.Rules = []Rule{mustRule(t, "socks5://"+newProxy(t, p, p.ServeSOCKS))}
			}
			f := newFixture(t, o)
			c := f.socket(t)
			server, address := packets(t, 0)
			to := netip.MustParseAddrPort(address)
			go func() {
				for b := make([]byte, 65535); ; {
					n, from, err := server.ReadFromUDPAddrPort(b)
					if err != nil {
						return
					}
					server.WriteToUDPAddrPort(b[:n], from)
				}
			}()
			sizes := []int{0, 1, 1472, 1473, 2048, 2049, 9000, 60000}
			b := make([]byte, 65535)
			for i, n := range sizes {
				data := bytes.Repeat([]byte{byte(i)}, n)
				if _, err := c.WriteToUDPAddrPort(data, to); err != nil {
					t.Fatal(err)
				}
				m, from, err := c.ReadFromUDPAddrPort(b)
				if err != nil || from != to || !bytes.Equal(b[:m], data) {
					t.Fatalf("%d bytes: %d from %v, %v", n, m, from, err)
				}
			}
			const burst = 40
			for i := range burst {
				size := 1200
				if i%7 == 6 {
					size = 700 + i
				}
				if _, err := c.WriteToUDPAddrPort(bytes.Repeat([]byte{byte(i)}, size), to); err != nil {
					t.Fatal(err)
				}
			}
			for i := range burst {
				if n, _, err := c.ReadFromUDPAddrPort(b); err != nil || n < 700 || b[0] != byte(i) || b[n-1] != byte(i) {
					t.Fatalf("datagram %d of a burst: %d bytes of %d, %v", i, n, b[0], err)
				}
			}
		})
	}
}
