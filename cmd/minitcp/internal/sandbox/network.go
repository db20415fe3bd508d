//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"

	"minitcp/tun"
)

// makeNetwork brings up the loopback device and a TUN with default routes. It removes the IPv6 addresses from s if the
// system has no IPv6.
func makeNetwork(s *setup) (*tun.Device, error) {
	permitSockets()
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return nil, Forbidden(fmt.Errorf("cannot configure the network: %w", err))
	}
	device, err := openDevice(s)
	if errors.Is(err, tun.ErrNoIPv6) {
		s.Addresses = slices.DeleteFunc(s.Addresses, func(p netip.Prefix) bool { return p.Addr().Is6() })
		device, err = openDevice(s)
	}
	if err != nil {
		return nil, err
	}
	if err := addRoutes(device.Name(), s.Addresses); err != nil {
		device.Close()
		return nil, err
	}
	return device, nil
}

func openDevice(s *setup) (*tun.Device, error) {
	return tun.Open(tun.Config{Name: deviceName, MTU: s.MTU, HostAddresses: s.Addresses, Queues: 1})
}

// addRoutes adds a default route for each family of the addresses.
func addRoutes(device string, addresses []netip.Prefix) error {
	l, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	for _, p := range addresses {
		everything := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
		if p.Addr().Is6() {
			everything = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
		}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: everything, Src: p.Addr().AsSlice()}); err != nil {
			return fmt.Errorf("%s: cannot add the default route for %v: %w", device, p.Addr(), err)
		}
	}
	return nil
}

// permitSockets permits the command, which may be a user other than root, to use ping sockets and to listen on every
// port. An error changes nothing else.
func permitSockets() {
	os.WriteFile("/proc/sys/net/ipv4/ping_group_range", fmt.Appendf(nil, "%d %[1]d", os.Getgid()), 0)
	os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0)
}
