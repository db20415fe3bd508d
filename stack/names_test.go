package stack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"minitcp/conn/wire"
	"minitcp/stack/internal/eyeballs"
	"minitcp/stack/stacktest"
)

// nameServer answers queries over UDP and TCP.
type nameServer struct {
	t       *testing.T
	records map[string][]netip.Addr
	most    int // bytes in an answer over UDP; 0: no limit
	mu      sync.Mutex
	queries map[string]int // by network
}

// serveNames makes b a name server.
func (p *pair) serveNames(records map[string][]netip.Addr) *nameServer {
	p.t.Helper()
	n := &nameServer{t: p.t, records: records, queries: make(map[string]int)}
	c, err := p.b.ListenUDP("udp", "10.77.0.2:53")
	if err != nil {
		p.t.Fatal(err)
	}
	l, err := p.b.ListenTCP("tcp", "10.77.0.2:53")
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		b := make([]byte, 1500)
		for {
			size, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			c.WriteToUDPAddrPort(n.answer("udp", b[:size]), from)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			var length [2]byte
			io.ReadFull(c, length[:])
			b := make([]byte, int(length[0])<<8|int(length[1]))
			io.ReadFull(c, b)
			b = n.answer("tcp", b)
			c.Write(append([]byte{byte(len(b) >> 8), byte(len(b))}, b...))
			c.Close()
		}
	}()
	return n
}

func (n *nameServer) answer(network string, query []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queries[network]++
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		n.t.Errorf("query: %v", err)
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	addresses, ok := n.records[strings.TrimSuffix(q.Name.String(), ".")]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	b, err := m.Pack()
	if err != nil {
		n.t.Errorf("answer: %v", err)
	}
	if network == "udp" && n.most != 0 && len(b) > n.most {
		m.Truncated, m.Answers = true, nil
		b, _ = m.Pack()
	}
	return b
}

// withNames runs f in a bubble, with a pair whose a asks b for names.
func withNames(t *testing.T, records map[string][]netip.Addr, f func(t *testing.T, p *pair, n *nameServer)) {
	t.Helper()
	// Package net makes channels with the first lookups, which must not belong to a bubble.
	(&net.Resolver{PreferGo: true}).LookupHost(t.Context(), "localhost")
	net.DefaultResolver.LookupPort(t.Context(), "tcp", "http")
	within(t, func(t *testing.T) {
		servers := []netip.AddrPort{netip.MustParseAddrPort("10.77.0.2:53")}
		p := newPairOn(t, stacktest.Config{}, Config{Nameservers: servers}, Config{})
		f(t, p, p.serveNames(records))
	})
}

var hosts = map[string][]netip.Addr{
	"both.example.test": {addressesB[0].Addr(), addressesB[1].Addr()},
	"four.example.test": {addressesB[0].Addr()},
	"dead.example.test": {netip.MustParseAddr("fd77::9"), addressesB[0].Addr()},
	"gone.example.test": {netip.MustParseAddr("fd77::9"), netip.MustParseAddr("10.77.0.9")},
}

