//go:build linux

package subject

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	flagFIN, flagSYN, flagRST, flagPSH, flagACK = 1, 2, 4, 8, 16

	ipLength   = 20
	tcpLength  = 20
	maxHeaders = ipLength + tcpLength + 8 // the options of a SYN

	checksumOffset = 16 // in a TCP header
	ourShift       = 10 // of the window, which is the largest there is, because no data is kept
)

// arrival holds the fields of a segment that the floor uses.
type arrival struct {
	source, destination uint16
	seq, ack            uint32
	window              uint16
	flags               byte
	shift               uint8 // window scale, of a SYN
	data                []byte
}

// fromClient reports whether the packet is IPv4 and from the client.
func fromClient(packet []byte) bool {
	client := ClientAddress.Addr().As4()
	return len(packet) >= ipLength && packet[0]>>4 == 4 && [4]byte(packet[12:]) == client
}

// parse reports whether the packet is TCP over IPv4 without IP options.
func (a *arrival) parse(packet []byte) bool {
	if len(packet) < ipLength+tcpLength || packet[0] != 0x45 || packet[9] != unix.IPPROTO_TCP {
		return false
	}
	order, tcp := binary.BigEndian, packet[ipLength:]
	length := int(tcp[12]>>4) * 4
	if length < tcpLength || length > len(tcp) {
		return false
	}
	a.source, a.destination = order.Uint16(tcp), order.Uint16(tcp[2:])
	a.seq, a.ack = order.Uint32(tcp[4:]), order.Uint32(tcp[8:])
	a.flags, a.window, a.data = tcp[13], order.Uint16(tcp[14:]), tcp[length:]
	if a.flags&flagSYN != 0 {
		a.shift = windowScale(tcp[tcpLength:length])
	}
	return true
}

// windowScale returns the shift of that option. Each option has a length except for the first two kinds.
func windowScale(options []byte) uint8 {
	const end, noOperation, scale = 0, 1, 3
	for len(options) > 1 && options[0] != end {
		n := 1
		if options[0] != noOperation {
			n = max(2, int(options[1]))
		}
		if options[0] == scale && len(options) > 2 {
			return options[2]
		}
		options = options[min(n, len(options)):]
	}
	return 0
}

// sendSYN sends a SYN-ACK with MSS and window scale.
func (f *floor) sendSYN(to uint16, c *floorConn) {
	options := f.head[virtioLength+ipLength+tcpLength:]
	copy(options, []byte{2, 4, segment >> 8, segment & 0xff, 1, 3, 3, ourShift})
	f.frame(to, c, flagSYN|flagACK, 0, len(options), nil)
}

// send sends a segment, or a superframe, of the data at c.out.
func (f *floor) send(to uint16, c *floorConn, flags byte, data []byte) {
	seq := c.seq(c.out)
	if c.ended && flags&flagFIN == 0 {
		seq++ // after the FIN
	}
	f.frame(to, c, flags, seq, 0, data)
}

// frame writes one frame: headers in the only buffer, then a gathered write.
func (f *floor) frame(to uint16, c *floorConn, flags byte, seq uint32, options int, data []byte) {
	order, native := binary.BigEndian, binary.NativeEndian
	length := tcpLength + options + len(data)

	h := f.head[:virtioLength]
	clear(h)
	h[0] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM // and no program computes it
	native.PutUint16(h[2:], uint16(ipLength+tcpLength+options))
	native.PutUint16(h[6:], ipLength)
	native.PutUint16(h[8:], checksumOffset)
	if len(data) > segment {
		h[1] = unix.VIRTIO_NET_HDR_GSO_TCPV4
		native.PutUint16(h[4:], segment)
	}

	ip := f.head[virtioLength:]
	src, dst := ServerAddress.Addr().As4(), ClientAddress.Addr().As4()
	total := uint32(ipLength + length)
	if total > maxPacket {
		total = 0 // BIG TCP: the length of the frame is that of the packet
	}
	order.PutUint32(ip, 0x45<<24|total)
	order.PutUint32(ip[4:], 0x4000) // do not fragment
	order.PutUint32(ip[8:], 64<<24|unix.IPPROTO_TCP<<16)
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	addresses := sum16(src) + sum16(dst)
	order.PutUint16(ip[10:], ^fold(addresses+0x4500+total+0x4000+64<<8+unix.IPPROTO_TCP))

	tcp := ip[ipLength:]
	order.PutUint16(tcp, c.port)
	order.PutUint16(tcp[2:], to)
	order.PutUint32(tcp[4:], seq)
	order.PutUint32(tcp[8:], c.ack())
	tcp[12], tcp[13] = byte(tcpLength+options)/4<<4, flags
	order.PutUint32(tcp[14:], 0xffff<<16)
	order.PutUint32(tcp[16:], uint32(fold(addresses+unix.IPPROTO_TCP+uint32(length)))<<16) // of the pseudo-header

	f.vector[0].Base = &f.head[0]
	f.vector[0].SetLen(virtioLength + ipLength + tcpLength + options)
	vectors := uintptr(1)
	if len(data) > 0 {
		f.vector[1].Base = &data[0]
		f.vector[1].SetLen(len(data))
		vectors = 2
	}
	// It never blocks, so that the scheduler need not be informed.
	_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(f.fd), uintptr(unsafe.Pointer(&f.vector[0])), vectors)
	if errno != 0 {
		f.failed(errno)
	}
}

func sum16(b [4]byte) uint32 {
	return uint32(binary.BigEndian.Uint16(b[:])) + uint32(binary.BigEndian.Uint16(b[2:]))
}

// fold returns a ones' complement sum folded to 16 bits (RFC 1071).
func fold(s uint32) uint16 {
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s)
}
