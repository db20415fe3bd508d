//go:build linux

package links

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"

	"minitcp/bench/emulator"
	"minitcp/bench/subject"
	"minitcp/conn/netem"
	"minitcp/tun"
)

// Network is two namespaces with a link between them. The targets are in the near one, each behind a device of its
// own, from which the kernel forwards to the link. The peers, which are the kernel's, are in the far one. The
// namespaces have no names, so that the kernel removes them with this process, even after SIGKILL.
type Network struct {
	Near, Far *tun.Namespace
	Link      *emulator.Link
}

var (
	nearAddress = netip.MustParsePrefix("10.78.0.1/24")
	farAddress  = netip.MustParsePrefix("10.78.0.2/24")
)

// NewNetwork makes a network. The direction there leads to the peers.
func NewNetwork(there, back netem.Config, seed uint64) (n *Network, err error) {
	n = new(Network)
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	if n.Near, err = tun.NewNamespace(""); err != nil {
		return n, err
	}
	if n.Far, err = tun.NewNamespace(""); err != nil {
		return n, err
	}
	if err := n.Near.Do(setUpNear); err != nil {
		return n, err
	}
	near, err := emulator.Open(n.Near, nearAddress)
	if err != nil {
		return n, err
	}
	far, err := emulator.Open(n.Far, farAddress)
	if err != nil {
		return n, errors.Join(err, near.Close())
	}
	if n.Link, err = emulator.Start(near, far, there, back, seed); err != nil {
		return n, err
	}
	return n, n.Far.Do(setUpFar)
}

// Close removes everything.
func (n *Network) Close() error {
	var errs []error
	if n.Link != nil {
		errs = append(errs, n.Link.Stop())
	}
	for _, namespace := range []*tun.Namespace{n.Near, n.Far} {
		if namespace != nil {
			errs = append(errs, namespace.Close())
		}
	}
	return errors.Join(errs...)
}

// setUpNear prepares the near namespace, which must be that of the thread.
func setUpNear() error {
	if err := tune(); err != nil {
		return err
	}
	if err := set("net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	address, err := netlink.ParseAddr(subject.KernelAddress.String())
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(lo, address); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return nil
}

// setUpFar prepares the far namespace, where the default route leads over the link.
func setUpFar() error {
	if err := tune(); err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{Gw: nearAddress.Addr().AsSlice()}); err != nil {
		return fmt.Errorf("the route over the link: %w", err)
	}
	return nil
}

// tune lets the sockets of the namespace buffer the data in flight on the longest link, for which Linux's defaults
// are too small. The buffers of the peer must not limit a transfer.
func tune() error {
	return errors.Join(
		set("net/ipv4/tcp_rmem", "4096 131072 67108864"),
		set("net/ipv4/tcp_wmem", "4096 16384 67108864"),
	)
}

// set sets a parameter of the namespace.
func set(name, value string) error {
	return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644)
}
