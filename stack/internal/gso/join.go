package gso

import (
	"bytes"
	"encoding/binary"

	"minitcp/conn/wire"
)

// MaxBatch is the largest number of packets that a [Joiner] takes at once.
const MaxBatch = 128

// maxOpen is the number of flows of a batch that a packet is compared with. The packets of other flows are not joined.
const maxOpen = 16

const maxPacket = 65535

// Joiner joins TCP segments of one flow that follow each other in a batch of packets, as receive offload does.
// Segments are joined if they have data, are alike in all but sequence number, length, checksums, PSH and FIN, and
// are equal in length, except for the last one, which may be shorter. Their checksums have been verified.
type Joiner struct {
	packets [][]byte
	offset  int
	runs    []run
	next    [MaxBatch]uint8 // by packet: the next one of its run
	open    [maxOpen]uint8  // runs that may get another packet
	opened  int
}

// run is a sequence of packets that are joined.
type run struct {
	first, last uint8 // packets
	count       uint8
	ipLen       uint8
	headerLen   uint8  // IP's and TCP's
	size        int    // bytes of data in each packet but the last
	length      int    // bytes of the joined packet
	seq         uint32 // of the next packet
	closed      bool   // no packet can follow
}

// Load takes a batch of packets, of at most MaxBatch: packet i is packets[i][offset:]. It returns the number of frames
// they make.
func (j *Joiner) Load(packets [][]byte, offset int) int {
	j.packets, j.offset = packets, offset
	j.runs, j.opened = j.runs[:0], 0
	for i := range packets {
		j.add(uint8(i), packets[i][offset:])
	}
	return len(j.runs)
}

// Unload forgets the packets.
func (j *Joiner) Unload() { j.packets = nil }

// add puts packet i into the run of its flow, or into a run of its own.
func (j *Joiner) add(i uint8, p []byte) {
	r := run{first: i, last: i, count: 1}
	if !r.measure(p) {
		j.runs = append(j.runs, r)
		return
	}
	for k, at := range j.open[:j.opened] {
		old := &j.runs[at]
		first := j.packets[old.first][j.offset:]
		if !r.sameFlow(p, first) {
			continue
		}
		if old.follows(&r, p, first) && verified(p, int(r.ipLen)) && (old.count > 1 || verified(first, int(r.ipLen))) {
			j.next[old.last] = i
			old.last = i
			old.count++
			old.seq, old.length, old.closed = r.seq, old.length+len(p)-int(r.headerLen), r.closed || r.size < old.size
			return
		}
		j.runs = append(j.runs, r)
		j.open[k] = uint8(len(j.runs) - 1) // only the later run can continue
		return
	}
	j.runs = append(j.runs, r)
	if j.opened < maxOpen {
		j.open[j.opened] = uint8(len(j.runs) - 1)
		j.opened++
	}
}

// measure sets the fields of r on which the joining of p depends. It reports whether p is a TCP segment that has a
// flow.
func (r *run) measure(p []byte) bool {
	if len(p) < wire.IPv4HeaderLen {
		return false
	}
	ipLen := 0
	switch p[0] {
	case 0x45:
		if wire.Protocol(p[ipv4Protocol]) != wire.ProtocolTCP || int(get16(p, ipv4TotalLength)) != len(p) ||
			get16(p, ipv4Fragment)&0x3fff != 0 {
			return false
		}
		ipLen = wire.IPv4HeaderLen
	default:
		if p[0]>>4 != 6 || len(p) < wire.IPv6HeaderLen || wire.Protocol(p[ipv6NextHeader]) != wire.ProtocolTCP ||
			int(get16(p, ipv6PayloadLength)) != len(p)-wire.IPv6HeaderLen {
			return false
		}
		ipLen = wire.IPv6HeaderLen
	}
	if len(p) < ipLen+tcpHeaderLen {
		return false
	}
	tcp := p[ipLen:]
	headerLen := ipLen + int(tcp[tcpDataOffset]>>4)*4
	if headerLen < ipLen+tcpHeaderLen || headerLen > len(p) {
		return false
	}
	flags := wire.Flags(tcp[tcpFlags])
	r.ipLen, r.headerLen = uint8(ipLen), uint8(headerLen)
	r.size, r.length = len(p)-headerLen, len(p)
	r.seq = binary.BigEndian.Uint32(tcp[tcpSequence:]) + uint32(r.size)
	r.closed = flags&^wire.CWR&^wire.ECE != wire.ACK || r.size == 0
	return true
}

