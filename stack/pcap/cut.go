package pcap

import (
	"encoding/binary"

	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/internal/gso"
)

// cutter cuts a superframe into segments, as segmentation offload does.
type cutter struct {
	ip     wire.IP
	tcp    wire.TCP
	frame  []byte // with its virtio_net_hdr, without padding behind the packet
	data   []byte
	size   int // bytes of data in each segment except the last
	cutter gso.Cutter
	memory []byte
}

// load parses a frame with the header h and returns the number of its segments. The number is 1 unless the frame is a
// superframe that a device could cut.
func (c *cutter) load(frame []byte, h *wire.VirtioHeader) int {
	kind := h.GSOType &^ wire.GSOECN
	if kind != wire.GSOTCPv4 && kind != wire.GSOTCPv6 || h.GSOSize == 0 {
		return 1
	}
	packet := frame[wire.VirtioHeaderLen:]
	segment, err := wire.ParseIP(packet, &c.ip)
	if err != nil || c.ip.Protocol != wire.ProtocolTCP {
		return 1
	}
	// Options are copied, even invalid ones.
	c.data, err = wire.ParseTCP(segment, &c.tcp)
	if err != nil && err != wire.ErrTCPOptionLength {
		return 1
	}
	c.frame = frame[:wire.VirtioHeaderLen+c.ip.HeaderLen+len(segment)]
	c.size = int(h.GSOSize)
	return max((len(c.data)+c.size-1)/c.size, 1)
}

// segment returns the i-th segment of several, counted from 0, as a packet that is valid until the next call. The calls
// are in order. The first one overwrites the checksum of the frame.
func (c *cutter) segment(i int) []byte {
	if i == 0 {
		c.begin()
	}
	if c.memory == nil {
		c.memory = make([]byte, stack.MaxFrame)
	}
	return c.memory[:c.cutter.Next(c.memory)]
}

// begin gives the frame a partial checksum, which one that was received need not have, and begins to cut it.
func (c *cutter) begin() {
	h := wire.VirtioHeader{
		Flags: wire.VirtioNeedsChecksum, GSOType: wire.GSOTCPv4, GSOSize: uint16(c.size),
		ChecksumStart: uint16(c.ip.HeaderLen), ChecksumOffset: wire.TCPChecksumOffset,
	}
	if !c.ip.Is4() {
		h.GSOType = wire.GSOTCPv6
	}
	wire.PutVirtio(c.frame, &h)
	segment := c.frame[wire.VirtioHeaderLen+c.ip.HeaderLen:]
	pseudo := wire.PseudoHeaderSum(c.ip.Src, c.ip.Dst, wire.ProtocolTCP, len(segment))
	binary.BigEndian.PutUint16(segment[wire.TCPChecksumOffset:], wire.Fold(pseudo))
	if err := c.cutter.Load([][]byte{c.frame}); err != nil {
		panic("pcap: " + err.Error()) // the header was made for the packet
	}
}
