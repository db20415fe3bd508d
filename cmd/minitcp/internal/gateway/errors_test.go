//go:build linux

package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/cmd/minitcp/internal/testenv"
	"minitcp/cmd/minitcp/proxytest"
	"minitcp/stack"
)

// Errors of dials and replies of proxies have the verdicts that the client's kernel turns into the same error.
func TestVerdicts(t *testing.T) {
	p := new(proxytest.Proxy)
	rules := map[string]Rule{
		"direct": {Outbound: Direct}, "reject": {Outbound: Reject},
		"socks5": mustRule(t, "socks5://"+newProxy(t, p, p.ServeSOCKS)), "http": mustRule(t, "http://"+newProxy(t, p, p.ServeHTTP)),
	}
	closed, _ := listen(t, 0)
	closed.Close()
	for _, test := range []struct {
		via, to string
		want    verdict
	}{
		{"direct", closed.Addr().String(), refused},
		{"reject", "192.0.2.1:80", prohibited},
		{"socks5", closed.Addr().String(), refused},
		{"socks5", "198.19.0.1:80", netUnreachable},
		{"socks5", "198.19.0.2:80", hostUnreachable},
		{"socks5", "198.19.0.3:80", prohibited},
		{"http", closed.Addr().String(), refused},
		{"http", "198.19.0.3:80", prohibited},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		c, _, err := rules[test.via].Outbound.dialTCP(ctx, new(net.Dialer), netip.MustParseAddrPort(test.to))
		cancel()
		if err == nil {
			c.Close()
			t.Errorf("%s %s: no error", test.via, test.to)
		} else if got := verdictOf(err); got != test.want {
			t.Errorf("%s %s: verdict %d of %v, want %d", test.via, test.to, got, err, test.want)
		}
	}
	for err, want := range map[error]verdict{
		&net.OpError{Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}:  netUnreachable,
		&net.OpError{Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}: hostUnreachable,
		&net.OpError{Err: os.NewSyscallError("connect", syscall.EACCES)}:       prohibited,
		&net.OpError{Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}:    silent,
		&net.OpError{Err: context.DeadlineExceeded}:                            silent,
		&net.OpError{Err: os.NewSyscallError("socket", syscall.EMFILE)}:        refused,
		&proxyError{"p", syscall.EHOSTUNREACH}:                                 refused,
		httpStatus(504):                                                        silent,
		socksReply(200):                                                        refused,
		errNoUDP:                                                               prohibited,
	} {
		if got := verdictOf(err); got != want {
			t.Errorf("%v: verdict %d, want %d", err, got, want)
		}
	}
}

// Connections to two destinations share a local port, so that the number of ports limits the connections to each
// destination, not to all.
func TestDestinationsSharePorts(t *testing.T) {
	for family, ends := range families {
		t.Run(ends.name, func(t *testing.T) {
			first, _ := listen(t, family)
			second, _ := listen(t, family)
			for range 10 {
				free, _ := listen(t, family)
				port := free.Addr().(*net.TCPAddr).Port
				free.Close()
				control := func(_, _ string, raw syscall.RawConn) (err error) {
					raw.Control(func(fd uintptr) {
						err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, port<<16|port)
					})
					return err
				}
				if testDestinationsSharePorts(t, control, first.Addr(), second.Addr()) {
					return
				}
			}
			t.Fatal("another program takes each port that was free")
		})
	}
}

