//go:build linux

package tun

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// configure applies cfg to the device and brings it up. It runs on a thread in the device's namespace. If it fails, the
// caller closes the device, which undoes everything.
func (d *Device) configure(cfg *Config) error {
	name := d.name
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return configureError(name, "cannot open a netlink socket", err)
	}
	defer handle.Close()

	link, err := handle.LinkByName(name)
	if err != nil {
		return configureError(name, "cannot find the new device", err)
	}
	if link.Attrs().GSOIPv4MaxSize > 0 { // the kernel supports BIG TCP over IPv4
		d.maxFrame = maxBigFrame
	}
	if err := handle.LinkSetMTU(link, cfg.MTU); err != nil {
		return configureError(name, fmt.Sprintf("cannot set the MTU to %d", cfg.MTU), err)
	}
	if err := handle.LinkSetTxQLen(link, cfg.TxQueueLen); err != nil {
		return configureError(name, fmt.Sprintf("cannot set the transmit queue length to %d", cfg.TxQueueLen), err)
	}
	for _, p := range cfg.HostAddresses {
		if err := addAddress(handle, link, p, cfg.Namespace); err != nil {
			return err
		}
	}
	if err := handle.LinkSetUp(link); err != nil {
		return configureError(name, "cannot bring the device up", err)
	}
	for _, p := range cfg.HostAddresses {
		if err := awaitAddress(handle, name, p); err != nil {
			return err
		}
	}
	return nil
}

func configureError(name, problem string, err error) error {
	e := &Error{Subject: name, Reason: ErrKernel, Problem: problem, Err: err}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		e.Reason, e.Advice = ErrPermission, "run as root, or with CAP_NET_ADMIN in this network namespace"
	}
	return e
}

func addAddress(handle *netlink.Handle, link netlink.Link, p netip.Prefix, where *Namespace) error {
	name := link.Attrs().Name
	if err := checkCollision(handle, link, p); err != nil {
		return err
	}
	address := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is4() {
		address.Broadcast = net.IPv4zero // none; a TUN has two ends
	} else {
		if err := enableIPv6(name, where); err != nil {
			return err
		}
		if err := keepIPv6(name); err != nil {
			return err
		}
		// Duplicate address detection would keep the address unusable for a second, and the link has no other host.
		address.Flags = unix.IFA_F_NODAD
	}
	err := handle.AddrAdd(link, address)
	if errors.Is(err, unix.EEXIST) {
		return &Error{Subject: name, Reason: ErrAddressInUse, Problem: fmt.Sprintf("duplicate address %v", p),
			Advice: "remove one", Err: err}
	}
	if err != nil {
		return configureError(name, fmt.Sprintf("cannot set the address %v", p), err)
	}
	return nil
}

// addressTimeout is the time limit for an address to become usable. It takes milliseconds on a busy machine.
const addressTimeout = 5 * time.Second

// awaitAddress waits until the kernel accepts packets for an address of its own. For IPv6 this begins a moment after
// the device is up (addrconf_dad_work), while the kernel sends from the address at once: a reply in between would be
// lost.
func awaitAddress(handle *netlink.Handle, name string, p netip.Prefix) error {
	if p.Addr().Is4() || p.Addr().IsLinkLocalUnicast() { // a link-local address has no route without a device
		return nil
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(addressTimeout); ; <-tick.C {
		routes, err := handle.RouteGet(p.Addr().AsSlice())
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
		if time.Now().After(deadline) {
			return configureError(name, fmt.Sprintf("the address %v is not usable after %v", p, addressTimeout), err)
		}
	}
}

// checkCollision returns an error if the address's network, or a part of it, belongs to another device. The kernel
// would accept the address and route that part to the other device: of two daemons with the default addresses in one
// namespace, the second would receive nothing.
func checkCollision(handle *netlink.Handle, link netlink.Link, p netip.Prefix) error {
	if p.Addr().IsLinkLocalUnicast() {
		return nil // every device has this network
	}
	addresses, err := handle.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) { // interrupted by a change: the list is nearly complete
		return configureError(link.Attrs().Name, "cannot list the addresses in use", err)
	}
	for _, a := range addresses {
		other, ok := prefix(a.IPNet)
		if !ok || a.LinkIndex == link.Attrs().Index {
			continue
		}
		inside := other.Bits() >= p.Bits() && p.Masked().Contains(other.Addr())
		if !inside && other.Addr() != p.Addr() {
			continue
		}
		return &Error{Subject: link.Attrs().Name, Reason: ErrAddressInUse,
			Problem: fmt.Sprintf("the address %v collides with %v on %s", p, other, deviceName(handle, a.LinkIndex)),
			Advice:  "choose addresses from another network, or another network namespace"}
	}
	return nil
}

// enableIPv6 enables IPv6 on this device. Containers often disable it for new devices.
func enableIPv6(name string, where *Namespace) error {
	// /proc/sys/net shows the namespace of the thread that opens it.
	path := "/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6"
	e := &Error{Subject: name, Reason: ErrNoIPv6}
	setting, err := os.ReadFile(path)
	if err != nil {
		e.Problem, e.Err = "this kernel has no IPv6", err
		e.Advice = "use no IPv6 address"
		return e
	}
	if len(setting) > 0 && setting[0] == '0' {
		return nil
	}
	if err := os.WriteFile(path, []byte("0"), 0); err != nil {
		e.Problem, e.Err = "IPv6 is disabled for new devices", err
		e.Advice = "enable it with: " + where.command("sysctl -w net.ipv6.conf.default.disable_ipv6=0") + "; or use no IPv6 address"
		return e
	}
	return nil
}

// keepIPv6 makes the kernel keep the device's IPv6 addresses while the device is down. By default it removes them,
// unlike IPv4 addresses. Kernels before Linux 4.6 do not have the setting, and containers may not change it; there,
// setting the device down removes them.
func keepIPv6(name string) error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/keep_addr_on_down", []byte("1"), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EROFS) {
		return configureError(name, "cannot make the kernel keep IPv6 addresses while the device is down", err)
	}
	return nil
}

func deviceName(handle *netlink.Handle, index int) string {
	link, err := handle.LinkByIndex(index)
	if err != nil {
		return fmt.Sprintf("device %d", index)
	}
	return link.Attrs().Name
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits), ok
}
