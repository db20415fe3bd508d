//go:build linux

package subject

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"minitcp/conn"
	"minitcp/stack"
	"minitcp/tun"
)

func startMinitcp(s *services) error { return startMinitcpWith(s, conn.CUBIC) }

func startMinitcpWith(s *services, control conn.CongestionControl) error {
	tcp, err := newStack(control)
	if err != nil {
		return err
	}
	s.recovery = func(c net.Conn) (timeouts, spurious int64) {
		i := c.(*stack.Conn).Info()
		return int64(i.Timeouts), int64(i.Spurious)
	}
	for _, port := range ports {
		l, err := tcp.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		go s.accept(l, port)
	}
	return nil
}

// newStack is the stack of the daemon, with its defaults.
func newStack(control conn.CongestionControl) (*stack.Stack, error) {
	device, err := tun.Open(tun.Config{
		Name: deviceName, MTU: mtu, HostAddresses: []netip.Prefix{ClientAddress}, Queues: min(runtime.GOMAXPROCS(0), 8),
	})
	if err != nil {
		return nil, err
	}
	return stack.New(device, stack.Config{Addresses: []netip.Prefix{ServerAddress}, Conn: conn.Config{CongestionControl: control}})
}
