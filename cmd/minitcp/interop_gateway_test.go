//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/cmd/minitcp/internal/testenv"
	"minitcp/cmd/minitcp/proxytest"
	"minitcp/tun"
)

// The tests in this file run minitcp gateway as a process among the servers of forwardFamilies, with its TUN in the
// clients' namespace.

// startGateway starts minitcp gateway, and returns when it forwards. Its log has everything.
func startGateway(t *testing.T, args ...string) (*testGateway, *process) {
	t.Helper()
	g := &testGateway{clients: newNamespace(t), servers: newServers(t)}
	return g, g.start(t, args...)
}

// start starts minitcp gateway between the namespaces.
func (g *testGateway) start(t *testing.T, args ...string) *process {
	t.Helper()
	args = append([]string{"gateway", "--netns", g.clients.Name(), "--log-level", "debug"}, args...)
	p := start(t, program(t, in(g.servers.Name()), args...))
	p.awaitErr("msg=forwarding")
	g.route(t)
	return p
}

// proxies are outbounds that reach the servers. The function starts the proxy among them, and returns the value of
// --via.
var proxies = []struct {
	name string
	via  func(t *testing.T, servers *tun.Namespace) string
}{
	{"direct", func(*testing.T, *tun.Namespace) string { return "direct" }},
	{"socks5", func(t *testing.T, servers *tun.Namespace) string {
		p := &proxytest.Proxy{User: "me", Password: "se:cr=et"}
		return "socks5://me:se%3Acr=et@" + startProxy(t, servers, p, p.ServeSOCKS)
	}},
	{"http", func(t *testing.T, servers *tun.Namespace) string {
		p := &proxytest.Proxy{User: "me", Password: "se:cr=et"}
		return "http://me:se%3Acr=et@" + startProxy(t, servers, p, p.ServeHTTP)
	}},
}

// startProxy starts a proxy among the servers and returns its address.
func startProxy(t *testing.T, servers *tun.Namespace, p *proxytest.Proxy, serve func(net.Listener)) string {
	t.Helper()
	return startProxyAt(t, servers, "127.0.0.1", p, serve)
}

// startProxyAt acts like startProxy on a host's address.
func startProxyAt(t *testing.T, servers *tun.Namespace, host string, p *proxytest.Proxy, serve func(net.Listener)) string {
	t.Helper()
	p.Dial = func(network, address string) (c net.Conn, err error) {
		err = servers.Do(func() error { c, err = net.Dial(network, address); return err })
		return c, err
	}
	p.ListenPacket = func(network, address string) (c net.PacketConn, err error) {
		err = servers.Do(func() error { c, err = net.ListenPacket(network, address); return err })
		return c, err
	}
	l := (&testGateway{servers: servers}).listen(t, host)
	go serve(l)
	return l.Addr().String()
}