// testDestinationsSharePorts has a gateway dial both destinations with sockets to which control gives one port. It
// returns false if the port is in use.
func testDestinationsSharePorts(t *testing.T, control func(string, string, syscall.RawConn) error, first, second net.Addr) bool {
	s, err := stack.New(nil, stack.Config{Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g, err := Start(s, Options{Control: control})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	a, _, err := Direct.dialTCP(t.Context(), &g.dial, netip.MustParseAddrPort(first.String()))
	switch {
	case errors.Is(err, syscall.ENOPROTOOPT):
		testenv.NotTested(t, "IP_LOCAL_PORT_RANGE (Linux 6.3)")
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EADDRINUSE):
		return false
	case err != nil:
		t.Fatal(err)
	}
	defer a.Close()
	b, _, err := Direct.dialTCP(t.Context(), &g.dial, netip.MustParseAddrPort(second.String()))
	if err != nil {
		t.Fatalf("a second destination from the port of the first: %v", err)
	}
	defer b.Close()
	if got, want := b.LocalAddr().String(), a.LocalAddr().String(); got != want {
		t.Errorf("the second connection is from %s, want %s", got, want)
	}
	return true
}

// A proxy that cannot be used refuses connections, at once or after the dial timeout. The log names it without its
// password, and a later connection succeeds when the proxy works again.
func TestBadProxies(t *testing.T) {
	type server func(c net.Conn)
	send := func(text string) server { return func(c net.Conn) { io.WriteString(c, text); io.Copy(io.Discard, c) } }
	hang := func(c net.Conn) { io.Copy(io.Discard, c) }
	flood := func(c net.Conn) {
		for b := bytes.Repeat([]byte("x"), 1<<16); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
	for _, test := range []struct {
		name, scheme string
		serve        server
		want         string // in the log
	}{
		{"socks5 down", "socks5", nil, ": no connection to it: connection refused"},
		{"socks5 closes", "socks5", func(net.Conn) {}, "closes the connection"},
		{"socks5 hangs", "socks5", hang, "no answer in time"},
		{"socks5 is a web server", "socks5", send("HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak SOCKS5"},
		{"socks5 floods", "socks5", flood, "does not speak SOCKS5"},
		{"socks5 wants a password", "socks5", send("\x05\xff"), "refuses to be used"},
		{"socks5 wants another method", "socks5", send("\x05\x01"), "not offered"},
		{"socks5 refuses the password", "socks5", send("\x05\x02\x01\x01"), "refuses the user or the password"},
		{"socks5 with a bad reply", "socks5", send("\x05\x02\x01\x00\x04\x00\x00\x01"), "not of SOCKS5"},
		{"socks5 with a bad address", "socks5", send("\x05\x02\x01\x00\x05\x00\x00\x09"), "unknown type 9"},
		{"socks5 with half a reply", "socks5", func(c net.Conn) {
			io.WriteString(c, "\x05\x02\x01\x00\x05\x00\x00\x01\x00")
			c.(*net.TCPConn).CloseWrite()
			hang(c)
		}, "closes the connection"},
		{"http down", "http", nil, ": no connection to it: connection refused"},
		{"http closes", "http", func(net.Conn) {}, "closes the connection"},
		{"http hangs", "http", hang, "no answer in time"},
		{"http is something else", "http", send("SSH-2.0-OpenSSH\r\n\r\n"), "not one of HTTP"},
		{"http floods", "http", flood, "more than 16384 bytes"},
		{"http with an endless header", "http", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "); flood(c) }, "more than 16384 bytes"},
		{"http wants a password", "http", send("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "407"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, _ := listen(t, 0)
			proxy := l.Addr().String()
			if test.serve == nil {
				l.Close()
			} else {
				go func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						go func() { defer c.Close(); test.serve(c) }()
					}
				}()
			}
			user := "me:secret@"
			if strings.Contains(test.name, "wants a") {
				user = ""
			}
			f := newFixture(t, Options{Rules: []Rule{mustRule(t, test.scheme+"://"+user+proxy)}, DialTimeout: 200 * time.Millisecond})
			_, err := f.dial(t, "tcp", "192.0.2.1:80")
			if want := syscall.ECONNREFUSED; !errors.Is(err, want) && !strings.Contains(test.want, "407") {
				t.Errorf("Dial: %v, want %v", err, want)
			}
			f.awaitLog(t, test.want)
			if log := f.log.String(); !strings.Contains(log, "192.0.2.1:80") || !strings.Contains(log, proxy) || strings.Contains(log, "secret") {
				t.Errorf("the log is %q, want the destination and the proxy, without the password", log)
			}
			if test.serve != nil {
				return
			}
			l, err = net.Listen("tcp", proxy)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			p := &proxytest.Proxy{User: "me", Password: "secret", Dial: func(string, string) (net.Conn, error) {
				a, b := loopbackPair(t)
				go io.Copy(b, b)
				return a, nil
			}}
			go map[string]func(net.Listener){"socks5": p.ServeSOCKS, "http": p.ServeHTTP}[test.scheme](l)
			c, err := f.dial(t, "tcp", "192.0.2.1:80")
			if err != nil {
				t.Fatalf("the proxy works again: %v", err)
			}
			io.WriteString(c, "hello")
			expect(t, c, "hello")
		})
	}
}

// loopbackPair returns the ends of a connection.
func loopbackPair(t *testing.T) (a, b *net.TCPConn) {
	l, _ := listen(t, 0)
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// Data of the server's that arrives together with the proxy's answer is the client's first.
func TestEarlyData(t *testing.T) {
	p := &proxytest.Proxy{Early: 6}
	f := newFixture(t, Options{Rules: []Rule{mustRule(t, "http://"+newProxy(t, p, p.ServeHTTP))}})
	l, address := listen(t, 0)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, "bannerand more")
		io.Copy(io.Discard, c)
	}()
	c, err := f.dial(t, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, c, "bannerand more")
	c.Close()
	if r := <-f.records; r["down"].Int64() != 14 {
		t.Errorf("the record has %v bytes down, want 14", r["down"])
	}
}
