//go:build linux

package site

import (
	"errors"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"minitcp/bench/subject"
	"minitcp/tun"
)

// The network of a forwarder, and below it that of the routed target:
//
//	client ── TUN ── forwarder's process ── veth pair ── server
//	client ── veth pair ── the kernel forwards ── veth pair ── server
//
// Client, forwarder and server are in a namespace each.

var (
	betweenAddress = netip.MustParsePrefix("10.79.0.1/24") // towards the server
	farAddress     = netip.PrefixFrom(subject.KernelAddress.Addr(), betweenAddress.Bits())
)

// insert makes the namespace between the client's and the server's.
func (s *Site) insert(role subject.Role) (err error) {
	s.Address = farAddress.Addr()
	if s.between, err = tun.NewNamespace(""); err != nil {
		return err
	}
	// Linux's router solicitations on the TUN would wake an idle forwarder.
	if err := s.client.Do(func() error { return set("net/ipv6/conf/default/disable_ipv6", "1") }); err != nil {
		return err
	}
	if err := join(s.between, s.Server, betweenAddress, farAddress); err != nil {
		return err
	}
	if role == subject.RoleForwarder {
		// Pasta uses the device of the default route. The process makes the TUN.
		return s.between.Do(func() error { return netlink.RouteAdd(&netlink.Route{Gw: farAddress.Addr().AsSlice()}) })
	}
	if err := join(s.client, s.between, subject.ClientAddress, subject.ServerAddress); err != nil {
		return err
	}
	if err := s.between.Do(func() error { return set("net/ipv4/ip_forward", "1") }); err != nil {
		return err
	}
	return errors.Join(
		s.client.Do(subject.RouteClient),
		s.Server.Do(func() error { return netlink.RouteAdd(&netlink.Route{Gw: betweenAddress.Addr().AsSlice()}) }),
	)
}

// set sets a parameter of the namespace.
func set(name, value string) error {
	return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644)
}

// StartForwarder starts the process between client and server. A namespace that the process has made for its clients
// takes the place of the client's.
func (s *Site) StartForwarder(start func(client *os.File) (*subject.Process, error)) (process *subject.Process, err error) {
	var handle netns.NsHandle
	if err := s.client.Do(func() (err error) { handle, err = netns.Get(); return err }); err != nil {
		return nil, err
	}
	client := os.NewFile(uintptr(handle), "the client's network namespace")
	defer client.Close()
	if err := s.between.Do(func() (err error) { process, err = start(client); return err }); err != nil {
		return nil, err
	}
	if process.Inside != 0 {
		s.Client = subject.Inside(process.Inside)
	}
	return process, nil
}
