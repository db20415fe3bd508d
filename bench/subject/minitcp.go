//go:build linux

package subject

import (
	"fmt"
	"net"
	"net/netip"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"minitcp/conn"
	"minitcp/stack"
	"minitcp/tun"
)

func startMinitcp(s *services) error { return startMinitcpWith(s, conn.CUBIC) }

func startMinitcpWith(s *services, control conn.CongestionControl) error {
	return startConfigured(s, stack.Config{Conn: conn.Config{CongestionControl: control}})
}

func startConfigured(s *services, cfg stack.Config) error {
	tcp, err := newStack(cfg)
	if err != nil {
		return err
	}
	s.counted = func() int64 { return int64(tcp.Stats()["memory-used"]) }
	return serveStack(s, tcp)
}

// budgetPrefix begins the argument of a stack with a budget.
const budgetPrefix = "budget "

// Budget returns the stack with a budget of memory in MiB.
func Budget(mib int) Target {
	return Target{Name: fmt.Sprint(budgetPrefix, mib), Address: ServerAddress.Addr(),
		start: func(s *services) error { return startConfigured(s, stack.Config{Memory: int64(mib) << 20}) }}
}

// startWrapped starts the stack on a foreign device without offloads.
func startWrapped(s *services) error {
	fd, err := openTUN(0)
	if err != nil {
		return err
	}
	foreign, _, err := wgtun.CreateUnmonitoredTUNFromFD(fd)
	if err != nil {
		return err
	}
	device, err := tun.Wrap(foreign)
	if err != nil {
		return err
	}
	if err := configureTUN(0); err != nil {
		return err
	}
	tcp, err := stack.New(device, stack.Config{KeepAlive: -1, Addresses: []netip.Prefix{ServerAddress}})
	if err != nil {
		return err
	}
	return serveStack(s, tcp)
}

// serveStack runs the services on the stack.
func serveStack(s *services, tcp *stack.Stack) error {
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

// newStack returns a stack on a TUN.
func newStack(cfg stack.Config) (*stack.Stack, error) {
	device, err := tun.Open(tun.Config{
		Name: deviceName, MTU: mtu, HostAddresses: []netip.Prefix{ClientAddress},
	})
	if err != nil {
		return nil, err
	}
	cfg.KeepAlive, cfg.Addresses = -1, []netip.Prefix{ServerAddress}
	return stack.New(device, cfg)
}