// Resolver's lookups go to the stack's servers, over TCP if an answer is truncated.
func TestResolver(t *testing.T) {
	records := map[string][]netip.Addr{"many.example.test": nil}
	for i := range 200 {
		records["many.example.test"] = append(records["many.example.test"], netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	for name, addresses := range hosts {
		records[name] = addresses
	}
	withNames(t, records, func(t *testing.T, p *pair, n *nameServer) {
		resolver := p.a.Resolver(netip.MustParseAddrPort("10.77.0.2:53"))
		got, err := resolver.LookupNetIP(t.Context(), "ip", "both.example.test")
		if err != nil || len(got) != 2 || n.queries["udp"] != 2 || n.queries["tcp"] != 0 {
			t.Fatalf("%v, %v; queries %v", got, err, n.queries)
		}
		n.most = 1232
		if got, err = resolver.LookupNetIP(t.Context(), "ip4", "many.example.test"); err != nil || len(got) != 200 || n.queries["tcp"] != 1 {
			t.Fatalf("%d addresses, %v; queries %v", len(got), err, n.queries)
		}
		// An answer of more bytes than a packet arrives in fragments. Go's resolver asks for at most 1232, dig for 4096.
		n.most = 4096
		query := dnsmessage.Message{Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName("many.example.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
		}}}
		b, err := query.Pack()
		if err != nil {
			t.Fatal(err)
		}
		c := p.dialUDP(netip.MustParseAddrPort("10.77.0.2:53"))
		c.Write(b)
		b = make([]byte, 4096)
		size, err := c.Read(b)
		if err == nil {
			err = query.Unpack(b[:size])
		}
		if err != nil || len(query.Answers) != 200 || p.a.Stats()["fragments-reassembled"] != 1 {
			t.Errorf("%d answers in %d bytes, %v", len(query.Answers), size, err)
		}
		var e *net.DNSError
		if _, err = resolver.LookupNetIP(t.Context(), "ip", "none.example.test"); !errors.As(err, &e) || !e.IsNotFound {
			t.Errorf("a name that does not exist: %v", err)
		}
		if _, err = p.a.Resolver().LookupNetIP(t.Context(), "ip", "both.example.test"); err == nil {
			t.Error("a resolver without servers has found a name")
		}
	})
}

// A server that does not answer is passed over, and stays so.
func TestResolverPassesOver(t *testing.T) {
	withNames(t, hosts, func(t *testing.T, p *pair, n *nameServer) {
		resolver := p.a.Resolver(netip.MustParseAddrPort("10.77.0.9:53"), netip.MustParseAddrPort("10.77.0.2:53"))
		begin := time.Now()
		if got, err := resolver.LookupNetIP(t.Context(), "ip4", "four.example.test"); err != nil || len(got) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
		if time.Since(begin) == 0 {
			t.Error("the first server was not asked")
		}
		begin = time.Now()
		if _, err := resolver.LookupNetIP(t.Context(), "ip4", "four.example.test"); err != nil || time.Since(begin) != 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// Names are dialed as RFC 8305 describes: IPv6 first, and the next address after 250 ms, or at once after a failure.
func TestDialNames(t *testing.T) {
	withNames(t, hosts, func(t *testing.T, p *pair, n *nameServer) {
		p.listen()
		for _, c := range []struct {
			network, address, want string
			after                  time.Duration
		}{
			{"tcp", "both.example.test:80", "[fd77::2]:80", 0},
			{"tcp4", "both.example.test:80", "10.77.0.2:80", 0},
			{"tcp6", "both.example.test:http", "[fd77::2]:80", 0},
			{"tcp", "four.example.test:80", "10.77.0.2:80", 0},
			{"tcp", "dead.example.test:80", "10.77.0.2:80", eyeballs.Delay},
			{"udp", "both.example.test:53", "[fd77::2]:53", 0},
			{"udp4", "both.example.test:53", "10.77.0.2:53", 0},
		} {
			begin := time.Now()
			conn, err := p.a.DialContext(t.Context(), c.network, c.address)
			if err != nil {
				t.Fatalf("%s %s: %v", c.network, c.address, err)
			}
			if took := time.Since(begin); conn.RemoteAddr().String() != c.want || took != c.after {
				t.Errorf("%s %s: %v after %v, want %v after %v", c.network, c.address, conn.RemoteAddr(), took, c.want, c.after)
			}
			conn.Close()
		}
		// A refusal begins the next attempt at once.
		begin := time.Now()
		_, err := p.a.Dial("tcp", "both.example.test:81")
		wantOpError(t, err, "dial", syscall.ECONNREFUSED)
		if took := time.Since(begin); took != 0 {
			t.Errorf("refused after %v", took)
		}
		// A network that cannot be reached does so, too.
		p.da.SetHook(func(f []byte) stacktest.Fate {
			var ip wire.IP
			if wire.ParseIP(f[wire.VirtioHeaderLen:], &ip); ip.Dst == netip.MustParseAddr("fd77::9") {
				p.da.Inject(icmpAbout(f, netip.MustParseAddr("fd77::fe"), wire.ICMP{Type: wire.ICMPv6Unreachable}))
				return stacktest.Drop
			}
			return stacktest.Pass
		})
		begin = time.Now()
		conn, err := p.a.Dial("tcp", "dead.example.test:80")
		if err != nil || time.Since(begin) != 0 {
			t.Fatalf("%v after %v", err, time.Since(begin))
		}
		conn.Close()
		p.da.SetHook(nil)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.a.DialContext(ctx, "tcp", "gone.example.test:80")
		wantOpError(t, err, "dial", context.DeadlineExceeded)
		var e *net.DNSError
		if _, err = p.a.Dial("tcp", "none.example.test:80"); !errors.As(err, &e) || !e.IsNotFound {
			t.Errorf("a name that does not exist: %v", err)
		}
		if _, err = p.b.Dial("tcp", "both.example.test:80"); !errors.As(err, &e) {
			t.Errorf("a stack without name servers: %v", err)
		}
		time.Sleep(3 * time.Minute)
		open := slices.DeleteFunc(p.a.Connections(), func(i ConnInfo) bool { return i.State.String() == "TIME-WAIT" })
		if len(open) != 0 {
			t.Errorf("attempts that lost are still there: %+v", open)
		}
	})
}

// A name server of a family that the stack has no address of is passed over.
func TestResolverFamily(t *testing.T) {
	within(t, func(t *testing.T) {
		s, err := New(nil, Config{Addresses: addressesA[:1]})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r := s.Resolver(netip.MustParseAddrPort("[fd77::2]:53"), netip.MustParseAddrPort("10.77.0.1:53"))
		if _, err := r.Dial(t.Context(), "udp", ""); !errors.Is(err, syscall.ENETUNREACH) {
			t.Fatal(err)
		}
		c, err := r.Dial(t.Context(), "udp", "")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}
