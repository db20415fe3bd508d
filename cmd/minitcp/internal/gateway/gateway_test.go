//go:build linux

package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"minitcp/cmd/minitcp/proxytest"
	"minitcp/stack"
	"minitcp/stack/stacktest"
)

// The tests of this package have a client's stack and a gateway's, joined in memory. The servers are the kernel's on
// loopback: the gateway's Rewrite maps 198.18.0.1 and fd80::1 to it.

// patience is the time that a test waits for the kernel.
const patience = 30 * time.Second

type fixture struct {
	client  *stack.Stack
	gateway *Gateway
	log     *lines
	records chan record
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// record is the line of the log about a connection that has ended: values by their names.
type record map[string]slog.Value

// recordHandler is the handler of a log that also sends the records to a channel.
type recordHandler struct {
	slog.Handler
	records chan<- record
}

func (h recordHandler) Handle(ctx context.Context, line slog.Record) error {
	if line.Message == "connection finished" {
		r := make(record)
		line.Attrs(func(a slog.Attr) bool {
			r[a.Key] = a.Value
			return true
		})
		h.records <- r
	}
	return h.Handler.Handle(ctx, line)
}

// awaitLog waits until the log contains text.
func (f *fixture) awaitLog(t *testing.T, text string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !strings.Contains(f.log.String(), text); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("the log has no %q within %v", text, patience)
		}
	}
}

func toLoopback(a netip.AddrPort) (netip.AddrPort, bool) {
	switch a.Addr().String() {
	case "198.18.0.1", "198.18.0.2":
		return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), a.Port()), true
	case "fd80::1":
		return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port()), true
	}
	return a, false
}

func newFixture(t *testing.T, o Options) *fixture {
	t.Helper()
	f := &fixture{log: new(lines), records: make(chan record, 100)}
	a, b := stacktest.Pipe(1500)
	var stacks []*stack.Stack
	for i, d := range []stack.Device{a, b} {
		s, err := stack.New(d, stack.Config{Addresses: []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}), 24),
			netip.MustParsePrefix([]string{"fd77::1/64", "fd77::2/64"}[i]),
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		stacks = append(stacks, s)
	}
	f.client = stacks[0]
	if o.Rewrite == nil {
		o.Rewrite = toLoopback
	}
	o.Log = slog.New(recordHandler{slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}), f.records})
	var err error
	if f.gateway, err = Start(stacks[1], o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.gateway.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if t.Failed() {
			t.Log(f.log)
		}
	})
	return f
}

// families are the destinations of a fixture in each family.
var families = []struct{ name, host, loopback string }{{"IPv4", "198.18.0.1", "127.0.0.1"}, {"IPv6", "fd80::1", "::1"}}

// listen returns a listener on loopback and the address by which clients of a fixture reach it.
func listen(t *testing.T, family int) (l net.Listener, address string) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(families[family].loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return l, net.JoinHostPort(families[family].host, port)
}

func (f *fixture) dial(t *testing.T, network, address string) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := f.client.DialContext(ctx, network, address)
	if err == nil {
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
	}
	return c, err
}

