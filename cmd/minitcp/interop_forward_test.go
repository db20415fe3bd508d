//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/relay"
	"minitcp/tun"
)

// The tests in this file have a gateway between two namespaces: clients of the kernel in one, servers of the kernel in
// the other. All connections of the clients are routed into the gateway's TUN. It dials the same destination among the
// servers, and relays.

// testGateway is a forwarder on a TUN in the clients' namespace.
type testGateway struct {
	clients, servers *tun.Namespace
	stack            *stack.Stack
	requests         chan *stack.ForwardRequest // that the gateway has begun to dial for
	syns, probes     atomic.Int64               // SYNs from the clients; segments without flags to them
	refused          sync.Map                   // of netip.AddrPort: clients that have got an error
	repeated         atomic.Int64               // SYNs from those
	segmentsUDP      bool                       // superframes of UDP pass the TUN
}

// forwardFamilies are destinations among the servers, of each family. The live address has servers. There is no route
// to netless, an unreachable route to hostless, and an administratively prohibited one to prohibited. Packets to hole
// get no answer.
var forwardFamilies = []struct{ name, live, netless, hostless, prohibited, hole string }{
	{"IPv4", "198.18.0.1", "198.19.0.1", "198.18.1.1", "198.18.2.1", "198.18.3.2"},
	{"IPv6", "fd80::1", "fd88::1", "fd80:1::1", "fd80:2::1", "fd80:3::2"},
}

// command runs a command line in the namespace.
func command(t *testing.T, n *tun.Namespace, line string) {
	t.Helper()
	if out, err := tool(t, n.Name(), strings.Fields(line)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// newGateway makes the two namespaces and the stack between them, without a forwarder.
func newGateway(t *testing.T) *testGateway {
	t.Helper()
	g := &testGateway{clients: newNamespace(t), servers: newServers(t), requests: make(chan *stack.ForwardRequest, 1000)}
	device, err := tun.Open(tun.Config{Name: "mini0", Namespace: g.clients,
		HostAddresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64")}})
	if err != nil {
		t.Fatal(err)
	}
	g.stack, err = stack.New(device, stack.Config{
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")},
		Trace:     g.trace,
	})
	if err != nil {
		device.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { g.stack.Close() })
	g.segmentsUDP = device.SegmentsUDP()
	g.route(t)
	return g
}

// route routes the clients' packets for the servers into the TUN.
func (g *testGateway) route(t *testing.T) {
	command(t, g.clients, "ip route add 198.18.0.0/15 dev mini0")
	command(t, g.clients, "ip -6 route add fd80::/12 dev mini0")
}

// newServers makes the namespace of the servers, with the destinations of forwardFamilies.
func newServers(t *testing.T) *tun.Namespace {
	t.Helper()
	servers := newNamespace(t)
	for _, line := range []string{
		"ip address add 198.18.0.1/32 dev lo", "ip -6 address add fd80::1/128 dev lo nodad",
		"ip address add 198.18.0.2/32 dev lo", "ip -6 address add fd80::2/128 dev lo nodad",
		"ip address add 198.18.0.9/32 dev lo", "ip -6 address add fd80::9/128 dev lo nodad",
		"ip route add unreachable 198.18.1.0/24", "ip -6 route add unreachable fd80:1::/32",
		"ip route add prohibit 198.18.2.0/24", "ip -6 route add prohibit fd80:2::/32",
	} {
		command(t, servers, line)
	}
	hole, err := tun.Open(tun.Config{Name: "hole0", Namespace: servers,
		HostAddresses: []netip.Prefix{netip.MustParsePrefix("198.18.3.1/24"), netip.MustParsePrefix("fd80:3::1/64")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hole.Close() })
	return servers
}

// trace counts SYNs from clients and the segments that probe them.
func (g *testGateway) trace(e *stack.TraceEvent) {
	switch {
	case !e.Outgoing && e.TCP.Flags&(wire.SYN|wire.ACK) == wire.SYN:
		g.syns.Add(1)
		if _, ok := g.refused.Load(e.Remote); ok {
			g.repeated.Add(1)
		}
	case e.Outgoing && e.TCP.Flags == 0:
		g.probes.Add(1)
	}
}

// forwardTCP starts to forward. The test ends when all relays have.
func (g *testGateway) forwardTCP(t *testing.T) {
	t.Helper()
	var relays sync.WaitGroup
	t.Cleanup(relays.Wait)
	t.Cleanup(func() { g.stack.Close() }) // ends the relays
	_, err := g.stack.ForwardTCP(stack.ForwardConfig{}, func(r *stack.ForwardRequest) {
		relays.Go(func() { g.forward(t, r) })
	})
	if err != nil {
		t.Fatal(err)
	}
}

// forward dials for a request, and relays or gives the client the error of the dial.
func (g *testGateway) forward(t *testing.T, r *stack.ForwardRequest) {
	g.requests <- r
	var server net.Conn
	err := g.servers.Do(func() (err error) {
		var d net.Dialer
		server, err = d.DialContext(r.Context(), "tcp", r.Destination().String())
		return err
	})
	switch {
	case err == nil:
		client, err := r.Accept()
		if err != nil {
			server.Close()
			return
		}
		relay.Relay(client, server.(*net.TCPConn), relay.Config{})
		return
	case r.Context().Err() != nil: // the client has given up
		return
	}
	g.refused.Store(r.Source(), true)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		err = r.Reset()
	case errors.Is(err, syscall.ENETUNREACH):
		err = r.Unreachable(stack.NetUnreachable)
	case errors.Is(err, syscall.EACCES):
		err = r.Unreachable(stack.AdminProhibited)
	case errors.Is(err, syscall.EHOSTUNREACH):
		err = r.Unreachable(stack.HostUnreachable)
	}
	if err != nil {
		t.Errorf("dialing %v: %v", r.Destination(), err)
	}
}

// listen returns a listener of the kernel's among the servers.
func (g *testGateway) listen(t *testing.T, host string) net.Listener {
	t.Helper()
	var l net.Listener
	err := g.servers.Do(func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// curl runs curl among the clients and returns its exit status and its output.
func (g *testGateway) curl(t *testing.T, args ...string) (status int, out, err string) {
	t.Helper()
	cmd := tool(t, g.clients.Name(), append([]string{"curl", "--silent", "--show-error", "--verbose", "--noproxy", "*"}, args...)...)
	p := start(t, cmd)
	status = p.wait()
	return status, p.out.String(), p.err.String()
}

// forwardTo runs a test with a gateway, for both families.
func forwardTo(t *testing.T, f func(t *testing.T, g *testGateway, family int)) {
	for i, family := range forwardFamilies {
		t.Run(family.name, func(t *testing.T) {
			g := newGateway(t)
			g.forwardTCP(t)
			f(t, g, i)
		})
	}
}

// A web server of the kernel's serves curl through the forwarder.
func TestForwardCurl(t *testing.T) { forwardTo(t, forwardCurl) }

func forwardCurl(t *testing.T, g *testGateway, family int) {
	t.Helper()
	want := noiseBytes(t, 4, 4<<20)
	l := g.listen(t, forwardFamilies[family].live)
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(want) }))
	status, out, text := g.curl(t, "http://"+l.Addr().String()+"/")
	if status != 0 || out != string(want) {
		t.Errorf("exit status %d, %d bytes; want 0, %d bytes\n%s", status, len(out), len(want), text)
	}
}

// A client sends everything, then its FIN, and reads the reply after that. The server does the same in the other
// direction at the same time.
func TestForwardHalfClose(t *testing.T) { forwardTo(t, forwardHalfClose) }

func forwardHalfClose(t *testing.T, g *testGateway, family int) {
	t.Helper()
	l := g.listen(t, forwardFamilies[family].live)
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			_, err = io.Copy(c, c) // until the client's FIN
		}
		served <- err
	}()
	c, err := dialIn(g.clients, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := string(noiseBytes(t, 5, 300_000))
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, want)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	got, err := io.ReadAll(c)
	if err := errors.Join(err, <-sent, <-served); err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%d bytes came back, want %d, or they changed", len(got), len(want))
	}
}

