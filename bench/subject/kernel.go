//go:build linux

package subject

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// CongestionControl is what every socket of the kernel's uses, the client's too. The kernel's default may be another,
// such as BBR, which would measure its pacing.
const CongestionControl = "cubic"

// startKernel serves on the address of the veth pair's end that is in this namespace.
func startKernel(s *services) error {
	config := net.ListenConfig{
		KeepAlive: -1, // as the others: none
		Control: func(_, _ string, raw syscall.RawConn) (err error) {
			failed := raw.Control(func(fd uintptr) {
				err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, CongestionControl)
			})
			if err != nil {
				return fmt.Errorf("the kernel has no congestion control %q: %w", CongestionControl, err)
			}
			return failed
		},
	}
	for _, port := range ports {
		l, err := config.Listen(context.Background(), "tcp4", netip.AddrPortFrom(ServerAddress.Addr(), port).String())
		if err != nil {
			return err
		}
		go s.accept(l, port)
	}
	return nil
}
