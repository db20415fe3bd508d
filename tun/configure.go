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

// configure gives the device what cfg says and brings it up, from a thread in the device's namespace. It undoes nothing
// on failure: that is done by closing the device.
func (d *Device) configure(cfg *Config) error {
	name := d.name
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return configureError(name, "netlink is not to be had", err)
	}
	defer handle.Close()

	link, err := handle.LinkByName(name)
	if err != nil {
		return configureError(name, "the new device is not to be found", err)
	}
	if link.Attrs().GSOIPv4MaxSize > 0 { // a kernel that tells it knows BIG TCP over IPv4
		d.maxFrame = maxBigFrame
	}
	if err := handle.LinkSetMTU(link, cfg.MTU); err != nil {
		return configureError(name, fmt.Sprintf("the MTU cannot be set to %d", cfg.MTU), err)
	}
	if err := handle.LinkSetTxQLen(link, cfg.TxQueueLen); err != nil {
		return configureError(name, fmt.Sprintf("the queue length cannot be set to %d", cfg.TxQueueLen), err)
	}
	for _, p := range cfg.HostAddresses {
		if err := addAddress(handle, link, p, cfg.Namespace); err != nil {
			return err
		}
	}
	if err := handle.LinkSetUp(link); err != nil {
		return configureError(name, "the device cannot be brought up", err)
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
		// Duplicate address detection would keep the address unusable for a second, with nobody there to ask.
		address.Flags = unix.IFA_F_NODAD
	}
	err := handle.AddrAdd(link, address)
	if errors.Is(err, unix.EEXIST) {
		return &Error{Subject: name, Reason: ErrAddressInUse, Problem: fmt.Sprintf("the address %v is given twice", p),
			Advice: "leave one out", Err: err}
	}
	if err != nil {
		return configureError(name, fmt.Sprintf("the address %v cannot be set", p), err)
	}
	return nil
}

// settleTime is how long an address may take to become usable. It is a matter of milliseconds, on a busy machine.
const settleTime = 5 * time.Second

// awaitAddress waits until the kernel takes packets for an address of its own. With IPv6 it does so a moment after the
// device is up (addrconf_dad_work), but sends from the address at once: an answer that came in between would be lost.
func awaitAddress(handle *netlink.Handle, name string, p netip.Prefix) error {
	if p.Addr().Is4() || p.Addr().IsLinkLocalUnicast() { // link-local: no route is found without a device
		return nil
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(settleTime); ; <-tick.C {
		routes, err := handle.RouteGet(p.Addr().AsSlice())
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
		if time.Now().After(deadline) {
			return configureError(name, fmt.Sprintf("the address %v does not become usable", p), err)
		}
	}
}

// checkCollision refuses an address whose network, or a part of it, belongs to another device. The kernel would take it,
// and then send that part to the other device: two daemons with the default addresses in one namespace, and the second
// seems to be deaf.
func checkCollision(handle *netlink.Handle, link netlink.Link, p netip.Prefix) error {
	if p.Addr().IsLinkLocalUnicast() {
		return nil // every device has this network
	}
	addresses, err := handle.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) { // interrupted: others are changing addresses, we know nearly all
		return configureError(link.Attrs().Name, "the addresses in use cannot be listed", err)
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

// enableIPv6 undoes, for our own device only, a default of having no IPv6 on new devices. Containers often have it.
func enableIPv6(name string, where *Namespace) error {
	// /proc/sys/net shows the namespace of the thread that looks.
	path := "/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6"
	e := &Error{Subject: name, Reason: ErrNoIPv6}
	setting, err := os.ReadFile(path)
	if err != nil {
		e.Problem, e.Err = "this kernel has no IPv6", err
		e.Advice = "give no IPv6 address"
		return e
	}
	if len(setting) > 0 && setting[0] == '0' {
		return nil
	}
	if err := os.WriteFile(path, []byte("0"), 0); err != nil {
		e.Problem, e.Err = "IPv6 is disabled for new devices", err
		e.Advice = "enable it with: " + where.command("sysctl -w net.ipv6.conf.default.disable_ipv6=0") + "; or give no IPv6 address"
		return e
	}
	return nil
}

// keepIPv6 makes the kernel keep the device's IPv6 addresses while the device is down. By default it removes them, unlike
// IPv4 addresses. Kernels before Linux 4.6 do not have the setting; there the addresses are gone after a down.
func keepIPv6(name string) error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/keep_addr_on_down", []byte("1"), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return configureError(name, "IPv6 addresses cannot be kept while the device is down", err)
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
