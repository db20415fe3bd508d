package pcap

import (
	"encoding/binary"
	"fmt"

	"github.com/gopacket/gopacket/pcapgo"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// stateComment returns the comment with the state of the connection.
func stateComment(s conn.State) string {
	if s == conn.Closed {
		return "no connection"
	}
	return s.String()
}

// wholeComment returns the comment of a superframe that is not cut.
func wholeComment(segments, size int) string {
	return fmt.Sprintf("superframe: %d segments of %d bytes", segments, size)
}

// cutComment returns the comment of the i-th of n segments of a superframe, counted from 0.
func cutComment(i, n int) string { return fmt.Sprintf("segment %d of %d of a superframe", i+1, n) }

var (
	inbound  = &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionInbound}
	outbound = &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionOutbound}
)

// direction returns the flags of the packet with its direction.
func (p *packet) direction() *pcapgo.NgEpbFlags {
	if p.outgoing {
		return outbound
	}
	return inbound
}

// fillChecksum sets the checksum that h leaves to the device. The field initially holds the sum of the pseudo-header. A
// packet that does not contain the field is not changed.
func fillChecksum(packet []byte, h *wire.VirtioHeader) {
	start := int(h.ChecksumStart)
	at := start + int(h.ChecksumOffset)
	if h.Flags&wire.VirtioNeedsChecksum == 0 || at+2 > len(packet) {
		return
	}
	sum := ^wire.Fold(wire.Sum(packet[start:], 0))
	if sum == 0 && h.ChecksumOffset == wire.UDPChecksumOffset {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(packet[at:], sum)
}
