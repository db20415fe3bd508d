//go:build linux

package tun

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
)

// The tests of superframes need a TCP on the device's side. The one in this file suffices for the kernel's: it accepts
// a SYN, acknowledges, and sends. It does not retransmit, because no frame is lost here. Only this file knows IP and
// TCP.

const (
	flagFIN, flagSYN, flagRST, flagPSH, flagACK = 1, 2, 4, 8, 16

	protocolTCP, protocolUDP = 6, 17

	needsChecksum    = 1
	gsoTCPv4         = 1
	gsoTCPv6         = 4
	peerMSS          = 1400
	checksumOffset   = 16 // of the checksum in a TCP header
	windowScaleShift = 10
)

// virtio is a virtio_net_hdr.
type virtio struct {
	flags, gsoType                      uint8
	headerLen, gsoSize, csumAt, csumOff uint16
}

func parseVirtio(b []byte) virtio {
	n := binary.NativeEndian
	return virtio{b[0], b[1], n.Uint16(b[2:]), n.Uint16(b[4:]), n.Uint16(b[6:]), n.Uint16(b[8:])}
}

func (v virtio) bytes() []byte {
	n := binary.NativeEndian
	b := n.AppendUint16([]byte{v.flags, v.gsoType}, v.headerLen)
	return n.AppendUint16(n.AppendUint16(n.AppendUint16(b, v.gsoSize), v.csumAt), v.csumOff)
}

// sum returns the sum of RFC 1071 without the final complement.
func sum(initial uint16, b []byte) uint16 {
	s := uint32(initial)
	for ; len(b) > 1; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func pseudoHeader(src, dst netip.Addr, protocol byte, length int) uint16 {
	s := sum(sum(0, src.AsSlice()), dst.AsSlice())
	return sum(s, []byte{0, protocol, byte(length >> 16), 0, byte(length >> 8), byte(length)})
}

// ipHeader returns an IP header without options for a payload of that length.
func ipHeader(src, dst netip.Addr, protocol byte, length int) []byte {
	if src.Is4() {
		h := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0}
		binary.BigEndian.PutUint16(h[2:], uint16(20+length))
		h = append(append(h, src.AsSlice()...), dst.AsSlice()...)
		binary.BigEndian.PutUint16(h[10:], ^sum(0, h))
		return h
	}
	h := []byte{0x60, 0, 0, 0, 0, 0, protocol, 64}
	binary.BigEndian.PutUint16(h[4:], uint16(length))
	return append(append(h, src.AsSlice()...), dst.AsSlice()...)
}

// parseIP returns the transport protocol and payload of a packet without extension headers.
func parseIP(b []byte) (src netip.Addr, protocol byte, payload []byte) {
	if b[0]>>4 == 4 {
		return netip.AddrFrom4([4]byte(b[12:])), b[9], b[20:]
	}
	return netip.AddrFrom16([16]byte(b[8:])), b[6], b[40:]
}

// datagram returns a frame of a UDP packet with a complete checksum.
func datagram(from, to netip.AddrPort, data []byte) []byte {
	udp := make([]byte, 8, 8+len(data))
	binary.BigEndian.PutUint16(udp, from.Port())
	binary.BigEndian.PutUint16(udp[2:], to.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(data)))
	udp = append(udp, data...)
	binary.BigEndian.PutUint16(udp[6:], ^sum(pseudoHeader(from.Addr(), to.Addr(), protocolUDP, len(udp)), udp))
	frame := append(virtio{}.bytes(), ipHeader(from.Addr(), to.Addr(), protocolUDP, len(udp))...)
	return append(frame, udp...)
}

// peer is the other end of a TCP connection of the kernel.
type peer struct {
	t             *testing.T
	device        *Device
	local, remote netip.AddrPort
	seq, ack      uint32

	frames  [][]byte
	sizes   []int
	pending []received
}

// received is a TCP segment, or a superframe of segments, that the kernel has sent.
type received struct {
	virtio     virtio
	packetLen  int
	flags      byte
	seq        uint32
	sourcePort uint16
	data       []byte
}

func newPeer(t *testing.T, d *Device, local netip.AddrPort) *peer {
	frames, sizes := buffers(8)
	return &peer{t: t, device: d, local: local, seq: 1 << 31, frames: frames, sizes: sizes}
}

// receive returns the next TCP segment. It skips other packets, such as router solicitations.
func (p *peer) receive() received {
	p.t.Helper()
	for len(p.pending) == 0 {
		n, err := p.device.ReadBatch(p.frames, p.sizes)
		if err != nil {
			p.t.Fatal(err)
		}
		for i := range n {
			frame := p.frames[i][:p.sizes[i]]
			src, protocol, tcp := parseIP(frame[headerLen:])
			if protocol != protocolTCP {
				continue
			}
			r := received{virtio: parseVirtio(frame), packetLen: len(frame) - headerLen, flags: tcp[13],
				seq: binary.BigEndian.Uint32(tcp[4:]), sourcePort: binary.BigEndian.Uint16(tcp)}
			r.data = append([]byte(nil), tcp[tcp[12]>>4*4:]...)
			p.remote = netip.AddrPortFrom(src, r.sourcePort)
			p.pending = append(p.pending, r)
		}
	}
	r := p.pending[0]
	p.pending = p.pending[1:]
	return r
}

// send sends one segment, or with a gsoSize a superframe, in several parts and with an incomplete checksum.
func (p *peer) send(flags byte, options, data []byte, gsoSize int) {
	p.t.Helper()
	tcp := make([]byte, 20, 20+len(options))
	binary.BigEndian.PutUint16(tcp, p.local.Port())
	binary.BigEndian.PutUint16(tcp[2:], p.remote.Port())
	binary.BigEndian.PutUint32(tcp[4:], p.seq)
	binary.BigEndian.PutUint32(tcp[8:], p.ack)
	tcp[12], tcp[13] = byte(20+len(options))/4<<4, flags
	binary.BigEndian.PutUint16(tcp[14:], 0xffff)
	tcp = append(tcp, options...)
	length := len(tcp) + len(data)
	binary.BigEndian.PutUint16(tcp[checksumOffset:], pseudoHeader(p.local.Addr(), p.remote.Addr(), protocolTCP, length))
	ip := ipHeader(p.local.Addr(), p.remote.Addr(), protocolTCP, length)

	v := virtio{flags: needsChecksum, csumAt: uint16(len(ip)), csumOff: checksumOffset}
	if gsoSize > 0 {
		v.gsoType, v.gsoSize, v.headerLen = gsoTCPv4, uint16(gsoSize), uint16(len(ip)+len(tcp))
		if p.local.Addr().Is6() {
			v.gsoType = gsoTCPv6
		}
	}
	half := len(data) / 2
	err := p.device.WriteFrame([][]byte{append(v.bytes(), ip...), tcp, nil, data[:half], data[half:]})
	if err != nil {
		p.t.Fatal(err)
	}
	p.seq += uint32(len(data))
}

// accept sends a SYN-ACK for the kernel's SYN, without a timestamps option, so that the kernel's MSS is peerMSS
// exactly.
func (p *peer) accept() error {
	p.t.Helper()
	syn := p.receive()
	if syn.flags != flagSYN {
		return errors.New("the first segment is not a SYN")
	}
	p.ack = syn.seq + 1
	p.send(flagSYN|flagACK, []byte{2, 4, peerMSS >> 8, peerMSS & 0xff, 1, 3, 3, windowScaleShift}, nil, 0)
	p.seq++
	return nil
}
