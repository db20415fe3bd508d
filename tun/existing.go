//go:build linux

package tun

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

// needed are the flags that a device's descriptor must have: a TUN, frames that begin with a virtio_net_hdr, and
// nothing before that.
const needed = unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR

// Attach takes over a TUN that exists, such as a persistent one that an administrator has made with
//
//	ip tuntap add dev mini0 mode tun user alice
//
// for a user without privileges. The name is looked up in namespace n, which may be nil. Attach does not configure the
// device: its addresses and MTU stay as they are, and it must be up for frames to pass. The Device has one queue. Close
// leaves a persistent device in the system. Errors are of type [*Error].
func Attach(name string, n *Namespace) (*Device, error) {
	if err := CheckDeviceName(name); err != nil {
		return nil, err
	}
	var d *Device
	err := n.Do(func() (err error) {
		d, err = attachExisting(name, n)
		return err
	})
	return d, err
}

func attachExisting(name string, where *Namespace) (*Device, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, configureError(name, "cannot open a netlink socket", err)
	}
	defer handle.Close()
	link, err := handle.LinkByName(name) // TUNSETIFF would make a device that is missing
	if err != nil {
		return nil, &Error{Subject: name, Reason: ErrName, Problem: "no such network device", Err: err,
			Advice: "make it with: " + where.command("ip tuntap add dev "+name+" mode tun user NAME")}
	}
	inner, _, err := attach(cloneDevice, name, needed, where)
	if errors.Is(err, unix.EINVAL) { // made with multi_queue
		inner, _, err = attach(cloneDevice, name, needed|unix.IFF_MULTI_QUEUE, where)
	}
	if err != nil {
		return nil, attachError(name, err)
	}
	return existing(inner, handle, link)
}

// attachError returns the error of attach for a device that exists.
func attachError(name string, err error) error {
	e := &Error{Subject: name, Reason: ErrKernel, Problem: "cannot attach to the device", Err: err}
	switch {
	case errors.Is(err, ErrNoDriver), errors.Is(err, os.ErrPermission) && !errors.Is(err, unix.EPERM):
		return err
	case errors.Is(err, unix.EBUSY):
		e.Reason, e.Problem, e.Err = ErrBusy, "another program uses the device", unix.EBUSY
		e.Advice = "end that program, or choose another device"
	case errors.Is(err, unix.EPERM):
		e.Reason, e.Problem, e.Err = ErrPermission, "the device belongs to another user", unix.EPERM
		e.Advice = "run as that user or as root"
	case errors.Is(err, unix.EINVAL):
		e.Reason, e.Problem, e.Err = ErrName, "the device is not a TUN", unix.EINVAL
		e.Advice = "choose a device that was made with: ip tuntap add mode tun"
	}
	return e
}

// FromFD returns the Device of an open file of a TUN, which another process has passed on or this one has inherited.
// The file must have been set up with IFF_TUN, IFF_NO_PI and IFF_VNET_HDR. FromFD does not configure the device. The
// file belongs to the Device from then on, also if FromFD fails. Close closes it, after which the kernel removes the
// device unless it is persistent or another file of it is open. Errors are of type [*Error].
func FromFD(fd int) (*Device, error) {
	name, err := checkFile(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	var d *Device
	err = onThread(func() error {
		if err := enterNamespaceOf(fd); err != nil {
			unix.Close(fd)
			return configureError(name, "cannot enter the device's network namespace", err)
		}
		handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			unix.Close(fd)
			return configureError(name, "cannot open a netlink socket", err)
		}
		defer handle.Close()
		link, err := handle.LinkByName(name)
		if err != nil {
			unix.Close(fd)
			return configureError(name, "cannot find the device", err)
		}
		inner, _, err := wgtun.CreateUnmonitoredTUNFromFD(fd) // the descriptor is its, even if the call fails
		if err != nil {
			return configureError(name, "cannot set the device up", err)
		}
		d, err = existing(inner, handle, link)
		return err
	})
	return d, err
}

// checkFile returns the name of an open TUN's device, or an error if it was not set up as needed.
func checkFile(fd int) (name string, err error) {
	request, _ := unix.NewIfreq("")
	err = unix.IoctlIfreq(fd, unix.TUNGETIFF, request)
	if err == nil && request.Uint16()&(needed|unix.IFF_TAP) != needed {
		err = unix.EINVAL
	}
	if err != nil {
		return "", &Error{Subject: "file descriptor", Reason: ErrKernel, Problem: "it is not an open TUN with IFF_NO_PI and IFF_VNET_HDR", Err: err}
	}
	return request.Name(), nil
}

