//go:build linux

package subject

import (
	"fmt"
	"net/netip"
	"runtime"

	"minitcp/stack"
	"minitcp/tun"
)

func startMinitcp(s *services) error {
	tcp, err := newStack()
	if err != nil {
		return err
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
func newStack() (*stack.Stack, error) {
	device, err := tun.Open(tun.Config{
		Name: deviceName, MTU: mtu, HostAddresses: []netip.Prefix{ClientAddress}, Queues: min(runtime.GOMAXPROCS(0), 8),
	})
	if err != nil {
		return nil, err
	}
	return stack.New(device, stack.Config{Addresses: []netip.Prefix{ServerAddress}})
}
