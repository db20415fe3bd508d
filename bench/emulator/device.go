//go:build linux

package emulator

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// MTU is that of the link, and the size of its largest packet: its TUNs have no offloads, so that the kernel cuts
	// superframes and completes checksums.
	MTU = 1500

	deviceName  = "link0"
	queueLength = 20000 // frames, so that a burst waits in the queue of the link and not in that of the device
)

// Open makes a TUN in the namespace of the calling thread, with an address, and returns its descriptor.
func Open(address netip.Prefix) (fd int, err error) {
	fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/net/tun: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
			err = fmt.Errorf("%s: %w", deviceName, err)
		}
	}()
	request, err := unix.NewIfreq(deviceName)
	if err != nil {
		return -1, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return -1, err
	}
	link, err := netlink.LinkByName(deviceName)
	if err != nil {
		return -1, err
	}
	if err := netlink.LinkSetMTU(link, MTU); err != nil {
		return -1, err
	}
	if err := netlink.LinkSetTxQLen(link, queueLength); err != nil {
		return -1, err
	}
	a, err := netlink.ParseAddr(address.String())
	if err != nil {
		return -1, err
	}
	if err := netlink.AddrAdd(link, a); err != nil {
		return -1, err
	}
	return fd, netlink.LinkSetUp(link)
}
