//go:build linux

package subject

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Accepted connections have the congestion control of the target, whatever the kernel's default is.
func TestListenKernel(t *testing.T) {
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	for _, control := range []string{"reno", "cubic"} {
		l, err := listenKernel(loopback, control)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		client, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if failed := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION) }); failed != nil || err != nil {
			t.Fatal(failed, err)
		}
		if got != control {
			t.Errorf("an accepted connection has %q, want %q", got, control)
		}
	}
	if _, err := listenKernel(loopback, "nonsense"); err == nil || !strings.Contains(err.Error(), `no congestion control "nonsense"`) {
		t.Errorf("an unknown one: %v", err)
	}
}
