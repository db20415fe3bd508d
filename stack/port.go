package stack

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
)

// ports chooses ephemeral ports by RFC 6056's algorithm 3: a counter, plus an offset that is a keyed hash of where the
// connection goes. An outsider cannot tell the next port, and a port is not used again for the same destination until
// all others have been.
type ports struct {
	first   uint16
	size    uint32
	secret  [32]byte
	counter atomic.Uint32
}

func newPorts(first, last uint16, secret [32]byte) *ports {
	p := &ports{first: first, size: uint32(last-first) + 1, secret: secret}
	p.counter.Store(rand.Uint32())
	return p
}

// count is how many there are to choose from.
func (p *ports) count() int { return int(p.size) }

// offset is F of RFC 6056 3.3.3.
func (p *ports) offset(local netip.Addr, remote netip.AddrPort) uint32 {
	var b [32 + 16 + 16 + 2]byte
	l, r := local.As16(), remote.Addr().As16()
	copy(b[:], p.secret[:])
	copy(b[32:], l[:])
	copy(b[48:], r[:])
	binary.BigEndian.PutUint16(b[64:], remote.Port())
	h := sha256.Sum256(b[:])
	return binary.BigEndian.Uint32(h[:])
}

// candidate is the next port to try for a destination with that offset.
func (p *ports) candidate(offset uint32) uint16 {
	return p.first + uint16((uint64(offset)+uint64(p.counter.Add(1)))%uint64(p.size))
}

// next is a port for a listener.
func (p *ports) next() uint16 { return p.first + uint16(rand.Uint32N(p.size)) }
