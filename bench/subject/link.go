//go:build linux

package subject

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"minitcp/tun"
)

// link is a gVisor link endpoint on the device minitcp uses. Superframes pass whole and checksums are left open in both
// directions; nothing is queued between the device and the stack.
type link struct {
	device     *tun.Device
	dispatcher stack.NetworkDispatcher
}

const (
	virtioLength = 10
	maxPacket    = 65535
	headerRoom   = 128 // octets, as in gVisor's own endpoint
)

func newLink(device *tun.Device) *link { return &link{device: device} }

// Attach begins to read, when the stack is ready.
func (l *link) Attach(dispatcher stack.NetworkDispatcher) {
	l.dispatcher = dispatcher
	if dispatcher != nil {
		go l.read()
	}
}

// read hands frames to the stack. They are read into the same buffer again and again, and copied once into gVisor's own
// pooled memory, which is of the size each needs.
func (l *link) read() {
	frames, sizes := [][]byte{make([]byte, virtioLength+maxPacket)}, make([]int, 1)
	for {
		if _, err := l.device.ReadBatch(frames, sizes); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		packet := frames[0][virtioLength:sizes[0]]
		if header.IPVersion(packet) != header.IPv4Version {
			continue // the kernel's router solicitations
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: payload(packet)})
		l.dispatcher.DeliverNetworkPacket(ipv4.ProtocolNumber, pkt)
		pkt.DecRef()
	}
}

// payload copies a packet into gVisor's memory, headers and data apart: gVisor clones a whole piece before it lets
// anybody look at a header in it, which would copy the data once more.
func payload(packet []byte) buffer.Buffer {
	b := buffer.MakeWithData(packet[:min(headerRoom, len(packet))])
	if len(packet) > headerRoom {
		if err := b.Append(buffer.NewViewWithData(packet[headerRoom:])); err != nil {
			panic(err) // cannot fail
		}
	}
	return b
}

// WritePackets writes each packet as one frame, gathered from where gVisor has it.
func (l *link) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for i, pkt := range packets.AsSlice() {
		var head [virtioLength]byte
		l.header(&head, pkt)
		var array [16][]byte
		parts := append(array[:0], head[:])
		views, offset := pkt.AsViewList()
		for v := views.Front(); v != nil; v = v.Next() {
			b := v.AsSlice()
			skip := min(offset, len(b))
			offset -= skip
			parts = append(parts, b[skip:])
		}
		if err := l.device.WriteFrame(parts); err != nil {
			return i, &tcpip.ErrNoBufferSpace{}
		}
	}
	return packets.Len(), nil
}

// header is the virtio_net_hdr of a packet (Linux, include/uapi/linux/virtio_net.h).
func (l *link) header(h *[virtioLength]byte, pkt *stack.PacketBuffer) {
	o := &pkt.GSOOptions
	if o.Type == stack.GSONone {
		return
	}
	order := binary.NativeEndian
	if o.NeedsCsum {
		h[0] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
		order.PutUint16(h[6:], o.L3HdrLen)
		order.PutUint16(h[8:], o.CsumOffset)
	}
	order.PutUint16(h[2:], uint16(pkt.HeaderSize()))
	if pkt.Data().Size() > int(o.MSS) {
		h[1] = unix.VIRTIO_NET_HDR_GSO_TCPV4
		order.PutUint16(h[4:], o.MSS)
	}
}

// GSOMaxSize is that of the largest packet: an IP packet's largest.
func (l *link) GSOMaxSize() uint32 { return maxPacket }

// SupportedGSO says that the device cuts superframes, or rather that the kernel need not.
func (l *link) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }

// Capabilities says that the checksums of what arrives are right.
func (l *link) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

// What else gVisor asks of a link.

func (l *link) MTU() uint32                             { return mtu }
func (l *link) SetMTU(uint32)                           {}
func (l *link) MaxHeaderLength() uint16                 { return 0 }
func (l *link) LinkAddress() tcpip.LinkAddress          { return "" }
func (l *link) SetLinkAddress(tcpip.LinkAddress)        {}
func (l *link) IsAttached() bool                        { return l.dispatcher != nil }
func (l *link) Wait()                                   {}
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }
func (l *link) AddHeader(*stack.PacketBuffer)           {}
func (l *link) ParseHeader(*stack.PacketBuffer) bool    { return true }
func (l *link) Close()                                  {}
func (l *link) SetOnCloseAction(func())                 {}