func mustRule(t *testing.T, s string) Rule {
	t.Helper()
	r, err := ParseRule(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// newProxy starts a proxy on loopback and returns the host and port.
func newProxy(t *testing.T, p *proxytest.Proxy, serve func(net.Listener)) string {
	t.Helper()
	p.Dial = func(network, address string) (net.Conn, error) {
		a := netip.MustParseAddrPort(address)
		if to, changed := toLoopback(a); changed {
			a = to
		}
		switch a.Addr().String() { // no such destination exists on loopback
		case "198.19.0.1":
			return nil, syscall.ENETUNREACH
		case "198.19.0.2":
			return nil, syscall.EHOSTUNREACH
		case "198.19.0.3":
			return nil, syscall.EACCES
		}
		return net.Dial(network, a.String())
	}
	p.ListenPacket = net.ListenPacket
	l, _ := listen(t, 0)
	go serve(l)
	return l.Addr().String()
}

// outbounds returns rules for all kinds of outbound, each with proxies of its own.
func outbounds(t *testing.T, each func(t *testing.T, rules []Rule)) {
	for _, kind := range []string{"direct", "socks5", "socks5 with password", "http", "http with password"} {
		t.Run(kind, func(t *testing.T) {
			p := new(proxytest.Proxy)
			scheme, password, _ := strings.Cut(kind, " ")
			user := ""
			if password != "" {
				p.User, p.Password = "me", "se=cr:et"
				user = "me:se=cr%3Aet@"
			}
			switch scheme {
			case "direct":
				each(t, nil)
			case "socks5":
				each(t, []Rule{mustRule(t, "socks5://"+user+newProxy(t, p, p.ServeSOCKS))})
			case "http":
				each(t, []Rule{mustRule(t, "http://"+user+newProxy(t, p, p.ServeHTTP))})
			}
			if scheme != "direct" && p.Requests.Load() == 0 {
				t.Error("the proxy got no request")
			}
		})
	}
}

// Data passes both ways through each kind of outbound, and so do half-close and resets. A record describes each
// connection.
func TestTCP(t *testing.T) {
	outbounds(t, func(t *testing.T, rules []Rule) {
		for i, family := range families {
			f := newFixture(t, Options{Rules: rules})
			l, address := listen(t, i)
			for _, end := range []string{"closed", "reset by the client", "reset by the server"} {
				c, err := f.dial(t, "tcp", address)
				if err != nil {
					t.Fatal(family.name, err)
				}
				accepted, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				client, server := c.(*stack.Conn), accepted.(*net.TCPConn)
				server.SetDeadline(time.Now().Add(patience))
				io.WriteString(client, "question")
				expect(t, server, "question")
				io.WriteString(server, "the answer")
				expect(t, client, "the answer")
				by := "client"
				switch end {
				case "closed":
					client.CloseWrite()
					expectEnd(t, server, io.EOF)
					io.WriteString(server, " after it")
					expect(t, client, " after it")
					server.Close()
					expectEnd(t, client, io.EOF)
				case "reset by the client":
					client.SetLinger(0)
					client.Close()
					expectEnd(t, server, syscall.ECONNRESET)
				case "reset by the server":
					by = "server"
					server.SetLinger(0)
					server.Close()
					expectEnd(t, client, syscall.ECONNRESET)
				}
				client.Close()
				server.Close()
				r := <-f.records
				if r["up"].Int64() != 8 || r["down"].Int64() < 10 || r["by"].String() != by || r["destination"].String() != address || r["duration"].Duration() <= 0 {
					t.Errorf("%s, %s: the record is %+v", family.name, end, r)
				}
				if cause := r["cause"].String(); (cause == "closed") != (end == "closed") {
					t.Errorf("%s, %s: the cause is %q", family.name, end, cause)
				}
			}
		}
	})
}

func expect(t *testing.T, c io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b, err, want)
	}
}

func expectEnd(t *testing.T, c io.Reader, want error) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, want) {
		t.Fatalf("Read: %d, %v; want %v", n, err, want)
	}
}

// With AcceptFirst, while handshakes are in progress, a client connects before its destination is dialed: a connection
// to one that refuses opens and is reset, others are forwarded.
func TestAcceptFirst(t *testing.T) {
	proxy, _ := listen(t, 0) // it never replies
	f := newFixture(t, Options{AcceptFirst: 1, Rules: []Rule{mustRule(t, "203.0.113.1/32=socks5://"+proxy.Addr().String())}})
	refusing, refused := listen(t, 0)
	refusing.Close()
	if _, err := f.dial(t, "tcp", refused); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v, want ECONNREFUSED", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() { _, err := f.client.DialContext(ctx, "tcp", "203.0.113.1:9"); waiting <- err }()
	defer func() { cancel(); <-waiting }()
	if _, err := proxy.Accept(); err != nil { // the handshake is in progress
		t.Fatal(err)
	}

	c, err := f.dial(t, "tcp", refused)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read: %v, want ECONNRESET", err)
	}
	f.awaitLog(t, "connection refused")

	l, address := listen(t, 0)
	if c, err = f.dial(t, "tcp", address); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "hello")
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	got := make([]byte, 5)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "hello" {
		t.Errorf("the server has read %q, %v", got, err)
	}
}