// A reset by the server reaches the client, and one by the client the server.
func TestForwardResets(t *testing.T) { forwardTo(t, forwardResets) }

func forwardResets(t *testing.T, g *testGateway, family int) {
	t.Helper()
	l := g.listen(t, forwardFamilies[family].live)
	for _, by := range []string{"server", "client"} {
		client, err := dialIn(g.clients, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		server := accepted.(*net.TCPConn)
		defer server.Close()
		server.SetDeadline(time.Now().Add(patience))
		from, to := server, client
		if by == "client" {
			from, to = client, server
		}
		from.SetLinger(0)
		from.Close()
		if _, err := to.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after a reset by the %s the other end reads %v, want ECONNRESET", by, err)
		}
	}
}

// When the gateway's dial fails at once, so does the client's: a Linux client gets the same errno, after a single SYN.
func TestForwardErrors(t *testing.T) {
	forwardTo(t, func(t *testing.T, g *testGateway, family int) {
		f := forwardFamilies[family]
		prohibited := syscall.EHOSTUNREACH // of IPv4's code 13
		if f.name == "IPv6" {
			prohibited = syscall.EACCES
		}
		for _, test := range []struct {
			name, host string
			want       syscall.Errno
		}{
			{"refused", f.live, syscall.ECONNREFUSED},
			{"net unreachable", f.netless, syscall.ENETUNREACH},
			{"host unreachable", f.hostless, syscall.EHOSTUNREACH},
			{"prohibited", f.prohibited, prohibited},
		} {
			t.Run(test.name, func(t *testing.T) {
				before, missed := g.repeated.Load(), g.missedErrors(t)
				if _, err := dialIn(g.clients, net.JoinHostPort(test.host, "81")); !errors.Is(err, test.want) {
					t.Errorf("Dial: %v, want %v", err, test.want)
				}
				const couldNotConnect = 7
				if status, _, text := g.curl(t, "http://"+net.JoinHostPort(test.host, "81")+"/"); status != couldNotConnect {
					t.Errorf("curl: exit status %d, want %d:\n%s", status, couldNotConnect, text)
				}
				// Debian's curl has once not printed the socket's error. Bash's connect waits for it.
				bash := start(t, tool(t, g.clients.Name(), "bash", "-c", "exec 3<>/dev/tcp/"+test.host+"/81"))
				if bash.wait(); !strings.Contains(strings.ToLower(bash.err.String()), test.want.Error()) {
					t.Errorf("bash prints %q, want %q in it", bash.err.String(), test.want.Error())
				}
				// Linux does not take an ICMP error while the thread that connects holds the socket.
				if n, missed := g.repeated.Load()-before, g.missedErrors(t)-missed; n > missed {
					t.Errorf("%d SYNs of clients that had got an error, want at most %d: the client has waited", n, missed)
				}
			})
		}
	})
}