// sameFlow reports whether p, which r describes, and first have the same addresses and ports.
func (r *run) sameFlow(p, first []byte) bool {
	if p[0]>>4 != first[0]>>4 {
		return false
	}
	from := ipv4Addresses
	if r.ipLen == wire.IPv6HeaderLen {
		from = ipv6Addresses
	}
	return bytes.Equal(p[from:r.ipLen+4], first[from:r.ipLen+4])
}

// follows reports whether the packet p, which next describes, can be joined to the run old that begins with first.
func (old *run) follows(next *run, p, first []byte) bool {
	tcp, tcp0 := p[next.ipLen:], first[old.ipLen:]
	const last = wire.PSH | wire.FIN
	return !old.closed && next.size > 0 && next.size <= old.size && next.headerLen == old.headerLen &&
		old.length+next.size <= maxPacket &&
		binary.BigEndian.Uint32(tcp[tcpSequence:]) == old.seq &&
		(tcp[tcpFlags]^tcp0[tcpFlags])&^byte(last) == 0 && wire.Flags(tcp[tcpFlags])&wire.CWR == 0 &&
		bytes.Equal(tcp[tcpAck:tcpFlags], tcp0[tcpAck:tcpFlags]) &&
		bytes.Equal(tcp[tcpWindow:wire.TCPChecksumOffset], tcp0[tcpWindow:wire.TCPChecksumOffset]) &&
		bytes.Equal(tcp[tcpUrgent:next.headerLen-next.ipLen], tcp0[tcpUrgent:next.headerLen-next.ipLen]) &&
		sameIP(p, first)
}

// sameIP reports whether two IP headers without options differ in nothing but length, identification and checksum.
func sameIP(p, first []byte) bool {
	if p[0] == 0x45 {
		return p[1] == first[1] && bytes.Equal(p[ipv4Fragment:ipv4Checksum], first[ipv4Fragment:ipv4Checksum])
	}
	return bytes.Equal(p[:ipv6PayloadLength], first[:ipv6PayloadLength]) && p[7] == first[7]
}

// verified reports whether the checksums of a packet are right.
func verified(p []byte, ipLen int) bool {
	from := ipv6Addresses
	if ipLen == wire.IPv4HeaderLen {
		if wire.Fold(wire.Sum(p[:ipLen], 0)) != 0xffff {
			return false
		}
		from = ipv4Addresses
	}
	segment := p[ipLen:]
	pseudo := wire.Sum(p[from:ipLen], uint32(wire.ProtocolTCP)+uint32(len(segment)))
	return wire.Fold(wire.Sum(segment, pseudo)) == 0xffff
}

// Single returns the packet of run i if it consists of one, which is not verified. Otherwise it returns nil.
func (j *Joiner) Single(i int) []byte {
	if r := &j.runs[i]; r.count == 1 {
		return j.packets[r.first]
	}
	return nil
}

// Join writes the frame that run i makes to b, and returns its length in bytes. The packet's checksum is partial.
func (j *Joiner) Join(i int, b []byte) int {
	r := &j.runs[i]
	at := r.first
	n := wire.VirtioHeaderLen + copy(b[wire.VirtioHeaderLen:], j.packets[at][j.offset:])
	for range r.count - 1 {
		at = j.next[at]
		n += copy(b[n:], j.packets[at][j.offset+int(r.headerLen):])
	}
	h := wire.VirtioHeader{
		Flags: wire.VirtioNeedsChecksum, GSOType: wire.GSOTCPv4, GSOSize: uint16(r.size),
		HeaderLen: uint16(r.headerLen), ChecksumStart: uint16(r.ipLen), ChecksumOffset: wire.TCPChecksumOffset,
	}
	p := b[wire.VirtioHeaderLen:n]
	from := ipv4Addresses
	if r.ipLen == wire.IPv4HeaderLen {
		put16(p, ipv4TotalLength, uint16(len(p)))
		put16(p, ipv4Checksum, 0)
		put16(p, ipv4Checksum, ^wire.Fold(wire.Sum(p[:r.ipLen], 0)))
	} else {
		h.GSOType, from = wire.GSOTCPv6, ipv6Addresses
		put16(p, ipv6PayloadLength, uint16(len(p)-wire.IPv6HeaderLen))
	}
	wire.PutVirtio(b, &h)
	tcp := p[r.ipLen:]
	tcp[tcpFlags] |= j.packets[r.last][j.offset+int(r.ipLen)+tcpFlags] & byte(wire.PSH|wire.FIN)
	put16(tcp, wire.TCPChecksumOffset, wire.Fold(wire.Sum(p[from:r.ipLen], uint32(wire.ProtocolTCP)+uint32(len(tcp)))))
	return n
}
