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

// network is two namespaces with a link between them. The targets are in the near one, each behind a device of its
// own, from which the kernel forwards to the link. The peers, which are the kernel's, are in the far one. The
// namespaces have no names, so that the kernel removes them with this process, even after SIGKILL.
type network struct {
	near, far *tun.Namespace
	link      *emulator.Link
}

var (
	nearAddress = netip.MustParsePrefix("10.78.0.1/24")
	farAddress  = netip.MustParsePrefix("10.78.0.2/24")
)

// newNetwork makes a network. The direction there leads to the peers.
func newNetwork(there, back netem.Config, seed uint64) (n *network, err error) {
	n = new(network)
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.near, err = tun.NewNamespace(""); err != nil {
		return n, err
	}
	if n.far, err = tun.NewNamespace(""); err != nil {
		return n, err
	}
	if err := n.near.Do(setUpNear); err != nil {
		return n, err
	}
	near, err := emulator.Open(n.near, nearAddress)
	if err != nil {
		return n, err
	}
	far, err := emulator.Open(n.far, farAddress)
	if err != nil {
		return n, errors.Join(err, near.Close())
	}
	if n.link, err = emulator.Start(near, far, there, back, seed); err != nil {
		return n, err
	}
	return n, n.far.Do(setUpFar)
}

func (n *network) close() error {
	var errs []error
	if n.link != nil {
		errs = append(errs, n.link.Stop())
	}
	for _, namespace := range []*tun.Namespace{n.near, n.far} {
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
