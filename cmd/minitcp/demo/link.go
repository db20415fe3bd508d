//go:build linux

package demo

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"minitcp/conn/wire"
	"minitcp/stack"
)

// link is a device that loses or damages one segment when a fault is scheduled.
type link struct {
	stack.Device
	// lost is called for a segment of the kernel that the link loses. The stack never sees that segment.
	lost func(local, remote netip.AddrPort, h *wire.TCP, dataLen int)
	// faultless makes the link ignore scheduled faults, for tests.
	faultless bool

	mu     sync.Mutex
	next   fault                // scheduled
	last   fault                // injected
	faulty map[segmentKey]fault // faults of minitcp's segments that note has not returned yet
}

// fault is a loss of, or damage to, the next segment with data in one direction.
type fault uint8

const (
	noFault fault = iota
	loseOurs
	damageOurs
	loseTheirs
	damageTheirs
)

// segmentKey identifies a segment that minitcp has sent.
type segmentKey struct {
	local, remote netip.AddrPort
	seq           uint32
}

func newLink(d stack.Device) *link {
	return &link{Device: d, faulty: make(map[segmentKey]fault)}
}

// schedule injects a fault into the next segment with data in the fault's direction.
func (l *link) schedule(f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next, l.last = f, noFault
}

// injected reports whether f was the last fault that was scheduled, and has been injected.
func (l *link) injected(f fault) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last == f
}

// note describes the fault of a segment that minitcp has sent, "" if it had none. It forgets the fault.
func (l *link) note(local, remote netip.AddrPort, seq uint32) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := segmentKey{local, remote, seq}
	f := l.faulty[k]
	delete(l.faulty, k)
	switch f {
	case loseOurs:
		return "lost on the way"
	case damageOurs:
		return "damaged on the way: the kernel finds a bad checksum"
	}
	return ""
}

// inject returns the scheduled fault if it is lose or damage, else noFault. It cancels the fault that it returns.
func (l *link) inject(lose, damage fault) fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.next
	if l.faultless || f != lose && f != damage {
		return noFault
	}
	l.next, l.last = noFault, f
	return f
}

// WriteFrame sends a frame to the kernel, unless a scheduled fault loses or damages it.
func (l *link) WriteFrame(parts [][]byte) error {
	var frame []byte
	for _, p := range parts {
		frame = append(frame, p...)
	}
	s, ok := parseFrame(frame)
	if !ok || s.dataLen == 0 {
		return l.Device.WriteFrame(parts)
	}
	f := l.inject(loseOurs, damageOurs)
	if f == noFault {
		return l.Device.WriteFrame(parts)
	}
	l.mu.Lock()
	l.faulty[segmentKey{s.from, s.to, s.tcp.Seq}] = f
	l.mu.Unlock()
	if f == loseOurs {
		return nil
	}
	s.damage(frame)
	return l.Device.WriteFrame([][]byte{frame})
}

// ReadBatch reads frames from the kernel, without those that a scheduled fault loses.
func (l *link) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	for {
		n, err := l.Device.ReadBatch(frames, sizes)
		kept := 0
		for i := range n {
			if l.passes(frames[i][:sizes[i]]) {
				frames[kept], frames[i] = frames[i], frames[kept]
				sizes[kept] = sizes[i]
				kept++
			}
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
}

// passes reports whether a frame of the kernel arrives. It damages the frame if that fault is scheduled.
func (l *link) passes(frame []byte) bool {
	s, ok := parseFrame(frame)
	if !ok || s.dataLen == 0 {
		return true
	}
	switch l.inject(loseTheirs, damageTheirs) {
	case loseTheirs:
		l.lost(s.to, s.from, &s.tcp, s.dataLen)
		return false
	case damageTheirs:
		s.damage(frame)
	}
	return true
}

// frameInfo describes the TCP segment in a frame.
type frameInfo struct {
	ip       wire.IP
	from, to netip.AddrPort
	tcp      wire.TCP
	at       int // offset of the TCP header in the frame
	dataLen  int
}

// parseFrame returns the TCP segment in a frame; ok is false if it holds none.
func parseFrame(frame []byte) (s frameInfo, ok bool) {
	if len(frame) < wire.VirtioHeaderLen {
		return s, false
	}
	payload, err := wire.ParseIP(frame[wire.VirtioHeaderLen:], &s.ip)
	if err != nil || s.ip.Protocol != wire.ProtocolTCP {
		return s, false
	}
	data, err := wire.ParseTCP(payload, &s.tcp)
	if err != nil {
		return s, false
	}
	s.from = netip.AddrPortFrom(s.ip.Src, s.tcp.SrcPort)
	s.to = netip.AddrPortFrom(s.ip.Dst, s.tcp.DstPort)
	s.at = wire.VirtioHeaderLen + s.ip.HeaderLen
	s.dataLen = len(data)
	return s, true
}

// damage completes the segment's checksum and then flips a bit of its data. It clears the virtio header, which would
// exempt the segment from verification: the receiver must verify the checksum, as it does for a packet from a wire.
func (s *frameInfo) damage(frame []byte) {
	const checksumAt = 16
	segment := frame[s.at : s.at+s.tcp.HeaderLen+s.dataLen]
	binary.BigEndian.PutUint16(segment[checksumAt:], 0)
	pseudo := wire.PseudoHeaderSum(s.ip.Src, s.ip.Dst, wire.ProtocolTCP, len(segment))
	binary.BigEndian.PutUint16(segment[checksumAt:], wire.ChecksumGather(pseudo, [][]byte{segment}))
	segment[s.tcp.HeaderLen] ^= 1
	wire.PutVirtio(frame, &wire.VirtioHeader{})
}