// missedErrors returns the number of ICMP errors that the clients' kernel did not take because the socket was in use.
func (g *testGateway) missedErrors(t *testing.T) int64 {
	t.Helper()
	text, err := tool(t, g.clients.Name(), "cat", "/proc/self/net/netstat").Output()
	if err != nil {
		t.Fatal(err)
	}
	names, values, _ := strings.Cut(string(text), "\n") // of the first group, TcpExt
	values, _, _ = strings.Cut(values, "\n")
	n := slices.Index(strings.Fields(names), "LockDroppedIcmps")
	if fields := strings.Fields(values); n > 0 && n < len(fields) {
		v, err := strconv.ParseInt(fields[n], 10, 64)
		if err == nil {
			return v
		}
	}
	t.Fatalf("no LockDroppedIcmps in:\n%s", text)
	return 0
}

// Into a black hole, the client's own timeout ends the dial, and the gateway's with it.
func TestForwardBlackHole(t *testing.T) {
	t.Parallel()
	forwardTo(t, func(t *testing.T, g *testGateway, family int) {
		status, _, text := g.curl(t, "--connect-timeout", "1", "http://"+net.JoinHostPort(forwardFamilies[family].hole, "80")+"/")
		const timedOut = 28
		if status != timedOut {
			t.Errorf("curl: exit status %d, want %d\n%s", status, timedOut, text)
		}
		r := <-g.requests
		await(t, r.Context(), "the request")
		if _, err := r.Accept(); !errors.Is(err, syscall.ECONNABORTED) {
			t.Errorf("Accept after the client has left: %v, want ECONNABORTED", err)
		}
	})
}

// await waits for the end of a context.
func await(t *testing.T, ctx context.Context, what string) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		t.Fatalf("%s has not ended within %v", what, patience)
	}
}

// Linux ignores the segments that probe a client in SYN-SENT, and answers the first with a RST when the client is gone.
func TestForwardKilledClient(t *testing.T) {
	t.Parallel()
	forwardTo(t, func(t *testing.T, g *testGateway, family int) {
		client := start(t, tool(t, g.clients.Name(), "nc.openbsd", forwardFamilies[family].hole, "80"))
		r := <-g.requests
		until(t, "the client repeats its SYN and is probed", func() bool { return g.syns.Load() > 2 && g.probes.Load() > 1 })
		if err := r.Context().Err(); err != nil {
			t.Fatalf("the request ended while its client waited: %v", err)
		}
		client.signal(syscall.SIGKILL) // and waits for the end of the process
		syns, probes := g.syns.Load(), g.probes.Load()
		await(t, r.Context(), "the request")
		if err := context.Cause(r.Context()); !errors.Is(err, syscall.ECONNABORTED) {
			t.Errorf("the cause is %v, want ECONNABORTED", err)
		}
		if n := g.probes.Load() - probes; n > 2 { // one may have been under way
			t.Errorf("%d probes since, want 1", n)
		}
		if n := g.syns.Load() - syns; n > 1 { // likewise
			t.Errorf("%d SYNs since: the client has not been killed", n)
		}
	})
}

// Thousands of clients whose dials hang do not delay one whose server replies.
func TestForwardBesideBlackHoles(t *testing.T) {
	forwardTo(t, func(t *testing.T, g *testGateway, family int) {
		const waiting = 500
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		defer clients.Wait()
		defer cancel()
		for range waiting {
			clients.Go(func() {
				g.clients.Do(func() error {
					var d net.Dialer
					c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(forwardFamilies[family].hole, "80"))
					if err == nil {
						c.Close()
						t.Error("a black hole has answered")
					}
					return nil
				})
			})
		}
		until(t, "all requests wait", func() bool { return g.stack.Stats()["forward-pending"] == waiting })
		l := g.listen(t, forwardFamilies[family].live)
		c, err := dialIn(g.clients, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		until(t, "all others still wait", func() bool { return g.stack.Stats()["forward-pending"] == waiting })
	})
}
