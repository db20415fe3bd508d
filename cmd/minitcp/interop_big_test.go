//go:build linux

package main

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"minitcp/cmd/minitcp/internal/testenv"
	"minitcp/stack"
	"minitcp/tun"
)

// frameCounts counts the bytes that left in superframes larger than a packet, and all of them.
type frameCounts struct{ big, all atomic.Int64 }

func (c *frameCounts) event(v *stack.TraceEvent) {
	if !v.Outgoing {
		return
	}
	c.all.Add(int64(v.Len))
	if v.Len > 65535-40 {
		c.big.Add(int64(v.Len))
	}
}

// patientReader waits with patience for each read, not for all of them together.
type patientReader struct{ *net.TCPConn }

func (r patientReader) Read(p []byte) (int, error) {
	r.SetDeadline(time.Now().Add(patience))
	return r.TCPConn.Read(p)
}

// downloadFrom makes a stack on a TUN in namespace n send size bytes to a client in namespace from.
func downloadFrom(t *testing.T, n, from *tun.Namespace, host string, size int64) *frameCounts {
	t.Helper()
	want := noiseBytes(t, 3, size)
	device, err := tun.Open(tun.Config{Name: "mini0", Namespace: n,
		HostAddresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64")}})
	if err != nil {
		t.Fatal(err)
	}
	if device.MaxFrame() == stack.MaxFrame {
		device.Close()
		testenv.NotTested(t, "a kernel that takes superframes larger than a packet (BIG TCP over IPv4)")
	}
	counts := new(frameCounts)
	s, err := stack.New(device, stack.Config{
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")},
		Trace:     counts.event,
	})
	if err != nil {
		device.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	l, err := s.Listen("tcp", net.JoinHostPort(host, "80"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := dialIn(from, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := ours.Write(want)
		ours.Close()
		wrote <- err
	}()
	got, err := io.ReadAll(patientReader{c})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, want %d, or they changed", len(got), len(want))
	}
	t.Logf("%d of %d bytes sent were in superframes larger than a packet", counts.big.Load(), counts.all.Load())
	return counts
}

// The kernel behind the device takes superframes larger than a packet, over IPv4.
func TestBigSuperframesToKernel(t *testing.T) {
	const size = 32 << 20
	for _, host := range []string{"10.77.0.2", "fd77::2"} {
		t.Run(host, func(t *testing.T) {
			n := newNamespace(t)
			counts := downloadFrom(t, n, n, host, size)
			if big := counts.big.Load(); (big > 0) != netip.MustParseAddr(host).Is4() {
				t.Errorf("%d bytes were", big)
			}
		})
	}
}

// A client behind a router is not near: none are sent, because the router would have to cut them.
func TestBigSuperframesForwarded(t *testing.T) {
	router, client := newNamespace(t), newNamespace(t)
	if err := router.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }); err != nil {
		t.Fatal(err)
	}
	for _, line := range []struct{ namespace, command string }{
		{router.Name(), "ip link add veth0 type veth peer name veth1 netns " + client.Name()},
		{router.Name(), "ip address add 10.78.0.1/24 dev veth0"},
		{router.Name(), "ip link set veth0 up"},
		{client.Name(), "ip address add 10.78.0.2/24 dev veth1"},
		{client.Name(), "ip link set veth1 up"},
		{client.Name(), "ip route add default via 10.78.0.1"},
	} {
		if out, err := tool(t, line.namespace, strings.Fields(line.command)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line.command, err, out)
		}
	}
	const size = 32 << 20
	if big := downloadFrom(t, router, client, "10.77.0.2", size).big.Load(); big > 0 {
		t.Errorf("%d bytes of %d were", big, size)
	}
}
