//go:build linux

package subject

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// openTUN makes a TUN without package tun, for targets that read and write in their own way, and returns its blocking
// descriptor.
func openTUN(flags uint16) (fd int, err error) {
	fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/net/tun: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	request, err := unix.NewIfreq(deviceName)
	if err != nil {
		return -1, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return -1, fmt.Errorf("%s: %w", deviceName, err)
	}
	if flags&unix.IFF_VNET_HDR != 0 {
		if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4); err != nil {
			return -1, fmt.Errorf("%s: the offloads: %w", deviceName, err)
		}
	}
	return fd, nil
}

// queueLength is the length of the kernel's queue, in frames, for targets without package tun. It is that package's
// default.
const queueLength = 10000

// configureTUN sets the MTU and the client's address of the TUN, and brings it up. A queueLen of 0 keeps the kernel's
// default.
func configureTUN(queueLen int) error {
	link, err := netlink.LinkByName(deviceName)
	if err != nil {
		return fmt.Errorf("%s: %w", deviceName, err)
	}
	if err := netlink.LinkSetMTU(link, mtu); err != nil {
		return fmt.Errorf("%s: the MTU: %w", deviceName, err)
	}
	if queueLen > 0 {
		if err := netlink.LinkSetTxQLen(link, queueLen); err != nil {
			return fmt.Errorf("%s: the queue's length: %w", deviceName, err)
		}
	}
	address, err := netlink.ParseAddr(ClientAddress.String())
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("%s: the address: %w", deviceName, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("%s: %w", deviceName, err)
	}
	return nil
}
