//go:build linux

package demo

import (
	"net/netip"
	"sync"

	"minitcp/conn/netem"
	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/emulate"
)

// link is a device that loses or damages one segment when a fault is scheduled.
type link struct {
	// Device is an [emulate.Device] without its offloads, so that every segment is a packet on both sides of it.
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

func newLink(d stack.Device) (*link, error) {
	l := &link{faulty: make(map[segmentKey]fault)}
	var err error
	l.Device, err = emulate.New(d, emulate.Config{Fate: l.decide})
	return l, err
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

// decide injects the scheduled fault into a packet with data.
func (l *link) decide(w emulate.Way, packet []byte, f *netem.Fate) {
	s, ok := parsePacket(packet)
	if !ok || len(s.data) == 0 {
		return
	}
	lose, damage := loseOurs, damageOurs
	if w == emulate.In {
		lose, damage = loseTheirs, damageTheirs
	}
	injected := l.inject(lose, damage)
	if injected == noFault {
		return
	}
	if w == emulate.Out {
		l.mu.Lock()
		l.faulty[segmentKey{s.from, s.to, s.tcp.Seq}] = injected
		l.mu.Unlock()
	}
	if injected == damage {
		s.data[0] ^= 1
		return
	}
	f.Copies = 0
	if w == emulate.In {
		l.lost(s.to, s.from, &s.tcp, len(s.data))
	}
}

// packetInfo describes the TCP segment in a packet.
type packetInfo struct {
	ip       wire.IP
	from, to netip.AddrPort
	tcp      wire.TCP
	data     []byte
}

// parsePacket returns the TCP segment in a packet; ok is false if it holds none.
func parsePacket(packet []byte) (s packetInfo, ok bool) {
	payload, err := wire.ParseIP(packet, &s.ip)
	if err != nil || s.ip.Protocol != wire.ProtocolTCP {
		return s, false
	}
	if s.data, err = wire.ParseTCP(payload, &s.tcp); err != nil {
		return s, false
	}
	s.from = netip.AddrPortFrom(s.ip.Src, s.tcp.SrcPort)
	s.to = netip.AddrPortFrom(s.ip.Dst, s.tcp.DstPort)
	return s, true
}
