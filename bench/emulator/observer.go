package emulator

import (
	"encoding/binary"

	"minitcp/conn/wire"
)

// Observer counts the TCP segments over IPv4 with data, and those whose data was sent before.
type Observer struct {
	Segments, Again int64
	next            map[flow]uint32 // highest sequence number that was sent, plus one
}

// flow holds addresses and ports as in the packet.
type flow [12]byte

// See counts the segments of a frame that enters the link. A frame is sent again if all of it is.
func (o *Observer) See(frame []byte) {
	const tcp, minIP, minTCP = 6, 20, 20
	var h wire.VirtioHeader
	if wire.ParseVirtio(frame, &h) != nil {
		return
	}
	packet := frame[wire.VirtioHeaderLen:]
	if len(packet) < minIP+minTCP || packet[0]>>4 != 4 || packet[9] != tcp {
		return
	}
	ip := int(packet[0]&15) * 4
	total := int(binary.BigEndian.Uint16(packet[2:]))
	if ip < minIP || total > len(packet) || total < ip+minTCP {
		return
	}
	segment := packet[ip:total]
	data := len(segment) - int(segment[12]>>4)*4
	if data <= 0 {
		return
	}
	var f flow
	copy(f[:], packet[12:20])
	copy(f[8:], segment[:4])
	end := binary.BigEndian.Uint32(segment[4:]) + uint32(data)
	segments := int64(1)
	if size := int(h.GSOSize); h.GSOType != wire.GSONone && size > 0 {
		segments = int64((data + size - 1) / size)
	}
	o.Segments += segments
	if last, known := o.next[f]; known && int32(end-last) <= 0 {
		o.Again += segments
		return
	}
	if o.next == nil {
		o.next = make(map[flow]uint32)
	}
	o.next[f] = end
}