// File returns a duplicate of the file of queue 0, for another process, which makes a Device of it with [FromFD], or
// with [Adopt] if it may not enter the device's network namespace. The device exists until the duplicate is closed,
// too.
func (d *Device) File() (*os.File, error) {
	q := d.queues[0]
	q.life.RLock()
	defer q.life.RUnlock()
	if q.closed {
		return nil, os.ErrClosed
	}
	fd, err := unix.FcntlInt(uintptr(q.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, configureError(d.name, "cannot duplicate its file", err)
	}
	return os.NewFile(uintptr(fd), cloneDevice), nil
}

// Adopt acts like FromFD for a process that may not enter the device's network namespace, as a process without
// privileges that has made the namespace for its child. It relies on cfg, with which the other process has opened the
// device, instead of asking the kernel. The Device has one queue, whatever cfg has.
func Adopt(fd int, cfg Config) (*Device, error) {
	cfg.setDefaults()
	err := cfg.check()
	if err == nil {
		cfg.Name, err = checkFile(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	d := &Device{name: cfg.Name, mtu: cfg.MTU, maxFrame: usualFrame, near: nearOf(cfg.HostAddresses)}
	inner, _, err := wgtun.CreateUnmonitoredTUNFromFD(fd) // the descriptor is its, even if the call fails
	if err != nil {
		return nil, configureError(cfg.Name, "cannot set the device up", err)
	}
	if err := d.setQueue(inner); err != nil {
		return nil, err
	}
	// Every device has the attribute if the kernel supports BIG TCP over IPv4.
	if lo, err := netlink.LinkByName("lo"); err == nil && lo.Attrs().GSOIPv4MaxSize > 0 && d.queues[0].accepts(maxBigFrame) {
		d.maxFrame = maxBigFrame
	}
	return d, nil
}

// nearOf returns each address as a prefix of its full length.
func nearOf(addresses []netip.Prefix) (near []netip.Prefix) {
	for _, p := range addresses {
		near = append(near, netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
	}
	return near
}

// enterNamespaceOf moves this thread to the namespace of a TUN. Kernels before Linux 5.2 do not name it; the TUN is
// looked for in the thread's namespace then.
func enterNamespaceOf(fd int) error {
	n, err := unix.IoctlRetInt(fd, unix.TUNGETDEVNETNS)
	if err != nil {
		return nil
	}
	handle := netns.NsHandle(n)
	defer handle.Close()
	if isIn(handle) {
		return nil
	}
	return netns.Set(handle)
}

// existing returns the Device of a TUN that is configured already.
func existing(inner wgtun.Device, handle *netlink.Handle, link netlink.Link) (*Device, error) {
	name := link.Attrs().Name
	d := &Device{name: name, mtu: link.Attrs().MTU, maxFrame: usualFrame}
	addresses, err := handle.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		inner.Close()
		return nil, configureError(name, "cannot list its addresses", err)
	}
	for _, a := range addresses {
		if p, ok := prefix(a.IPNet); ok {
			d.near = append(d.near, netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
		}
	}
	if err := d.setQueue(inner); err != nil {
		return nil, err
	}
	awaitCarrier(handle, name)
	if link.Attrs().GSOIPv4MaxSize > 0 && d.queues[0].accepts(maxBigFrame) {
		d.maxFrame = maxBigFrame
	}
	return d, nil
}

// setQueue makes inner, which the kernel uses already, the only queue of d. It closes inner if that fails.
func (d *Device) setQueue(inner wgtun.Device) error {
	q, err := newQueue(inner, d.name)
	if err != nil {
		inner.Close()
		return err
	}
	q.attached.Store(true)
	d.queues = []*queue{q}
	return nil
}

// awaitCarrier waits until the kernel sends to a device that is up. A persistent device has a carrier only while it is
// attached, and the kernel discards frames until it has acted on the change, which may take a second.
func awaitCarrier(handle *netlink.Handle, name string) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(addressTimeout); time.Now().Before(deadline); <-tick.C {
		link, err := handle.LinkByName(name)
		if err != nil || link.Attrs().RawFlags&unix.IFF_UP == 0 || link.Attrs().OperState != netlink.OperDown {
			return
		}
	}
}