// gatewayTo runs a test with a gateway, for every outbound.
func gatewayTo(t *testing.T, f func(t *testing.T, g *testGateway, outbound string)) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			g := &testGateway{clients: newNamespace(t), servers: newServers(t)}
			process := g.start(t, "--via", p.via(t, g.servers))
			f(t, g, p.name)
			if status := process.signal(syscall.SIGTERM); status != 0 {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

// Curl, half-close and resets through every outbound, in both families. The log has a line for each connection.
func TestGatewayTCP(t *testing.T) {
	t.Parallel()
	gatewayTo(t, func(t *testing.T, g *testGateway, _ string) {
		for i, family := range forwardFamilies {
			t.Run(family.name, func(t *testing.T) {
				forwardCurl(t, g, i)
				forwardHalfClose(t, g, i)
				forwardResets(t, g, i)
			})
		}
	})
}

// A client sees the error that the gateway, or its proxy, has seen.
func TestGatewayErrors(t *testing.T) {
	t.Parallel()
	gatewayTo(t, func(t *testing.T, g *testGateway, outbound string) {
		for _, f := range forwardFamilies {
			command(t, g.clients, "ip route replace 169.254.9.0/24 dev mini0")
			admin, policy := syscall.EHOSTUNREACH, "169.254.9.9"
			if f.name == "IPv6" {
				admin, policy = syscall.EACCES, "fd77::9"
			}
			tests := []struct {
				name, host string
				want       syscall.Errno
			}{
				{"policy", policy, admin},
				{"refused", f.live, syscall.ECONNREFUSED},
				{"prohibited", f.prohibited, admin},
				{"net unreachable", f.netless, syscall.ENETUNREACH},
				{"host unreachable", f.hostless, syscall.EHOSTUNREACH},
			}
			if outbound == "http" { // whose proxy has no status for the others
				tests = tests[:3]
			}
			for _, test := range tests {
				address := net.JoinHostPort(test.host, "81")
				if _, err := dialIn(g.clients, address); !errors.Is(err, test.want) {
					t.Errorf("%s, %s: Dial: %v, want %v", f.name, test.name, err, test.want)
				}
				status, _, text := g.curl(t, "http://"+address+"/")
				const couldNotConnect = 7
				if status != couldNotConnect || !strings.Contains(strings.ToLower(text), test.want.Error()) {
					t.Errorf("%s, %s: curl: exit status %d, want %d and %q in:\n%s", f.name, test.name, status, couldNotConnect, test.want.Error(), text)
				}
			}
		}
	})
}

// A destination that does not answer stays silent, also when the gateway has given up: the client's own timeout ends
// its dial.
func TestGatewayBlackHole(t *testing.T) {
	t.Parallel()
	g, p := startGateway(t, "--dial-timeout", "100ms")
	for _, f := range forwardFamilies {
		status, _, text := g.curl(t, "--connect-timeout", "1", "http://"+net.JoinHostPort(f.hole, "80")+"/")
		const timedOut = 28
		if status != timedOut {
			t.Errorf("%s: curl: exit status %d, want %d\n%s", f.name, status, timedOut, text)
		}
		p.awaitErr("destination=" + net.JoinHostPort(f.hole, "80"))
	}
	if text := p.err.String(); !strings.Contains(text, "i/o timeout") {
		t.Errorf("the log has no timeout:\n%s", text)
	}
}

// By destination: the longest prefix wins, and reject prohibits.
func TestGatewayRules(t *testing.T) {
	g := &testGateway{clients: newNamespace(t), servers: newServers(t)}
	all, some := new(proxytest.Proxy), new(proxytest.Proxy)
	p := g.start(t, "--via", "socks5://"+startProxy(t, g.servers, all, all.ServeSOCKS),
		"--via", "198.18.0.0/30=http://"+startProxy(t, g.servers, some, some.ServeHTTP), "--via", "198.18.0.2=direct", "--via", "fd80::2/128=reject")
	for _, test := range []struct {
		host  string
		proxy string
	}{{"198.18.0.1", "http"}, {"198.18.0.2", "direct"}, {"198.18.0.9", "socks5"}, {"fd80::1", "socks5"}} {
		l := g.listen(t, test.host)
		before := [2]int64{all.Requests.Load(), some.Requests.Load()}
		c, err := dialIn(g.clients, l.Addr().String())
		if err != nil {
			t.Fatal(test.host, err)
		}
		c.Close()
		got := "direct"
		switch [2]int64{all.Requests.Load(), some.Requests.Load()} {
		case [2]int64{before[0] + 1, before[1]}:
			got = "socks5"
		case [2]int64{before[0], before[1] + 1}:
			got = "http"
		}
		if got != test.proxy {
			t.Errorf("%s is reached through %s, want %s", test.host, got, test.proxy)
		}
	}
	if _, err := dialIn(g.clients, "[fd80::2]:80"); !errors.Is(err, syscall.EACCES) {
		t.Errorf("a rejected destination: %v, want EACCES", err)
	}
	p.awaitErr("a rule rejects it")
}

// Mapping and filtering of UDP are endpoint-independent, directly and through a SOCKS5 proxy [RFC 4787].
func TestGatewayUDP(t *testing.T) {
	for _, p := range proxies[:2] {
		t.Run(p.name, func(t *testing.T) {
			g := &testGateway{clients: newNamespace(t), servers: newServers(t)}
			g.start(t, "--via", p.via(t, g.servers))
			for _, family := range forwardFamilies {
				a, b := udpEndpointIndependent(t, g, family.name, family.live)
				if a.Port() != b.Port() { // the addresses differ, because the servers are on loopback
					t.Errorf("%s: mapping: one server sees %v, the other %v", family.name, a, b)
				}
			}
		})
	}
}

// An ICMP error about a datagram of the gateway's is the error of the client's connected socket, and so is the
// prohibition of UDP to a destination behind an HTTP proxy.
func TestGatewayUDPErrors(t *testing.T) {
	p := new(proxytest.Proxy)
	g := &testGateway{clients: newNamespace(t), servers: newServers(t)}
	g.start(t, "--via", "198.18.0.2=http://"+startProxy(t, g.servers, p, p.ServeHTTP), "--via", "fd80::2=reject")
	for _, f := range forwardFamilies {
		blocked, prohibited := "198.18.0.2", syscall.EHOSTUNREACH
		if f.name == "IPv6" {
			blocked, prohibited = "fd80::2", syscall.EACCES
		}
		for _, test := range []struct {
			name, host string
			want       syscall.Errno
		}{
			{"closed port", f.live, syscall.ECONNREFUSED},
			{"host unreachable", f.hostless, syscall.EHOSTUNREACH},
			{"net unreachable", f.netless, syscall.ENETUNREACH},
			{"prohibited", blocked, prohibited},
		} {
			c := socketIn(t, g.clients, "", net.JoinHostPort(test.host, "9"))
			reportErrors(t, c, f.name)
			for range 2 { // the flow goes on
				c.Write([]byte("hello"))
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, test.want) {
					t.Errorf("%s, %s: %v, want %v", f.name, test.name, err, test.want)
				}
			}
		}
	}
}

