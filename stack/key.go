package stack

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// key is the pair of a connection's two ends, in words of fixed size, which are quick to compare and to hash. IPv4
// addresses are in their mapped form.
type key struct {
	local, remote address
	ports         uint32 // local<<16 | remote
}

// address is an IP address as two words in big-endian order.
type address struct{ hi, lo uint64 }

func addressOf(a netip.Addr) address {
	b := a.As16()
	return address{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// mapped4 is the upper half of the low word of a mapped IPv4 address.
const mapped4 = 0xffff

func (a address) is4() bool { return a.hi == 0 && a.lo>>32 == mapped4 }

func (a address) netip() netip.Addr {
	if a.is4() {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}

func makeKey(local, remote netip.Addr, localPort, remotePort uint16) key {
	return key{addressOf(local), addressOf(remote), uint32(localPort)<<16 | uint32(remotePort)}
}

func (k *key) localPort() uint16  { return uint16(k.ports >> 16) }
func (k *key) remotePort() uint16 { return uint16(k.ports) }

func (k *key) localAddr() netip.AddrPort { return netip.AddrPortFrom(k.local.netip(), k.localPort()) }
func (k *key) remoteAddr() netip.AddrPort {
	return netip.AddrPortFrom(k.remote.netip(), k.remotePort())
}

// seed is the secret of a hash. Without it, an attacker cannot choose keys that collide.
type seed [3]uint64

// hash returns a keyed hash of k: it folds products of words that depend on the secret, as wyhash does.
func (k *key) hash(s *seed) uint64 {
	h := fold(k.remote.hi^s[0], k.remote.lo^s[1])
	h = fold(h^k.local.hi, k.local.lo^s[2])
	return fold(h^uint64(k.ports), s[1]|1)
}

// hash is that of key, for an address.
func (a address) hash(s *seed) uint64 { return fold(fold(a.hi^s[0], a.lo^s[1])^s[2], s[1]|1) }

// fold returns the exclusive or of the two halves of the product of a and b.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
