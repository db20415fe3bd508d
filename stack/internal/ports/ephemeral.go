package ports

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
)

// Ephemeral chooses ephemeral ports by algorithm 3 of RFC 6056: a counter, plus an offset that is a keyed hash of the
// connection's destination. An outsider cannot predict the next port. A port comes again for the same destination only
// when the counter has gone through the range.
type Ephemeral struct {
	first   uint16
	size    uint32
	secret  [32]byte
	counter atomic.Uint32
}

// NewEphemeral returns a chooser of the ports from first to last.
func NewEphemeral(first, last uint16, secret [32]byte) *Ephemeral {
	p := &Ephemeral{first: first, size: uint32(last-first) + 1, secret: secret}
	p.counter.Store(rand.Uint32())
	return p
}

// Count returns the number of ports in the range.
func (p *Ephemeral) Count() int { return int(p.size) }

// Offset returns F of RFC 6056 3.3.3.
func (p *Ephemeral) Offset(local netip.Addr, remote netip.AddrPort) uint32 {
	var b [32 + 16 + 16 + 2]byte
	l, r := local.As16(), remote.Addr().As16()
	copy(b[:], p.secret[:])
	copy(b[32:], l[:])
	copy(b[48:], r[:])
	binary.BigEndian.PutUint16(b[64:], remote.Port())
	h := sha256.Sum256(b[:])
	return binary.BigEndian.Uint32(h[:])
}

// Candidate returns the next port to try for a destination with this offset.
func (p *Ephemeral) Candidate(offset uint32) uint16 {
	return p.first + uint16((uint64(offset)+uint64(p.counter.Add(1)))%uint64(p.size))
}

// Random returns a random port for a listener.
func (p *Ephemeral) Random() uint16 { return p.first + uint16(rand.Uint32N(p.size)) }

// Bind calls try until it returns true, and reports whether it has. If the port of binds is 0, each call has the next
// one in its place, as many as there are; otherwise there is one call.
func (p *Ephemeral) Bind(binds []netip.AddrPort, next func() uint16, try func() bool) bool {
	if binds[0].Port() != 0 {
		return try()
	}
	for range p.Count() {
		port := next()
		for i := range binds {
			binds[i] = netip.AddrPortFrom(binds[i].Addr(), port)
		}
		if try() {
			return true
		}
	}
	return false
}
