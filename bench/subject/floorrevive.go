//go:build linux

package subject

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// Rarely, above all on a busy machine, the kernel drops a frame for lack of memory, and the floor would wait for ever
// for the acknowledgment. Several times a second it therefore looks for sources without progress. Its only thread
// blocks in a read, whose cost must not rise for this: the reply of the client's kernel to a ping wakes it.
const heartbeat = 200 * time.Millisecond

// ping sends echo requests to the client's kernel, again and again.
func (f *floor) ping() {
	packet := echoRequest()
	for range time.Tick(heartbeat) {
		if _, err := unix.Write(f.fd, packet); err != nil {
			f.failed(err)
		}
	}
}

// echoRequest returns an ICMP echo request after an empty virtio_net_hdr.
func echoRequest() []byte {
	const icmpLength, request = 8, 8
	order := binary.BigEndian
	packet := make([]byte, virtioLength+ipLength+icmpLength)
	ip := packet[virtioLength:]
	src, dst := ServerAddress.Addr().As4(), ClientAddress.Addr().As4()
	ip[0], ip[3], ip[8], ip[9] = 0x45, ipLength+icmpLength, 64, unix.IPPROTO_ICMP
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	order.PutUint16(ip[10:], ^fold(sum16(src)+sum16(dst)+0x4500+ipLength+icmpLength+64<<8+unix.IPPROTO_ICMP))
	ip[ipLength] = request
	order.PutUint16(ip[ipLength+2:], 0xffff-request<<8)
	return packet
}

// revive makes the sources without progress since its latest call go back to the acknowledged position. A source with a
// closed window sends a probe.
func (f *floor) revive() {
	for _, source := range f.sources {
		c := &f.conns[source]
		if c.port != PortSource || c.acked > c.out {
			continue // no connection, or a complete one
		}
		if c.acked == c.before {
			c.out, c.ended = c.acked, false
			if c.window < segment && (!c.stopped || c.out < c.most) {
				f.sendData(source, c, segment)
			}
			f.push(source, c)
		}
		c.before = c.acked
	}
}
