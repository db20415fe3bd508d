package pcap

import (
	"encoding/binary"
	"fmt"

	"github.com/gopacket/gopacket/pcapgo"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// stateComment is the comment that says our state.
func stateComment(s conn.State) string {
	if s == conn.Closed {
		return "no connection"
	}
	return s.String()
}

// wholeComment is that of a superframe that was not cut.
func wholeComment(segments, size int) string {
	return fmt.Sprintf("superframe: %d segments of %d octets", segments, size)
}

// cutComment is that of the i-th of n segments of a superframe, counted from 0.
func cutComment(i, n int) string { return fmt.Sprintf("segment %d of %d of a superframe", i+1, n) }

var (
	inbound  = &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionInbound}
	outbound = &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionOutbound}
)

// direction is the packet's, for the file.
func (p *packet) direction() *pcapgo.NgEpbFlags {
	if p.outgoing {
		return outbound
	}
	return inbound
}

// udpChecksumOffset is where in a UDP header the checksum is. There, 0 means that there is none (RFC 768).
const udpChecksumOffset = 6

// fillChecksum does what the device was asked to do: the field, which holds the sum of the pseudo-header, gets the
// checksum over everything from where h says. The packet is left alone if that is not in it.
func fillChecksum(packet []byte, h *wire.VirtioHeader) {
	start := int(h.ChecksumStart)
	at := start + int(h.ChecksumOffset)
	if h.Flags&wire.VirtioNeedsChecksum == 0 || at+2 > len(packet) {
		return
	}
	sum := ^wire.Fold(wire.Sum(packet[start:], 0))
	if sum == 0 && h.ChecksumOffset == udpChecksumOffset {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(packet[at:], sum)
}
