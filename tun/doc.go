// Package tun opens the devices that carry minitcp's packets.
//
// It moves frames and knows neither IP nor TCP. A frame is a virtio_net_hdr of 10 bytes, in the machine's byte order,
// followed by one IP packet (Linux, include/uapi/linux/virtio_net.h). The packet may be larger than the MTU. Such a
// superframe (a GSO packet) has up to 64 KiB from the kernel and up to [Device.MaxFrame] to it, and its header contains
// the size of the segments that it stands for. The header may also mark the transport checksum as incomplete.
// Segmentation and checksumming are deferred until a packet reaches a physical link. Between minitcp and the kernel's
// TCP neither is needed, which is why bulk data is fast there.
//
//   - [Open] makes a Linux TUN, configures it over netlink, and returns a [Device]. Close removes all of it.
//   - [Attach] takes over a TUN that exists, such as a persistent one, and [FromFD] an open file of one. Both leave its
//     configuration alone.
//   - [Wrap] makes an [Adapter] of any other [golang.zx2c4.com/wireguard/tun.Device], with one packet per frame.
//   - [NewNamespace] opens or makes a network namespace for a device.
//
// Device and Adapter both have Name, MTU, ReadBatch, WriteFrame, Close and Offloads, which is true for a Device and
// false for an Adapter: an Adapter accepts only packets that fit the MTU, with complete checksums. A Device also has
// queues (Queues, ReadQueue, WriteQueue), SegmentsUDP and MaxFrame; an Adapter also counts the frames that its device
// refused (Lost). Package minitcp/stack finds these methods by their interfaces.
//
// A Device reads several frames in one system call with io_uring. Where the kernel refuses io_uring, it uses read(2),
// with the same results at a higher cost per frame. Nothing needs to be configured. Seccomp profiles of containers
// (Docker's default one among them), gVisor and the sysctl kernel.io_uring_disabled refuse it.
//
// An error that a person can act on is an [Error]: one line with the problem and the remedy, and a [Reason] for
// errors.Is.
//
// # Files
//
//	config     the parameters of Open
//	open       making the device: /dev/net/tun, TUNSETIFF, offloads
//	existing   a TUN that another program has made
//	configure  addresses, MTU, queue length, up: netlink
//	device     the public face of the kernel's TUN; queue: reading and writing one of its files
//	adapter    frames in and out of a wireguard device; sendqueue: its writer, which must not block
//	netns      network namespaces; thread: running a function in one
//	errors     reasons
//
// Package tun/internal/uring has the reads through io_uring.
package tun
