//go:build linux

package main

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"minitcp/conn/wire"
	"minitcp/stack"
)

// link is a device on which, when it is told so, one segment gets lost or damaged.
type link struct {
	stack.Device
	// lost is called for a segment of the kernel's that gets lost: nobody else will ever see it.
	lost func(local, remote netip.AddrPort, h *wire.TCP, dataLen int)
	// harmless keeps everything safe whatever is arranged, for tests.
	harmless bool

	mu     sync.Mutex
	plan   mishap
	struck mishap               // the last one that happened
	fates  map[sentSegment]bool // our segments that something happened to, until asked for; the value: damaged
}

// mishap is what happens to the next segment with data in one direction.
type mishap uint8

const (
	nothing mishap = iota
	loseOurs
	damageOurs
	loseTheirs
	damageTheirs
)

// sentSegment tells our segments apart.
type sentSegment struct {
	local, remote netip.AddrPort
	seq           uint32
}

func newLink(d stack.Device) *link {
	return &link{Device: d, fates: make(map[sentSegment]bool)}
}

// arrange makes a mishap happen to the next segment with data that goes that way.
func (l *link) arrange(m mishap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plan, l.struck = m, nothing
}

// happened reports whether what was arranged last has happened.
func (l *link) happened(m mishap) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.struck == m
}

// fate says what happened to a segment of ours, "" if nothing did. It says so once.
func (l *link) fate(local, remote netip.AddrPort, seq uint32) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := sentSegment{local, remote, seq}
	damaged, ok := l.fates[k]
	delete(l.fates, k)
	switch {
	case !ok:
		return ""
	case damaged:
		return "damaged on the way: the kernel's checksum finds it"
	}
	return "lost on the way"
}

// strike reports which of two mishaps is due, and that it has happened then.
func (l *link) strike(lose, damage mishap) mishap {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.plan
	if l.harmless || m != lose && m != damage {
		return nothing
	}
	l.plan, l.struck = nothing, m
	return m
}

// WriteFrame takes a segment of ours.
func (l *link) WriteFrame(parts [][]byte) error {
	var frame []byte
	for _, p := range parts {
		frame = append(frame, p...)
	}
	s, ok := parseFrame(frame)
	if !ok || s.dataLen == 0 {
		return l.Device.WriteFrame(parts)
	}
	m := l.strike(loseOurs, damageOurs)
	if m == nothing {
		return l.Device.WriteFrame(parts)
	}
	l.mu.Lock()
	l.fates[sentSegment{s.from, s.to, s.tcp.Seq}] = m == damageOurs
	l.mu.Unlock()
	if m == loseOurs {
		return nil
	}
	s.damage(frame)
	return l.Device.WriteFrame([][]byte{frame})
}

// ReadBatch takes segments of the kernel's.
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

// passes reports whether a frame of the kernel's arrives, perhaps damaged.
func (l *link) passes(frame []byte) bool {
	s, ok := parseFrame(frame)
	if !ok || s.dataLen == 0 {
		return true
	}
	switch l.strike(loseTheirs, damageTheirs) {
	case loseTheirs:
		l.lost(s.to, s.from, &s.tcp, s.dataLen)
		return false
	case damageTheirs:
		s.damage(frame)
	}
	return true
}

// frameSegment is a TCP segment in a frame.
type frameSegment struct {
	ip       wire.IP
	from, to netip.AddrPort
	tcp      wire.TCP
	at       int // of the TCP header in the frame
	dataLen  int
}

func parseFrame(frame []byte) (s frameSegment, ok bool) {
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

// damage flips a bit of the segment's data after it was given its checksum. The checksum is complete then, and the
// header in front of the packet does not vouch for it: the receiver has to look, as behind a real wire.
func (s *frameSegment) damage(frame []byte) {
	const checksumAt = 16
	segment := frame[s.at : s.at+s.tcp.HeaderLen+s.dataLen]
	binary.BigEndian.PutUint16(segment[checksumAt:], 0)
	pseudo := wire.PseudoHeaderSum(s.ip.Src, s.ip.Dst, wire.ProtocolTCP, len(segment))
	binary.BigEndian.PutUint16(segment[checksumAt:], wire.ChecksumGather(pseudo, [][]byte{segment}))
	segment[s.tcp.HeaderLen] ^= 1
	wire.PutVirtio(frame, &wire.VirtioHeader{})
}