// A flow ends after --udp-timeout. The next datagram begins another, from another port.
func TestGatewayUDPTimeout(t *testing.T) {
	g, _ := startGateway(t, "--udp-timeout", "50ms")
	server := socketIn(t, g.servers, "198.18.0.1:0", "")
	serveReflection(t, server, server)
	c := socketIn(t, g.clients, ":0", "")
	first, _ := probe(t, c, server.LocalAddr(), "hello")
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		<-tick.C
		if now, _ := probe(t, c, server.LocalAddr(), "hello"); now != first {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the flow has not ended")
		}
	}
}

// All name servers that clients ask are the one of --dns: over UDP, and over TCP after a truncated answer.
func TestGatewayDNS(t *testing.T) {
	g, _ := startGateway(t, "--dns", "198.18.0.9:5353")
	var l net.Listener
	if err := g.servers.Do(func() (err error) { l, err = net.Listen("tcp", "198.18.0.9:5353"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	serveNames(t, socketIn(t, g.servers, "198.18.0.9:5353", ""), l)
	for _, server := range []string{"198.19.9.9:53", "[fd88::9]:53"} {
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (c net.Conn, err error) {
			err = g.clients.Do(func() error { var d net.Dialer; c, err = d.DialContext(ctx, network, server); return err })
			return c, err
		}}
		small, err := r.LookupHost(t.Context(), "small.")
		if err != nil || !slices.Equal(small, []string{"192.0.2.1"}) {
			t.Errorf("%s: %v, %v", server, small, err)
		}
		if large, err := r.LookupNetIP(t.Context(), "ip4", "large."); err != nil || len(large) != 100 {
			t.Errorf("%s: truncated: %d addresses, %v; want 100", server, len(large), err)
		}
	}
}

// Ping is real: an address that answers does, and one that does not stays silent. Without the right to ICMP sockets it
// is prohibited.
func TestGatewayPing(t *testing.T) {
	t.Parallel()
	g, p := startGateway(t)
	ping := func(host string) (status int, text string) {
		c := start(t, tool(t, g.clients.Name(), "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", host))
		status = c.wait()
		return status, c.out.String()
	}
	for _, f := range forwardFamilies {
		setPingGroups(t, g.servers, "1 0")
		if status, text := ping(f.live); status == 0 || !strings.Contains(text, map[bool]string{true: "Packet filtered", false: "Administratively prohibited"}[f.name == "IPv4"]) {
			t.Errorf("%s, without the right: exit status %d\n%s", f.name, status, text)
		}
		p.awaitErr("ping_group_range")
		setPingGroups(t, g.servers, "0 2147483647")
		if status, text := ping(f.live); status != 0 || !strings.Contains(text, "2 received") {
			t.Errorf("%s: exit status %d\n%s", f.name, status, text)
		}
		if status, text := ping(f.hole); status != 1 || !strings.Contains(text, "0 received") || strings.Contains(text, "rohibited") {
			t.Errorf("%s, no answer: exit status %d\n%s", f.name, status, text)
		}
		if status, text := ping(f.hostless); status != 1 || !strings.Contains(text, "nreachable") {
			t.Errorf("%s, unreachable: exit status %d\n%s", f.name, status, text)
		}
	}
}

// setPingGroups sets the groups that may open ICMP sockets in a namespace.
func setPingGroups(t *testing.T, n *tun.Namespace, groups string) {
	t.Helper()
	if out, err := tool(t, n.Name(), "sysctl", "-qw", "net.ipv4.ping_group_range="+groups).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// Every socket has the mark of --mark: a routing rule finds it.
func TestGatewayMark(t *testing.T) {
	t.Parallel()
	g := &testGateway{clients: newNamespace(t), servers: newServers(t)}
	// The local table is looked up before any other rule.
	command(t, g.servers, "ip rule add pref 5 lookup local")
	command(t, g.servers, "ip rule del pref 0")
	command(t, g.servers, "ip rule add pref 3 fwmark 7 unreachable")
	l := g.listen(t, "198.18.0.1")
	for mark, want := range map[string]error{"7": syscall.ENETUNREACH, "8": nil} {
		p := g.start(t, "--mark", mark)
		c, err := dialIn(g.clients, l.Addr().String())
		if !errors.Is(err, want) {
			t.Errorf("mark %s: TCP: %v, want %v", mark, err, want)
		}
		if err == nil {
			c.Close()
		}
		u := socketIn(t, g.clients, "", "198.18.0.1:9")
		reportErrors(t, u, "IPv4")
		u.Write([]byte("hello"))
		if want == nil {
			want = syscall.ECONNREFUSED
		}
		if _, err := u.Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Errorf("mark %s: UDP: %v, want %v", mark, err, want)
		}
		p.signal(syscall.SIGTERM)
	}
}

// The sockets that look up the name of a proxy have the mark, too.
func TestGatewayMarkOfResolver(t *testing.T) {
	t.Parallel()
	g := &testGateway{clients: newNamespace(t), servers: newServers(t)}
	command(t, g.servers, "ip address add 192.0.2.1/32 dev lo") // of small.
	command(t, g.servers, "ip rule add pref 5 lookup local")
	command(t, g.servers, "ip rule del pref 0")
	command(t, g.servers, "ip rule add pref 3 fwmark 7 to 198.18.0.9 unreachable")
	var l net.Listener
	if err := g.servers.Do(func() (err error) { l, err = net.Listen("tcp", "198.18.0.9:53"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	serveNames(t, socketIn(t, g.servers, "198.18.0.9:53", ""), l)
	p := new(proxytest.Proxy)
	_, port, _ := net.SplitHostPort(startProxyAt(t, g.servers, "192.0.2.1", p, p.ServeSOCKS))
	resolvConf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolvConf, []byte("nameserver 198.18.0.9\noptions attempts:1 timeout:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	server := g.listen(t, "198.18.0.1")
	for mark, want := range map[string]error{"7": syscall.ECONNREFUSED, "8": nil} {
		// In a mount namespace of its own, the process has another resolv.conf.
		before := append(in(g.servers.Name()), "unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, resolvConf)
		process := start(t, program(t, before, "gateway", "--netns", g.clients.Name(), "--mark", mark, "--via", "socks5://small.:"+port))
		process.awaitErr("msg=forwarding")
		g.route(t)
		c, err := dialIn(g.clients, server.Addr().String())
		if !errors.Is(err, want) {
			t.Errorf("mark %s: %v, want %v", mark, err, want)
		}
		if err == nil {
			c.Close()
		} else {
			process.awaitErr("lookup small.")
		}
		process.signal(syscall.SIGTERM)
	}
}

// Every socket is bound to the interface of --interface.
func TestGatewayInterface(t *testing.T) {
	t.Parallel()
	g := &testGateway{clients: newNamespace(t), servers: newServers(t)}
	l := g.listen(t, "198.18.0.1")
	p := g.start(t, "--interface", "lo")
	c, err := dialIn(g.clients, l.Addr().String())
	if err != nil {
		t.Errorf("lo: %v", err)
	} else {
		c.Close()
	}
	p.signal(syscall.SIGTERM)
	p = g.start(t, "--interface", "hole0")
	status, _, text := g.curl(t, "--connect-timeout", "1", "http://198.18.0.1/")
	const timedOut = 28
	if status != timedOut {
		t.Errorf("hole0: curl: exit status %d, want %d\n%s", status, timedOut, text)
	}
	p.signal(syscall.SIGTERM)
	r := finish(t, program(t, in(g.servers.Name()), "gateway", "--netns", g.clients.Name(), "--interface", "none0"))
	if r.status != exitFailure {
		t.Errorf("none0: exit status %d", r.status)
	}
	checkLine(t, r.errOut, "--interface none0", "no such network interface")
}

// The gateway uses a TUN that it has inherited.
func TestGatewayInheritedTUN(t *testing.T) {
	t.Parallel()
	g := &testGateway{clients: newNamespace(t), servers: newServers(t)}
	device, err := tun.Open(tun.Config{Name: "mini0", Namespace: g.clients, Queues: 1, MTU: 1400, HostAddresses: newAddressList("10.77.0.1/24", "fd77::1/64").prefixes})
	if err != nil {
		t.Fatal(err)
	}
	file, err := device.File()
	device.Close() // the file keeps it
	if err != nil {
		t.Fatal(err)
	}
	cmd := program(t, in(g.servers.Name()), "gateway", "--tun-fd", "3", "--log-level", "debug")
	cmd.ExtraFiles = []*os.File{file}
	p := start(t, cmd)
	file.Close()
	p.awaitErr("msg=forwarding")
	g.route(t)
	for i := range forwardFamilies {
		forwardCurl(t, g, i)
	}
	if status := p.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("exit status %d", status)
	}
	r := finish(t, program(t, nil, "gateway", "--tun-fd", "0"))
	if r.status != exitFailure {
		t.Errorf("a descriptor that is no TUN: exit status %d", r.status)
	}
	checkLine(t, r.errOut, "--tun-fd 0", "not an open TUN")
}

// Connections beyond the limits are prohibited until others end.
func TestGatewayLimits(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--max-connections", "--max-per-host"} {
		t.Run(flag, func(t *testing.T) {
			g, p := startGateway(t, flag, "3")
			l := g.listen(t, "198.18.0.1")
			var open []net.Conn
			for range 3 {
				c, err := dialIn(g.clients, l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				accepted, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				open = append(open, c, accepted)
			}
			if _, err := dialIn(g.clients, l.Addr().String()); !errors.Is(err, syscall.EHOSTUNREACH) {
				t.Errorf("beyond the limit: %v, want EHOSTUNREACH", err)
			}
			p.awaitErr("too many connections")
			for _, c := range open {
				c.Close()
			}
			until(t, "there is room again", func() bool {
				c, err := dialIn(g.clients, l.Addr().String())
				if err == nil {
					c.Close()
				}
				return err == nil
			})
		})
	}
}

// The segments of clients are not larger than --mss.
func TestGatewayMSS(t *testing.T) {
	g, _ := startGateway(t, "--mss", "900")
	for _, f := range forwardFamilies {
		l := g.listen(t, f.live)
		c, err := dialIn(g.clients, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		mss := 0
		raw.Control(func(fd uintptr) { mss, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG) })
		if err != nil || mss > 900 || mss < 880 {
			t.Errorf("%s: MSS %d, %v; want 900 with or without timestamps", f.name, mss, err)
		}
		c.Close()
	}
}

// --trace and --pcap show the segments of clients, and --mtu is that of the device.
func TestGatewayTraceAndMTU(t *testing.T) {
	dir := t.TempDir()
	trace, capture := filepath.Join(dir, "trace"), filepath.Join(dir, "capture")
	g, p := startGateway(t, "--trace", trace, "--pcap", capture, "--mtu", "1300")
	l := g.listen(t, "198.18.0.1")
	go http.Serve(l, http.NotFoundHandler())
	g.curl(t, "http://"+l.Addr().String()+"/")
	if out, err := tool(t, g.clients.Name(), "ip", "link", "show", "mini0").Output(); err != nil || !bytes.Contains(out, []byte("mtu 1300")) {
		t.Errorf("%s, %v: want an MTU of 1300", out, err)
	}
	p.signal(syscall.SIGTERM)
	if text := readFile(t, trace); !strings.Contains(text, "SYN") || !strings.Contains(text, l.Addr().String()) {
		t.Errorf("the trace is %q", text)
	}
	if text := readFile(t, capture); !strings.Contains(text, "GET / HTTP") {
		t.Errorf("the capture of %d bytes has no request", len(text))
	}
}

// A connection that has ended is one line of the log, with its ends and the cause.
func TestGatewayRecords(t *testing.T) {
	g, p := startGateway(t)
	l := g.listen(t, "198.18.0.1")
	c, err := dialIn(g.clients, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "question")
	if _, err := io.ReadFull(accepted, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	accepted.(*net.TCPConn).SetLinger(0)
	accepted.Close()
	p.awaitErr(`msg="connection finished"`)
	text := p.err.String()
	for _, want := range []string{
		"source=" + c.LocalAddr().String(), "destination=" + l.Addr().String(), "via=direct", "up=8", "down=0", "by=server",
		`cause="connection reset by peer"`, "min_rtt=", "resent=0.00%",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log has no %q:\n%s", want, text)
		}
	}
}

// The mistakes of the command line that only the system knows.
func TestGatewayWithoutPrivilege(t *testing.T) {
	testenv.RequireDevice(t)
	r := finish(t, program(t, strings.Fields("setpriv --bounding-set=-net_admin --inh-caps=-net_admin"), "gateway", "--mark", "7"))
	if r.status != exitFailure {
		t.Errorf("exit status %d, want %d", r.status, exitFailure)
	}
	checkLine(t, r.errOut, "no permission", "--tun-fd")
}

// newHost makes a namespace with a default route to that of the servers: a host of its own.
func newHost(t *testing.T, servers *tun.Namespace) *tun.Namespace {
	t.Helper()
	host := newNamespace(t)
	command(t, host, "ip link add eth0 type veth peer name eth0 netns "+servers.Name())
	for _, end := range []struct {
		n        *tun.Namespace
		ip4, ip6 string
	}{{host, "172.31.0.2/24", "fd31::2/64"}, {servers, "172.31.0.1/24", "fd31::1/64"}} {
		command(t, end.n, "ip address add "+end.ip4+" dev eth0")
		command(t, end.n, "ip -6 address add "+end.ip6+" dev eth0 nodad")
		command(t, end.n, "ip link set eth0 up")
	}
	command(t, host, "ip route add default via 172.31.0.1")
	command(t, host, "ip -6 route add default via fd31::1")
	return host
}

// rulesIn returns the routing rules of a namespace.
func rulesIn(t *testing.T, n *tun.Namespace) string {
	t.Helper()
	var text string
	for _, family := range []string{"-4", "-6"} {
		out, err := tool(t, n.Name(), "ip", family, "rule").Output()
		if err != nil {
			t.Fatal(err)
		}
		text += string(out)
	}
	return text
}

// With --auto-route, the connections of the host itself pass the gateway, whose own sockets do not; the network that
// the host is on is reached directly. All is undone at the end, and after a kill at the next start.
func TestGatewayAutoRoute(t *testing.T) {
	servers := newServers(t)
	host := newHost(t, servers)
	g := &testGateway{clients: host, servers: servers}
	before := rulesIn(t, host)
	startOn := func(args ...string) *process {
		p := start(t, program(t, in(host.Name()), append([]string{"gateway", "--auto-route", "--log-level", "debug"}, args...)...))
		p.awaitErr("msg=forwarding")
		return p
	}
	// reach fetches from each address, and returns the part of the log line of each connection that names it.
	reach := func(addresses ...string) (lines []string) {
		t.Helper()
		for _, a := range addresses {
			l := g.listen(t, a)
			go http.Serve(l, http.NotFoundHandler())
			if status, _, text := g.curl(t, "http://"+l.Addr().String()+"/"); status != 0 {
				t.Fatalf("curl: exit status %d\n%s", status, text)
			}
			lines = append(lines, "destination="+l.Addr().String())
		}
		return lines
	}
	// reachThrough fetches from each address, and waits until the gateway p has forwarded it.
	reachThrough := func(p *process, addresses ...string) {
		t.Helper()
		for _, line := range reach(addresses...) {
			p.awaitErr(line)
		}
	}
	p := startOn("--dns", "198.18.0.9")
	during := rulesIn(t, host)
	direct := reach("172.31.0.1", "fd31::1")
	reachThrough(p, "198.18.0.1", "fd80::1") // whose lines follow those of earlier connections
	for _, line := range direct {
		if strings.Contains(p.err.String(), line) {
			t.Errorf("a connection to the host's own network has passed the gateway: %s", line)
		}
	}
	other := finish(t, program(t, in(host.Name()), "gateway", "--auto-route", "--tun", "mini1",
		"--address", "10.78.0.2/24,fd78::2/64", "--host-address", "10.78.0.1/24,fd78::1/64"))
	if other.status != exitFailure || !strings.Contains(other.errOut, "--auto-route") || !strings.Contains(other.errOut, "mini0") {
		t.Errorf("a second gateway: exit status %d, %q", other.status, other.errOut)
	}
	if got := rulesIn(t, host); got != during {
		t.Errorf("the second gateway has changed the rules to:\n%s\nfrom:\n%s", got, during)
	}
	if status := p.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if got := rulesIn(t, host); got != before {
		t.Errorf("rules at the end:\n%s\nwant:\n%s", got, before)
	}
	reach("198.18.0.1", "fd80::1")

	p = startOn()
	p.signal(syscall.SIGKILL)
	if rulesIn(t, host) == before {
		t.Error("no rule is left behind after a kill: this tests nothing")
	}
	reach("198.18.0.1", "fd80::1") // the rules without a route have no effect
	p = startOn()
	p.awaitErr("removed the routing rules of a run that was killed")
	reachThrough(p, "198.18.0.1", "fd80::1")
	p.signal(syscall.SIGTERM)
	if got := rulesIn(t, host); got != before {
		t.Errorf("rules at the end, after a kill:\n%s\nwant:\n%s", got, before)
	}
}

// The kernel removes the routes of a device that is taken down. When it is up again, the traffic of the host does not
// bypass the gateway.
func TestGatewayAutoRouteLinkDown(t *testing.T) {
	servers := newServers(t)
	host := newHost(t, servers)
	p := start(t, program(t, in(host.Name()), "gateway", "--auto-route"))
	p.awaitErr("msg=forwarding")
	routes := func() string {
		t.Helper()
		var text string
		for _, family := range []string{"-4", "-6"} {
			out, err := tool(t, host.Name(), "ip", family, "route", "show", "table", strconv.Itoa(autoRouteTable)).Output()
			if err != nil {
				t.Fatal(err)
			}
			text += string(out)
		}
		return text
	}
	before := routes()
	for n := range 2 {
		logged := func(text string) func() bool {
			return func() bool { return strings.Count(p.err.String(), text) == n+1 }
		}
		command(t, host, "ip link set mini0 down")
		until(t, "the gateway notices that the device is down", logged("the device is down"))
		command(t, host, "ip link set mini0 up")
		until(t, "the gateway restores its routes", logged("its routes are restored"))
		if got := routes(); got != before || !strings.Contains(got, "default dev mini0") {
			t.Fatalf("routes afterwards:\n%s\nwant:\n%s", got, before)
		}
	}
	if status := p.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// Name servers are hijacked with --auto-route and --dns, also those on the network that the host is on.
func TestGatewayAutoRouteDNS(t *testing.T) {
	servers := newServers(t)
	host := newHost(t, servers)
	p := start(t, program(t, in(host.Name()), "gateway", "--auto-route", "--dns", "198.18.0.9:53"))
	p.awaitErr("msg=forwarding")
	var l net.Listener
	if err := servers.Do(func() (err error) { l, err = net.Listen("tcp", "198.18.0.9:53"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	serveNames(t, socketIn(t, servers, "198.18.0.9:53", ""), l)
	for _, server := range []string{"172.31.0.1:53", "[fd31::1]:53", "192.0.2.53:53"} {
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (c net.Conn, err error) {
			err = host.Do(func() error { var d net.Dialer; c, err = d.DialContext(ctx, network, server); return err })
			return c, err
		}}
		small, err := r.LookupHost(t.Context(), "small.")
		if err != nil || !slices.Equal(small, []string{"192.0.2.1"}) {
			t.Errorf("%s: %v, %v", server, small, err)
		}
	}
}

// A strict reverse path filter drops the answers for the gateway's own sockets. The log names the interface and the
// remedy, which works.
func TestGatewayAutoRouteStrictFilter(t *testing.T) {
	servers := newServers(t)
	host := newHost(t, servers)
	g := &testGateway{clients: host, servers: servers}
	set := func(value string) {
		command(t, host, "sysctl -qw net.ipv4.conf.all.rp_filter=0")
		command(t, host, "sysctl -qw net.ipv4.conf.eth0.rp_filter="+value)
	}
	set("1")
	p := start(t, program(t, in(host.Name()), "gateway", "--auto-route"))
	p.awaitErr("msg=forwarding")
	if text := p.err.String(); !strings.Contains(text, "interface=eth0") || !strings.Contains(text, "net.ipv4.conf.eth0.rp_filter=2") {
		t.Errorf("no warning:\n%s", text)
	}
	l := g.listen(t, "198.18.0.1")
	go http.Serve(l, http.NotFoundHandler())
	if status, _, _ := g.curl(t, "--connect-timeout", "1", "http://"+l.Addr().String()+"/"); status == 0 {
		t.Error("a connection succeeds in spite of the filter: the warning is wrong")
	}
	set("2")
	if status, _, text := g.curl(t, "http://"+l.Addr().String()+"/"); status != 0 {
		t.Errorf("with a loose filter: exit status %d\n%s", status, text)
	}
}
