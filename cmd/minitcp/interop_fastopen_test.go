//go:build linux

package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"minitcp/stack"
	"minitcp/tun"
)

// fastNamespace is a namespace with a stack, in which the kernel has Fast Open on.
type fastNamespace struct {
	t  *testing.T
	ns *tun.Namespace
	s  *stack.Stack
}

func newFastNamespace(t *testing.T) *fastNamespace {
	n := &fastNamespace{t: t, ns: newNamespace(t)}
	n.inKernel(func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("3"), 0) })
	device, err := tun.Open(tun.Config{Queues: 1, Name: "mini0", Namespace: n.ns,
		HostAddresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64")}})
	if err != nil {
		t.Fatal(err)
	}
	n.s, err = stack.New(device, stack.Config{
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")},
	})
	if err != nil {
		device.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { n.s.Close() })
	return n
}

// inKernel calls f in the namespace.
func (n *fastNamespace) inKernel(f func() error) {
	n.t.Helper()
	if err := n.ns.Do(f); err != nil {
		n.t.Fatal(err)
	}
}

// setOption returns the Control function that sets an option of TCP.
func setOption(option, value int) func(string, string, syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) (err error) {
		controlErr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_TCP, option, value) })
		if controlErr != nil {
			return controlErr
		}
		return err
	}
}

// exchange sends a request and a response, and closes both ends. accept returns the server's end.
func (n *fastNamespace) exchange(client net.Conn, accept func() (net.Conn, error)) (server net.Conn) {
	n.t.Helper()
	if _, err := client.Write([]byte("request")); err != nil {
		n.t.Fatal(err)
	}
	server, err := accept()
	if err != nil {
		n.t.Fatal(err)
	}
	want := func(c net.Conn, text string) {
		n.t.Helper()
		b := make([]byte, len(text))
		if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
			n.t.Fatalf("read %q, %v; want %q", b, err, text)
		}
	}
	want(server, "request")
	if _, err := server.Write([]byte("response")); err != nil {
		n.t.Fatal(err)
	}
	want(client, "response")
	return server
}

// synData reports whether data of a SYN was accepted, by the account of either end.
func (n *fastNamespace) synData(c net.Conn) bool {
	n.t.Helper()
	if own, ok := c.(*stack.Conn); ok {
		return own.Info().SYNData
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		n.t.Fatal(err)
	}
	var info *unix.TCPInfo
	controlErr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO) })
	if controlErr != nil || err != nil {
		n.t.Fatal(controlErr, err)
	}
	const optSYNData = 32 // TCPI_OPT_SYN_DATA
	return info.Options&optSYNData != 0
}

// check checks the account of both ends, and closes them.
func (n *fastNamespace) check(client, server net.Conn, want bool) {
	n.t.Helper()
	if ours, theirs := n.synData(client), n.synData(server); ours != want || theirs != want {
		n.t.Errorf("data of the SYN accepted: %v by the client's account, %v by the server's; want %v", ours, theirs, want)
	}
	client.Close()
	server.Close()
}

// The kernel's client gets a cookie with its first connection, and sends its request in the SYN of the next ones: with
// TCP_FASTOPEN_CONNECT, and with MSG_FASTOPEN.
func TestFastOpenFromKernel(t *testing.T) {
	n := newFastNamespace(t)
	for _, address := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
		l, err := n.s.ListenTCP("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.SetFastOpen(16); err != nil {
			t.Fatal(err)
		}
		for _, want := range []bool{false, true, true} {
			var client net.Conn
			n.inKernel(func() (err error) {
				d := net.Dialer{Control: setOption(unix.TCP_FASTOPEN_CONNECT, 1)}
				client, err = d.Dial("tcp", address)
				return err
			})
			n.check(client, n.exchange(client, l.Accept), want)
		}
	}
	l, err := n.s.ListenTCP("tcp", "10.77.0.2:81")
	if err != nil {
		t.Fatal(err)
	}
	l.SetFastOpen(16)
	n.inKernel(func() error { // the kernel's cookies do not depend on the port
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, []byte("by sendto"), unix.MSG_FASTOPEN, &unix.SockaddrInet4{Port: 81, Addr: [4]byte{10, 77, 0, 2}})
	})
	server, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if got, err := io.ReadAll(server); string(got) != "by sendto" || err != nil || !server.Info().SYNData {
		t.Errorf("read %q, %v; data of the SYN accepted: %v", got, err, server.Info().SYNData)
	}
	stats := n.s.Stats()
	if stats["fast-open-requests"] != 2 || stats["fast-open-passive"] != 5 || stats["fast-open-passive-failed"] != 0 {
		t.Errorf("%d requests, %d connections with Fast Open, %d failures; want 2, 5 and 0",
			stats["fast-open-requests"], stats["fast-open-passive"], stats["fast-open-passive-failed"])
	}
}

// Minitcp's client gets a cookie of the kernel with its first connection, and sends its request in the SYN of the next
// ones. After the kernel has changed its key, the request follows the handshake, and the next SYN has the new cookie.
func TestFastOpenToKernel(t *testing.T) {
	n := newFastNamespace(t)
	for _, address := range []string{"10.77.0.1:0", "[fd77::1]:0"} {
		var l net.Listener
		n.inKernel(func() (err error) {
			config := net.ListenConfig{Control: setOption(unix.TCP_FASTOPEN, 16)}
			config.SetMultipathTCP(false) // its listeners have no Fast Open
			l, err = config.Listen(context.Background(), "tcp", address)
			return err
		})
		defer l.Close()
		for i, want := range []bool{false, true, true, false, true} {
			if i == 3 {
				n.inKernel(func() error {
					return os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen_key", []byte("00000001-00000002-00000003-00000004"), 0)
				})
			}
			client, err := n.s.DialFastOpen(context.Background(), "tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			n.check(client, n.exchange(client, l.Accept), want)
		}
		n.inKernel(func() error {
			return os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen_key", []byte("00000005-00000006-00000007-00000008"), 0)
		})
	}
	stats := n.s.Stats()
	if stats["fast-open-active"] != 6 || stats["fast-open-active-failed"] != 2 || stats["fast-open-black-holes"] != 0 {
		t.Errorf("%d connections with Fast Open, %d failures, %d black holes; want 6, 2 and 0",
			stats["fast-open-active"], stats["fast-open-active-failed"], stats["fast-open-black-holes"])
	}
}

// Serve with --fast-open accepts curl's request in the SYN of its second connection, and without the flag it does not.
func TestServeFastOpen(t *testing.T) {
	for _, c := range []struct {
		flag string
		want bool
	}{{"--fast-open=16", true}, {"--fast-open=0", false}} {
		t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
		p, namespace := serve(t, c.flag)
		r := finish(t, tool(t, namespace, "sh", "-c", "echo 3 > /proc/sys/net/ipv4/tcp_fastopen"))
		if r.status != 0 {
			t.Fatalf("%+v", r)
		}
		for range 2 {
			r := finish(t, tool(t, namespace, "curl", "-s", "--tcp-fastopen", "http://10.77.0.2/"))
			if r.status != 0 || !strings.Contains(r.out, "10.77.0.2") {
				t.Errorf("%s: %+v, want the page", c.flag, r)
			}
		}
		r = finish(t, program(t, nil, "stats", "-az"))
		if got := regexp.MustCompile(`(?m)^TcpExtTCPFastOpenPassive +1 `).MatchString(r.out); got != c.want {
			t.Errorf("%s: one connection with Fast Open: %v, want %v\n%s", c.flag, got, c.want, r.out)
		}
		p.signal(syscall.SIGTERM)
	}
}
