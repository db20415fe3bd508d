// Package tun opens the devices that carry minitcp's packets.
//
// It moves frames and knows neither IP nor TCP. A frame is a virtio_net_hdr in its form of 10 octets, in the machine's
// byte order, followed by one IP packet (Linux, include/uapi/linux/virtio_net.h). The packet may be larger than the MTU:
// such a superframe, of up to 64 KB from the kernel and up to [Device.MaxFrame] to it, names in its header the size of the
// segments it stands for, and whoever puts it on a real wire cuts it. Nobody does between minitcp and the kernel's TCP,
// which is why bulk data is fast here. The header may also say that the transport checksum is still to be completed, which
// then nobody does either.
//
//   - [Open] makes a Linux TUN, configures it over netlink, and hands out a [Device]; nothing of it is left after Close.
//   - [Wrap] makes an [Adapter] of any other [golang.zx2c4.com/wireguard/tun.Device], one packet at a time.
//   - [NewNamespace] finds or makes the network namespace to put a device in.
//
// Device and Adapter have the same methods. They differ in Offloads: an Adapter takes only finished packets.
//
// Every error that a person can do something about is an [Error]: one line that says what is wrong and what to do, with
// a [Reason] that a program can ask for with errors.Is.
//
// # Files
//
//	config     what may be asked of Open
//	open       making the device: /dev/net/tun, TUNSETIFF, offloads
//	configure  addresses, MTU, queue length, up: netlink
//	device     frames in and out of the kernel; queue: one of its files; ring: several frames in one system call
//	adapter    frames in and out of a foreign device; sendqueue: the half that must not block
//	netns      network namespaces; thread: visiting one
//	errors     reasons
package tun
